"""JSON, protobuf, JSON Schema and the models agree on every document."""

from __future__ import annotations

import copy
import importlib
import json
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import jsonschema_rs
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from acp import canonical, documents, protobuf
from acp.diagnostics import StructureError
from cep.v1.graph import Graph
from cep.v1.plan import Plan
from cep.v1.receipt import Statement

ROOT = Path(__file__).resolve().parents[2]
KINDS = {kind.PROTO_NAME: kind for kind in (*documents.KINDS, Graph, Plan, Statement)}


def _kebab(kind):
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in kind.__name__).removeprefix("-")


def _schema(kind):
    package = kind.PROTO_NAME.rpartition(".")[0]
    layer = package.partition(".")[0]
    path = ROOT / layer / "schemas" / f"{package}.{_kebab(kind)}.schema.json"
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return Validators(jsonschema.Draft202012Validator(schema), jsonschema_rs.validator_for(schema))


@dataclass(frozen=True)
class Validators:
    """Two implementations of JSON Schema, which must agree."""

    python: jsonschema.Draft202012Validator
    rust: jsonschema_rs.Draft202012Validator

    def is_valid(self, value):
        found = self.python.is_valid(value)
        assert found == self.rust.is_valid(value)
        return found


EXAMPLES = {
    name: json.loads((ROOT / "examples" / "documents" / f"{_kebab(kind)}.json").read_text())
    for name, kind in KINDS.items()
}
SCHEMAS = {name: _schema(kind) for name, kind in KINDS.items()}


def _model_accepts(name, value):
    try:
        return KINDS[name].from_json(value)
    except StructureError:
        return None


def _assert_all_encodings_agree(name, value):
    kind = KINDS[name]
    model = kind.from_json(value)
    assert model.to_json() == value

    message_class = getattr(importlib.import_module(f"{kind.__module__}_pb2"), kind.__name__)
    binary = json_format.ParseDict(value, message_class()).SerializeToString()
    assert json_format.MessageToDict(message_class.FromString(binary)) == value
    assert protobuf.from_binary(binary, kind) == model
    assert protobuf.from_binary(protobuf.to_binary(model), kind) == model

    reread = canonical.decode(json_format.MessageToJson(message_class.FromString(binary)).encode())
    assert documents.digest(reread) == documents.digest(model) == documents.digest(value)


@pytest.mark.parametrize("name", KINDS)
def test_all_encodings_of_an_example_agree(name):
    _assert_all_encodings_agree(name, EXAMPLES[name])


@pytest.mark.parametrize("name", KINDS)
def test_json_schema_accepts_the_example(name):
    assert SCHEMAS[name].is_valid(EXAMPLES[name])


def test_each_json_schema_has_an_example():
    titles = {
        json.loads(path.read_text())["title"]
        for layer in ("acp", "cep")
        for path in (ROOT / layer / "schemas").iterdir()
    }
    assert titles == {kind.__name__ for kind in KINDS.values()}


def test_examples_refer_to_each_other():
    of = {name.rpartition(".")[2]: value for name, value in EXAMPLES.items()}
    descriptor = documents.digest(of["CapabilityDescriptor"])
    plan = documents.digest(of["Plan"])
    assert {node["descriptor_digest"] for node in of["SystemDescriptor"]["nodes"]} == {descriptor}
    assert {device["descriptor_digest"] for device in of["Plan"]["devices"]} == {descriptor}
    assert documents.digest(of["SystemDescriptor"]) in of["Plan"]["provenance"]
    assert of["Statement"]["predicate"]["plan"] == plan
    assert f"sha256:{of['Statement']['subject'][0]['digest']['sha256']}" == plan
    subject = of["CapabilityDescriptor"]["subject"]
    assert of["MeasurementRecord"]["subject_digest"] == documents.digest(subject)
    measured = documents.digest(of["MeasurementRecord"])
    references = [row.get("measurement_ref") for row in of["CapabilityDescriptor"]["provenance"]]
    assert measured in references


class Gone:
    """Stands for a member to be taken away."""


CAPABILITY, PLAN, GRAPH = "acp.v1.CapabilityDescriptor", "cep.v1.Plan", "cep.v1.Graph"
SYSTEM, STATUS, ENVELOPE = "acp.v1.SystemDescriptor", "acp.v1.StatusList", "acp.v1.Envelope"
STATEMENT, RECORD = "cep.v1.Statement", "acp.v1.MeasurementRecord"

# name: (document, path, what stands there instead, code)
MUTATIONS = {
    "missing scalar": (CAPABILITY, "/issuer", Gone, "ENV-S1"),
    "missing message": (CAPABILITY, "/subject", Gone, "ENV-S1"),
    "missing array": (CAPABILITY, "/engines", Gone, "ENV-S1"),
    "missing map": (CAPABILITY, "/partitions/counters", Gone, "ENV-S1"),
    "missing below an array": (CAPABILITY, "/engines/0/rates/1/sparsity", Gone, "ENV-S1"),
    "no member of a oneof": (PLAN, "/steps/0/run", Gone, "ENV-S1"),
    "two members of a oneof": (PLAN, "/steps/0/transfer", {}, "ENV-S3"),
    "unknown member": (CAPABILITY, "/colour", "red", "ENV-S2"),
    "unknown member below": (PLAN, "/steps/1/priority", 1, "ENV-S2"),
    "camel case": (CAPABILITY, "/expiresAt", "2027-01-01T00:00:00Z", "ENV-S2"),
    "python name of a foreign name": (ENVELOPE, "/payload_type", "a/b", "ENV-S2"),
    "null": (CAPABILITY, "/not_before", None, "ENV-S4"),
    "null for a required member": (CAPABILITY, "/issuer", None, "ENV-S4"),
    "null element": (CAPABILITY, "/subject/arch/0", None, "ENV-S4"),
    "null for a map": (CAPABILITY, "/extensions", None, "ENV-S4"),
    "empty array": (CAPABILITY, "/critical", [], "ENV-S4"),
    "empty required array": (CAPABILITY, "/engines", [], "ENV-S4"),
    "empty map": (CAPABILITY, "/ops/0/variants/0/operands", {}, "ENV-S4"),
    "empty optional message": (CAPABILITY, "/power", {}, "ENV-S4"),
    "empty string": (CAPABILITY, "/subject/model", "", "ENV-S3"),
    "string for an array": (CAPABILITY, "/critical", "example.com", "ENV-S3"),
    "object for an array": (CAPABILITY, "/engines", {"0": {}}, "ENV-S3"),
    "array for an object": (CAPABILITY, "/subject", ["x"], "ENV-S3"),
    "number for a string": (CAPABILITY, "/subject/model", 9654, "ENV-S3"),
    "string for a bool": (CAPABILITY, "/operating_point/ecc", "true", "ENV-S3"),
    "number for a bool": (CAPABILITY, "/operating_point/ecc", 1, "ENV-S3"),
    "string for 32 bits": (CAPABILITY, "/engines/0/count", "96", "ENV-S3"),
    "bool for 32 bits": (CAPABILITY, "/engines/0/count", True, "ENV-S3"),
    "negative 32 bits": (CAPABILITY, "/engines/0/count", -1, "ENV-S3"),
    "33 bits": (CAPABILITY, "/engines/0/count", 2**32, "ENV-S3"),
    "below the minimum": (CAPABILITY, "/memories/0/instances", 0, "ENV-S3"),
    "float for 32 bits": (CAPABILITY, "/engines/0/count", 96.5, "ACP-U01"),
    "number for 64 bits": (CAPABILITY, "/engines/0/clock_hz", 2400000000, "ACP-U01"),
    "float for 64 bits": (CAPABILITY, "/engines/0/clock_hz", 2.5, "ACP-U01"),
    "float for a string": (CAPABILITY, "/subject/model", 1.5, "ACP-U01"),
    "number in a map": (CAPABILITY, "/partitions/counters/quadrant", 4, "ACP-U01"),
    "float in an extension": (CAPABILITY, "/extensions/example.com/x", [1.5], "ACP-U01"),
    "unsafe integer in an extension": (CAPABILITY, "/extensions/example.com/x", 2**53, "ACP-U01"),
    "number for 64 bits in a plan": (PLAN, "/buffers/0/offset", 0, "ENV-S3"),
    "float in a plan": (PLAN, "/steps/0/reads/0", 0.5, "ENV-S3"),
    "leading zero": (CAPABILITY, "/revision", "01", "ENV-S3"),
    "plus sign": (CAPABILITY, "/revision", "+1", "ENV-S3"),
    "minus zero": (PLAN, "/buffers/0/offset", "-0", "ENV-S3"),
    "negative 64 bits": (PLAN, "/buffers/0/offset", "-1", "ENV-S3"),
    "65 bits": (PLAN, "/buffers/0/offset", str(2**64), "ENV-S3"),
    "zero below the minimum": (CAPABILITY, "/revision", "0", "ENV-S3"),
    "empty 64 bits": (CAPABILITY, "/revision", "", "ENV-S3"),
    "exponent in 64 bits": (CAPABILITY, "/engines/0/clock_hz", "24e8", "ENV-S3"),
    "unspecified enum": (CAPABILITY, "/subject/scope", "SCOPE_UNSPECIFIED", "ENV-S3"),
    "enum in lower case": (CAPABILITY, "/subject/scope", "model", "ENV-S3"),
    "enum as number": (CAPABILITY, "/subject/scope", 1, "ENV-S3"),
    "enum of another field": (CAPABILITY, "/subject/scope", "MATRIX", "ENV-S3"),
    "other specification": (CAPABILITY, "/spec", "acp/2", "ENV-S3"),
    "digest in upper case": (SYSTEM, "/nodes/0/descriptor_digest", f"sha256:{'A' * 64}", "ENV-S3"),
    "short digest": (SYSTEM, "/nodes/0/descriptor_digest", f"sha256:{'a' * 63}", "ENV-S3"),
    "other hash": (SYSTEM, "/nodes/0/descriptor_digest", f"sha512:{'a' * 64}", "ENV-S3"),
    "local time": (CAPABILITY, "/expires_at", "2027-11-20T09:00:00+01:00", "ENV-S3"),
    "fraction of a second": (CAPABILITY, "/expires_at", "2027-11-20T09:00:00.5Z", "ENV-S3"),
    "no such day": (CAPABILITY, "/expires_at", "2027-02-29T09:00:00Z", "ENV-S3"),
    "leap second": (CAPABILITY, "/expires_at", "2026-12-31T23:59:60Z", "ENV-S3"),
    "domain in upper case": (CAPABILITY, "/issuer", "Example.com", "ENV-S3"),
    "domain of one label": (CAPABILITY, "/issuer", "localhost", "ENV-S3"),
    "extension without domain": (CAPABILITY, "/extensions/colour", {}, "ENV-S3"),
    "extension that is no object": (CAPABILITY, "/extensions/example.com", 1, "ENV-S3"),
    "token in upper case": (CAPABILITY, "/memories/0/kind", "DDR5", "ENV-S3"),
    "id with two dots": (PLAN, "/queues/0/id", "cpu..compute", "ENV-S3"),
    "id with a space": (PLAN, "/queues/0/id", "cpu 0", "ENV-S3"),
    "long id": (PLAN, "/queues/0/id", "q" * 257, "ENV-S3"),
    "op without opset": (CAPABILITY, "/ops/0/op", "mm", "ENV-S3"),
    "relative uri": (CAPABILITY, "/uri", "/acp/epyc", "ENV-S3"),
    "pointer without slash": (CAPABILITY, "/provenance/0/paths/0", "engines", "ENV-S3"),
    "pointer with a bad escape": (CAPABILITY, "/provenance/0/paths/0", "/a~2", "ENV-S3"),
    "sparsity in words": (CAPABILITY, "/engines/0/rates/0/sparsity", "sparse", "ENV-S3"),
    "dim with a bracket": (GRAPH, "/values/0/shape/0", "(s0)", "ENV-S3"),
    "number for a dim": (GRAPH, "/values/0/shape/1", 512, "ENV-S3"),
    "seventeen dims": (GRAPH, "/values/0/shape", ["1"] * 17, "ENV-S3"),
    "symbol in upper case": (GRAPH, "/symbols/0/name", "S0", "ENV-S3"),
    "too many signatures": (ENVELOPE, "/signatures", [{"sig": "AAAA"}] * 17, "ENV-S3"),
    "base64 without padding": (ENVELOPE, "/payload", "QQ", "ENV-S3"),
    "base64 for URLs": (ENVELOPE, "/payload", "-__-", "ENV-S3"),
    "base64 with white space": (ENVELOPE, "/payload", "QUFB QUFB", "ENV-S3"),
    "other statement type": (STATEMENT, "/_type", "https://in-toto.io/Statement/v0.1", "ENV-S3"),
    "statement type by its proto name": (STATEMENT, "/statement_type", "x", "ENV-S2"),
    "missing foreign name": (STATEMENT, "/predicateType", Gone, "ENV-S1"),
    "negative step": (STATEMENT, "/predicate/measured/0/step", -1, "ENV-S3"),
    "missing in an entry": (STATUS, "/entries/0/reason", Gone, "ENV-S1"),
    "no points": (RECORD, "/points", [], "ENV-S4"),
    "clock as a number": (RECORD, "/environment/clocks/core", 1, "ACP-U01"),
}


def _mutated(value, path, instead):
    value = copy.deepcopy(value)
    *parents, last = (token.replace("~1", "/").replace("~0", "~") for token in path.split("/")[1:])
    place = value
    for token in parents:
        place = place[int(token)] if isinstance(place, list) else place[token]
    key = int(last) if isinstance(place, list) else last
    if instead is Gone:
        del place[key]
    else:
        place[key] = instead
    return value


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_model_and_schema_refuse(mutation):
    name, path, instead, code = MUTATIONS[mutation]
    value = _mutated(EXAMPLES[name], path, instead)

    with pytest.raises(StructureError) as refused:
        KINDS[name].from_json(value)

    assert [found.code for found in refused.value.diagnostics] == [code]
    (found,) = refused.value.diagnostics
    assert path.startswith(found.path) or found.path.startswith(path)
    assert not SCHEMAS[name].is_valid(value)


def _paths(value, path=""):
    yield path
    if isinstance(value, dict):
        for member, inner in value.items():
            yield from _paths(inner, f"{path}/{member.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, f"{path}/{index}")


PLACES = [(name, path) for name, value in EXAMPLES.items() for path in _paths(value) if path]
ORDINARY = st.sampled_from(
    [
        *(Gone, None, True, False, 0, 1, -1, 7, 2**31, 2**32 - 1, 2**32, 1.5, "", "0", "1", "-1"),
        *("00", str(2**63 - 1), str(2**63), str(2**64 - 1), str(2**64), "x", "f16", "acp/1", "2:4"),
        *("a.b", "a.b/c", "/a/0", f"sha256:{'0' * 64}", "2028-02-29T00:00:00Z", "AA==", "MODEL"),
        *([], {}, [{}], ["1"], [1], {"x": "1"}, {"a.b": {}}),
    ]
)
ELSEWHERE = st.sampled_from(PLACES)


def _at(value, path):
    for token in path.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


@settings(max_examples=400, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    sibling=st.none() | st.sampled_from(["x", "power", "critical", "link", "ecc", "level"]),
    instead=ORDINARY | ELSEWHERE,
)
def test_model_and_schema_agree_about_variants(place, sibling, instead):
    """Whatever stands anywhere: both accept, and then all encodings agree, or both refuse."""
    name, path = place
    if isinstance(instead, tuple):
        instead = _at(EXAMPLES[instead[0]], instead[1])
    if sibling is not None and instead is not Gone and isinstance(_at(EXAMPLES[name], path), dict):
        path = f"{path}/{sibling}"
    value = _mutated(EXAMPLES[name], path, instead)

    accepted = _model_accepts(name, value) is not None

    assert accepted == SCHEMAS[name].is_valid(value)
    if accepted:
        _assert_all_encodings_agree(name, value)
