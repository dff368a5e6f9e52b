"""A small share of the fuzzing; ``python -m benchmarks fuzz`` does all of it."""

from __future__ import annotations

import time

import pytest

from acp.diagnostics import Diagnostic, Severity
from cep.verify import Report
from tests.fuzz import harness
from tests.fuzz.documents import made as made_of_documents
from tests.fuzz.harness import CORPORA, fuzz, judged
from tests.fuzz.inputs import made


@pytest.mark.parametrize(
    "count", [1500, pytest.param(50_000, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_every_input_gets_an_answer(count):
    tally = judged(3, range(count))
    assert not tally.failures
    assert tally.inputs == count
    assert len(tally.codes) > 30, "the inputs reach many rules"
    assert tally.codes["accepted"] > count // 100
    assert set(tally.kinds) == {"plan", "envelope", "descriptor", "weights"}


@pytest.mark.parametrize(
    "count", [1500, pytest.param(50_000, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_every_document_gets_an_answer(count):
    tally = judged(3, range(count), "documents")
    assert not tally.failures
    assert tally.inputs == count
    assert len(tally.codes) > 30, "the inputs reach many rules"
    assert tally.codes["accepted"] > count // 30
    assert set(tally.kinds) == {"json", "yaml", "binary", "sealed"}


def test_an_input_can_be_made_again():
    for corpus in CORPORA.values():
        assert [corpus(5, n).data for n in range(50)] == [corpus(5, n).data for n in range(50)]
    assert [made(5, n).data for n in range(50)] == [made(5, n).data for n in range(50)]
    assert made(5, 1).data != made(6, 1).data


@pytest.mark.slow
def test_several_processes_see_what_one_sees():
    one, several = judged(4, range(6000)), fuzz(6000, 4)
    assert not several.failures
    assert (one.codes, one.kinds, one.bytes) == (several.codes, several.kinds, several.bytes)


def broken(how):
    """A verifier that is wrong about everything, in one way."""

    def verify(*_, **__):
        if how == "raises":
            raise KeyError("x")
        if how == "hangs":
            time.sleep(10)
        code = "CEP-Z9" if how == "unknown code" else "CEP-I3"
        refusal = Diagnostic(code, Severity.ERROR, "", "" if how == "no message" else "refused")
        return "fine" if how == "no report" else Report((refusal,), ())

    return verify


@pytest.mark.parametrize(
    "how", ["raises", "hangs", "unknown code", "no message", "no report", "nothing wrong"]
)
def test_what_goes_wrong_is_noticed(monkeypatch, how):
    monkeypatch.setattr(harness, "verify", broken(how))
    monkeypatch.setattr(harness, "HANG_S", 0.05)
    number = next(n for n in range(100) if made(3, n).kind == "plan")
    tally = judged(3, [number])
    assert bool(tally.failures) == (how != "nothing wrong")


@pytest.mark.parametrize("kind", ["json", "yaml", "binary"])
def test_a_form_that_loses_something_is_noticed(monkeypatch, kind):
    number = next(
        n
        for n in range(10_000)
        if made_of_documents(3, n).kind == kind and "accepted" in judged(3, [n], "documents").codes
    )
    whole = harness.write

    def lossy(document, form):
        return whole(document.replace(extensions=None, issuer="other.example"), form)

    monkeypatch.setattr(harness, "write", lossy)
    assert "another document" in judged(3, [number], "documents").failures[0][2]


def test_slow_inputs_are_failures(monkeypatch):
    monkeypatch.setattr(harness, "SLOW_NS", 0)
    assert judged(3, [0]).failures
