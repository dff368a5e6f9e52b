"""``--with`` and ``--reference``: documents by which others are judged."""

from __future__ import annotations

import json

import pytest

from acp.canonical import digest
from tests.acp.cli.conftest import NOW
from tests.acp.examples import STATUS, annex, changed, descriptor

SYSTEM = annex("system")
RECORD = annex("record")
MEASURED = descriptor() | {
    "provenance": [
        *descriptor()["provenance"],
        {"paths": ["/engines"], "basis": "MEASURED", "measurement_ref": digest(RECORD)},
    ]
}
UNPLUGGED = changed(SYSTEM, "/links/0/a/port", "nvlnk")
FASTER = changed(descriptor(), "/engines/0/rates/0/peak_ops_per_s", "700000000000000")
del FASTER["engines"][0]["clock_hz"], FASTER["engines"][0]["rates"][1]


@pytest.fixture
def beside(tmp_path):
    """A folder of companions."""
    folder = tmp_path / "beside"
    folder.mkdir()
    (folder / "device.json").write_text(json.dumps(descriptor()))
    (folder / "record.json").write_text(json.dumps(RECORD))
    (folder / "slice.json").write_text(json.dumps(annex("slice")))
    return folder


@pytest.fixture
def validate(run, write):
    def validate(value, *options):
        return run("validate", write(value), "--now", NOW, "--format", "json", *options)

    return validate


@pytest.mark.parametrize(
    ("good", "bad", "code"),
    [
        (SYSTEM, UNPLUGGED, "ACP-L01"),
        (MEASURED, changed(MEASURED, "/provenance/2/paths", ["/memories"]), None),
        (
            MEASURED,
            MEASURED | {"software": [{"component": "d", "version_range": ">=1"}]},
            "ACP-V01",
        ),
        (descriptor(), FASTER, "ACP-V02"),
    ],
)
def test_validate_looks_at_what_it_is_given(validate, beside, good, bad, code):
    assert validate(good, "--with", beside).status == 0
    answer = validate(bad, "--with", beside)
    assert (code in {found for found, _ in answer.found}) == (code is not None)
    assert answer.status == (code is not None)
    assert validate(bad).status == 0


def test_validate_says_what_it_did_not_look_at(run, write, validate, beside):
    (one,) = validate(SYSTEM).json["documents"]
    assert one["not_given"] == [digest(descriptor())]
    (one,) = validate(MEASURED, "--with", beside / "device.json").json["documents"]
    assert one["not_given"] == [digest(RECORD)]
    (one,) = validate(SYSTEM, "--with", beside).json["documents"]
    assert "not_given" not in one
    answer = run("validate", write(SYSTEM), "--now", NOW)
    assert "not looked at: 1 document that it names (give them by --with)" in answer.text


def test_a_companion_that_is_not_accepted_is_told_and_not_held(validate, beside):
    old = {**RECORD, "expires_at": "2026-02-01T00:00:00Z"}
    (beside / "record.json").write_text(json.dumps(old))
    answer = validate(descriptor(), "--with", beside)
    assert answer.status == 1
    (found,) = answer.json["diagnostics"]
    assert (found["code"], found["file"]) == ("ACP-T01", str(beside / "record.json"))
    assert answer.json["documents"][0]["ok"] is True


def test_a_companion_that_is_judged_too_is_told_once(run, beside):
    (beside / "slice.json").write_text("{}")
    answer = run("validate", beside, "--with", beside, "--now", NOW, "--format", "json")
    assert [found["code"] for found in answer.json["diagnostics"]] == ["ENV-S1"]


def test_a_companion_that_another_refutes_is_not_held(validate, beside):
    (beside / "device.json").write_text(json.dumps(FASTER))
    system = json.loads(json.dumps(UNPLUGGED).replace(digest(descriptor()), digest(FASTER)))
    (beside / "slice.json").unlink()
    answer = validate(system, "--with", beside)
    (found,) = answer.json["diagnostics"]
    assert (found["code"], found["file"]) == ("ACP-V02", str(beside / "device.json"))
    assert (answer.status, found["severity"]) == (0, "warning")
    assert found["message"].startswith("left out, since others that are given refute it: found 7")
    assert answer.json["documents"][0]["not_given"] == [digest(FASTER)]
    (beside / "record.json").unlink()
    assert "ACP-L01" in {code for code, _ in validate(system, "--with", beside).found}


def test_status_lists_revoke(validate, beside):
    entry = {"digest": digest(RECORD), "reason": "x", "effective_at": "2026-01-01T00:00:00Z"}
    (beside / "status.json").write_text(json.dumps(STATUS | {"entries": [entry]}))
    answer = validate(descriptor(), "--with", beside)
    assert answer.found == [("ACP-T01", "")]


@pytest.mark.parametrize("names", [("a-new", "b-old"), ("b-new", "a-old")])
def test_the_older_of_two_status_lists_is_refused_in_any_order(validate, beside, names):
    new, old = names
    (beside / f"{new}.json").write_text(json.dumps(STATUS))
    (beside / f"{old}.json").write_text(json.dumps(STATUS | {"sequence": "4"}))
    answer = validate(descriptor(), "--with", beside)
    (found,) = answer.json["diagnostics"]
    assert (found["code"], found["file"]) == ("ACP-T02", str(beside / f"{old}.json"))


def test_references_warn(validate, beside):
    value = changed(descriptor(), "/power/tdp_mw", "600000")
    assert validate(value, "--with", beside).json["diagnostics"] == []
    answer = validate(value, "--reference", beside / "device.json")
    assert (answer.status, answer.found) == (0, [("ACP-V04", "/power/tdp_mw")])
    answer = validate(value, "--reference", beside / "record.json")
    assert (answer.status, answer.found) == (1, [("ENV-S3", "")])


def test_shipped_references(run, write):
    from acp import reference

    value = json.loads(reference.read("nvidia/h100-sxm"))
    value["power"]["tdp_mw"] = "500000"
    answer = run("validate", write(value), "--reference", "h100-sxm", "--format", "json")
    assert ("ACP-V04", "/power/tdp_mw") in answer.found


def test_verify_believes_signed_companions_only(run, sign, beside, folder):
    device, record = sign(descriptor(), "gpu"), sign(RECORD, "seen")
    forged = sign(RECORD, "forged", key="stranger")

    def verify(value, *options):
        words = ("--policy", folder / "policy.json", "--now", NOW, "--format", "json")
        return run("verify", sign(value, "subject"), *words, *options)

    assert verify(SYSTEM).json["documents"][0]["not_given"] == [digest(descriptor())]
    assert verify(SYSTEM, "--with", device).status == 0
    assert verify(UNPLUGGED).status == 0
    assert verify(UNPLUGGED, "--with", device).found == [("ACP-L01", "/links/0/a/port")]
    assert verify(FASTER, "--with", record).found == [
        ("ACP-V02", "/engines/0/rates/0/peak_ops_per_s")
    ]
    answer = verify(FASTER, "--with", forged)
    assert (answer.status, [code for code, _ in answer.found]) == (1, ["ENV-T1"])
    answer = verify(SYSTEM, "--with", beside / "device.json")
    assert (answer.status, [code for code, _ in answer.found]) == (1, ["ENV-E1"])


def test_verify_takes_nothing_unsigned_for_granted(run, sign, folder):
    words = ("--policy", folder / "policy.json", "--now", NOW)
    answer = run("verify", sign(SYSTEM), *words, "--with", "all")
    assert answer.status == 2
    assert "is a reference descriptor, which is not signed" in answer.errors


def test_verify_refuses_an_old_status_list_in_any_order(run, sign, folder):
    new, old = sign(STATUS, "new"), sign(STATUS | {"sequence": "4"}, "old")
    words = ("verify", sign(descriptor()), "--policy", folder / "policy.json", "--now", NOW)
    assert run(*words, "--status", new).status == 0
    for lists in ((new, old), (old, new)):
        given = [word for one in lists for word in ("--status", one)]
        answer = run(*words, *given, "--format", "json")
        assert (answer.status, answer.found) == (1, [("ACP-T02", "/sequence")])


def test_the_policy_keeps_the_lowest_sequence(run, sign, folder):
    path = folder / "policy.json"
    policy = json.loads(path.read_text())
    words = ("verify", sign(descriptor()), "--policy", path, "--now", NOW, "--format", "json")
    for least, status in ((5, 0), (6, 1)):
        floors = [{"issuer": "example.com", "min_sequence": least}]
        path.write_text(json.dumps(policy | {"status_floors": floors}))
        answer = run(*words, "--status", sign(STATUS, "list"))
        assert answer.status == status
        assert answer.found == ([("ACP-T02", "/sequence")] if status else [])


@pytest.mark.parametrize("option", ["--with", "--reference"])
def test_neither_a_file_nor_a_name(validate, option):
    answer = validate(descriptor(), option, "h100")
    assert answer.found == [("ENV-F1", "")]
    message = answer.json["diagnostics"][0]["message"]
    assert "No such file" in message
    assert "did you mean nvidia/h100-sxm" in message
