from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from conformance.cases import Suite
from conformance.cli import main
from conformance.protocol import check

ORACLE = Path(__file__).with_name("oracle.py")


@pytest.fixture(scope="module")
def suite():
    return Suite.load()


@pytest.fixture
def acp_conformance(suite, monkeypatch):
    monkeypatch.setattr(Suite, "load", lambda: suite)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(main, list(map(str, arguments)))


@pytest.fixture
def oracle(repository):
    vectors = repository / "conformance" / "vectors" / "1"
    return lambda defect: shlex.join([sys.executable, str(ORACLE), str(vectors), defect])


def test_run_prints_a_table_and_passes(acp_conformance, oracle):
    done = acp_conformance("run", "--impl", oracle("none"), "--area", "keys", "--seed", "3")
    assert done.exit_code == 0
    assert "keys      9       9" in done.output
    assert "9 of 9 cases executed, seed 3\npassed" in done.output


def test_run_says_what_failed_and_why(acp_conformance, oracle):
    done = acp_conformance("run", "--impl", oracle("wrong-code"), "--area", "keys")
    assert done.exit_code == 1
    assert "failed: key-rsa (ENV-K1)" in done.output
    assert "    rejected with ENV-J1; the rule is ENV-K1; in phase" not in done.output
    assert "    mutation: an RSA key in its place" in done.output
    assert "    why: no rule says how RSA signs" in done.output


def test_run_writes_reports(acp_conformance, oracle, tmp_path):
    report, junit = tmp_path / "report.json", tmp_path / "junit.xml"
    done = acp_conformance(
        "run", "--impl", oracle("wrong-code"), "--area", "keys", "--format", "json",
        "--report", report, "--junit", junit, "--seed", "5",
    )  # fmt: skip
    said = json.loads(done.output)
    check("report", said)
    assert done.exit_code == 1
    assert said == json.loads(report.read_text())
    assert said["verdict"] == "failed"
    assert said["suite"]["seed"] == 5
    assert said["counts"]["by_status"] == {"passed": 2, "failed": 7}
    assert said["requirements"] == {"ENV-K1": {"passed": 2, "failed": 7}}
    root = ET.parse(junit).getroot()  # noqa: S314 - our own file
    suite = root.find("testsuite")
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("keys", "9", "7")
    assert len(suite.findall("testcase/failure")) == 7


def test_a_run_that_was_stopped_says_so(acp_conformance, oracle):
    done = acp_conformance("run", "--impl", oracle("smoke-bad"))
    assert done.exit_code == 1
    assert "stopped: smoke test, a known bad document" in done.output


def test_expected_failures(acp_conformance, oracle, tmp_path):
    known = tmp_path / "known.json"
    names = ["rsa", "p384", "x25519", "private", "two", "no-pem", "truncated"]
    entries = [
        {
            "id": f"key-{name}",
            "observed": "ENV-J1",
            "issue": "https://example.com/1",
            "expires": "2999-01-01",
        }
        for name in names
    ]
    known.write_text(json.dumps({"expected_failures": entries}))
    command = ("run", "--impl", oracle("wrong-code"), "--area", "keys")
    done = acp_conformance(*command, "--expected-failures", known)
    assert done.exit_code == 0
    assert "expected: key-rsa" in done.output


def known_failure(name, expires):
    entry = {"id": name, "observed": "accepted", "issue": "https://example.com/1"}
    return json.dumps({"expected_failures": [{**entry, "expires": expires}]})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting"),
        ('{"expected_failures": [{"id": "key-rsa"}]}', "required"),
        (
            known_failure("key-none", "2999-01-01"),
            "there is no case 'key-none'",
        ),
        (
            known_failure("key-rsa", "2999-02-30"),
            "day is out of range",
        ),
    ],
)
def test_expected_failures_that_make_no_sense(acp_conformance, oracle, tmp_path, text, reason):
    known = tmp_path / "known.json"
    known.write_text(text)
    done = acp_conformance("run", "--impl", oracle("none"), "--expected-failures", known)
    assert done.exit_code == 2
    assert reason in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "--impl", ""),
        ("run", "--impl", "'"),
        ("run", "--impl", "/no/such/program"),
        ("run", "--impl", "true", "--area", "attic"),
        ("run", "--impl", "true", "--level", "PERHAPS"),
        ("run", "--impl", "true", "--expected-failures", "/no/such/file"),
        ("list", "--area", "attic"),
        ("show", "no-such-case"),
        ("frobnicate",),
    ],
)
def test_wrong_usage(acp_conformance, arguments):
    assert acp_conformance(*arguments).exit_code == 2


def test_list(acp_conformance):
    done = acp_conformance("list", "--area", "keys")
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "9 cases"
    cases = json.loads(acp_conformance("list", "--format", "json").output)
    assert {"id", "area", "level", "feature", "requires", "expect"} == cases[0].keys()
    assert len(cases) > 400


def test_show(acp_conformance):
    done = acp_conformance("show", "envelope-payload-altered")
    assert done.exit_code == 0
    assert "differs from envelope: `revision` is 4 in the payload" in done.output
    assert "to be rejected with ENV-T1" in done.output
    assert '"revision": "4"' in done.output
    assert json.loads(acp_conformance("show", "key-rsa", "--format", "json").output)["id"]


def test_every_case_can_be_shown(acp_conformance, suite):
    for name in suite.cases:
        assert acp_conformance("show", name).exit_code == 0


def test_matrix(acp_conformance):
    assert acp_conformance("matrix").exit_code == 0
