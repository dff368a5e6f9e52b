from __future__ import annotations

import re

import pytest

from acp import reference
from acp.authoring import commented, descriptor, missing
from acp.authoring.draft import like, parts, put
from acp.v1.capability import CapabilityDescriptor
from acp.yaml_text import decode
from tests.acp.examples import descriptor as example

HIDDEN = re.compile(r"^( *)#(?! \S)(.*)$")


def revealed(text):
    """The text with everything in it that may be there."""
    return "\n".join(HIDDEN.sub(r"\1\2", line) for line in text.splitlines()) + "\n"


def commands(kind, path=()):
    """Every member of every message, with the place of its first occurrence."""
    for member in kind.members():
        yield (*path, member.name), member
        for inner in (member, member.entries, member.values):
            if inner is not None and inner.is_object:
                yield from commands(inner, (*path, member.name))


@pytest.mark.parametrize("name", [*reference.names(), ""])
def test_the_text_is_the_document_and_nothing_else(name):
    value = reference.load(name).to_json() if name else example()
    assert decode(commented(value, descriptor()).encode()) == value


def test_every_member_is_explained_once():
    text = commented({}, descriptor())
    lines = [line.strip(" #") for line in text.splitlines()]
    for path, member in commands(descriptor()):
        assert any(line.removeprefix("- ").startswith(f"{member.name}:") for line in lines), path
        first = " ".join(member.description.split()[:4])
        assert first in " ".join(lines), path
    once = "Number of like units."
    assert commented(example(), descriptor()).count(once) == 1


def test_what_is_commented_out_has_the_structure_of_a_descriptor():
    """An example of every member at once; it need not make sense."""
    for value in ({}, example(), {"subject": {"model": "X"}}):
        whole = decode(revealed(commented(value, descriptor())).encode())
        document = CapabilityDescriptor.from_json(whole)
        assert document.partitions is not None
        assert document.attestation[0].reference_measurements
        assert document.ops[0].variants[0].numerics is not None


def test_what_must_be_there_is_marked():
    text = commented({"subject": {"model": "X"}}, descriptor())
    assert "# REQUIRED. Things that compute." in text
    assert "  # REQUIRED. DNS name of who makes the device.\n  #vendor: example.com" in text
    assert text.count("REQUIRED. ") == len(list(missing({"subject": {"model": "X"}}, descriptor())))
    assert commented(example(), descriptor()).count("REQUIRED. ") == 0


def test_what_is_missing_is_listed():
    assert list(missing({"subject": {"model": "X"}}, descriptor()))[6:9] == [
        "/subject/scope",
        "/subject/vendor",
        "/subject/device_class",
    ]
    assert list(missing(example(), descriptor())) == []
    value = example()
    del value["engines"][0]["rates"][1]["a"]
    del value["ops"][0]["variants"][0]["operands"]["*"]["rank"]["max"]
    assert list(missing(value, descriptor())) == [
        "/engines/0/rates/1/a",
        "/ops/0/variants/0/operands/*/rank/max",
    ]


def test_hostile_texts_stay_texts():
    for text in (
        "true",
        "1",
        "a: b",
        "# no",
        "\u2028",
        "- x",
        "\x1b[1m",
        '"',
        "é",
        "{",
        "*a",
        "!x",
    ):
        value = {"subject": {"model": text}}
        assert decode(commented(value, descriptor()).encode()) == value


def test_members_of_an_entry_are_read_by_their_type():
    kind = descriptor().member("memories").entries
    assert parts("id=hbm,instances=5,capacity_bytes_per_instance=16GiB,engines=a+b", kind, {}) == {
        "id": "hbm",
        "instances": 5,
        "capacity_bytes_per_instance": "17179869184",
        "engines": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("power.tdp", "1", "did you mean tdp_mw"),
        ("power.tdp_mw", "1.5", "no whole number"),
        ("power.tdp_mw", "lots", "no quantity"),
        ("operating_point.ecc", "on", "true or false"),
        ("subject.scope", "ALL", "one of MODEL, UNIT, SLICE"),
        ("subject", "x", "members of its own"),
        ("engines.id", "x", "no members that can be set"),
        ("partitions.counters.x", "1", "no members that can be set"),
        ("spec.x", "1", "no members that can be set"),
        ("", "1", "no member ''"),
    ],
)
def test_what_a_member_cannot_be_is_refused(path, text, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        put({}, descriptor(), path, text)


def test_a_member_is_set_once():
    value = {}
    put(value, descriptor(), "power.tdp_mw", "700_000")
    with pytest.raises(ValueError, match="given twice"):
        put(value, descriptor(), "power.tdp_mw", "1")
    assert value == {"power": {"tdp_mw": "700000"}}


def test_a_draft_takes_over_claims_and_no_evidence():
    draft = like(reference.load("h100-sxm")).value
    assert draft["engines"] == reference.load("h100-sxm").to_json()["engines"]
    assert set(draft["subject"]) == {"scope", "device_class", "arch"}
    assert {"provenance", "issuer", "uri", "extensions"}.isdisjoint(draft)
