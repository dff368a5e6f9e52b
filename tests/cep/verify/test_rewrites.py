"""CEP-E1, E2 and E4 of a plan whose graph was rewritten."""

from __future__ import annotations

import copy
import json
import random
import time

import pytest

from acp.diagnostics import Severity
from cep.graph import graph_digest
from cep.reference import recompute
from cep.store import Store
from cep.v1.graph import Graph
from tests.cep.plans import WEIGHTS, WEIGHTS_FILE, chain, errors, op, sha256, value
from tests.cep.rewritten import LOG, ORDER, TURNED, TURNED_FILE, rewritten, source


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path)
    made.add(WEIGHTS_FILE)
    made.add(TURNED_FILE)
    return made


def changed(**members):
    return {k: v for k, v in (LOG | members).items() if v is not None}


def ops(*replaced):
    return {"ops": [*replaced, *LOG["ops"][len(replaced) :]]}


def test_a_rewritten_plan_is_accepted_and_its_source_may_be_given(store):
    given = Graph.from_json(source())
    report = rewritten().verify(store=store, recompute=recompute, source=given)
    assert report.ok, report.diagnostics
    assert report.diagnostics == ()
    assert WEIGHTS != TURNED


def test_without_weights_or_means_a_warning_says_what_was_not_recomputed(store):
    for options, missing in (
        ({"recompute": recompute}, "no store"),
        ({"store": store}, "no way to compute"),
        ({}, "no store"),
    ):
        report = rewritten().verify(**options)
        assert report.ok
        (found,) = [d for d in report.diagnostics if d.code == "CEP-E4"]
        assert found.severity is Severity.WARNING
        assert missing in found.message


def test_the_plan_s_own_graph_is_not_its_source(store):
    case = rewritten()
    given = Graph.from_json({k: v for k, v in chain().plan.items() if k in Graph.__struct_fields__})
    assert errors(case.verify(source=given)) == ["CEP-E1"]
    case.plan["source"]["graph_digest"] = graph_digest(given)
    assert errors(case.verify(store=store, recompute=recompute)) == ["CEP-E1"]


BROKEN = {
    "no such rule": changed(rewrites=[["negative", "m"], ["fold", "w"]]),
    "a rule that does not match": changed(rewrites=[["same-shape", "m"], ["fold", "w"]]),
    "a rule on an input": changed(rewrites=[["same-shape", "x"]]),
    "a rule on nothing": changed(rewrites=[["same-shape", "z"]]),
    "a rule twice": changed(rewrites=[LOG["rewrites"][0], *LOG["rewrites"]]),
    "a rule that is missing": changed(rewrites=[["fold", "w"]]),
    "no rewrites at all": changed(rewrites=None),
    "a fold of what depends on an input": changed(rewrites=[*LOG["rewrites"], ["fold", "h"]]),
    "a fold of what is stored": changed(rewrites=[*LOG["rewrites"], ["fold", "w"]]),
    "a rewrite of three parts": changed(rewrites=[["fold", "w", "w"]]),
    "a rewrite that is none": changed(rewrites=["fold"]),
    "an unknown member": changed(author="nobody"),
    "an empty member": changed(values=[]),
    "ops that are no list": changed(ops={"0": LOG["ops"][0]}),
    "an op that is malformed": changed(ops=[{"target": "neg"}]),
    "an op that nobody needs": changed(ops=[*LOG["ops"], op("neg", ["x"], "q")]),
    "an op that makes an input": changed(ops=[*LOG["ops"], op("neg", ["h"], "x")]),
    "an op twice": changed(ops=[*LOG["ops"], LOG["ops"][1]]),
    "an op of another opset": changed(
        **ops({"target": "x/1:id", "inputs": ["v"], "outputs": ["w"]})
    ),
    "an op that is ill typed": changed(
        **ops(op("permute", ["v"], "w", dims={"integers": {"items": ["1", "1"]}}))
    ),
    "an op with the attribute of another": changed(**ops(op("permute", ["v"], "w", size=ORDER))),
    "an op with an attribute of another form": changed(
        **ops(op("full", [], "w", dtype={"token": "f32"}, fill_value={"integer": "1"},
                 size={"dims": {"items": ["4", "4"]}}))
    ),
    "an op that depends on itself": changed(
        ops=[LOG["ops"][0], op("neg", ["m"], "n"), *LOG["ops"][2:]]
    ),
    "an op of what nobody makes": changed(
        ops=[LOG["ops"][0], op("neg", ["q"], "n"), *LOG["ops"][2:]]
    ),
    "a constant without a type": changed(values=None),
    "a type without a constant": changed(constants=None),
    "a type of the plan's": changed(values=[*LOG["values"], value("h", "TEMP", "b", "4")]),
    "a constant of the plan's": changed(
        values=[*LOG["values"], value("w", "CONST", "4", "4")],
        constants=[*LOG["constants"], LOG["constants"][0] | {"value": "w"}],
    ),
    "a dim that is none": changed(values=[value("v", "CONST", "4 ", "4")]),
    "no JSON": b"{",
    "no object": b"[]",
    "another order": json.dumps(dict(reversed(LOG.items()))).encode(),
}  # fmt: skip


@pytest.mark.parametrize("log", BROKEN.values(), ids=BROKEN)
def test_a_log_that_cannot_be_replayed_is_refused(log, store):
    assert errors(rewritten(log).verify(store=store, recompute=recompute)) == ["CEP-E2"]


def test_a_log_is_inline_and_about_the_whole_plan():
    assert errors(rewritten(subject_steps=[0]).verify()) == ["CEP-E2"]
    case = rewritten()
    del case.plan["evidence"][0]["inline"]
    case.plan["evidence"][0]["digest"] = sha256(b"")
    assert errors(case.verify()) in (["CEP-E2"], ["CEP-I4"])


def test_a_plan_has_one_log():
    case = rewritten()
    case.plan["evidence"] *= 2
    assert errors(case.verify()) == ["CEP-E2"]


def test_evidence_for_another_checker_is_not_understood():
    assert "CEP-I4" in errors(rewritten(checker="cep-rewrite-2").verify())


SOURCES = {
    "another operation": changed(ops=[*LOG["ops"][:2], op("relu", ["n"], "y")]),
    "other weights": changed(constants=[LOG["constants"][0] | {"digest": sha256(b"other")}]),
    "nothing that was rewritten": {"ops": LOG["ops"][:1], "values": LOG["values"],
                                   "constants": LOG["constants"], "rewrites": [["fold", "w"]]},
}  # fmt: skip


@pytest.mark.parametrize("log", SOURCES.values(), ids=SOURCES)
def test_a_log_of_another_source_is_refused(log):
    assert "CEP-E1" in errors(rewritten(log).verify())


def folded(*made, **members):
    """A plan with a log whose source is what the log says, whatever it folds to `w`."""
    log = changed(ops=[*made, *LOG["ops"][1:]], **members)
    case = rewritten(log)
    case.plan["source"]["graph_digest"] = graph_digest(Graph.from_json(source(log)))
    return case


def test_a_constant_that_was_not_computed_so_is_refused(store):
    case = folded(op("clone", ["v"], "w"))
    assert case.verify(store=store).ok  # nobody has computed it
    report = case.verify(store=store, recompute=recompute)
    assert errors(report) == ["CEP-E4"]
    assert sha256(TURNED) in report.diagnostics[0].message


def test_a_constant_that_rounds_is_not_folded():
    report = folded(op("exp", ["v"], "w")).verify()
    assert errors(report) == ["CEP-E4"]
    assert "exp has no result that is the same to the bit" in report.diagnostics[0].message


def test_what_is_folded_must_be_in_the_store(tmp_path):
    store = Store(tmp_path)
    store.add(WEIGHTS_FILE)
    report = rewritten().verify(store=store, recompute=recompute)
    assert errors(report) == ["CEP-E4"]
    assert "is missing" in report.diagnostics[0].message


def test_what_is_folded_is_as_the_log_says(store):
    wide = value("v", "CONST", "2", "8")
    square = op("view", ["v"], "w", size={"dims": {"items": ["4", "4"]}})
    report = folded(square, values=[wide]).verify(store=store, recompute=recompute)
    assert errors(report) == ["CEP-E4"]
    assert "the log says f32[2, 8]" in report.diagnostics[0].message


def test_work_is_bounded(store):
    huge = op("full", [], "f", dtype={"dtype": "f32"}, fill_value={"integer": "1"},
              size={"dims": {"items": ["16384", "16384"]}})  # fmt: skip
    some = op(
        "slice.Tensor", ["f"], "g", dim={"integer": "0"}, start={"dim": "0"}, end={"dim": "4"}
    )
    less = op(
        "slice.Tensor", ["g"], "w", dim={"integer": "1"}, start={"dim": "0"}, end={"dim": "4"}
    )
    log = changed(ops=[huge, some, less, *LOG["ops"][1:]], values=None, constants=None)
    report = rewritten(log).verify(store=store, recompute=recompute)
    assert "CEP-E2" in errors(report)
    assert any("elements to compute" in d.message for d in report.diagnostics)


def test_axes_are_bounded():
    """An index with as many axes as what it is used on makes nearly twice as many."""
    some = op("full", [], "a0", dtype={"dtype": "i64"}, fill_value={"integer": "0"},
              size={"dims": {"items": ["1", "1"]}})  # fmt: skip
    more = [op("index.Tensor", [f"a{i}", f"a{i}"], f"a{i + 1}") for i in range(40)]
    last = op("index.Tensor", ["v", "a40"], "w")
    report = rewritten(changed(ops=[some, *more, last, *LOG["ops"][1:]])).verify()
    assert any("a result has 65 axes" in d.message for d in report.diagnostics)


def test_operands_are_looked_at_once():
    """Else joining a join of many, again and again, costs the product of their numbers."""
    many, wide, axis = 4095, 12, {"dim": {"integer": "0"}}
    made = [
        op("clone", ["v"], "c"),
        *(op("cat", ["c", *["v"] * (many - i)], f"a{i}", **axis) for i in range(wide)),
        *(op("cat", [f"a{i}"] * many, f"b{i}", **axis) for i in range(wide)),
        op("cat", [f"b{i}" for i in range(wide)], "b", **axis),
        op("slice.Tensor", ["b"], "w", **axis, start={"dim": "0"}, end={"dim": "4"}),
    ]
    case = rewritten(changed(ops=[*made, *LOG["ops"][1:]], rewrites=[["same-shape", "c"]]))
    began = time.process_time()
    report = case.verify()
    assert time.process_time() - began < 3
    assert any("the rewrites lead to graph" in d.message for d in report.diagnostics)


def test_a_rule_that_rounds_is_no_rule_for_the_same_bits(store):
    """The source is x -> mm with the transpose of v -> relu; the plan has a linear layer."""
    transposed, product = op("permute", ["v"], "w", dims=ORDER), op("mm", ["x", "w"], "h")
    case = rewritten({"ops": [transposed, product], "rewrites": [["mm-linear", "h"]]})
    case.plan |= {"constants": LOG["constants"]}
    graph = {k: v for k, v in case.plan.items() if k in Graph.__struct_fields__}
    inner = value("w", "TEMP", "4", "4")
    graph |= {
        "ops": [transposed, product, case.plan["ops"][1]],
        "values": [*LOG["values"], inner, *(v for v in graph["values"] if v["id"] != "w")],
    }
    case.plan["source"]["graph_digest"] = graph_digest(Graph.from_json(graph))
    case.plan["ops"][0] = op("linear", ["x", "v"], "h")
    case.plan["values"][1] = LOG["values"][0]
    assert case.verify(store=store).ok
    case.plan["constraints"] = {"numeric": "BITWISE"}
    report = case.verify(store=store)
    assert [d.message for d in report.diagnostics if d.code == "CEP-E2"] == [
        "rule mm-linear rounds anew, and the plan promises the same bits"
    ]


def test_no_log_makes_the_verifier_raise():
    rng = random.Random(7)  # noqa: S311 - no secret
    for _ in range(120):
        log = copy.deepcopy(LOG)
        for _ in range(rng.randint(1, 3)):
            _spoil(rng, log)
        rewritten(log).verify()


def _spoil(rng, inner):
    keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
    if not keys:
        return
    key = rng.choice(keys)
    if isinstance(inner[key], dict | list) and rng.random() < 0.8:
        _spoil(rng, inner[key])
    else:
        inner[key] = rng.choice(["h", "w", "y", "v", "x", "", "0", [], {}, ["m"], None, 7, "fold"])
