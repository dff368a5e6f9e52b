from __future__ import annotations

import subprocess
import sys

import pytest


def test_a_rule_is_printed_with_reason_and_example(run):
    answer = run("explain", "acp-c04", "ENV-J2", "ACP-C04")
    assert answer.status == 0
    assert answer.text.count("ACP-C04 (spec/acp.md, 5.4 Compute)") == 1
    assert "MUST have `acc`" in answer.text
    assert "Reason: the same matrix engine" in answer.text
    assert '{"engines": [{"id": "tensor"' in answer.text
    assert "MUST NOT repeat a member name" in answer.text


def test_as_json(run):
    (rule,) = run("explain", "ENV-J2", "--format", "json").json["rules"]
    assert rule["code"] == "ENV-J2"
    assert rule["demand"].startswith("An object MUST NOT repeat")
    assert "reason" not in rule


@pytest.mark.parametrize("code", ["ACP-C44", "", "x" * 99])
def test_an_unknown_code_is_a_wrong_usage(run, code):
    answer = run("explain", code)
    assert answer.status == 2
    assert "is no code known here" in answer.errors


def test_where_else_a_code_may_be_known(run):
    assert "see 'cep explain CEP-M3'" in run("explain", "CEP-M3").errors
    assert "some are ACP-C01" in run("explain", "C01").errors


@pytest.mark.parametrize("code", ["MAT-A1", "DIF-A1", "MUT-A1", "RUN-M1", "RUN-D1", "REG-S2"])
def test_every_code_that_commands_answer_with_is_known(run, code):
    answer = run("explain", code)
    assert answer.status == 0
    assert answer.text.startswith(f"{code} (")


def test_validate_does_not_load_the_texts(folder):
    program = (
        "import sys; sys.argv = ['acp', 'validate', sys.argv[1]]\n"
        "from acp.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert 'acp.rule_texts' not in sys.modules and 'acp.explanation' not in sys.modules\n"
    )
    path = str(folder / "device.json")
    done = subprocess.run(
        [sys.executable, "-c", program, path, "--now", "2026-11-20T00:00:00Z"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
