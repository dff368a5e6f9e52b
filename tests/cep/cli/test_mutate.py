from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from acp.canonical import canonicalize
from acp.dsse import PLAN
from cep.cli import main
from cep.mutate import OPERATORS
from tests.cep.plans import POLICY, chain, fork, signed

NOW = ("--now", "2026-11-20T12:00:00Z")


@pytest.fixture
def folder(tmp_path):
    case = fork()
    case.seal()
    (tmp_path / "plan.json").write_bytes(canonicalize(case.plan))
    (tmp_path / "plan.dsse.json").write_bytes(signed(case.plan, PLAN))
    (tmp_path / "devices").mkdir()
    for number, envelope in enumerate(case.envelopes):
        (tmp_path / "devices" / f"{number}.json").write_bytes(envelope)
    (tmp_path / "policy.json").write_bytes(POLICY.to_bytes())
    return tmp_path


def mutate(*words):
    return CliRunner(catch_exceptions=False).invoke(main, ["mutate", *map(str, words)])


def check(folder, *words):
    options = ("--descriptors", folder / "devices", "--policy", folder / "policy.json", *NOW)
    return mutate("--check", *options, *words)


def test_the_operators_are_listed():
    listed = json.loads(mutate("--list", "--format", "json").stdout)["operators"]
    assert [one["name"] for one in listed] == list(OPERATORS)
    assert all(one["summary"] and one["rules"] for one in listed)
    assert "CEP-O2" in mutate("--list").stdout


def test_mutants_are_written(folder):
    plan, out = folder / "plan.json", folder / "mutants"
    result = mutate(plan, "--count", 20, "--seed", 3, "-o", out, *NOW)
    assert result.exit_code == 0, result.output
    written = [path.read_bytes() for path in sorted(out.iterdir())]
    assert len(set(written)) == 20
    assert plan.read_bytes() not in written
    mutate(folder / "plan.dsse.json", "--count", 20, "--seed", 3, "-o", folder / "again", *NOW)
    assert [path.read_bytes() for path in sorted((folder / "again").iterdir())] == written


def test_mutants_are_checked(folder):
    result = check(folder, folder / "plan.json", "--count", 100, "--format", "json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["mutants"] == 100
    assert sum(counts["accepted"] for counts in answer["operators"].values()) == 0


def test_one_operator_is_enough(folder):
    result = check(
        folder, folder / "plan.json", "--operator", "wait-dropped", "-o", folder / "mutants"
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-2].split() == ["all", "1", "1", "0", "0", "0"]
    assert len(list((folder / "mutants").iterdir())) == 1


def test_what_is_accepted_without_proof_is_an_error(folder, monkeypatch):
    monkeypatch.setattr("cep.mutate.engine.unproven", lambda *_: "nobody knows")
    result = check(folder, folder / "plan.json", "--operator", "arena-enlarged")
    assert result.exit_code == 1
    assert "MUT-A1" in result.stderr
    assert "nobody knows" in result.stderr


def test_a_plan_that_is_refused_has_no_mutants(folder):
    case = chain()
    case.seal()
    (folder / "other.json").write_bytes(canonicalize(case.plan))
    result = check(folder, folder / "other.json")
    assert result.exit_code == 1
    assert "CEP-I2" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("plan.json",),
        ("plan.json", "--check"),
        ("plan.json", "-o", "out", "--operator", "none-such"),
        ("plan.json", "-o", "out", "--count", "0"),
    ],
    ids=" ".join,
)
def test_wrong_usage(words):
    assert mutate(*words).exit_code == 2


def test_only_plans_have_mutants(folder):
    device = folder / "devices" / "0.json"
    assert "ENV-E3" in mutate(device, "-o", folder / "mutants").stderr
