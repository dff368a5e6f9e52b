from __future__ import annotations

import copy
import itertools
import json
import re

import pytest

from cep.expr import parse
from cep.graph import Cutter, GraphError, GraphView, attribute_form, attribute_value, graph_digest
from cep.opset import opset_digest
from cep.v1.graph import Attribute, Graph
from tests.cep.plans import op, sha256, value

GRAPH = {
    "spec": "cep/1",
    "opsets": [{"namespace": "cep-core", "version": 1, "schema_digest": opset_digest()}],
    "symbols": [{"name": "b", "min": "1", "max": "8"}],
    "values": [
        value("x", "IN", "b", "4"),
        value("u", "IN", "b", "4"),
        value("w", "CONST", "4", "4"),
        value("h", "TEMP", "b", "4"),
        value("g", "TEMP", "b", "4"),
        value("y", "OUT", "b", "4"),
        value("z", "OUT", "b"),
    ],
    "constants": [
        {"value": "w", "digest": sha256(b"w"), "store_digest": sha256(b"file"), "key": "w"}
    ],
    "ops": [
        op("mm", ["x", "w"], "h"),
        op("relu", ["u"], "g"),
        op("sub.Tensor", ["h", "g"], "y", alpha={"integer": "1"}),
        op("sum.dim_IntList", ["y"], "z", dim={"integers": {"items": ["1"]}},
           keepdim={"flag": False}),
    ],
    "inputs": [{"name": "x", "value": "x"}, {"name": "u", "value": "u"}],
    "outputs": [{"name": "y", "value": "y"}, {"name": "z", "value": "z"}],
}  # fmt: skip


def changed(change):
    graph = copy.deepcopy(GRAPH)
    change(graph)
    return Graph.from_json(graph)


ORIGINAL = graph_digest(Graph.from_json(GRAPH))


def renamed(graph):
    text = {"x": "in_1", "u": "in_2", "w": "weight", "h": "t1", "g": "t2", "y": "o1", "z": "o2"}
    for v in graph["values"]:
        v["id"] = text[v["id"]]
    for c in graph["constants"]:
        c["value"] = text[c["value"]]
    for o in graph["ops"]:
        o["inputs"] = [text[v] for v in o["inputs"]]
        o["outputs"] = [text[v] for v in o["outputs"]]
    for b in graph["inputs"] + graph["outputs"]:
        b["value"] = text[b["value"]]


def with_dead_op(graph):
    graph["ops"].insert(1, op("exp", ["x"], "dead"))
    graph["values"].append(value("dead", "TEMP", "b", "4"))


def with_a_repeated_op(graph):
    graph["ops"].insert(2, op("relu", ["u"], "again"))
    graph["values"].append(value("again", "TEMP", "b", "4"))
    graph["ops"][3]["inputs"] = ["h", "again"]


def with_the_same_constant_twice(graph):
    graph["values"].append(value("w2", "CONST", "4", "4"))
    graph["constants"].append({**graph["constants"][0], "value": "w2"})
    graph["ops"][0]["inputs"] = ["x", "w2"]


def with_everything_written_twice(graph):
    again = json.loads(re.sub(r'"([hgyz])"', r'"\1_2"', json.dumps(graph["ops"])))
    graph["ops"] = [o for pair in zip(again, graph["ops"], strict=True) for o in pair]
    made = [v for v in graph["values"] if v["id"] in "hgyz"]
    graph["values"] += [{**v, "id": f"{v['id']}_2", "role": "TEMP"} for v in made]
    graph["outputs"][0]["value"] = "y_2"


def elsewhere(graph):
    graph["constants"][0] |= {"store_digest": sha256(b"another file"), "key": "another key"}


SAME = {
    "other names of values": renamed,
    "independent ops in another order": lambda g: g["ops"].insert(0, g["ops"].pop(1)),
    "values in another order": lambda g: g["values"].reverse(),
    "a dead op": with_dead_op,
    "a common subexpression": with_a_repeated_op,
    "everything twice, outputs of both": with_everything_written_twice,
    "a constant stored twice": with_the_same_constant_twice,
    "a constant stored elsewhere": elsewhere,
    "an unused constant": lambda g: (
        g["values"].append(value("w2", "CONST", "1")),
        g["constants"].append({**g["constants"][0], "value": "w2"}),
    ),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_does_not_change_the_computation_does_not_change_the_digest(change):
    assert graph_digest(changed(change)) == ORIGINAL


def attribute(at, which, new):
    def change(graph):
        graph["ops"][at]["attributes"][which] = new

    return change


def swap(member):
    return lambda graph: graph[member].reverse()


OTHER = {
    "an attribute's value": attribute(2, 0, {"name": "alpha", "integer": "2"}),
    "an attribute's kind": attribute(2, 0, {"name": "alpha", "real": "0x1.0000000000000p+0"}),
    "an item of a list": attribute(3, 0, {"name": "dim", "integers": {"items": ["0"]}}),
    "a flag": attribute(3, 1, {"name": "keepdim", "flag": True}),
    "an attribute more": lambda g: g["ops"][1].update(attributes=[{"name": "n", "flag": True}]),
    "a constant's elements": lambda g: g["constants"][0].update(digest=sha256(b"v")),
    "a constant's dtype": lambda g: g["values"][2].update(dtype="i32"),
    "a constant's shape": lambda g: g["values"][2].update(shape=["2", "8"]),
    "operands in another order": lambda g: g["ops"][2].update(inputs=["g", "h"]),
    "another operand": lambda g: g["ops"][1].update(inputs=["x"]),
    "another op": lambda g: g["ops"][1].update(target="cep-core/1:abs"),
    "an input's name": lambda g: g["inputs"][0].update(name="x2"),
    "an input's dtype": lambda g: g["values"][0].update(dtype="f16"),
    "an input's shape": lambda g: g["values"][0].update(shape=["b", "5"]),
    "inputs in another order": swap("inputs"),
    "an output's name": lambda g: g["outputs"][0].update(name="y2"),
    "outputs in another order": swap("outputs"),
    "an output fewer": lambda g: g["outputs"].pop(),
    "outputs exchanged": lambda g: (
        g["outputs"][0].update(value="z"), g["outputs"][1].update(value="y"),
    ),
    "a symbol's range": lambda g: g["symbols"][0].update(max="9"),
    "a symbol's divisor": lambda g: g["symbols"][0].update(divisor="2"),
    "the opset": lambda g: g["opsets"][0].update(schema_digest=sha256(b"")),
}  # fmt: skip


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_what_changes_the_computation_changes_the_digest(change):
    assert graph_digest(changed(change)) != ORIGINAL


def test_the_walk_needs_no_stack_of_calls_and_sees_what_it_shares_once():
    count = 20_000
    ops = [op("add.Tensor", [f"v{i}", f"v{i}"], f"v{i + 1}") for i in range(count)]
    values = [value(f"v{i}", "TEMP", "b") for i in range(count + 1)]
    outputs = [{"name": "y", "value": f"v{count}"}]
    graph = {**GRAPH, "values": values, "ops": ops, "outputs": outputs}
    graph |= {"inputs": [{"name": "x", "value": "v0"}]}
    del graph["constants"]
    deep = graph_digest(Graph.from_json(graph))
    ops[count // 2]["inputs"].reverse()
    assert graph_digest(Graph.from_json(graph)) == deep
    ops[count // 2]["inputs"][1] = "v0"
    assert graph_digest(Graph.from_json(graph)) != deep


def test_no_two_changes_give_the_same_digest():
    digests = [graph_digest(changed(change)) for change in OTHER.values()]
    assert len(set(digests)) == len(digests)


def test_results_of_one_op_are_told_apart():
    def norm(position):
        return {
            **copy.deepcopy(GRAPH),
            "values": [
                value("x", "IN", "b", "4"),
                *(value(n, "TEMP", "b", "4") for n in ("o", "m", "r")),
            ],
            "constants": ...,
            "ops": [
                op("native_layer_norm", ["x"], "o", "m", "r",
                   normalized_shape={"dims": {"items": ["4"]}},
                   eps={"real": (1e-5).hex()}),
            ],
            "inputs": [{"name": "x", "value": "x"}],
            "outputs": [{"name": "y", "value": ("o", "m", "r")[position]}],
        }  # fmt: skip

    made = []
    for position in range(3):
        graph = norm(position)
        del graph["constants"]
        made.append(graph_digest(Graph.from_json(graph)))
    assert len(set(made)) == 3


BROKEN = {
    "a value twice": (lambda g: g["values"].append(g["values"][0]), "CEP-T1"),
    "a constant twice": (lambda g: g["constants"].append(g["constants"][0]), "CEP-T1"),
    "a symbol twice": (lambda g: g["symbols"].append(g["symbols"][0]), "CEP-T1"),
    "a dim that is none": (lambda g: g["values"][0].update(shape=["b b"]), "CEP-I3"),
    "a dim that is not canonical": (lambda g: g["values"][0].update(shape=["1*b"]), "CEP-I3"),
    "an attribute twice": (
        lambda g: g["ops"][2]["attributes"].append(g["ops"][2]["attributes"][0]), "CEP-I3",
    ),
    "a dim attribute that is none": (
        attribute(2, 0, {"name": "alpha", "dim": "+"}), "CEP-I3",
    ),
    "an empty list": (attribute(2, 0, {"name": "alpha", "dims": {}}), "CEP-I3"),
    "an op before what it reads": (swap("ops"), "CEP-S4"),
    "a value made twice": (lambda g: g["ops"].append(g["ops"][0]), "CEP-T1"),
    "an input that is not declared": (lambda g: g["inputs"][0].update(value="q"), "CEP-T1"),
    "a constant that is not declared": (
        lambda g: g["constants"][0].update(value="q"), "CEP-T1",
    ),
    "an output that nothing makes": (lambda g: g["outputs"][0].update(value="q"), "CEP-T1"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "code"), BROKEN.values(), ids=BROKEN)
def test_a_graph_that_contradicts_itself_is_refused(change, code):
    with pytest.raises(GraphError) as refusal:
        graph_digest(changed(change))
    assert [d.code for d in refusal.value.diagnostics] == [code]
    assert refusal.value.diagnostics[0].path


FORMS = {
    "int": (3, {"integer": "3"}),
    "dim": (parse("2*b"), {"dim": "2*b"}),
    "bool": (True, {"flag": True}),
    "float": (1e-12, {"real": "0x1.19799812dea11p-40"}),
    "number": (float("-inf"), {"real": "-inf"}),
    "dtype": ("f32", {"dtype": "f32"}),
    "token": ("tanh", {"token": "tanh"}),
    "ints": ((1, -2), {"integers": {"items": ["1", "-2"]}}),
    "dims": ((parse("b"), parse("4")), {"dims": {"items": ["b", "4"]}}),
}


@pytest.mark.parametrize(("kind", "form"), FORMS.items(), ids=FORMS)
def test_attributes_have_one_form(kind, form):
    held, written = form
    made = attribute_form("a", kind, held)
    assert made.to_json() == {"name": "a", **written}
    assert attribute_value(Attribute.from_json(made.to_json())) == held


def test_regions_are_cut_out_of_the_graph():
    view = GraphView.of(Graph.from_json(GRAPH))
    cutter = Cutter.of(view)
    first = cutter.region((0, 1))
    assert (first.inputs, first.outputs, first.constants) == (("x", "u"), ("h", "g"), ("w",))
    last = cutter.region((2, 3))
    assert (last.inputs, last.outputs, last.constants) == (("h", "g"), ("y", "z"), ())
    whole = cutter.region(range(4))
    assert (whole.inputs, whole.outputs) == (("x", "u"), ("y", "z"))
    middle = cutter.region((2,))
    assert middle.outputs == ("y",), "y is an output and read elsewhere, but named once"
    assert set(middle.types) == {"h", "g", "y"}


def test_producers_and_consumers():
    view = GraphView.of(Graph.from_json(GRAPH))
    assert view.producers() == {"h": 0, "g": 1, "y": 2, "z": 3}
    assert view.consumers() == {"x": [0], "w": [0], "u": [1], "h": [2], "g": [2], "y": [3]}


def test_an_op_that_reads_a_value_twice_is_one_consumer():
    graph = changed(lambda g: g["ops"][2].update(inputs=["h", "h"]))
    assert GraphView.of(graph).consumers()["h"] == [2]


def test_every_order_that_respects_dependencies_has_one_digest():
    found = set()
    for order in itertools.permutations(range(4)):
        graph = changed(lambda g, o=order: g.update(ops=[g["ops"][i] for i in o]))
        try:
            found.add(graph_digest(graph))
        except GraphError:
            assert order.index(2) < max(order.index(0), order.index(1)) or (
                order.index(3) < order.index(2)
            )
    assert found == {ORIGINAL}
