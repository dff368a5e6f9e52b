"""Mistakes that were published about these devices, each found by the rule that is for it."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import pytest

from acp import reference, rules
from acp.holdings import Holdings
from acp.v1.capability import CapabilityDescriptor

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def rate(value, engine, operands, sparsity="dense"):
    """The row of an engine for operands with their accumulator, such as ``f16+f32``."""
    (rows,) = [one["rates"] for one in value["engines"] if one["id"] == engine]
    dtype, _, acc = operands.partition("+")
    (row,) = [
        row
        for row in rows
        if (row["a"], row.get("acc", ""), row["sparsity"]) == (dtype, acc, sparsity)
    ]
    return row


def of(value, member, name):
    """The engine, memory or port of this id."""
    (one,) = [one for one in value[member] if one["id"] == name]
    return one


def sparse_as_dense(value):
    rate(value, "tensor", "f16+f32")["peak_ops_per_s"] = "1979000000000000"


def sparse_as_dense_without_factors(value):
    row = rate(value, "tensor", "f16+f32")
    row["peak_ops_per_s"] = "1979000000000000"
    del row["ops_per_unit_per_clock"]


def sparsity_twice(value):
    rate(value, "tensor", "f16+f32", "2:4")["peak_ops_per_s"] = "3958000000000000"


def sparsity_twice_without_factors(value):
    row = rate(value, "tensor", "f16+f32", "2:4")
    row["peak_ops_per_s"] = "3958000000000000"
    del row["ops_per_unit_per_clock"]


def matrix_rate_as_vector(value):
    rate(value, "vector", "f64")["peak_ops_per_s"] = "66900000000000"


def nvlink_both_directions(value):
    of(value, "ports", "nvlink")["bytes_per_s_per_direction"] = "900000000000"


def pcie_both_directions(value):
    of(value, "ports", "pcie")["bytes_per_s_per_direction"] = "128000000000"


def gigabytes_of_sram(value):
    sram = of(value, "memories", "memory")
    sram |= {"instances": 1, "capacity_bytes_per_instance": "230000000000"}


def gibibytes_as_stated(value):
    """Say that the maker states 141 GiB, where it states 141 GB."""
    for entry in value["provenance"]:
        if entry.get("source_value") == "141000000000":
            entry["basis"] = "VENDOR_CLAIM"


def ceiling_of_another_kind(value):
    of(value, "memories", "memory")["combined_bytes_per_s"] = "6810000000000"


def all_multiprocessors_of_the_die(value):
    of(value, "engines", "vector")["count"] = 128


def sixty_multiprocessors(value):
    of(value, "engines", "vector")["count"] = 60


def one_of_eight_caches(value):
    of(value, "memories", "l2")["usable_bytes"] = "4194304"


MISTAKES = [
    ("nvidia/h100-sxm", sparse_as_dense, "ACP-C01", "sparse rate given as dense"),
    ("nvidia/h100-sxm", sparse_as_dense, "ACP-C06", "1979 T"),
    ("nvidia/h100-sxm", sparse_as_dense_without_factors, "ACP-C06", "sparse rate given as dense"),
    ("nvidia/h100-sxm", sparsity_twice, "ACP-C01", "already sparse"),
    ("nvidia/h100-sxm", sparsity_twice, "ACP-C02", "gains 2 times at most"),
    ("nvidia/h100-sxm", sparsity_twice_without_factors, "ACP-C02", "already"),
    ("nvidia/h100-sxm", sparsity_twice_without_factors, "ACP-C06", "already"),
    ("nvidia/h100-sxm", matrix_rate_as_vector, "ACP-C01", "33.4"),
    ("nvidia/h100-sxm", nvlink_both_directions, "ACP-L02", "both directions"),
    ("nvidia/h100-sxm", pcie_both_directions, "ACP-L02", "both directions"),
    ("groq/groqchip-1", gigabytes_of_sram, "ACP-M04", "GB for MB"),
    ("nvidia/h200-sxm", gibibytes_as_stated, "ACP-M05", "read as GiB"),
    ("amd/instinct-mi300x", ceiling_of_another_kind, "ACP-M03", "6.55 TB/s"),
    ("nvidia/a100-sxm-80gb", all_multiprocessors_of_the_die, "ACP-C01", "108 units of 128"),
    ("nvidia/l4", sixty_multiprocessors, "ACP-C01", "58 units of 60"),
    ("amd/instinct-mi300x", one_of_eight_caches, "ACP-S01", "one of 8 instances"),
]


@pytest.mark.parametrize(
    ("name", "mistake", "rule", "words"),
    MISTAKES,
    ids=[f"{mistake.__name__}-{rule}" for _, mistake, rule, _ in MISTAKES],
)
def test_a_published_mistake_is_found(name, mistake, rule, words):
    right = json.loads(reference.read(name))
    wrong = copy.deepcopy(right)
    mistake(wrong)
    assert wrong != right
    document = CapabilityDescriptor.from_json(wrong)
    found = rules.check(document, rules.Context(now=NOW))
    messages = [one.message for one in found if one.code == rule]
    assert messages, f"{rule} finds nothing; found were {[str(one) for one in found]}"
    assert any(words in message for message in messages), messages


@pytest.mark.parametrize(
    ("name", "mistake", "path"),
    [
        ("nvidia/h100-sxm", sparse_as_dense, "/engines/1/rates/2/peak_ops_per_s"),
        ("nvidia/h100-sxm", matrix_rate_as_vector, "/engines/0/rates/0/peak_ops_per_s"),
        ("nvidia/h100-sxm", nvlink_both_directions, "/ports/0/bytes_per_s_per_direction"),
        ("amd/instinct-mi300x", ceiling_of_another_kind, "/memories/0/combined_bytes_per_s"),
        ("groq/groqchip-1", gigabytes_of_sram, "/memories/0/capacity_bytes_per_instance"),
    ],
)
def test_a_mistake_differs_from_the_reference(name, mistake, path):
    right = reference.load(name)
    wrong = json.loads(reference.read(name)) | {"issuer": "example.com"}
    mistake(wrong)
    context = rules.Context(now=NOW, held=Holdings.of([], references=[right]))
    assert not [one for one in rules.check(right, context) if one.code == "ACP-V04"]
    found = rules.check(CapabilityDescriptor.from_json(wrong), context)
    assert path in [one.path for one in found if one.code == "ACP-V04"]
