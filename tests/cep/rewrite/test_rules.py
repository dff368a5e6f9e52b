"""Each trusted rule against the reference semantics: both sides compute the same."""

from __future__ import annotations

import random

import numpy as np
import pytest

from cep.opset import PREFIX
from cep.reference import allowed_error, class_of
from cep.rewrite import RULES, RewriteError
from tests.cep.rewrite.instances import MATCHING, NEAR, drawn

SEEDS = 60


def seeded(seed):
    return random.Random(seed)  # noqa: S311 - no secret


def bits(array):
    return array.dtype, array.shape, np.ascontiguousarray(array).tobytes()


def rewritten(draft, rule):
    graph = draft.graph.copy()
    RULES[rule].apply(graph, draft.last, 0)
    return graph


def test_every_rule_has_instances():
    assert set(MATCHING) == set(NEAR) == set(RULES)


@pytest.mark.parametrize("rule", [r for r in RULES if RULES[r].exact])
def test_an_exact_rule_keeps_every_bit(rule):
    for seed in range(SEEDS):
        rng = seeded(seed)
        draft = drawn(rng, MATCHING[rule])
        graph = rewritten(draft, rule)
        arrays = draft.arrays(rng, special=True)
        assert bits(draft.outcome(arrays, graph)) == bits(draft.outcome(arrays)), seed


@pytest.mark.parametrize("rule", [r for r in RULES if not RULES[r].exact])
def test_another_rule_stays_within_its_error_class(rule):
    for seed in range(SEEDS):
        rng = seeded(seed)
        draft = drawn(rng, MATCHING[rule])
        graph = rewritten(draft, rule)
        arrays = draft.arrays(rng, special=False)
        expected, found = draft.outcome(arrays), draft.outcome(arrays, graph)
        node = graph.nodes[draft.last]
        name = node.target.removeprefix(PREFIX)
        assert RULES[rule].error == class_of(name)
        operands = [value_of(draft, graph, v, arrays) for v in node.inputs]
        (allowed,) = allowed_error(np, name, operands, node.attributes, [found])
        difference = np.abs(expected.astype("f8") - found.astype("f8"))
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert np.all(difference <= allowed), (seed, difference.max(), allowed.min())


def value_of(draft, graph, value, arrays):
    if value in arrays:
        return arrays[value]
    inner = draft.__class__(graph, draft.inputs, [graph.nodes[value]])
    return inner.outcome(arrays)


@pytest.mark.parametrize("rule", RULES)
def test_a_near_miss_is_left_alone(rule):
    for number, make in enumerate(NEAR[rule]):
        for seed in range(5):
            draft = drawn(seeded(seed), make)
            with pytest.raises(RewriteError, match="does not match"):
                rewritten(draft, rule)
            assert RULES[rule].result(draft.graph, draft.last) is None, number


@pytest.mark.parametrize("rule", RULES)
def test_types_are_kept_and_inferred_alike(rule):
    for seed in range(SEEDS):
        draft = drawn(seeded(seed), MATCHING[rule])
        graph = rewritten(draft, rule)
        assert graph.type(graph.resolve(draft.last)) == draft.graph.type(draft.last)
        for node in graph.live([draft.last]):
            assert graph.infer(node) == tuple(graph.type(v) for v in node.outputs)
