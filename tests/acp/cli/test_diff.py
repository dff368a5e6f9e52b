from __future__ import annotations

import pytest

from tests.acp.cli.conftest import NOW
from tests.acp.examples import STATUS, SYSTEM, changed, descriptor

RATE = "/engines/0/rates/0/peak_ops_per_s"


@pytest.fixture
def old(write):
    return write(descriptor(), "old.json")


def test_one_document_has_no_changes(run, old):
    answer = run("diff", old, old)
    assert answer.status == 0
    assert "nothing that is claimed has changed" in answer.text
    assert "they are one document" in answer.text


def test_a_new_revision_that_claims_no_less_is_fine(run, old, write):
    new = changed(
        changed(descriptor(), "/revision", "4"), "/memories/0/usable_bytes", "85899345920"
    )
    answer = run("diff", old, write(new))
    assert answer.status == 0
    assert "better:\n    memories[hbm].usable_bytes: 79.64 GiB" in answer.text
    assert "one that names OLD by digest must name NEW" in answer.text
    assert run("diff", old, write(new), "--format", "json").found == []


@pytest.mark.parametrize("revision", ["2", "3"])
def test_a_change_under_a_number_that_was_there_is_told(run, old, write, revision):
    new = changed(
        changed(descriptor(), "/memories/0/usable_bytes", "85899345920"), "/revision", revision
    )
    answer = run("diff", old, write(new), "--format", "json")
    assert (answer.status, answer.found) == (0, [("DIF-A2", "/revision")])
    other = changed(new, "/uri", "https://example.com/acp/e200")
    assert run("diff", old, write(other), "--format", "json").found == []


def test_a_changed_status_list_needs_the_next_sequence(run, write):
    new = write(STATUS | {"next_update": "2026-12-02T00:00:00Z"}, "new.json")
    answer = run("diff", write(STATUS, "old.json"), new, "--format", "json")
    assert ("DIF-A2", "/sequence") in answer.found


def test_what_is_worse_fails_and_names_what_plans_relied_on(run, old, write):
    new = write(changed(descriptor(), RATE, "494700000000000"))
    answer = run("diff", old, new)
    assert answer.status == 1
    assert "worse:\n    engines[tensor].rates[f16 × f16 + f32 → f32, dense]" in answer.text
    assert "989.4 T ops/s → 494.7 T ops/s (−50 %)" in answer.text
    assert "plans may not hold, because of engines[tensor].rates" in answer.text
    answer = run("diff", old, new, "--format", "json")
    assert answer.found == [("DIF-A1", RATE), ("DIF-A2", "/revision")]
    (one,) = answer.json["changes"]
    assert (one["verdict"], one["act"], one["path"]) == ("worse", "changed", RATE)
    assert answer.json["old"]["digest"] != answer.json["new"]["digest"]
    assert run("diff", new, old).status == 0


def test_systems_and_status_lists_compare_too(run, write):
    first = write(SYSTEM, "first.json")
    second = write(changed(SYSTEM, "/links/0", ...), "second.json")
    answer = run("diff", first, second)
    assert answer.status == 1
    assert "− links[up] is gone" in answer.text
    assert run("diff", write(STATUS, "a.json"), write(STATUS, "b.json")).status == 0


def test_a_reference_descriptor_stands_for_old(run, old):
    answer = run("diff", "--reference", "h100-sxm", old)
    assert "− reference nvidia/h100-sxm, revision" in answer.text
    assert "subject.model: NVIDIA H100 80GB HBM3 → E100" in answer.text


def test_envelopes_are_looked_into_and_that_is_said(run, sign, old):
    answer = run("diff", sign(descriptor()), old)
    assert answer.status == 0
    assert "(signatures not checked)" in answer.text


@pytest.mark.parametrize(
    ("words", "told"),
    {
        "one file": (["OLD"], "give OLD and NEW"),
        "three files": (["OLD", "OLD", "OLD"], "give OLD and NEW"),
        "two kinds": (["OLD", "SYSTEM"], "documents of one kind compare"),
        "a folder for nothing": (["OLD", "OLD", "--descriptors", "."], "give one with --plan"),
        "a plan for a system": (
            ["SYSTEM", "SYSTEM", "--plan", "OLD"],
            "plans are made for devices",
        ),
        "an unknown reference": (["OLD", "--reference", "h1000-sxm"], "did you mean"),
    }.values(),
)
def test_wrong_usage(run, old, write, words, told):
    files = {"OLD": old, "SYSTEM": write(SYSTEM, "system.json")}
    answer = run("diff", *(files.get(word, word) for word in words))
    assert answer.status == 2
    assert told in answer.errors


def test_a_file_that_is_no_document_is_refused(run, old, write):
    for data in (b"", b"{", b'{"spec": "cep/1"}'):
        answer = run("diff", old, write(data), "--format", "json")
        assert answer.status == 1
        assert answer.json["diagnostics"]


def test_what_is_no_plan_is_refused(run, old, write):
    plan = write({"spec": "cep/1"}, "plan.json")
    answer = run("diff", old, old, "--plan", plan, "--now", NOW, "--format", "json")
    assert answer.status == 1
    assert {one["file"] for one in answer.json["diagnostics"]} == {str(plan)}
