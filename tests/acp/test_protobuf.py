from __future__ import annotations

import resource
import time

import pytest
from google.protobuf import struct_pb2

from acp import documents, protobuf, wire
from acp.diagnostics import DecodeError, Refused, StructureError
from acp.v1 import capability_pb2, status_pb2
from acp.v1.capability import CapabilityDescriptor
from acp.v1.status import StatusList
from tests.acp.examples import STATUS, changed, descriptor

ENTRY = {"digest": "sha256:" + "a" * 64, "reason": "wrong", "effective_at": "2026-11-02T00:00:00Z"}
LISTED = STATUS | {"entries": [ENTRY]}
GOOD = protobuf.to_binary(StatusList.from_json(STATUS))
UNKNOWN = b"\xa0\x06\x01"  # field 100, varint 1


def listed(data):
    """The status list with one entry, to whose bytes `data` is added."""
    entry = status_pb2.StatusEntry(**ENTRY).SerializeToString() + data
    return GOOD + b"\x32" + bytes([len(entry)]) + entry


def test_binary_stands_for_the_document():
    assert protobuf.from_binary(GOOD, StatusList).to_json() == STATUS
    assert protobuf.from_binary(listed(b""), StatusList).to_json() == LISTED
    sequence = b"\x18\x09"
    assert protobuf.from_binary(sequence + GOOD, StatusList).to_json() == STATUS


@pytest.mark.parametrize(
    ("data", "code"),
    {
        "a field that is not defined": (GOOD + UNKNOWN, "ENV-S2"),
        "one within an entry": (listed(UNKNOWN), "ENV-S2"),
        "a group": (GOOD + b"\xa3\x06\xa4\x06", "ENV-S2"),
        "field number 0": (GOOD + b"\x00\x01", "ENV-S2"),
        "the last byte missing": (GOOD[:-1], "ENV-P1"),
        "a tag that does not end": (b"\xff" * 9, "ENV-P1"),
        "a tag of eleven bytes": (b"\xff" * 10 + b"\x01", "ENV-P1"),
        "another wire type": (GOOD + b"\x08\x01", "ENV-P1"),
        "a text that ends beyond the end": (GOOD + b"\x12\x7f", "ENV-P1"),
        "a text that is not UTF-8": (GOOD + b"\x12\x01\xff", "ENV-P1"),
        "a character that JSON may not hold": (listed(b"\x12\x03\xef\xbf\xbf"), "ENV-J1"),
        "nothing": (b"", "ENV-S1"),
    }.values(),
)
def test_binary_refuses_what_json_could_not_say(data, code):
    with pytest.raises(Refused) as refused:
        protobuf.from_binary(data, StatusList)
    assert {found.code for found in refused.value.diagnostics} == {code}


@pytest.mark.parametrize("number", [0, 99])
def test_binary_refuses_enum_numbers_without_a_name(number):
    document = CapabilityDescriptor.from_json(descriptor())
    message = capability_pb2.CapabilityDescriptor.FromString(protobuf.to_binary(document))
    message.subject.scope = number
    with pytest.raises(StructureError) as refused:
        protobuf.from_binary(message.SerializeToString(), CapabilityDescriptor)
    assert [(found.code, found.path) for found in refused.value.diagnostics] == [
        ("ENV-S3", "/subject/scope")
    ]


@pytest.mark.parametrize(
    ("number", "code"),
    [(1.5, "ACP-U01"), (2.0**53, "ENV-J4"), (1e300, "ACP-U01"), (float("nan"), "ENV-P1")],
)
def test_binary_refuses_numbers_that_no_document_holds(number, code):
    document = CapabilityDescriptor.from_json(descriptor())
    message = capability_pb2.CapabilityDescriptor.FromString(protobuf.to_binary(document))
    message.extensions["example.com"].CopyFrom(struct_pb2.Struct())
    message.extensions["example.com"].update({"x": number})
    with pytest.raises(Refused) as refused:
        protobuf.from_binary(message.SerializeToString(), CapabilityDescriptor)
    assert {found.code for found in refused.value.diagnostics} == {code}


def nested(levels):
    value = 1
    for _ in range(levels):
        value = {"x": value}
    return changed(descriptor(), "/extensions", {"example.com": value})


def test_what_is_nested_deeper_than_parsers_go_has_no_binary_form():
    deep = CapabilityDescriptor.from_json(nested(30))
    assert protobuf.from_binary(protobuf.to_binary(deep), CapabilityDescriptor) == deep
    for levels in (33, 60):
        deeper = CapabilityDescriptor.from_json(nested(levels))
        with pytest.raises(DecodeError, match=r"ENV-P1.*(nested|recursion)"):
            protobuf.to_binary(deeper)


def test_equal_documents_give_equal_bytes():
    value = changed(descriptor(), "/extensions", {"b.com": {"y": 1, "x": 2}, "a.com": {}})
    turned = dict(reversed(value.items()))
    turned["extensions"] = {"a.com": {}, "b.com": {"x": 2, "y": 1}}
    one, other = (CapabilityDescriptor.from_json(v) for v in (value, turned))
    assert documents.digest(one) == documents.digest(other)
    assert protobuf.to_binary(one) == protobuf.to_binary(other)


def test_a_document_that_is_too_large_is_refused_before_it_is_written():
    large = StatusList.from_json(STATUS | {"entries": [ENTRY] * 50_001})
    with pytest.raises(DecodeError, match="ENV-P1"):
        protobuf.to_binary(large)


MANY = wire.LIMITS.max_bytes // 2
BOMBS = {
    "entries without content": b"\x32\x00" * MANY,
    "one entry with many fields": b"\x32\xfa\xff\xff\x01" + b"\x0a\x00" * (MANY - 3),
    "more bytes than are allowed": GOOD + b"\x32\x00" * MANY,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bytes_that_would_become_large_cost_little(bomb):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    with pytest.raises(DecodeError, match="ENV-P1"):
        protobuf.from_binary(BOMBS[bomb], StatusList)
    assert time.process_time() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
