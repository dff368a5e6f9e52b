from __future__ import annotations

import json

import pytest

from conformance import matrix
from conformance.cases import Suite


@pytest.fixture(scope="module")
def suite():
    return Suite.load()


def row(rows, rule):
    return next(one for one in rows if one.rule == rule)


def test_the_repository_has_no_gap(repository, suite):
    rows = matrix.rows(repository, suite)
    assert {one.rule: one.gaps for one in rows if one.gaps} == {}


def test_every_rule_of_the_spec_is_in_it(repository, suite):
    rules = {one.rule for one in matrix.rows(repository, suite)}
    assert {"ENV-J1", "ENV-T5", "ACP-C01", "CEP-M3", "CEP-P8"} <= rules


@pytest.fixture
def checkout(tmp_path):
    """A checkout with one rule, ENV-J2, which has vectors."""
    for name in ("spec", "docs", "acp", "cep", "reference_runtime"):
        (tmp_path / name).mkdir()
    (tmp_path / "spec" / "envelope.md").write_text("**ENV-J2** Once.\n")
    (tmp_path / "docs" / "errors.md").write_text("| ENV-F1 | A file. |\n")
    (tmp_path / "acp" / "canonical.py").write_text('raise because("ENV-J2")\n')
    return tmp_path


def test_a_complete_row(checkout, suite):
    found = row(matrix.rows(checkout, suite), "ENV-J2")
    assert found.spec == ["spec/envelope.md"]
    assert found.code == ["acp/canonical.py"]
    assert found.gaps == []


@pytest.mark.parametrize(
    ("path", "text", "rule", "gaps"),
    [
        ("spec/envelope.md", "See ENV-J2.\n", "ENV-J2", ["no sentence"]),
        ("acp/canonical.py", "# ENV-J2\n", "ENV-J2", ["no code"]),
        ("spec/more.md", "**ENV-J2** Twice.\n", "ENV-J2", ["more than one sentence"]),
        (
            "spec/more.md",
            "**ENV-J9** New.\n",
            "ENV-J9",
            ["no code", "no accepting vector", "no refusing vector"],
        ),
        (
            "cep/plan.py",
            'refuse("CEP-Q7")\n',
            "CEP-Q7",
            ["no sentence", "no accepting vector", "no refusing vector"],
        ),
    ],
)
def test_each_gap_is_found(checkout, suite, path, text, rule, gaps):
    (checkout / path).write_text(text)
    assert row(matrix.rows(checkout, suite), rule).gaps == gaps


def test_who_only_talks_about_a_rule_does_not_report_it(checkout, suite):
    (checkout / "acp" / "canonical.py").rename(checkout / "acp" / "rule_texts.py")
    assert row(matrix.rows(checkout, suite), "ENV-J2").gaps == ["no code"]


def test_codes_of_tools_are_no_rules(checkout, suite):
    (checkout / "acp" / "files.py").write_text('raise because("ENV-F1")\n')
    assert "ENV-F1" not in {one.rule for one in matrix.rows(checkout, suite)}


def test_json(capsys):
    assert matrix.main("json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    assert all(one["refusing"] for one in said["rules"] if one["rule"] not in matrix.UNTESTABLE)


def test_a_gap_fails(checkout, monkeypatch, capsys):
    monkeypatch.setattr(matrix, "ROOT", checkout)
    assert matrix.main() == 1
    assert "gap: ACP-C01: no sentence, no code" in capsys.readouterr().out


def test_without_a_checkout_there_is_nothing_to_look_at(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(matrix, "ROOT", tmp_path)
    assert matrix.main() == 2
    assert "needs a checkout" in capsys.readouterr().err
