from __future__ import annotations

import os
import sys

import pytest

from conformance.cases import Suite
from conformance.runner import Examiner, Status, Verdict


@pytest.fixture(scope="module")
def suite():
    return Suite.load()


def examine(suite, module, areas=()):
    examiner = Examiner(suite, [sys.executable, "-m", module])
    return examiner.run(suite.select(areas=areas), seed=20261120)


@pytest.fixture(autouse=True)
def at_the_root(repository, monkeypatch):
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PYTHONPATH", str(repository))
    assert os.environ["PYTHONPATH"]


def test_our_library_passes_every_case(suite):
    run = examine(suite, "conformance.testee")
    bad = [(one.case.id, one.reason) for one in run.results if one.status is not Status.PASSED]
    assert bad == []
    assert run.verdict is Verdict.PASSED
    assert run.executed == len(run.suite.cases)
    assert run.restarts == 0
    assert run.profiles == dict.fromkeys(run.suite.profiles, True)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("accept_all", "a known bad document (json-repeated-name): accepted"),
        ("reject_all", "a known good document (json-plain): rejected"),
    ],
)
def test_one_answer_to_everything_does_not_survive_the_smoke_test(suite, module, reason):
    run = examine(suite, f"conformance.broken.{module}")
    assert run.verdict is Verdict.STOPPED
    assert reason in run.reason


@pytest.mark.parametrize(
    ("module", "areas", "caught"),
    [
        (
            "skip_signature",
            ("envelopes", "plans"),
            {"envelope-payload-altered", "envelope-signature-by-stranger", "plan-payload-altered"},
        ),
        (
            "re_encode_before_verify",
            ("envelopes", "plans"),
            {
                "envelope-payload-white-space",
                "envelope-signature-of-canonical-form",
                "plan-payload-white-space",
            },
        ),
        (
            "ignore_critical",
            ("descriptors",),
            {"descriptor-critical-not-understood", "descriptor-critical-other-understood"},
        ),
    ],
)
def test_a_reader_that_is_wrong_in_one_way_is_caught_there(suite, module, areas, caught):
    run = examine(suite, f"conformance.broken.{module}", areas)
    failed = {one.case.id for one in run.results if one.status is Status.FAILED}
    assert run.verdict is Verdict.FAILED
    assert caught <= failed
    assert run.executed == len(run.selected)


def test_a_reader_that_crashes_is_started_again_and_caught(suite):
    run = examine(suite, "conformance.broken.crash", ("receipts",))
    errors = [one for one in run.results if one.status is Status.ERROR]
    assert run.verdict is Verdict.FAILED
    assert {one.case.id for one in errors} == {"receipt-altered", "receipt-by-stranger"}
    assert all("status 70" in one.reason for one in errors)
    assert run.executed == len(run.selected)
