"""spec/cep.md, checked against the code: its rules, examples, dims, digests and tables."""

from __future__ import annotations

import base64
import copy
import json
import re
from datetime import datetime

import pytest

from acp.canonical import canonicalize, digest
from acp.dsse import CAPABILITY_DESCRIPTOR, PLAN, SYSTEM_DESCRIPTOR
from acp.keys import PrivateKey
from cep import expr
from cep.certificate import Certificate, Regions
from cep.graph import graph_digest
from cep.opset import opset_digest, table
from cep.opset.definition import DTYPE_BYTES
from cep.opset.pointwise import POINTWISE
from cep.prove import MAX_POINTS, MAX_QUESTIONS, at_most, divides, same
from cep.store import MAX_AXES, MAX_HEADER_BYTES, Store
from cep.v1.graph import Graph
from cep.v1.plan import Plan
from cep.verify import RULES, RULESET
from cep.verify.memory import MAX_PAIRS, MAX_VISITS
from cep.verify.order import MAX_CLOCKS
from cep.verify.safety import QUANTITIES
from cep.verify.streams import MAX_UNROLLED
from cep.verify.subject import MAX_ALTERNATES, MAX_SYMBOL
from tests.cep import spec_example
from tests.cep.spec_example import NOW, SPEC, blocks, judge, patched, rule_texts, signed

TEXT = SPEC.read_text(encoding="utf-8")
PLAN_OF_ANNEX = json.loads(blocks(TEXT)["plan"])
RULE_TEXTS = rule_texts(TEXT)
EXAMPLES = {rule: spec_example.example(text) for rule, text in RULE_TEXTS}
PATCHES = {rule: value for rule, value in EXAMPLES.items() if isinstance(value, list)}


def codes(report):
    return {d.code for d in report.diagnostics}


def test_the_rules_of_the_text_are_those_of_the_verifier():
    assert tuple(sorted(rule for rule, _ in RULE_TEXTS)) == RULESET
    everywhere = re.findall(r"^\*\*(CEP-[A-Z]\d+)\*\*", TEXT, flags=re.MULTILINE)
    assert everywhere == [rule for rule, _ in RULE_TEXTS]


@pytest.mark.parametrize(("rule", "text"), RULE_TEXTS, ids=[rule for rule, _ in RULE_TEXTS])
def test_each_rule_has_a_demand_a_reason_and_an_example(rule, text):
    assert "MUST" in text.partition("Reason: ")[0]
    assert "\nReason: " in text
    assert EXAMPLES[rule] is not None or "The example is" in text


def test_the_plan_of_the_annex_breaks_no_rule(tmp_path):
    report = judge(TEXT, signed(PLAN_OF_ANNEX, PLAN), tmp_path)
    assert report.ok
    assert report.diagnostics == ()
    assert report.rules == RULESET


@pytest.mark.parametrize("rule", PATCHES)
def test_the_example_is_refused_with_the_rule_and_no_other(rule, tmp_path):
    changed = patched(PLAN_OF_ANNEX, PATCHES[rule])
    report = judge(TEXT, signed(changed, PLAN), tmp_path)
    assert not report.ok
    assert codes(report) == {rule}


def test_the_examples_in_words(tmp_path):
    stranger = signed(PLAN_OF_ANNEX, PLAN, PrivateKey.generate())
    assert codes(judge(TEXT, stranger, tmp_path)) == {"CEP-I1"}

    later = datetime.fromisoformat(EXAMPLES["CEP-C5"]["now"])
    report = judge(TEXT, signed(PLAN_OF_ANNEX, PLAN), tmp_path, now=later)
    assert codes(report) == {"CEP-C5"}
    assert codes(judged_with_artifact(tmp_path)) == {"CEP-C3"}
    assert codes(judged_with_artifact(tmp_path, ("arch", ["toy-1"]), evidence=False)) == {"CEP-E3"}
    assert judged_with_artifact(tmp_path, ("arch", ["toy-1"])).ok
    assert set(PATCHES) | {"CEP-I1", "CEP-C5", "CEP-C3", "CEP-E3"} == set(RULESET)


def judged_with_artifact(tmp_path, *subject, evidence=True):
    """The verdict on the plan of annex A with its last region compiled for the ABI `toy-1`."""
    described, linked = (json.loads(blocks(TEXT)[name]) for name in ("descriptor", "system"))
    described["subject"] |= dict(subject)
    for node in linked["nodes"]:
        node["descriptor_digest"] = digest(described)
    store = Store(tmp_path)
    code = store.add_artifact(b"compiled")
    plan = copy.deepcopy(PLAN_OF_ANNEX)
    plan["features"] = ["artifacts", "evidence"]
    plan["artifacts"] = [{"digest": code, "media_type": "text/plain", "abi": "toy-1"}]
    plan["steps"][2]["run"]["artifact"] = code
    for device in plan["devices"]:
        device["descriptor_digest"] = digest(described)
    region = Regions(Plan.from_json(plan)).digest(2)
    shown = Certificate(code, region, 7, ({"b": 8},), 2, 120).to_bytes()
    plan["evidence"] = [
        {
            "kind": "differential",
            "subject_steps": [2],
            "checker": "cep-differential-1",
            "inline": base64.b64encode(shown).decode(),
        }
    ]
    if not evidence:
        del plan["evidence"]
    return judge(
        TEXT,
        signed(plan, PLAN),
        tmp_path,
        store=store,
        descriptors=[
            signed(described, CAPABILITY_DESCRIPTOR),
            signed(linked, SYSTEM_DESCRIPTOR),
        ],
    )


def test_other_encodings_and_unchecked_weights(tmp_path):
    bare = json.dumps(PLAN_OF_ANNEX, indent=1).encode()
    assert codes(judge(TEXT, bare, tmp_path, unsigned=True)) == {"CEP-I3"}

    report = judge(TEXT, signed(PLAN_OF_ANNEX, PLAN), tmp_path, store=None)
    assert report.ok
    assert codes(report) == {"CEP-I2"}


@pytest.mark.parametrize("line", blocks(TEXT)["proofs"].splitlines())
def test_proofs(line):
    spelled, given, expected = json.loads(line)
    dim, ranges = expr.parse(spelled), {name: expr.Range(*span) for name, span in given.items()}
    zero = expr.Dim.constant(0)
    answers = [same(dim, zero, ranges), at_most(zero, dim, ranges), divides(4, dim, ranges)]
    assert [bool(answer) for answer in answers] == expected
    assert all(answer or answer.witness is not None for answer in answers)


@pytest.mark.parametrize("line", blocks(TEXT)["dims"].splitlines())
def test_dims(line):
    text, canonical = json.loads(line)
    if text == canonical:
        assert str(expr.parse(text)) == text
        return
    with pytest.raises(expr.ExprError) as refusal:
        expr.parse(text)
    if canonical is not None:
        assert str(expr.parse(canonical)) == canonical
        assert f"write it as {canonical!r}" in str(refusal.value)


def test_digests_line_by_line():
    lines = [json.loads(line) for line in blocks(TEXT)["digests"].splitlines()]
    assert lines == spec_example.graph_lines(PLAN_OF_ANNEX)
    assert [given for _, given in lines[:-1]] == [{"x": 0}, {"w": 1}, {"h": 2}, {"y": 3}]
    graph, claimed = lines[-1]
    assert graph["expressions"] == [form for form, _ in lines[1:-1]]
    computed = graph_digest(Plan.from_json(PLAN_OF_ANNEX))
    assert digest(graph) == claimed == PLAN_OF_ANNEX["source"]["graph_digest"] == computed


@pytest.mark.parametrize("name", ["graph", "plan"])
def test_section_6_suffices_to_recompute_the_library_s_digests(name, repository):
    path = repository / "examples" / "documents" / f"{name}.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    typed = (Graph if name == "graph" else Plan).from_json(document)
    assert spec_example.graph_lines(document)[-1][1] == graph_digest(typed)


def test_the_graph_digest_forgets_what_the_text_says_it_forgets():
    graph = {k: v for k, v in PLAN_OF_ANNEX.items() if k in Graph.__struct_fields__}
    before = graph_digest(Graph.from_json(graph))
    renamed = json.loads(json.dumps(graph).replace('"h"', '"hidden"'))
    dead = patched(
        graph,
        [
            {"op": "add", "path": "/values/-", "value": {**graph["values"][2], "id": "z"}},
            {
                "op": "add",
                "path": "/ops/0",
                "value": {"target": "cep-core/1:neg", "inputs": ["x"], "outputs": ["z"]},
            },
        ],
    )
    for unchanged in (renamed, dead):
        assert graph_digest(Graph.from_json(unchanged)) == before
    for path, value in (("/inputs/0/name", "X"), ("/symbols/0/divisor", "1")):
        other = patched(graph, [{"op": "add", "path": path, "value": value}])
        assert graph_digest(Graph.from_json(other)) != before


def test_digests_are_fresh():
    assert spec_example.refreshed(TEXT) == TEXT, "run: python -m tests.cep.spec_example"


def test_the_printed_opset_is_the_pinned_one(repository):
    printed = json.loads((repository / "spec" / "opsets" / "cep-core-1.json").read_text())
    assert printed == json.loads(canonicalize(table()))
    assert digest(printed) == opset_digest()
    page = (repository / "spec" / "opsets" / "cep-core-1.md").read_text()
    assert opset_digest() in page
    rows = re.findall(r"^\| `([^`]+)` \|", page, flags=re.MULTILINE)
    assert rows == [operation["name"] for operation in printed["operations"]]


def test_numbers_and_names_of_the_text_are_those_of_the_code():
    prose = " ".join(TEXT.split())
    for number in (expr.MAX_TERMS, expr.MAX_EXPONENT):
        assert re.search(rf"at most {number}\b", prose)
    assert prose.count(f"at most {MAX_POINTS}") == 4
    assert f"has asked {MAX_QUESTIONS} different ones" in prose
    assert f"added up over all steps, exceeds {MAX_PAIRS:,}." in prose
    assert f"MUST NOT exceed {MAX_VISITS:,}." in prose
    assert f"times the number of queues, exceeds {MAX_CLOCKS:,}." in prose
    assert f"that are written out, exceed {MAX_UNROLLED:,}." in prose
    assert f"and 1 for each alternate, exceed {MAX_ALTERNATES:,}." in prose
    assert all(f"`{quantity}`, the" in prose for quantity in QUANTITIES[:2])
    assert f"`{QUANTITIES[2]}`, its temperature" in prose
    assert f"A header is at most {MAX_HEADER_BYTES:,} bytes" in prose
    assert f"A shape has at most {MAX_AXES} axes." in prose
    assert MAX_SYMBOL == 2**48
    assert "at most 2⁴⁸" in prose
    assert ", ".join(f"`{dtype}` {size}" for dtype, size in DTYPE_BYTES.items()) in prose
    pointwise = dict(RULE_TEXTS)["CEP-M2"].partition("same place:")[2].partition("Reason")[0]
    assert set(re.findall(r"`([^`]+)`", pointwise)) == set(POINTWISE.operations)


def test_the_stages_of_the_text_are_those_of_the_code():
    section = TEXT.partition("\n## 11. Verification\n")[2]
    rows = re.findall(r"^\| ([4-9]) \|.*\| (.*) \|$", section, flags=re.MULTILINE)
    stages: dict[str, int] = {}
    for step, cell in rows:
        family = ""
        for word in re.findall(r"[A-Z]\d+", cell.replace("CEP-", "")):
            family = word
            stages[f"CEP-{family}"] = int(step) - 3
    assert stages == {code: rule.stage for code, rule in RULES.items()}


def test_features_of_the_table_are_refused(tmp_path):
    section = TEXT.partition("\n## 10. Features\n")[2].partition("\n## 11.")[0]
    features = re.findall(r"\| `(\w+)` \|$", section, flags=re.MULTILINE)
    uses = {
        "state": ("/values/2/role", "STATE"),
        "token": ("/values/2/role", "TOKEN"),
        "layouts": ("/values/2/layout", "nhwc"),
        "network": ("/queues/1/kind", "NET"),
        "predicates": ("/devices/0", {"slot": "left", "predicate": "true"}),
        "collectives": (
            "/steps/1",
            {"queue": "right.copy", "collective": {"group": "g", "kind": "ALL_REDUCE"}},
        ),
        "subplans": (
            "/steps/1",
            {"queue": "right.copy", "call": {"subplan": PLAN_OF_ANNEX["source"]["graph_digest"]}},
        ),
        "alternates": ("/steps/2/alternates", [{"queue": "left.compute"}]),
        "artifacts": ("/steps/0/run/artifact", PLAN_OF_ANNEX["source"]["graph_digest"]),
        "streams": ("/stream", {"microbatches": 2, "ring_depth": 1}),
        "safety": ("/safety", {"nan_guard": True}),
        "shadow": ("/safety", {"shadow_ppm": 10}),
        "evidence": ("/evidence", [{"kind": "proof", "checker": "x", "inline": "QUJD"}]),
        "deadline": ("/constraints/deadline_ns", "1"),
        "energy": ("/constraints/energy_fj", "1"),
        "locality": ("/constraints/locality_labels", ["eu"]),
    }
    assert sorted(features) == sorted(uses)
    for feature, (path, value) in uses.items():
        *_, last = path.split("/")
        kind = "replace" if last.isdecimal() or last == "role" else "add"
        changed = patched(PLAN_OF_ANNEX, [{"op": kind, "path": path, "value": value}])
        report = judge(TEXT, signed(changed, PLAN), tmp_path, now=NOW)
        messages = [d.message for d in report.diagnostics if d.code == "CEP-I4"]
        assert any(f"'{feature}'" in message for message in messages), feature
