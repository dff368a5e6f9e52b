from __future__ import annotations

import json

import pytest

from acp.canonical import digest
from tests.acp.cli.conftest import NOW
from tests.acp.examples import RECORD, STATUS, SYSTEM, changed, descriptor

TEXT = json.dumps(descriptor())


@pytest.fixture
def validate(run, write):
    def validate(value, *options):
        return run("validate", write(value), "--now", NOW, "--format", "json", *options)

    return validate


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("CapabilityDescriptor", descriptor()),
        ("SystemDescriptor", SYSTEM),
        ("MeasurementRecord", RECORD),
        ("StatusList", STATUS),
    ],
)
def test_valid_documents(validate, kind, value):
    answer = validate(value)
    assert answer.status == 0
    assert answer.json["ok"] is True
    assert answer.found == []
    (one,) = answer.json["documents"]
    assert (one["ok"], one["kind"], one["digest"]) == (True, kind, digest(value))


@pytest.mark.parametrize(
    ("value", "code", "path"),
    [
        pytest.param(TEXT[:-1].encode(), "ENV-J1", "", id="truncated JSON"),
        pytest.param(b"", "ENV-J1", "", id="empty"),
        pytest.param(b"\xff\xfe{}", "ENV-J1", "", id="not UTF-8"),
        pytest.param(
            TEXT.replace('"issuer"', '"spec": "acp/1", "issuer"').encode(),
            "ENV-J2",
            "/spec",
            id="duplicate member",
        ),
        pytest.param(b"[" * 100 + b"]" * 100, "ENV-J3", "", id="too deep"),
        pytest.param(b"[]", "ENV-S3", "", id="not an object"),
        pytest.param(b'{"spec": "acp/1"}', "ENV-S1", "", id="no kind of document"),
        pytest.param(changed(descriptor(), "/uri", ...), "ENV-S1", "/uri", id="member missing"),
        pytest.param(changed(descriptor(), "/colour", "red"), "ENV-S2", "/colour", id="unknown"),
        pytest.param(
            changed(descriptor(), "/engines/0/kind", "QUANTUM"),
            "ENV-S3",
            "/engines/0/kind",
            id="enumeration",
        ),
        pytest.param(changed(descriptor(), "/ports", []), "ENV-S4", "/ports", id="empty array"),
        pytest.param(
            changed(descriptor(), "/power/tdp_mw", 700000), "ACP-U01", "/power/tdp_mw", id="number"
        ),
        pytest.param(
            changed(descriptor(), "/engines/0/clock_hz", 1.83e9),
            "ACP-U01",
            "/engines/0/clock_hz",
            id="float",
        ),
        pytest.param(
            changed(descriptor(), "/extensions", {"example.com": {"a": 0.5}}),
            "ACP-U01",
            "/extensions/example.com/a",
            id="float in an extension",
        ),
        pytest.param(
            changed(descriptor(), "/expires_at", "2026-11-20T00:00:00Z"),
            "ACP-T01",
            "/expires_at",
            id="expired",
        ),
        pytest.param(
            descriptor() | {"extensions": {"example.com": {"a": 1}}, "critical": ["example.com"]},
            "ACP-X01",
            "/critical/0",
            id="unknown critical extension",
        ),
        pytest.param(
            changed(descriptor(), "/engines/0/rates/0/peak_ops_per_s", "1979000000000000"),
            "ACP-C01",
            "/engines/0/rates/0",
            id="sparse rate as dense",
        ),
    ],
)
def test_invalid_documents(validate, value, code, path):
    answer = validate(value)
    assert answer.status == 1
    assert answer.json["ok"] is False
    assert answer.found == [(code, path)]
    assert answer.json["diagnostics"][0]["severity"] == "error"
    assert answer.json["documents"][0]["ok"] is False


def test_text_for_people_names_file_severity_code_path_and_reason(run, write):
    value = changed(descriptor(), "/engines/0/rates/1/peak_ops_per_s", "1")
    file = write(value)
    answer = run("validate", file, "--now", NOW)
    assert answer.status == 1
    assert answer.text == ""
    assert answer.errors.startswith(
        f"{file}: error ACP-C01 /engines/0/rates/1: peak_ops_per_s is 1,"
    )


def test_understanding_an_extension(validate):
    value = descriptor() | {"extensions": {"a.example": {"a": 1}}, "critical": ["a.example"]}
    assert validate(value, "--understand", "a.example").status == 0
    assert validate(value, "--understand", "b.example").status == 1


def test_several_files_are_all_judged(run, write):
    good, bad = write(descriptor(), "good.json"), write(b"{", "bad.json")
    answer = run("validate", bad, good, bad.with_name("absent.json"), "--now", NOW)
    assert answer.status == 1
    assert f"{good}: ok: CapabilityDescriptor" in answer.text
    assert "1 of 3 documents are valid" in answer.text
    assert [line.split(": ")[1] for line in answer.errors.splitlines()] == [
        "error ENV-J1",
        "error ENV-F1",
    ]


def test_folders_are_searched_for_json(run, write, tmp_path):
    (tmp_path / "below").mkdir()
    write(descriptor(), "below/device.json")
    write(b"not for us", "below/notes.txt")
    answer = run("validate", tmp_path, "--now", NOW, "--format", "json")
    assert answer.status == 0
    assert [one["file"] for one in answer.json["documents"]] == [
        str(tmp_path / "below/device.json")
    ]


def test_empty_folder(run, tmp_path):
    answer = run("validate", tmp_path, "--format", "json")
    assert answer.status == 1
    assert answer.found == [("ENV-F1", "")]


def test_standard_input(run):
    answer = run("validate", "-", "--now", NOW, "--format", "json", stdin=TEXT)
    assert answer.status == 0
    assert answer.json["documents"][0]["file"] == "-"


def test_envelopes_are_looked_into(run, sign):
    envelope = sign(descriptor())
    answer = run("validate", envelope, "--now", NOW)
    assert answer.status == 0
    assert answer.text.rstrip().endswith("(signatures not checked)")
    answer = run("validate", envelope, "--now", NOW, "--format", "json")
    assert answer.json["documents"][0]["signatures_checked"] is False


def test_a_plan_is_for_another_command(run, write):
    envelope = {
        "payload": "e30=",
        "payloadType": "application/vnd.cep.plan.v1+json",
        "signatures": [{"sig": "AAAA"}],
    }
    answer = run("validate", write(envelope), "--format", "json")
    assert answer.status == 1
    assert answer.found == [("ENV-E3", "/payloadType")]


def test_the_clock_of_the_machine_is_used_unless_another_is_given(run, write):
    value = descriptor() | {
        "issued_at": "2000-01-01T00:00:00Z",
        "expires_at": "2001-01-01T00:00:00Z",
    }
    file = write(value)
    assert run("validate", file, "--format", "json").found == [("ACP-T01", "/expires_at")]
    assert run("validate", file, "--now", "2000-06-01T00:00:00Z").status == 0


@pytest.mark.parametrize(
    "words",
    [
        ["validate"],
        ["validate", "a.json", "--now", "yesterday"],
        ["validate", "a.json", "--now", "2026-11-20"],
        ["validate", "a.json", "--format", "xml"],
        ["validate", "a.json", "--colour"],
        ["validat", "a.json"],
    ],
)
def test_wrong_usage_is_status_2(run, words):
    answer = run(*words)
    assert answer.status == 2
    assert answer.text == ""
    assert "Usage: " in answer.errors


@pytest.mark.parametrize(
    ("path", "token", "hint"),
    [
        ("/ops/0/variants/0/numerics/acc", "fp32", "'fp32' is not in the registry dtypes"),
        ("/memories/0/kind", "hbm", "did you mean hbm"),
        ("/subject/device_class", "gppu", "did you mean gpu?"),
        ("/subject/arch", ["sm_90a"], "registry architectures"),
        ("/ops/0/variants/0/operands/*/dtypes", ["fp16", "f16"], "did you mean f16?"),
    ],
)
def test_a_token_that_no_registry_has_is_a_warning(validate, path, token, hint):
    answer = validate(changed(descriptor(), path, token))
    assert answer.status == 0
    [one] = [one for one in answer.json["diagnostics"] if one["code"] == "VAL-A1"]
    assert one["severity"] == "warning"
    assert one["path"].startswith(path)
    assert hint in one["message"]


def test_kinds_of_links_are_looked_up_too(validate):
    answer = validate(changed(SYSTEM, "/links/0/kind", "nvlnk"))
    assert ("VAL-A1", "/links/0/kind") in answer.found


def test_a_token_with_an_owner_needs_no_registry(validate):
    answer = validate(changed(descriptor(), "/memories/0/kind", "example.com/hbm9"))
    assert "VAL-A1" not in [code for code, _ in answer.found]


def test_a_token_is_told_once_and_not_without_end(validate):
    rates = [dict(descriptor()["engines"][0]["rates"][0], a=f"f{n}", b="fp16") for n in range(99)]
    found = validate(changed(descriptor(), "/engines/0/rates", rates)).found
    assert [code for code, _ in found].count("VAL-A1") == 16


def test_a_token_below_an_operand_of_any_name_has_a_place(run, folder):
    value = descriptor()
    value["ops"][0]["variants"][0]["operands"]["a/b~c"] = {"dtypes": ["fp16"]}
    (folder / "device.json").write_text(json.dumps(value), encoding="utf-8")
    assert run("convert", folder / "device.json", folder / "device.yaml").status == 0
    answer = run("validate", folder / "device.yaml", "--now", NOW, "--format", "json")
    [one] = [one for one in answer.json["diagnostics"] if one["code"] == "VAL-A1"]
    assert one["path"] == "/ops/0/variants/0/operands/a~1b~0c/dtypes/0"
    assert one["line"] > 1


def test_yaml_on_standard_input_is_told_what_to_do(run):
    answer = run("validate", "-", stdin="spec: acp/1\n")
    assert answer.status == 1
    assert "ENV-J1" in answer.errors
    assert "standard input is read as JSON" in answer.errors
