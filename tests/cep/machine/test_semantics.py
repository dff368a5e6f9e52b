"""spec/semantics.md, checked against the code: names, numbers, and what it shows."""

from __future__ import annotations

import json
import re

import pytest

from cep.machine import Kind, explain
from cep.v1.plan import Plan
from cep.verify import RULESET
from tests.cep.machine.scope import ORDER_AND_MEMORY
from tests.cep.machine.test_exhaustive import SMALL, SMALL_PLANS
from tests.cep.spec_example import SPEC, blocks, example, patched, rule_texts

CEP = SPEC.read_text(encoding="utf-8")
TEXT = SPEC.with_name("semantics.md").read_text(encoding="utf-8")
PLAN = json.loads(blocks(CEP)["plan"])
EXAMPLES = {rule: example(text) for rule, text in rule_texts(CEP) if rule in ORDER_AND_MEMORY}


def test_the_rules_it_names_exist():
    named = set(re.findall(r"\bCEP-[A-Z]\d+", TEXT))
    assert named <= set(RULESET)
    assert named >= set(ORDER_AND_MEMORY)


def test_its_transitions_are_numbered_as_the_faults_of_the_code():
    assert re.findall(r"^\*\*([A-Z]+)(?:\(t\))?\.?\*\*", TEXT, re.MULTILINE) == [
        "START", "BEGIN", "END", "TRIP", "STUCK", "DONE",
    ]  # fmt: skip
    begin = TEXT.partition("**BEGIN(t)**")[2].partition("Otherwise")[0]
    assert re.findall(r"^(\d)\. ", begin, re.MULTILINE) == ["1", "2", "3", "4", "5"]
    trip = TEXT.partition("**TRIP(t)**")[2].partition("With ALTERNATE, if an alternate is left, t")[
        0
    ]
    assert re.findall(r"^(\d)\. ", trip, re.MULTILINE) == ["1", "2", "3"]
    assert len(Kind) == 5 + 4, "the five of BEGIN, and those of START, TRIP, STUCK and DONE"


def test_its_number_of_plans_is_that_of_the_test():
    assert f"{len(SMALL) * SMALL_PLANS:,} plans" in TEXT


def test_the_interleaving_it_shows_is_the_one_that_is_found():
    found = explain(Plan.from_json(patched(PLAN, EXAMPLES["CEP-M3"])))
    assert [*found.events, found.fault] == blocks(TEXT)["race"].splitlines()


def test_the_plan_of_the_annex_always_goes_well():
    assert explain(Plan.from_json(PLAN)) is None


@pytest.mark.parametrize("rule", ORDER_AND_MEMORY)
@pytest.mark.parametrize("limit", [20_000, 1])
def test_each_example_of_a_broken_rule_can_go_wrong(rule, limit):
    assert explain(Plan.from_json(patched(PLAN, EXAMPLES[rule])), limit=limit) is not None
