from __future__ import annotations

import copy

import pytest

from acp.diagnostics import Refused
from cep.graph import GraphView
from cep.planner.wellformed import check_graph
from cep.v1.graph import Graph
from tests.cep.planner.systems import graph
from tests.cep.plans import op

GOOD = graph(
    [op("mm", ["x", "w"], "h"), op("relu", ["h"], "y")], constants=("w",), outputs=("y",)
).to_json()


def symbol_in_an_attribute(g):
    g["ops"][1] = op("view", ["h"], "y", size={"dims": {"items": ["q", "4"]}})


BROKEN = {
    "no size": (lambda g: g["symbols"][0].update(min="9"), "CEP-T5"),
    "a size beyond all": (lambda g: g["symbols"][0].update(max=str(2**49)), "CEP-T5"),
    "a symbol that is not declared": (lambda g: g["values"][0].update(shape=["q"]), "CEP-T5"),
    "such a symbol in an attribute": (symbol_in_an_attribute, "CEP-T5"),
    "a dtype of others": (lambda g: g["values"][0].update(dtype="f8e4m3fn"), "CEP-T5"),
    "an op of others": (lambda g: g["ops"][1].update(target="x.example/ops/1:f"), "CEP-T2"),
    "an op that is none": (lambda g: g["ops"][1].update(target="cep-core/1:rely"), "CEP-T2"),
    "a result that is not declared": (lambda g: g["ops"][1].update(outputs=["q"]), "CEP-T1"),
    "a result made twice": (lambda g: g["ops"][1].update(outputs=["h"]), "CEP-T1"),
    "a result that is an input": (lambda g: g["ops"][1].update(outputs=["x"]), "CEP-T1"),
    "an operand that is made later": (lambda g: g["ops"].reverse(), "CEP-S4"),
    "an operand too few": (lambda g: g["ops"][0].update(inputs=["x"]), "CEP-T3"),
    "a result too many": (lambda g: g["ops"][0].update(outputs=["h", "y"]), "CEP-T3"),
    "another shape": (lambda g: g["values"][2].update(shape=["4", "b"]), "CEP-T3"),
}


@pytest.mark.parametrize(("change", "code"), BROKEN.values(), ids=BROKEN)
def test_a_graph_that_no_plan_can_carry_out_is_refused(change, code):
    made = copy.deepcopy(GOOD)
    check_graph(GraphView.of(Graph.from_json(made)))
    change(made)
    with pytest.raises(Refused) as refusal:
        check_graph(GraphView.of(Graph.from_json(made)))
    assert [d.code for d in refusal.value.diagnostics] == [code]


def test_values_beyond_all_memory_are_refused():
    names = [f"v{i}" for i in range(40)]
    ops = [op("relu", [a], b) for a, b in zip(["x", *names], [*names, "y"], strict=True)]
    wide = graph(ops, shape=("b", str(2**10)), most=str(2**48))
    with pytest.raises(Refused, match="more than 4611686018427387904 bytes"):
        check_graph(GraphView.of(wide))
