from __future__ import annotations

import doctest
import json
import re

import pytest

from acp import rules
from acp.diagnostics import Severity, StructureError
from acp.v1.capability import CapabilityDescriptor
from acp.v1.status import StatusList
from tests.acp.examples import NOW, SPEC, STATUS, changed, descriptor

TEXT = SPEC.read_text(encoding="utf-8")
SENTENCES = dict(re.findall(r"^\*\*(ACP-[A-Z][0-9]{2})\*\* \((error|warning)", TEXT, re.MULTILINE))
EXAMPLES = dict(
    re.findall(
        r"^\*\*(ACP-[A-Z][0-9]{2})\*\* .*?^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL
    )
)


def test_the_spec_says_exactly_what_is_implemented():
    assert set(SENTENCES) == {rule.id for rule in rules.RULES} | {"ACP-U01"}
    for rule in rules.RULES:
        assert SENTENCES[rule.id] == rule.severity


def test_the_complete_descriptor_of_the_spec_breaks_no_rule():
    document = CapabilityDescriptor.from_json(descriptor())
    assert document.to_json() == descriptor()
    assert rules.check(document, rules.Context(now=NOW)) == ()


@pytest.mark.parametrize("code", SENTENCES)
def test_the_example_of_the_spec_breaks_its_rule_and_no_other(code):
    value = descriptor() | json.loads(EXAMPLES[code])
    # Members that the example leaves out take their references with them.
    if code in {"ACP-C04", "ACP-M02", "ACP-M06"}:
        value.pop("energy")
        value["provenance"] = [value["provenance"][0]]
    try:
        document = CapabilityDescriptor.from_json(value)
    except StructureError as refusal:
        codes = {one.code for one in refusal.diagnostics}
    else:
        context = rules.Context(now=NOW, min_revision=3 if code != "ACP-T02" else 4)
        codes = {one.code for one in rules.check(document, context)}
    assert codes == {code}


def test_the_example_in_the_documentation_of_the_package():
    result = doctest.testmod(rules)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_rule_says_what_it_checks():
    for rule in rules.RULES:
        assert rule.breaches.__doc__
        assert rule.severity is Severity.ERROR


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
    assert [rule.id for rule in found] == ["ACP-T01"]
