from __future__ import annotations

import json
from itertools import pairwise

import pytest

from acp.canonical import canonicalize, decode, digest
from acp.cli.inputs import expand, json_of
from acp.diagnostics import FileRefusedError
from acp.dsse import Envelope
from tests.acp.cli.conftest import NOW
from tests.acp.examples import STATUS, descriptor

YAML = """\
# A device.
spec: acp/1
issuer: example.com
sequence: "5"
issued_at: "2026-11-01T00:00:00Z"
next_update: "2026-12-01T00:00:00Z"  # monthly
"""


def convert(run, source, target, *options):
    answer = run("convert", source, target, "--format", "json", *options)
    assert answer.status == 0, answer.json
    return answer.json


def test_a_chain_of_forms_keeps_the_identity(run, folder):
    files = [
        folder / name for name in ("device.json", "a.yaml", "b.binpb", "c.yml", "d.pb", "e.json")
    ]
    for source, target in pairwise(files):
        said = convert(run, source, target)
        assert said["digest"] == digest(descriptor())
        assert (said["kind"], said["signatures_dropped"]) == ("CapabilityDescriptor", False)
    assert decode(files[-1].read_bytes()) == descriptor()
    assert files[1].read_bytes() == files[3].read_bytes()
    assert files[2].read_bytes() == files[4].read_bytes()


def test_forms_can_be_named(run, folder):
    said = convert(run, folder / "device.json", folder / "a.txt", "--to", "yaml")
    assert (said["from"], said["to"]) == ("json", "yaml")
    convert(run, folder / "a.txt", folder / "b.txt", "--from", "yaml", "--to", "protobuf")
    kind = ("--kind", "capability-descriptor")
    convert(
        run, folder / "b.txt", folder / "c.json", "--from", "protobuf", "--to", "canonical", *kind
    )
    assert (folder / "c.json").read_bytes() == canonicalize(descriptor())


def test_an_envelope_gives_its_document(run, folder, sign):
    sealed = sign(descriptor())
    said = convert(run, sealed, folder / "a.yaml")
    assert (said["digest"], said["signatures_dropped"]) == (digest(descriptor()), True)
    assert "not in it, nor checked" in run("convert", sealed, folder / "b.yaml").text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("device.json", "device.toml"), "--to"),
        (("device", "device.json"), "--from"),
        (("device.json", "device.yaml", "--to", "xml"), "xml"),
    ],
)
def test_wrong_usage(run, folder, words, said):
    answer = run(
        "convert", *(folder / word if "." in word or word == "device" else word for word in words)
    )
    assert answer.status == 2
    assert said in answer.errors


def test_what_is_no_document_is_not_converted(run, write, tmp_path):
    for value, name, code in (
        ({"spec": "acp/1"}, "a.json", "ENV-S1"),
        (b"a: &b c", "a.yaml", "ENV-Y2"),
        (b"\xff", "a.binpb", "ENV-S1"),
    ):
        answer = run("convert", write(value, name), tmp_path / "out.json", "--format", "json")
        assert answer.status == 1
        assert [found for found, _ in answer.found] == [code]
        assert not (tmp_path / "out.json").exists()


# --- YAML in the other commands ------------------------------------------------------------------


def test_validate_reads_yaml(run, write):
    answer = run("validate", write(YAML.encode(), "status.yaml"), "--now", NOW, "--format", "json")
    assert answer.status == 0, answer.errors
    (one,) = answer.json["documents"]
    assert (one["kind"], one["digest"]) == ("StatusList", digest(STATUS))


def test_structure_and_rules_are_reported_with_line_and_column(run, write):
    faults = {
        'sequence: "5"': ("sequence: 5", "ACP-U01", 4, 11),
        "issuer: example.com": ("isuer: example.com", "ENV-S2", 3, 8),
        '"2026-12-01T00:00:00Z"  # monthly': ('"2026-11-10T00:00:00Z"', "ACP-T01", 6, 14),
        'issued_at: "2026': ("issued_at: 2026", "ENV-Y3", 5, 12),
    }
    for right, (wrong, code, line, column) in faults.items():
        file = write(YAML.replace(right, wrong).encode(), "status.yaml")
        answer = run("validate", file, "--now", NOW, "--format", "json")
        found = {one["code"]: one for one in answer.json["diagnostics"]}
        assert answer.status == 1
        assert (found[code]["line"], found[code]["column"]) == (line, column), wrong
        text = run("validate", file, "--now", NOW).errors
        assert f"status.yaml:{line}:{column}: error {code}" in text


def test_findings_about_json_have_no_line(run, write):
    answer = run("validate", write({"spec": "acp/1"}), "--now", NOW, "--format", "json")
    assert "line" not in answer.json["diagnostics"][0]


def test_folders_hold_yaml_too(run, write, tmp_path):
    write(YAML.encode(), "status.yaml")
    write(YAML.encode(), "status.yml")
    write(STATUS, "status.json")
    write(b"no document", "notes.txt")
    answer = run("validate", tmp_path, "--now", NOW, "--format", "json")
    assert len(answer.json["documents"]) == 3
    assert answer.status == 0


def test_what_is_signed_is_the_canonical_json(run, write, folder):
    file, sealed = write(YAML.encode(), "status.yaml"), folder / "status.dsse.json"
    answer = run("sign", file, "--key", folder / "vendor.pem", "-o", sealed, "--now", NOW)
    assert answer.status == 0, answer.errors
    assert Envelope.from_bytes(sealed.read_bytes()).payload == canonicalize(STATUS)
    policy = ("--policy", folder / "policy.json", "--now", NOW)
    assert run("verify", sealed, *policy).status == 0


def test_digest_and_show_read_yaml(run, write):
    file = write(YAML.encode(), "status.yaml")
    assert run("digest", file).text.strip() == digest(STATUS)
    shown = run("show", file, "--format", "json").json
    assert shown["document"] == STATUS


def test_an_envelope_is_not_yaml(run, sign, write):
    sealed = json.loads(sign(descriptor()).read_bytes())
    answer = run("validate", write(json.dumps(sealed).encode(), "sealed.yaml"), "--format", "json")
    assert answer.found == [("ENV-E1", "")]


def test_where_only_signed_documents_count_yaml_is_passed_over(write, tmp_path):
    yaml, sealed = write(YAML.encode(), "status.yaml"), write(STATUS, "status.json")
    assert expand((tmp_path,)) == [sealed]
    assert expand((tmp_path,), yaml=True) == [sealed, yaml]
    sealed.unlink()
    with pytest.raises(FileRefusedError, match=r"\.json"):
        expand((tmp_path,))


def test_what_is_planned_with_may_be_yaml(write):
    assert json_of(write(YAML.encode(), "status.yaml")) == canonicalize(STATUS)
    assert json_of(write(b"anything", "status.json")) == b"anything"


@pytest.mark.parametrize("command", ["validate", "digest", "show"])
def test_other_commands_say_how_to_read_protobuf(run, folder, command):
    assert run("convert", folder / "device.json", folder / "device.binpb").status == 0
    answer = run(command, folder / "device.binpb", "--format", "json")
    assert answer.status == 1
    assert answer.found == [("ENV-J1", "")]
    assert "'acp convert'" in answer.json["diagnostics"][0]["message"]
