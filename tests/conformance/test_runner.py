from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest

from conformance.cases import Case, Suite
from conformance.child import ChildError
from conformance.expected import ExpectedFailure
from conformance.runner import Examiner, Result, Run, Status, Verdict, judge

ORACLE = Path(__file__).with_name("oracle.py")
ISSUE = "https://example.com/issues/1"


@pytest.fixture(scope="module")
def suite():
    return Suite.load()


@pytest.fixture(scope="module")
def vectors(repository):
    return repository / "conformance" / "vectors" / "1"


def examine(suite, vectors, defect, *rest, areas=("keys",), **options):
    command = [sys.executable, str(ORACLE), str(vectors), defect, *map(str, rest)]
    return Examiner(suite, command, **options).run(suite.select(areas=areas), seed=7)


def statuses(run):
    return {one.case.id: one.status for one in run.results}


def test_right_answers_pass(suite, vectors):
    run = examine(suite, vectors, "none", areas=("json", "keys", "descriptors"))
    assert (run.verdict, run.reason) == (Verdict.PASSED, "")
    assert run.executed == len(run.selected)
    assert set(statuses(run).values()) == {Status.PASSED}


def test_unclaimed_features_may_be_unsupported(suite, vectors):
    run = examine(suite, vectors, "none", areas=("keys", "status"))
    assert run.verdict is Verdict.PASSED
    assert {statuses(run)[name] for name in ("status", "status-due")} == {Status.UNSUPPORTED}


def test_a_run_in_which_nothing_passes_fails(suite, vectors):
    run = examine(suite, vectors, "none", areas=("status",))
    assert (run.verdict, run.reason) == (Verdict.FAILED, "no case passed")


@pytest.mark.parametrize(
    ("defect", "status", "reason"),
    [
        ("garbage", Status.ERROR, "not a line of JSON"),
        ("half-a-line", Status.ERROR, "not a line of JSON"),
        ("oversize", Status.ERROR, "more than 1048576 bytes"),
        ("dies", Status.ERROR, "ended with status 9: out of luck"),
        ("error", Status.ERROR, "could not be bothered"),
        ("no-code", Status.ERROR, "malformed answer"),
        ("extra-member", Status.ERROR, "malformed answer"),
        ("unsupported", Status.FAILED, "but it claims 'keys'"),
        ("wrong-code", Status.FAILED, "rejected with ENV-J1; the rule is ENV-K1"),
        ("every-code", Status.FAILED, "ENV-J1, CEP-M3 reported, which this input does not break"),
        ("wrong-phase", Status.FAILED, "in phase decode; the phase is trust"),
        ("wrong-digest", Status.BLOCKED, "its sibling key-ed25519 was not accepted"),
    ],
)
def test_a_defect_is_caught_for_what_it_is(suite, vectors, defect, status, reason):
    run = examine(suite, vectors, defect)
    result = next(one for one in run.results if one.case.id == "key-p384")
    assert (result.status, run.verdict) == (status, Verdict.FAILED)
    assert reason in result.reason
    assert run.executed == len(run.selected)


def test_an_answer_to_another_request_is_an_error(suite, vectors):
    run = examine(suite, vectors, "wrong-id")
    assert "an answer to another request: '0'" in run.results[0].reason


def test_a_second_answer_is_no_answer_to_the_next_request(suite, vectors):
    run = examine(suite, vectors, "twice")
    assert run.verdict is Verdict.FAILED
    assert {Status.ERROR} <= {one.status for one in run.results}


def test_silence_ends_with_the_time_limit_and_the_run_goes_on(suite, vectors):
    run = examine(suite, vectors, "silent", timeout_s=1.5, max_restarts=1)
    found = [one.status for one in run.results]
    assert found.count(Status.ERROR) == 2
    assert found.count(Status.NOT_RUN) == len(found) - 2
    assert "no answer within 1.5 s" in next(o for o in run.results if o.status == "error").reason
    assert f"only 2 of {len(found)} cases executed" in run.reason


def test_a_testee_that_does_not_come_back_is_given_up(suite, vectors, tmp_path):
    run = examine(suite, vectors, "dies-after-restart", tmp_path / "mark", max_restarts=3)
    assert run.restarts == 3
    assert {one.reason for one in run.results if one.status is Status.NOT_RUN} >= {
        "given up after 3 restarts"
    }


@pytest.mark.parametrize(
    ("defect", "reason"),
    [
        ("stillborn", "no answer to hello: it ended with status 3"),
        ("other-protocol", "no answer to hello: malformed answer"),
        ("other-spec", "does not claim version 1"),
        ("hollow-profile", "'acp-reader/1' without its features envelope, holdings, status"),
        ("no-features", "no feature that the suite can begin with"),
        ("odd-feature", "features that the suite does not know: levitation"),
        ("smoke-good", "a known good document (json-plain): an error inside: not today"),
        ("smoke-bad", "a known bad document (json-repeated-name): accepted"),
    ],
)
def test_the_run_stops_before_it_begins(suite, vectors, defect, reason):
    run = examine(suite, vectors, defect)
    assert run.verdict is Verdict.STOPPED
    assert reason in run.reason
    assert run.executed == 0


def test_a_program_that_does_not_exist_cannot_be_judged(suite):
    with pytest.raises(ChildError, match="cannot start"):
        Examiner(suite, ["/no/such/program"]).run(suite.select(), seed=0)


def test_ids_and_order_follow_from_the_seed_and_say_nothing(suite, tmp_path):
    log = tmp_path / "log"
    program = tmp_path / "logger.py"
    program.write_text(
        "import json, sys\n"
        f"log = open({str(log)!r}, 'a')\n"
        "for line in sys.stdin:\n"
        "    log.write(line)\n"
        "    log.flush()\n"
        "    request = json.loads(line)\n"
        "    if request['cmd'] == 'run':\n"
        "        break\n"
        "    hello = {'reply': 'hello', 'protocol': 1, 'spec_versions': ['1'], 'profiles': [],\n"
        "             'features': ['json'], 'implementation':\n"
        "             {'name': 'n', 'version': 'v', 'language': 'l'}}\n"
        "    print(json.dumps(hello), flush=True)\n"
    )
    for seed in (1, 1, 2):
        Examiner(suite, [sys.executable, str(program)]).run(suite.select(), seed)
    runs = [line for line in log.read_text().splitlines() if '"run"' in line]
    assert runs[0] == runs[1] != runs[2]
    assert "json-plain" not in runs[0]


@pytest.mark.parametrize(
    ("observed", "expires", "status"),
    [
        ("ENV-J1", date(2026, 12, 1), Status.EXPECTED),
        ("ENV-J1", date(2026, 11, 20), Status.FAILED),
        ("accepted", date(2026, 12, 1), Status.FAILED),
    ],
)
def test_an_expected_failure_is_exact_and_dated(suite, vectors, observed, expires, status):
    names = [name for name in suite.cases if name.startswith("key-") and name != "key-ed25519"]
    known = {name: ExpectedFailure(name, observed, ISSUE, expires) for name in names}
    known.pop("key-p256")
    today = date(2026, 11, 20)
    run = examine(suite, vectors, "wrong-code", expected=known, today=today)
    assert statuses(run)["key-rsa"] is status
    assert (run.verdict is Verdict.PASSED) == (status is Status.EXPECTED)


def test_an_expected_failure_that_passes_fails(suite, vectors):
    known = {"key-rsa": ExpectedFailure("key-rsa", "accepted", ISSUE, date(2026, 12, 1))}
    run = examine(suite, vectors, "none", expected=known, today=date(2026, 11, 20))
    result = next(one for one in run.results if one.case.id == "key-rsa")
    assert result.status is Status.FAILED
    assert "remove the entry" in result.reason


DIGEST = "sha256:" + "0" * 64


def case(outcome, **expect):
    expect = {"outcome": outcome, "digest": DIGEST, **expect}
    data = {"id": "one", "feature": "descriptor", "level": "SHOULD", "requires": ["ACP-C03"]}
    return Case({**data, "expect": expect})


@pytest.mark.parametrize(
    ("outcome", "warnings", "status", "reason"),
    [
        ("warned", ["ACP-C03"], Status.PASSED, ""),
        ("warned", ["ACP-C05", "ACP-C03"], Status.PASSED, ""),
        ("warned", [], Status.FAILED, "accepted without the warning ACP-C03"),
        ("warned", ["ACP-C05"], Status.FAILED, "accepted without the warning ACP-C03"),
        ("warned", ["ACP-C03", "ACP-M01"], Status.FAILED, "warned of ACP-M01"),
        ("accepted", [], Status.PASSED, ""),
        ("accepted", ["ACP-M01"], Status.PASSED, ""),
        ("accepted", ["ACP-C03"], Status.FAILED, "warned of ACP-C03"),
    ],
)
def test_warnings_are_judged(outcome, warnings, status, reason):
    codes = {"codes": ["ACP-C03"], "also": ["ACP-C05"]} if outcome == "warned" else {}
    answer = {"reply": "accepted", "digest": DIGEST, "warnings": warnings}
    result = judge(case(outcome, **codes), answer, claimed=True)
    assert result.status is status
    assert reason in result.reason


def test_a_document_is_not_to_be_rejected_for_a_warning(suite):
    put = case("warned", codes=["ACP-C03"])
    answer = {"reply": "rejected", "phase": "semantics", "codes": ["ACP-C03"]}
    result = judge(put, answer, claimed=True)
    assert (result.status, result.reason) == (
        Status.FAILED,
        "rejected with ACP-C03; to be accepted",
    )
    passed = [Result(one, Status.PASSED, "", "accepted") for one in suite.cases.values()]
    claims = {"profiles": ["acp-reader/1"]}
    for more, conforms in (([], True), ([result], False)):
        run = Run(suite, (), (*passed, *more), 0, Verdict.PASSED, implementation=claims)
        assert run.profiles == {"acp-reader/1": conforms}
