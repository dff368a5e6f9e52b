from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from acp import documents
from acp.conversion import Form, form_of, read, write
from acp.diagnostics import DecodeError, Refused, StructureError
from acp.v1.capability import CapabilityDescriptor
from acp.v1.status import StatusList
from cep.v1.plan import Plan
from tests.acp.examples import RECORD, STATUS, SYSTEM, changed, descriptor

KINDS = tuple(documents.SIGNED.values())
EXTENSIONS = {
    "b.example": {"y": [1, -5, None, True, {"z": {}, "a": []}], "x": "2:4", "no": "no"},
    "a.example": {"largest": 2**53 - 1, "smallest": 1 - 2**53, "\U0001f600\u2028": "\x00\x85"},
}
DOCUMENTS = {
    "descriptor": changed(descriptor(), "/extensions", EXTENSIONS),
    "system": changed(SYSTEM, "/extensions", EXTENSIONS),
    "record": changed(RECORD, "/extensions", EXTENSIONS),
    "status": STATUS,
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_identity_survives_every_chain(name):
    document = read(write_json(DOCUMENTS[name]), Form.JSON, KINDS)
    last = {form: write(document, form) for form in Form}
    for chain in permutations(Form):
        found = document
        for form in chain:
            data = write(found, form)
            assert data == last[form], "what is written depends on the document alone"
            found = read(data, form, KINDS)
            assert documents.digest(found) == documents.digest(DOCUMENTS[name])
            assert found.to_json() == DOCUMENTS[name]


def write_json(value):
    return documents.canonical.canonicalize(value)


def test_the_order_of_members_is_the_schemas():
    one = descriptor()
    turned = dict(reversed(one.items()))
    for form in Form:
        wrote = {write(read(write_json(value), Form.JSON, KINDS), form) for value in (one, turned)}
        assert len(wrote) == 1
    text = write(CapabilityDescriptor.from_json(one), Form.YAML).decode()
    assert text.startswith('spec: acp/1\nuri: https://example.com/acp/e100\nrevision: "3"\n')


def test_documents_of_other_layers_are_converted_too(repository):
    data = (repository / "examples" / "documents" / "plan.json").read_bytes()
    plan = read(data, Form.JSON, [Plan])
    for form in Form:
        assert documents.digest(read(write(plan, form), form, [Plan])) == documents.digest(plan)


def test_a_binary_document_does_not_say_what_it_is():
    data = write(StatusList.from_json(STATUS), Form.PROTOBUF)
    assert isinstance(read(data, Form.PROTOBUF, KINDS), StatusList)
    with pytest.raises(StructureError, match="name the kind"):
        read(data + b"\xa0\x06\x01", Form.PROTOBUF, KINDS)
    with pytest.raises(StructureError, match="no field number 100"):
        read(data + b"\xa0\x06\x01", Form.PROTOBUF, [StatusList])


def test_forms_by_name():
    assert form_of(Path("a.yml")) is Form.YAML
    assert form_of(Path("a.dsse.json")) is Form.JSON
    assert form_of(Path("a.toml")) is None


def test_what_a_form_cannot_hold_is_refused():
    entry = {"digest": "sha256:" + "a" * 64, "reason": "x", "effective_at": "2026-11-02T00:00:00Z"}
    large = StatusList.from_json(STATUS | {"entries": [entry] * 100_000})
    for form, code in ((Form.YAML, "ENV-Y1"), (Form.PROTOBUF, "ENV-P1")):
        with pytest.raises(DecodeError, match=code):
            write(large, form)
    with pytest.raises(Refused):
        read(b"{}", Form.YAML, KINDS)
