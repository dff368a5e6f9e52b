"""Every rule of spec/registry.md is reported by code, and provoked by a test or an attack."""

from __future__ import annotations

import re

import pytest

from acp.distribution.simulator import attacks
from acp.rule_texts import TEXTS


@pytest.fixture(scope="module")
def rules(repository):
    text = (repository / "spec" / "registry.md").read_text(encoding="utf-8")
    found = re.findall(r"^\*\*(REG-[A-Z]\d)\*\*", text, re.MULTILINE)
    assert len(found) == len(set(found))
    return set(found)


def literals(folder, pattern=r'"(REG-[A-Z]\d)"'):
    return {
        code
        for path in folder.rglob("*.py")
        for code in re.findall(pattern, path.read_text("utf-8"))
    }


def test_every_rule_is_provoked(rules, repository):
    provoked = literals(repository / "tests" / "acp" / "distribution") | {
        one.code for one in attacks()
    }
    assert rules <= provoked | {"REG-C1"}, "C1 is what every attack's comparison is about"


def test_every_code_is_a_rule(rules, repository):
    assert literals(repository / "acp") <= rules
    assert rules <= set(TEXTS)
