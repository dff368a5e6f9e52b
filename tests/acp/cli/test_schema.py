from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest
from click.testing import CliRunner

from acp import documents
from acp.cli import main as acp
from cep.cli import main as cep
from tests.acp.examples import descriptor

KINDS = {
    "acp": ["capability-descriptor", "envelope", "measurement-record", "status-list"],
    "cep": ["graph", "plan", "statement"],
}
PROGRAMS = {"acp": acp, "cep": cep}


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_kinds_are_listed(program):
    said = CliRunner().invoke(PROGRAMS[program], ["schema", "--format", "json"])
    listed = {one["kind"]: one["id"] for one in json.loads(said.stdout)["kinds"]}
    assert listed.keys() >= set(KINDS[program])
    text = CliRunner().invoke(PROGRAMS[program], ["schema"]).stdout
    assert len(text.splitlines()) == len(listed)


def test_a_schema_is_printed_and_written(run, tmp_path):
    shown = json.loads(run("schema", "capability-descriptor").text)
    assert run("schema", "capability-descriptor", "--format", "json").json["schema"] == shown
    file = tmp_path / "out.schema.json"
    assert run("schema", "capability-descriptor", "-o", file).status == 0
    assert json.loads(file.read_text()) == shown
    jsonschema.validate(descriptor(), shown)


def test_wrong_usage(run, tmp_path):
    assert run("schema", "capability").status == 2
    assert "status-list" in run("schema", "capability").errors
    assert run("schema", "-o", tmp_path / "x").status == 2


def members(schema):
    for found in (schema, *schema["$defs"].values()):
        yield from found.get("properties", {}).items()


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_member_is_explained(program):
    for file in files(program).joinpath("schemas").iterdir():
        schema = json.loads(file.read_bytes())
        for name, member in members(schema):
            assert member["description"].strip().endswith((".", ":")), (file.name, name)
            for value in member.get("enum", ()):
                assert f"`{value}`: " in member["description"]


def test_registered_tokens_are_offered_and_others_are_taken():
    file = files("acp").joinpath("schemas", "acp.v1.capability-descriptor.schema.json")
    schema = json.loads(file.read_bytes())
    offered = {
        name: found["examples"] for name, found in schema["$defs"].items() if "examples" in found
    }
    assert {"gpu", "tpu"} <= set(offered["registered_device_classes"])
    assert "f8e4m3fn" in offered["registered_dtypes"]
    assert "cep-core/1:mm" in offered["registered_ops"]
    assert all(":" in arch for arch in offered["registered_architectures"])
    value = descriptor()
    value["subject"]["device_class"] = "vendor.example/dream-machine"
    jsonschema.validate(value, schema)
    for name, examples in offered.items():
        inner = {**schema, **schema["$defs"][name]}
        for key in ("properties", "required", "additionalProperties", "type"):
            if key not in schema["$defs"][name]:
                inner.pop(key, None)
        for example in examples:
            jsonschema.validate(example, inner)


def test_the_kinds_are_those_of_the_documents(run):
    listed = {one["id"] for one in run("schema", "--format", "json").json["kinds"]}
    assert listed == {f"urn:acp-cep:schema:{kind.PROTO_NAME}" for kind in documents.KINDS}


def test_kinds_of_the_other_command_are_there(run):
    assert "see 'cep schema'" in run("schema", "plan").errors
