"""Two validators of JSON Schema, of different make, agree with our own check of structure."""

from __future__ import annotations

import json
from base64 import b64decode
from functools import cache
from importlib.resources import files

import jsonschema
import jsonschema_rs

from acp import canonical, documents
from acp.diagnostics import Refused, StructureError
from acp.dsse import Envelope
from acp.v1.envelope import Envelope as EnvelopeMessage
from cep.v1.plan import Plan
from cep.v1.receipt import Statement
from conformance.cases import Suite

KINDS = {**documents.SIGNED, Plan.PAYLOAD_TYPE: Plan, Statement.PAYLOAD_TYPE: Statement}
NAMES = {
    **{kind: kind.__name__ for kind in documents.SIGNED.values()},
    Plan: "Plan",
    Statement: "Statement",
    EnvelopeMessage: "Envelope",
}


UNSAYABLE = {"descriptor-fraction-of-zero", "descriptor-exponent-in-extension"}
"""1.0 and 1e3 are integers for JSON Schema, which sees no texts; ACP-U01 refuses them."""


@cache
def schema(kind):
    package = kind.PROTO_NAME.partition(".")[0]
    name = "".join(f"-{c.lower()}" if c.isupper() else c for c in kind.__name__).removeprefix("-")
    folder = files(package).joinpath("schemas")
    return json.loads(folder.joinpath(f"{package}.v1.{name}.schema.json").read_bytes())


@cache
def validators(kind):
    return jsonschema.Draft202012Validator(schema(kind)), jsonschema_rs.validator_for(schema(kind))


def judged(kind, value):
    """What our own check says, and what the validators do."""
    try:
        kind.from_json(value)
        ours = True
    except StructureError:
        ours = False
    return (ours, *(one.is_valid(value) for one in validators(kind)))


@cache
def documents_of_the_suite():
    """Every document in the vectors, by the id of its case: its kind and its JSON value."""
    found = {}
    for name, case in Suite.load().cases.items():
        data, operation = b64decode(case.data["input"]), case.data["operation"]
        kind = KINDS.get(case.data.get("type"))
        try:
            if operation in ("envelope", "plan", "receipt"):
                found[f"{name}, envelope"] = (EnvelopeMessage, canonical.decode(data))
                envelope = Envelope.from_bytes(data)
                data, kind = envelope.payload, KINDS.get(envelope.payload_type)
            if kind is not None and operation != "binary":
                found[name] = (kind, canonical.decode(data))
        except Refused:
            continue
    return found


def test_the_suite_has_documents_of_every_kind():
    kinds = {kind for kind, _ in documents_of_the_suite().values()}
    assert kinds == set(NAMES)
    assert len(documents_of_the_suite()) > 600


def test_all_agree_on_every_vector():
    differing = {
        name: verdicts
        for name, (kind, value) in documents_of_the_suite().items()
        if len(set(verdicts := judged(kind, value))) > 1
    }
    assert differing.keys() == UNSAYABLE


def test_the_vectors_have_documents_of_both_sorts():
    verdicts = [judged(kind, value)[0] for kind, value in documents_of_the_suite().values()]
    assert verdicts.count(True) > 300
    assert verdicts.count(False) > 50
