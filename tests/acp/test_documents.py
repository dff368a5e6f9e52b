from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from acp import canonical, documents
from acp.diagnostics import DecodeError, StructureError
from acp.refusal import MAX_DIAGNOSTICS
from acp.v1.capability import (
    CapabilityDescriptor,
    Numerics,
    Operand,
    OperationVariant,
    Power,
)
from acp.v1.envelope import Envelope
from acp.v1.measurement import MeasurementRecord
from acp.v1.status import StatusEntry, StatusList
from acp.v1.system import SystemDescriptor
from cep.v1.plan import Device, Evidence

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "documents"
STATUS = json.loads((EXAMPLES / "status-list.json").read_text())


def example(name):
    return (EXAMPLES / f"{name}.json").read_bytes()


def codes(refusal):
    return {found.code for found in refusal.value.diagnostics}


def test_load_returns_the_typed_document():
    document = documents.load(example("capability-descriptor"), CapabilityDescriptor)
    assert document.engines[0].rates[0].peak_ops_per_s == 96 * 32 * 2_400_000_000
    assert document.memories[0].role == "SHARED"
    assert document.extensions["example.com"]["sockets_per_board"] == 2
    assert document.not_before is None


@pytest.mark.parametrize(
    ("data", "code"),
    {
        "truncated": (example("status-list")[:-5], "ENV-J1"),
        "duplicate name": (b'{"spec": "acp/1", "spec": "acp/1"}', "ENV-J2"),
        "too deep": (b"[" * 100 + b"]" * 100, "ENV-J3"),
        "too large a number": (b'{"sequence": 99999999999999999999}', "ENV-J4"),
    }.values(),
)
def test_load_refuses_what_is_not_strict_json(data, code):
    with pytest.raises(DecodeError) as refused:
        documents.load(data, StatusList)
    assert codes(refused) == {code}


@pytest.mark.parametrize("name", ["system-descriptor", "envelope", "measurement-record"])
def test_another_document_is_called_by_its_name(name):
    with pytest.raises(StructureError, match="looks like a document of type") as refused:
        documents.load(example(name), CapabilityDescriptor)
    assert len(refused.value.diagnostics) == 1


def test_a_document_with_one_fault_is_judged_as_what_it_is():
    with pytest.raises(StructureError, match='has no member "colour"'):
        documents.load(json.dumps(STATUS | {"colour": 1}).encode(), StatusList)


@pytest.mark.parametrize("value", [[], "acp/1", 7, True, 1.5])
def test_a_document_is_an_object(value):
    with pytest.raises(StructureError) as refused:
        StatusList.from_json(value)
    assert codes(refused) <= {"ENV-S3", "ACP-U01"}


@pytest.mark.parametrize("value", [{"a": object()}, {"a": float("nan")}, {"a": "\ud800"}])
def test_from_json_refuses_what_is_not_json(value):
    with pytest.raises(StructureError):
        StatusList.from_json(value)


def test_from_json_refuses_a_value_within_itself():
    value = {}
    value["entries"] = [value]
    with pytest.raises(StructureError):
        StatusList.from_json(value)


def test_all_problems_are_named_at_once():
    value = STATUS | {"sequence": 7, "colour": "red", "entries": [{"digest": "x", "reason": None}]}
    with pytest.raises(StructureError) as refused:
        StatusList.from_json(value)
    assert {(found.code, found.path) for found in refused.value.diagnostics} == {
        ("ACP-U01", "/sequence"),
        ("ENV-S2", "/colour"),
        ("ENV-S3", "/entries/0/digest"),
        ("ENV-S4", "/entries/0/reason"),
        ("ENV-S1", "/entries/0/effective_at"),
    }


def test_messages_say_what_was_found_what_is_allowed_and_the_fix():
    value = STATUS | {"sequence": 7, "isuer": "example.com", "next_update": "tomorrow"}
    with pytest.raises(StructureError) as refused:
        StatusList.from_json(value)
    messages = {found.path: found.message for found in refused.value.diagnostics}
    assert messages["/sequence"] == 'found the number 7; write the decimal string "7"'
    assert messages["/isuer"] == 'StatusList has no member "isuer"; did you mean `issuer`?'
    assert messages["/next_update"].startswith('found "tomorrow", allowed is an RFC 3339 instant')


def test_long_values_are_not_repeated():
    value = STATUS | {"issuer": ["example.com"] * 9, "entries": {"a": {}, "b": {}}}
    value["sequence"] = "1" * 1000
    with pytest.raises(StructureError) as refused:
        StatusList.from_json(value)
    messages = {found.path: found.message for found in refused.value.diagnostics}
    assert messages["/issuer"] == "found an array of 9, allowed is a string"
    assert messages["/entries"] == "found an object of 2, allowed is an array"
    assert "(1002 characters)" in messages["/sequence"]


def test_an_unknown_member_is_compared_with_its_own_siblings():
    value = json.loads(example("capability-descriptor"))
    value["ops"][0]["variants"][0]["operands"]["*"]["rnk"] = 1
    with pytest.raises(StructureError) as refused:
        CapabilityDescriptor.from_json(value)
    (found,) = refused.value.diagnostics
    assert found.message == 'Operand has no member "rnk"; did you mean `rank`?'
    assert found.path == "/ops/0/variants/0/operands/*/rnk"


def test_paths_are_json_pointers():
    value = json.loads(example("capability-descriptor"))
    value["ops"][0]["variants"][0]["operands"]["a/b~c"] = {"rank": 2}
    with pytest.raises(StructureError) as refused:
        CapabilityDescriptor.from_json(value)
    (found,) = refused.value.diagnostics
    assert found.path == "/ops/0/variants/0/operands/a~1b~0c/rank"


def test_a_refusal_is_of_limited_length():
    value = json.loads(example("capability-descriptor"))
    value["provenance"] = [{} for _ in range(4096)]
    with pytest.raises(StructureError) as refused:
        CapabilityDescriptor.from_json(value)
    assert len(refused.value.diagnostics) == MAX_DIAGNOSTICS
    assert "more problems" in refused.value.diagnostics[-1].message


def test_of_a_long_array_the_first_bad_element_is_named():
    entries = [*STATUS["entries"] * 5, {}, *[{} for _ in range(100_000)]]
    with pytest.raises(StructureError) as refused:
        StatusList.from_json(STATUS | {"entries": entries})
    assert refused.value.diagnostics[0].path.startswith("/entries/5/")
    assert len(refused.value.diagnostics) == MAX_DIAGNOSTICS


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (StatusEntry(digest="x", reason="r", effective_at="2026-11-20T09:00:00Z"), "/digest"),
        (OperationVariant(engine="e", numerics=Numerics()), "/numerics"),
        (OperationVariant(engine="e", where=("",)), "/where/0"),
        (Power(tdp_mw=-1), "/tdp_mw"),
        (Power(tdp_mw=2**64), "/tdp_mw"),
        (Device(slot="a"), ""),
        (Device(slot="a", descriptor_digest=f"sha256:{0:064}", predicate="1 == 1"), ""),
        (Evidence(kind="k", checker="c", inline=b""), "/inline"),
    ],
)
def test_messages_that_a_program_made_are_judged_on_demand(message, path):
    with pytest.raises(StructureError) as refused:
        message.judged()
    assert [found.path for found in refused.value.diagnostics] == [path]


def test_an_empty_value_of_a_map_is_kept():
    variant = OperationVariant(engine="e", operands={"*": Operand()}, where=())
    assert variant.to_json() == {"engine": "e", "operands": {"*": {}}}
    assert OperationVariant.from_json(variant.to_json()) == variant


def test_models_do_not_change():
    document = StatusList.from_json(STATUS)
    with pytest.raises(AttributeError, match="immutable"):
        document.sequence = 8


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("capability-descriptor", CapabilityDescriptor),
        ("system-descriptor", SystemDescriptor),
        ("measurement-record", MeasurementRecord),
        ("status-list", StatusList),
        ("envelope", Envelope),
    ],
)
def test_identify_tells_documents_by_their_members(name, kind):
    value = canonical.decode(example(name))
    assert documents.identify(value) is kind
    value.pop(next(iter(value)))
    value["colour"] = "red"
    assert documents.identify(value) is kind


@pytest.mark.parametrize(
    ("value", "code"), [([], "ENV-S3"), ({}, "ENV-S1"), ({"spec": "acp/1"}, "ENV-S1")]
)
def test_identify_refuses_to_guess(value, code):
    with pytest.raises(StructureError) as refused:
        documents.identify(value)
    assert codes(refused) == {code}


def test_the_identity_does_not_depend_on_the_spelling():
    document = documents.load(example("status-list"), StatusList)
    spelled = json.dumps(dict(reversed(STATUS.items())), indent=7).encode()
    assert documents.digest(document) == documents.digest(documents.load(spelled, StatusList))
    assert documents.digest(document) == canonical.digest(STATUS)


def test_payload_types():
    assert documents.payload_type(StatusList) == "application/vnd.acp.status-list.v1+json"
    with pytest.raises(ValueError, match="Envelope"):
        documents.payload_type(Envelope)


def test_loading_a_document_needs_neither_protobuf_nor_numerics():
    program = (
        "import sys; from acp import documents; from acp.v1.status import StatusList\n"
        f"documents.load(open({str(EXAMPLES / 'status-list.json')!r}, 'rb').read(), StatusList)\n"
        "heavy = {'google.protobuf', 'jsonschema', 'numpy', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout.strip() == b"[]"


def test_the_identity_of_a_judged_document_is_its_digest():
    value = json.loads(example("capability-descriptor"))
    assert documents.identity(value) == documents.digest(value)
    # U+FF5E comes before U+1F600 by code point, and after it in UTF-16.
    value["extensions"]["example.com"] |= {"\uff5e": 1, "\U0001f600": 2}
    assert CapabilityDescriptor.from_json(value).to_json() == value
    assert documents.identity(value) == documents.digest(value)
