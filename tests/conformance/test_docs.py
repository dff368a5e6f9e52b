"""docs/conformance.md says what is so: its testee passes, its tables are those of the suite."""

from __future__ import annotations

import json
import re
import sys

import pytest

from conformance import matrix
from conformance.cases import Suite
from conformance.phases import PHASES, phase_of
from conformance.protocol import check, hello, parse
from conformance.runner import Examiner, Status, Verdict


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "conformance.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def suite():
    return Suite.load()


def test_the_complete_testee_passes(page, suite, tmp_path):
    program = tmp_path / "testee.py"
    program.write_text(re.search(r"```python id=testee\n(.*?)```", page, re.DOTALL).group(1))
    run = Examiner(suite, [sys.executable, str(program)]).run(suite.select(), seed=1)
    assert (run.verdict, run.reason) == (Verdict.PASSED, "")
    passed = {one.case.id for one in run.results if one.status is Status.PASSED}
    assert passed == {case.id for case in suite.cases.values() if case.feature == "keys"}


def test_the_example_messages_are_messages(page):
    blocks = re.findall(r"```jsonl\n(.*?)\n(.*?)\n```", page)
    assert len(blocks) == 2
    for request, answer in blocks:
        check("request", json.loads(request))
        parse(answer.encode())
    assert json.loads(blocks[0][0]) == hello()


def test_the_features_and_profiles_are_those_of_the_suite(page, suite):
    section = page.partition("## Features and profiles")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z0-9/-]+)` \| (.+?) \|$", section, re.MULTILINE))
    assert rows.keys() == suite.features.keys() | suite.profiles.keys()
    for name, features in suite.profiles.items():
        assert rows[name].split(", ") == list(features)


def test_the_phases_are_those_of_the_code(page):
    assert re.findall(r"^\| `([a-z]+)` \| (?:the other )?(?:ENV|ACP|CEP)", page, re.MULTILINE) == [
        *PHASES
    ]
    for code, phase in (
        ("ENV-J1", "decode"),
        ("ACP-U01", "schema"),
        ("CEP-I3", "canonical"),
        ("CEP-I1", "signature"),
        ("ENV-T5", "trust"),
        ("CEP-I5", "freshness"),
        ("ACP-X01", "semantics"),
        ("CEP-P4", "semantics"),
        ("CEP-M3", "plan"),
    ):
        assert phase_of([code]) == phase
    assert phase_of(["CEP-M3", "ACP-C01", "ENV-J2"]) == "decode"
    with pytest.raises(ValueError, match="RUN-D1"):
        phase_of(["RUN-D1"])


def test_the_rules_without_vectors_are_told(page):
    section = " ".join(page.partition("## The vectors")[2].split())
    told = set(re.findall(r"ENV-[A-Z]\d", section)) | {"ENV-F2"}
    assert "registries (REG-…)" in section
    registry = {rule for rule in matrix.UNTESTABLE if rule.startswith("REG-")}
    assert set(matrix.UNTESTABLE) - registry | {"ENV-J3"} == told
