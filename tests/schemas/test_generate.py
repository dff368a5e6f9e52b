from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acp import operations, tokens
from cep.opset import table
from schemas.generate import __main__ as command
from schemas.generate.description import SchemaError, describe
from schemas.generate.descriptors import CompileError, compile_protos
from schemas.generate.formats import FORMATS, decimal_pattern
from schemas.generate.outputs import compose, drift, write
from schemas.generate.registries import RegistryError, read_registries

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def outputs():
    return compose(ROOT)


@pytest.fixture(scope="module")
def generated(outputs, tmp_path_factory):
    root = tmp_path_factory.mktemp("generated")
    write(root, outputs)
    return root


def test_what_is_checked_in_is_what_the_generator_writes(outputs):
    assert drift(ROOT, outputs) == []


def test_two_runs_write_the_same(outputs):
    assert compose(ROOT) == outputs


@pytest.mark.parametrize("change", ["edited", "missing", "left over"])
def test_drift_names_the_file(change, outputs, generated):
    path = "acp/v1/status.py" if change != "left over" else "cep/v1/schedule.py"
    target = generated / path
    if change == "missing":
        target.unlink()
    else:
        target.write_text("# by hand\n")

    assert drift(generated, outputs) == [path]
    write(generated, outputs)
    assert drift(generated, outputs) == []


def test_check_fails_and_says_where(monkeypatch, capsys, outputs, tmp_path):
    write(tmp_path, outputs)
    for kept in ("schemas/proto", "spec", "docs"):
        shutil.copytree(ROOT / kept, tmp_path / kept, dirs_exist_ok=True)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    assert command.main(["--check"]) == 0

    proto = tmp_path / "schemas/proto/acp/v1/status.proto"
    proto.write_text(proto.read_text().replace("Why, for people.", "Why, for anybody."))
    assert command.main(["--check"]) == 1

    assert [line.rpartition(" ")[2] for line in capsys.readouterr().out.splitlines()] == [
        "acp/schemas/acp.v1.status-list.schema.json",
        "acp/v1/status.py",
        "spec/acp.md",
    ]


PROTO = """
syntax = "proto3";
package acp.v1;
import "acp/v1/options.proto";
// A thing.
message Thing {{
{}
}}
"""
HOUSE_RULES = {
    "a comment on each field": "optional string name = 1;",
    "exact presence": "// Name.\nstring name = 1;",
    "JSON names as in the proto": "// Name.\noptional string full_name = 1;",
    "known formats": '// Name.\noptional string name = 1 [(acp.v1.rules).format = "colour"];',
    "no floats": "// Share.\noptional double share = 1;",
    "string keys": "// Shares.\nmap<uint32, uint64> shares = 1;",
    "zero is unspecified": "// Kind.\nenum Kind {\n// One.\nONE = 0;\n}",
    "no nested messages": "// Part.\nmessage Part {}",
}


@pytest.mark.parametrize("rule", HOUSE_RULES)
def test_house_rules_of_the_protos(rule, tmp_path):
    (tmp_path / "acp/v1").mkdir(parents=True)
    shutil.copy(ROOT / "schemas/proto/acp/v1/options.proto", tmp_path / "acp/v1")
    path = tmp_path / "acp/v1/thing.proto"

    path.write_text(PROTO.format("// Name.\noptional string name = 1;"))
    assert describe(compile_protos(tmp_path)[0]).message("acp.v1.Thing").fields[0].name == "name"

    path.write_text(PROTO.format(HOUSE_RULES[rule]))
    compiled, _ = compile_protos(tmp_path)
    with pytest.raises(SchemaError):
        describe(compiled)


def test_a_proto_that_does_not_compile_is_an_error(tmp_path, capfd):
    (tmp_path / "broken.proto").write_text("message {")
    with pytest.raises(CompileError):
        compile_protos(tmp_path)
    assert "broken.proto" in capfd.readouterr().err


LIMITS = st.sampled_from([(0, 2**64 - 1), (1, 2**64 - 1), (-(2**63), 2**63 - 1), (0, 1), (0, 907)])


@given(limits=LIMITS, near=st.integers(-20, 20), number=st.integers(-(2**70), 2**70))
def test_decimal_patterns_are_exact(limits, near, number):
    lowest, highest = limits
    pattern = re.compile(decimal_pattern(lowest, highest))
    for value in (number, lowest + near, highest + near, near):
        assert bool(pattern.search(str(value))) == (lowest <= value <= highest)
        assert not pattern.search(f"0{value}")


@given(moment=st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9999, 12, 31)))  # noqa: DTZ001
def test_every_instant_is_a_timestamp(moment):
    text = f"{moment.replace(microsecond=0).isoformat()}Z"
    assert re.search(FORMATS["timestamp"].anchored, text)


def test_a_timestamp_is_a_day_of_the_calendar():
    pattern = re.compile(FORMATS["timestamp"].anchored)
    for year in (1000, 1896, 1900, 1999, 2000, 2026, 2028, 2100, 2400, 9996):
        for month in range(14):
            for day in range(33):
                text = f"{year}-{month:02}-{day:02}T00:00:00Z"
                try:
                    dt.datetime.fromisoformat(text)
                except ValueError:
                    assert not pattern.search(text)
                else:
                    assert pattern.search(text)


@given(number=st.floats())
def test_hexfloat_is_the_spelling_of_float_hex(number):
    pattern = re.compile(FORMATS["hexfloat"].anchored)
    text = number.hex()
    assert pattern.search(text)
    for other in (text.upper(), f"+{text}", text.replace("p+", "p"), text.replace("0x", "0x0")):
        assert other == text or not pattern.search(other)


@pytest.mark.parametrize("text", ["0x0.0000000000000p-1022", "0x1.8p+1", "0x2.0000000000000p+0"])
def test_other_spellings_of_floats_are_refused(text):
    assert not re.search(FORMATS["hexfloat"].anchored, text)


@given(text=st.text("aZ0_.:/- ", max_size=12))
def test_ids(text):
    expected = bool(text) and text[0] in "aZ0_" and " " not in text and ".." not in text
    assert bool(re.search(FORMATS["id"].anchored, text)) == expected


def test_tokens_say_what_the_registries_say():
    registries = read_registries(ROOT / "spec" / "registries")
    for name, entries in registries.items():
        assert set(getattr(tokens, name.upper())) == {entry["token"] for entry in entries}
    assert tokens.DTYPES["bf16"] == tokens.Dtype(16, 16, "float", "bf16")
    assert tokens.DTYPES["i1"] == tokens.Dtype(1, 8, "bool", "i1")
    assert tokens.DTYPES["tf32"].stored_as == "f32"
    assert tokens.MEMORY_KINDS["sram"] == tokens.MemoryKind("sram")
    pattern = re.compile(FORMATS["token"].anchored)
    for entries in registries.values():
        assert all(pattern.search(entry["token"]) for entry in entries)


@pytest.mark.parametrize(
    ("kind", "parts", "gigabytes"),
    [
        pytest.param("pcie5", 16, "63.0", id="PCIe 5 x16"),
        pytest.param("pcie4", 16, "31.5", id="PCIe 4 x16"),
        pytest.param("nvlink4", 18, "450.0", id="all links of an H100"),
        pytest.param("nvlink3", 12, "300.0", id="all links of an A100"),
        pytest.param("c2c", 16, "240.0", id="all links of a GroqChip"),
        pytest.param("ici", 6, "600.0", id="all links of a TPU v5p"),
    ],
)
def test_links_have_the_rate_of_their_protocol(kind, parts, gigabytes):
    link = tokens.LINK_KINDS[kind]
    assert link.parts == parts
    assert f"{parts * link.bytes_per_s / 1e9:.1f}" == gigabytes


@pytest.mark.parametrize(
    ("kind", "gigabytes"), [("hbm2", 307), ("hbm2e", 461), ("hbm3", 819), ("hbm3e", 1229)]
)
def test_stacks_have_the_rate_of_their_standard(kind, gigabytes):
    memory = tokens.MEMORY_KINDS[kind]
    assert memory.part == "stack"
    assert round(memory.bytes_per_s / 1e9) == gigabytes


def test_operations_are_those_of_the_opset():
    described = {f"cep-core/1:{one['name']}": one for one in table()["operations"]}
    assert set(operations.OPS) == set(described)
    for name, names in operations.OPS.items():
        assert names.operands == tuple(one["name"] for one in described[name]["operands"])
        assert names.results == tuple(described[name]["results"])
        assert names.attributes == tuple(one["name"] for one in described[name]["attributes"])
        for called in (names.tile or {}).values():
            assert {one.partition(".")[0] for one in called} <= {*names.operands, *names.results}
    accumulating = {name for name, names in operations.OPS.items() if names.accumulates}
    assert {f"cep-core/1:{name}" for name in ("mm", "sum.dim_IntList", "_softmax")} <= accumulating
    assert not {f"cep-core/1:{name}" for name in ("exp", "add.Tensor", "amax")} & accumulating


GOOD = {"token": "a", "description": "A.", "source": "S."}


@pytest.mark.parametrize(
    "entries",
    {
        "unsorted": [GOOD | {"token": "b"}, GOOD],
        "twice": [GOOD, GOOD],
        "no description": [GOOD | {"description": ""}],
        "no source": [{"token": "a", "description": "A."}],
        "a member that no form has": [GOOD | {"speed": 1}],
        "a rate with a fraction": [GOOD | {"part_bytes_per_s_per_direction": 1.5}],
        "a rate of nothing": [GOOD | {"part_bytes_per_s_per_direction": 0}],
    }.values(),
)
def test_registries_keep_their_form(entries, tmp_path):
    shutil.copytree(ROOT / "spec" / "registries", tmp_path, dirs_exist_ok=True)
    (tmp_path / "link_kinds.json").write_text(json.dumps({"entries": [GOOD]}))
    read_registries(tmp_path)
    (tmp_path / "link_kinds.json").write_text(json.dumps({"entries": entries}))
    with pytest.raises(RegistryError):
        read_registries(tmp_path)


def test_an_architecture_is_of_classes_that_there_are(tmp_path):
    shutil.copytree(ROOT / "spec" / "registries", tmp_path, dirs_exist_ok=True)
    entry = GOOD | {"device_classes": ["toaster"], "levels": ["v1"]}
    (tmp_path / "architectures.json").write_text(json.dumps({"entries": [entry]}))
    with pytest.raises(RegistryError, match="names a class"):
        read_registries(tmp_path)
