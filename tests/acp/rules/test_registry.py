from __future__ import annotations

import doctest
import json
import re

import pytest

from acp import rules
from acp.canonical import digest
from acp.diagnostics import StructureError
from acp.holdings import Holdings
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.status import StatusList
from acp.v1.system import SystemDescriptor
from tests.acp.examples import NOW, SPEC, STATUS, annex, changed, descriptor

TEXT = SPEC.read_text(encoding="utf-8")
SENTENCES = dict(re.findall(r"^\*\*(ACP-[A-Z][0-9]{2})\*\* \((error|warning)", TEXT, re.MULTILINE))
EXAMPLES = {
    code: (base, json.loads(example))
    for code, base, example in re.findall(
        r"^\*\*(ACP-[A-Z][0-9]{2})\*\* .*?^```json(?: of=([a-z]+))?\n(.*?)^```",
        TEXT,
        re.MULTILINE | re.DOTALL,
    )
}
ANNEXES = {"slice": CapabilityDescriptor, "system": SystemDescriptor, "record": MeasurementRecord}
BASES = {"": CapabilityDescriptor, **ANNEXES}


def held(*kinds):
    """The documents of section 6, of these kinds, as a reader holds them."""
    documents = [kind.from_json(annex(name)) for name, kind in ANNEXES.items()]
    documents.append(CapabilityDescriptor.from_json(descriptor()))
    return Holdings.of(one for one in documents if isinstance(one, kinds))


def context_of(code):
    """What the reader of an example knows, as the text around it says."""
    if code.startswith(("ACP-L", "ACP-Q")):
        return rules.Context(now=NOW, held=held(CapabilityDescriptor))
    if code == "ACP-V04":
        reference = CapabilityDescriptor.from_json(descriptor())
        return rules.Context(now=NOW, held=Holdings.of((), references=[reference]))
    if code.startswith("ACP-V"):
        return rules.Context(now=NOW, held=held(MeasurementRecord))
    return rules.Context(now=NOW, min_revision=4 if code == "ACP-T02" else 3)


def test_the_spec_says_exactly_what_is_implemented():
    assert set(SENTENCES) == {rule.id for rule in rules.RULES} | {"ACP-U01"}
    for rule in rules.RULES:
        assert SENTENCES[rule.id] == rule.severity


def test_the_complete_descriptor_of_the_spec_breaks_no_rule():
    document = CapabilityDescriptor.from_json(descriptor())
    assert document.to_json() == descriptor()
    assert rules.check(document, rules.Context(now=NOW)) == ()


@pytest.mark.parametrize(("name", "kind"), ANNEXES.items())
def test_the_other_documents_of_the_spec_break_no_rule_together(name, kind):
    document = kind.from_json(annex(name))
    assert document.to_json() == annex(name)
    everything = held(CapabilityDescriptor, MeasurementRecord)
    assert rules.check(document, rules.Context(now=NOW, held=everything)) == ()


def test_the_documents_of_the_spec_name_each_other():
    device = descriptor()
    found = {
        "nodes of 6.1": {node["descriptor_digest"] for node in annex("system")["nodes"]},
        "parent of 6.2": {annex("slice")["subject"]["parent_digest"]},
        "subject of 6.3": {annex("record")["subject_digest"]},
        "record in the example of ACP-V01": {
            EXAMPLES["ACP-V01"][1]["provenance"][0]["measurement_ref"]
        },
    }
    assert found == {
        "nodes of 6.1": {digest(device)},
        "parent of 6.2": {digest(device)},
        "subject of 6.3": {digest(device["subject"])},
        "record in the example of ACP-V01": {digest(annex("record"))},
    }, "whoever changes a document of section 6 writes the new digests where it is named"


@pytest.mark.parametrize("code", SENTENCES)
def test_the_example_of_the_spec_breaks_its_rule_and_no_other(code):
    base, members = EXAMPLES[code]
    value = (annex(base) if base else descriptor()) | members
    # Members that the example leaves out take their references with them.
    if code in {"ACP-C04", "ACP-M02", "ACP-M06"}:
        value.pop("energy")
        value["provenance"] = [value["provenance"][0]]
    try:
        document = BASES[base].from_json(value)
    except StructureError as refusal:
        codes = {one.code for one in refusal.diagnostics}
    else:
        codes = {one.code for one in rules.check(document, context_of(code))}
    assert codes == {code}


def test_the_example_in_the_documentation_of_the_package():
    result = doctest.testmod(rules)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_rule_says_what_it_checks():
    for rule in rules.RULES:
        assert rule.breaches.__doc__


def test_breaches_of_one_rule_are_bounded_and_hide_no_other():
    value = descriptor()
    value["provenance"][0]["paths"] += [f"/nothing/{i}" for i in range(1000)]
    value["critical"] = ["example.com"]
    codes = [
        one.code
        for one in rules.check(CapabilityDescriptor.from_json(value), rules.Context(now=NOW))
    ]
    assert codes.count("ACP-I01") == rules.MAX_BREACHES
    assert codes.count("ACP-X01") == 1


def test_long_lists_of_names_are_cut_in_messages():
    value = changed(descriptor(), "/ops/0/variants/0/engine", "x")
    value["engines"] += [{"id": f"e{i:03}", "kind": "VECTOR"} for i in range(500)]
    (one,) = rules.check(CapabilityDescriptor.from_json(value), rules.Context(now=NOW))
    assert one.message.endswith("e007 and 493 more")


def test_a_rule_is_not_asked_about_other_kinds():
    document = StatusList.from_json(STATUS)
    found = [rule for rule in rules.RULES if isinstance(document, rule.documents)]
    assert [rule.id for rule in found] == ["ACP-T01", "ACP-T02"]
