from __future__ import annotations

import json

import pytest

from acp.canonical import digest
from tests.acp.examples import RECORD, STATUS, SYSTEM, changed, descriptor


def test_digest_depends_on_the_value_alone(run, write, sign):
    pretty = write(json.dumps(descriptor(), indent=4).encode(), "pretty.json")
    reordered = write(dict(reversed(descriptor().items())), "reordered.json")
    for file in (pretty, reordered, sign(descriptor())):
        assert run("digest", file).text == digest(descriptor()) + "\n"


def test_digest_of_several(run, write):
    one, two = write(descriptor(), "one.json"), write(SYSTEM, "two.json")
    expected = f"{digest(descriptor())}  {one}\n{digest(SYSTEM)}  {two}\n"
    assert run("digest", one, two).text == expected


def test_digest_of_what_is_not_json(run, write):
    one, two = write(b"{", "one.json"), write(SYSTEM, "two.json")
    answer = run("digest", one, two, "--format", "json")
    assert (answer.status, answer.found) == (1, [("ENV-J1", "")])
    assert answer.json["diagnostics"][0]["file"] == str(one)
    assert answer.json["documents"] == [{"file": str(two), "digest": digest(SYSTEM)}]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            descriptor(),
            [
                "E100 by example.com",
                "989.4 T ops/s  f16 × f16 + f32 → f32, dense; 1978.9 T at 2:4",
                "5 × 16 GiB, 79.64 GiB usable, combined 3.35 TB/s",
                "1 of cep-core/1",
                "power cap 700 W",
                "VENDOR_CLAIM: /engines, /memories, /power",
            ],
        ),
        (
            changed(descriptor(), "/queues", [{"kind": "COPY", "max": 2}]),
            ["queues", "2 COPY"],
        ),
        (
            changed(
                SYSTEM,
                "/nodes",
                [one | {"contention_group": "socket"} for one in SYSTEM["nodes"]],
            ),
            ["System of 2 nodes", "2 nodes in socket", "cpu.pcie0 → sw.p0, pcie5, 63 GB/s each"],
        ),
        (RECORD, ["Measurement of unit GPU-1", "median 900 T ops/s of 100 calls"]),
        (STATUS, ["Status list 5 of example.com"]),
    ],
)
def test_show(run, write, value, words):
    answer = run("show", write(value))
    assert answer.status == 0
    assert digest(value) in answer.text
    for word in words:
        assert word in answer.text


def test_show_as_json_has_the_document_itself(run, write):
    answer = run("show", write(descriptor()), "--format", "json")
    assert answer.json["document"] == descriptor()
    assert answer.json["kind"] == "CapabilityDescriptor"


def test_show_says_that_signatures_were_not_checked(run, sign):
    envelope = sign(descriptor())
    answer = run("show", envelope)
    assert "(signatures not checked)" in answer.text
    assert "claims to be signed with sha256:" in answer.text
    assert run("show", envelope, "--format", "json").json["signatures_checked"] is False


def test_show_lets_no_document_command_the_terminal_or_forge_lines(run, write):
    evil = "E100\x1b[2J\u202e\r\nissued by trusted.example"
    answer = run("show", write(changed(descriptor(), "/subject/model", evil)))
    assert answer.status == 0
    assert "E100\\x1b[2J\\u202e\\r\\nissued by" in answer.text
    assert not {"\x1b", "\u202e", "\r"} & set(answer.text)


def test_show_is_for_people_and_stays_short(run, write):
    value = descriptor()
    value["engines"][0]["rates"] *= 500
    answer = run("show", write(value))
    assert len(answer.text.splitlines()) < 60
    assert "… and 477 more" in answer.text


def test_show_of_something_else(run, write):
    answer = run("show", write({"a": 1}), "--format", "json")
    assert (answer.status, answer.found) == (1, [("ENV-S1", "")])
