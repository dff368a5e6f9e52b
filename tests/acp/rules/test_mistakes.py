"""Mistakes that were published, made in the descriptors that are shipped: each is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import acp
from acp import rules
from acp.v1.capability import CapabilityDescriptor
from tests.acp.examples import NOW, changed

SHIPPED = Path(acp.__file__).parent / "reference"
T = 10**12


def shipped(name):
    (path,) = SHIPPED.rglob(f"{name}.json")
    return json.loads(path.read_text(encoding="utf-8"))


def judged(value):
    document = CapabilityDescriptor.from_json(value)
    return [(one.code, one.path, one.message) for one in rules.check(document, rules.Context(NOW))]


def place(value, path):
    """A path in which steps in angle brackets are ids, or dtypes and sparsity of a rate."""
    found, inner = "", value
    for step in path.split("/")[1:]:
        if isinstance(inner, list):
            index = next(i for i, one in enumerate(inner) if step in names(one))
            found, inner = f"{found}/{index}", inner[index]
        else:
            found, inner = f"{found}/{step}", inner.get(step)
    return found


def names(one):
    if "sparsity" in one:
        return (f"{one['a']}+{one.get('acc')},{one['sparsity']}",)
    return (one["id"],)


@pytest.mark.parametrize(
    ("device", "path", "value", "code", "words"),
    [
        pytest.param(
            *("h100-sxm", "/engines/tensor/rates/f16+f32,dense/peak_ops_per_s", 1979 * T),
            *("ACP-C01", "sparse rate given as dense, or FMA counted twice: 1979 T for 989.42 T"),
            id="H100 f16 1979 T given as dense",
        ),
        pytest.param(
            *("h100-sxm", "/engines/tensor/rates/f16+f32,2:4/peak_ops_per_s", 3958 * T),
            *("ACP-C02", "is 4 times the dense 989.4 T ops/s"),
            id="the same with a sparsity speed-up of 2 on top",
        ),
        pytest.param(
            *("h100-sxm", "/engines/vector/rates/f64+None,dense/peak_ops_per_s", 67 * T),
            *("ACP-C01", "or the matrix units' rate: 67 T for 33.45 T"),
            id="f64 67 T as vector",
        ),
        pytest.param(
            *("a100-sxm-80gb", "/engines/vector/count", 128),
            *("ACP-C01", "it fits 108 units of 128; are disabled units counted?"),
            id="A100 with 128 SMs",
        ),
    ],
)
def test_rates(device, path, value, code, words):
    good = shipped(device)
    assert judged(good) == []
    where = place(good, path)
    number = value if path.endswith("count") else str(value)
    told = [message for found, _, message in judged(changed(good, where, number)) if found == code]
    assert any(words in message for message in told), told


def memory_of(value, role, kind):
    return next(
        i for i, one in enumerate(value["memories"]) if one["role"] == role and one["kind"] == kind
    )


def test_groq_230_gb_of_sram_at_80_tb_per_s():
    good = shipped("groqchip-1")
    i = memory_of(good, "DEVICE", "sram")
    memory = good["memories"][i]
    total = int(memory["capacity_bytes_per_instance"]) * memory["instances"]
    assert total < 240 * 10**6
    wrong = str(230 * 10**9 // memory["instances"])
    found = judged(changed(good, f"/memories/{i}/capacity_bytes_per_instance", wrong))
    assert "ACP-M04" in {code for code, _, _ in found}


def test_mi300x_at_6_81_tb_per_s():
    good = shipped("instinct-mi300x")
    i = memory_of(good, "DEVICE", "hbm3")
    member = next(name for name in good["memories"][i] if name.endswith("_bytes_per_s"))
    stacked = changed(good, f"/memories/{i}/stacks", 8)
    assert judged(stacked) == []
    found = judged(changed(stacked, f"/memories/{i}/{member}", str(681 * T // 100)))
    told = [message for code, _, message in found if code == "ACP-M03"]
    assert "6.81 TB/s from 8 stacks, but hbm3 reaches 6.55 TB/s" in told[0]


def test_mi300_l2_total_of_one_instance():
    good = shipped("instinct-mi300x")
    i = next(i for i, one in enumerate(good["memories"]) if one.get("level") == 2)
    one = good["memories"][i]
    assert one["instances"] == 8
    wrong = changed(good, f"/memories/{i}/usable_bytes", one["capacity_bytes_per_instance"])
    assert [code for code, _, _ in judged(wrong)] == ["ACP-S01"]


def test_141_gb_published_as_141_gib():
    good = shipped("h200-sxm")
    i = memory_of(good, "DEVICE", "hbm3e")
    path = f"/memories/{i}/capacity_bytes_per_instance"
    entry = {"paths": [path], "basis": "VENDOR_CLAIM", "source_value": str(141 * 10**9)}
    wrong = changed(good, path, str(141 * 2**30))
    wrong = changed(wrong, f"/provenance/{len(good['provenance'])}", entry)
    wrong = changed(wrong, f"/memories/{i}/instances", 1)
    told = [message for code, _, message in judged(wrong) if code == "ACP-M05"]
    assert "GB of the source read as GiB" in told[0]


@pytest.mark.parametrize("path", sorted(SHIPPED.rglob("*.json")), ids=lambda path: path.stem)
def test_true_descriptors_break_no_rule(path):
    value = json.loads(path.read_text(encoding="utf-8"))
    if "engines" not in value:
        pytest.skip("no capability descriptor")
    assert judged(value) == []
