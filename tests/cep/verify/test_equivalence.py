from __future__ import annotations

import pytest

from cep.v1.graph import Graph
from tests.cep.plans import BASES, at, errors, fork, mutated, op

MEMBERS = ("spec", "opsets", "symbols", "values", "constants", "ops", "inputs", "outputs")


def source_of(case):
    return Graph.from_json({name: case.plan[name] for name in MEMBERS if name in case.plan})


CHANGES = {
    "another op": at("ops/1/target", "cep-core/1:abs"),
    "another operand": at("ops/2/inputs", ["n", "a"]),
    "another attribute": at("ops/2/attributes/0", {"name": "alpha", "integer": "2"}),
    "another name of an input": at("inputs/0/name", "in"),
    "another name of an output": at("outputs/0/name", "out"),
    "another range of a symbol": at("symbols/0/max", "7"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_plan_of_another_graph_than_it_claims_is_refused(change):
    case = fork()
    case.seal()
    case.sealed = False
    change(case)
    assert errors(case.verify()) == ["CEP-E1"]


@pytest.mark.parametrize("base", BASES)
def test_the_source_may_be_given(base):
    assert BASES[base]().verify(source=source_of(BASES[base]())).ok


def test_another_source_is_refused():
    other = mutated("fork", at("ops/1/target", "cep-core/1:abs"))
    assert errors(fork().verify(source=source_of(other))) == ["CEP-E1"]


BROKEN = {
    "an undeclared input": at("inputs/0/value", "z"),
    "an output that nothing makes": at("outputs/0/value", "z"),
    "an op out of order": at("ops/0/inputs", ["y"]),
    "a dim that is none": at("values/0/shape/0", "b b"),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_source_that_is_no_graph_is_refused_and_never_raises(change):
    assert errors(fork().verify(source=source_of(mutated("fork", change)))) == ["CEP-E1"]


def test_placement_does_not_change_the_graph():
    case = fork()
    case.seal()
    claimed = case.plan["source"]["graph_digest"]
    case.plan["steps"] = [{"queue": "left", "run": {"ops": [0, 1, 2]}, "reads": [0], "writes": [3]}]
    case.plan["ops"][0:2] = [op("neg", ["x"], "n"), op("relu", ["x"], "a")]
    case.seal()
    assert case.plan["source"]["graph_digest"] == claimed
