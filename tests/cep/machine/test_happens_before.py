"""Bit sets against the verifier's vector clocks: two implementations that share no code."""

from __future__ import annotations

import itertools
import random

import pytest

from cep.graph import GraphView
from cep.machine import HappensBefore
from cep.v1.plan import Plan, Step
from cep.verify import RULES
from tests.cep.machine.scope import base, lines, subject
from tests.cep.plans import chain, fork, plan, run

BASE = base("line")
VIEW = GraphView.of(BASE)


def waiting(queues, waits, names="pq"):
    """A plan of steps that only wait."""
    steps = tuple(
        Step.from_json(run(queue, [0], [], [], *wait))
        for queue, wait in zip(queues, waits, strict=True)
    )
    declared = tuple(BASE.queues[0].replace(id=name) for name in names)
    return BASE.replace(steps=steps, queues=declared)


def agree(document):
    """Whether the two find a cycle; where they find none, they agree on every pair."""
    clocks, bits = subject(document, VIEW), HappensBefore(document)
    refused = bool(list(RULES["CEP-O1"].diagnostics(clocks)))
    assert refused == bits.cyclic, document.steps
    if not refused:
        for first, then in itertools.product(range(len(document.steps)), repeat=2):
            assert clocks.before(first, then) == bits.before(first, then), document.steps
        order = bits.sequence()
        assert sorted(order) == list(range(len(document.steps)))
        assert not any(bits.before(then, first) for first, then in itertools.combinations(order, 2))
    return refused


def test_they_agree_on_every_plan_of_three_steps_with_two_waits_each():
    cyclic = total = 0
    epochs = [(q, e) for q in "pq" for e in (1, 2)]
    choices = [(), *((e,) for e in epochs), *itertools.combinations(epochs, 2)]
    for queues in ("ppq", "pqp", "qpp"):
        for waits in itertools.product(choices, repeat=3):
            cyclic += agree(waiting(queues, waits))
            total += 1
    assert total == 3 * 11**3
    assert 0 < cyclic < total


@pytest.mark.parametrize("backwards", [0, 0.02, 0.3])
def test_they_agree_on_random_plans(backwards):
    chosen = random.Random(int(backwards * 100))  # noqa: S311 - a sample, reproducible
    found = set()
    for _ in range(150):
        names = "abcdef"[: chosen.randint(1, 6)]
        queues = [chosen.choice(names) for _ in range(chosen.randint(1, 24))]
        waits = []
        for i in range(len(queues)):
            seen = queues if chosen.random() < backwards else queues[:i]
            picked = [chosen.choice(seen) for _ in range(chosen.randint(0, 3)) if seen]
            waits.append([(q, chosen.randint(1, seen.count(q))) for q in picked])
        found.add(agree(waiting(queues, waits, names)))
    assert found == ({True, False} if backwards else {False})


@pytest.mark.parametrize("case", [chain, fork])
def test_they_agree_on_plans_of_the_verifiers_tests(case):
    document = Plan.from_json(case().plan)
    bits, clocks = HappensBefore(document), subject(document)
    assert not list(RULES["CEP-O1"].diagnostics(clocks))
    pairs = [(0, 1), (1, 0), (0, 2), (1, 2), (2, 0), (2, 1), (0, 0)]
    assert [bits.before(*p) for p in pairs] == [clocks.before(*p) for p in pairs]
    assert bits.before(0, 2)


def test_a_step_that_waits_for_itself_is_a_cycle():
    assert HappensBefore(waiting("p", [[("p", 1)]])).cyclic
    assert not HappensBefore(waiting("pp", [[], [("p", 1)]])).cyclic


def test_epochs_that_never_come_order_nothing():
    assert HappensBefore(waiting("pq", [[], [("p", 2)]])).earlier == [0, 0]


def test_two_queues_have_twelve_ways_to_do_three_steps():
    found = list(lines(3))
    assert len(found) == 12
    assert len({(line["p"], line["q"]) for line in found}) == 12
    assert plan(("p",))["queues"] == [{"id": "p", "device": "p", "kind": "COMPUTE"}]
