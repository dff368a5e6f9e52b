from __future__ import annotations

import pytest

from acp import rules
from acp.v1.capability import CapabilityDescriptor
from tests.acp.examples import NOW, changed, descriptor


def found(**members):
    memory = {
        "id": "m",
        "kind": "sram",
        "role": "CACHE",
        "instances": 1,
        "capacity_bytes_per_instance": "1000000",
    }
    value = changed(descriptor(), "/memories/2", memory | members)
    document = CapabilityDescriptor.from_json(value)
    return [(one.code, one.path) for one in rules.check(document, rules.Context(now=NOW))]


@pytest.mark.parametrize(
    ("instances", "each", "usable"), [(5, 10, 50), (5, 10, 0), (1, 2**64 - 1, 2**64 - 1)]
)
def test_m02_accepts_usable_up_to_the_total(instances, each, usable):
    sizes = {"capacity_bytes_per_instance": str(each), "usable_bytes": str(usable)}
    assert found(instances=instances, **sizes) == []


@pytest.mark.parametrize(
    ("instances", "each", "usable"),
    [
        (5, 10, 51),
        (1, 2**64 - 2, 2**64 - 1),
        pytest.param(6, 141 * 10**9 // 6, 141 * 2**30, id="141 GB given as 141 GiB"),
    ],
)
def test_m02_refuses_more_than_the_total(instances, each, usable):
    sizes = {"capacity_bytes_per_instance": str(each), "usable_bytes": str(usable)}
    assert found(instances=instances, **sizes) == [("ACP-M02", "/memories/2/usable_bytes")]


@pytest.mark.parametrize(
    ("role", "line", "alignment", "places"),
    [
        ("CACHE", "64", "64", []),
        ("CACHE", "64", "128", []),
        ("CACHE", "1", "1", []),
        ("CACHE", str(2**63), None, []),
        ("CACHE", "0", None, ["line_bytes"]),
        ("CACHE", "96", None, ["line_bytes"]),
        ("CACHE", None, "48", ["alignment_bytes"]),
        ("DEVICE", "96", "48", ["line_bytes", "alignment_bytes"]),
        ("CACHE", "128", "64", ["alignment_bytes"]),
        ("DEVICE", "128", "64", []),
        ("SCRATCH", "128", "64", []),
    ],
)
def test_m06(role, line, alignment, places):
    sizes = {"line_bytes": line, "alignment_bytes": alignment}
    given = {name: size for name, size in sizes.items() if size is not None}
    assert found(role=role, **given) == [("ACP-M06", f"/memories/2/{place}") for place in places]


GIB = 2**30


def stacked(kind, stacks, rate, capacity=GIB, member="combined_bytes_per_s"):
    given = {"kind": kind, "role": "DEVICE", "capacity_bytes_per_instance": str(capacity)}
    return found(stacks=stacks, **given, **{member: str(rate)})


@pytest.mark.parametrize(
    ("kind", "stacks", "rate", "capacity"),
    [
        pytest.param("hbm3", 5, 3_350 * 10**9, 80 * GIB, id="H100"),
        pytest.param("hbm3e", 6, 4_800 * 10**9, 144 * GIB, id="H200"),
        pytest.param("hbm2e", 5, 2_039 * 10**9, 80 * GIB, id="A100"),
        pytest.param("hbm3", 8, 5_300 * 10**9, 192 * GIB, id="MI300X"),
        pytest.param("hbm2e", 6, 2_765 * 10**9, 96 * GIB, id="TPU v5p"),
        pytest.param("hbm2", 2, 460 * 10**9, 8 * GIB, id="U280"),
        pytest.param("hbm2", 4, 900 * 10**9, 32 * GIB, id="V100"),
        pytest.param("hbm3e", 8, 8_000 * 10**9, 192 * GIB, id="B200"),
        pytest.param("hbm3e", 8, 8_000 * 10**9, 288 * GIB, id="MI355X"),
    ],
)
@pytest.mark.parametrize("member", ["read", "write", "combined"])
def test_m03_accepts_devices_that_exist(kind, stacks, rate, capacity, member):
    assert stacked(kind, stacks, rate, capacity, f"{member}_bytes_per_s") == []


@pytest.mark.parametrize(
    ("kind", "gigabytes_per_s"), [("hbm2", 307.2), ("hbm2e", 460.8), ("hbm3", 819.2)]
)
def test_m03_allows_a_stack_its_standard_and_one_percent(kind, gigabytes_per_s):
    most = int(gigabytes_per_s * 10**9) * 101 // 100
    assert stacked(kind, 1, most) == []
    assert stacked(kind, 1, most + 1) == [("ACP-M03", "/memories/2/combined_bytes_per_s")]


@pytest.mark.parametrize(
    ("kind", "stacks", "capacity", "broken"),
    [
        ("hbm2e", 1, 24 * GIB, False),
        ("hbm2e", 1, 24 * GIB + 1, True),
        ("hbm3", 2, 128 * GIB, False),
        ("hbm3", 1, 128 * GIB, True),
        ("hbm3", 0, 1, True),
    ],
)
def test_m03_capacity_of_stacks(kind, stacks, capacity, broken):
    expected = [("ACP-M03", "/memories/2/capacity_bytes_per_instance")] if broken else []
    assert stacked(kind, stacks, 0, capacity) == expected


def test_m03_says_which_kind_is_as_fast():
    value = changed(descriptor(), "/memories/0/stacks", 5)
    value = changed(value, "/memories/0/kind", "hbm2e")
    document = CapabilityDescriptor.from_json(value)
    (one,) = rules.check(document, rules.Context(now=NOW))
    assert "3.35 TB/s from 5 stacks, but hbm2e reaches 2.3 TB/s with as many" in one.message
    assert "likely: a kind such as hbm3, or the rate of something else" in one.message


def test_m03_needs_stacks_of_a_kind_that_has_them():
    for kind in ("gddr6", "example.com/x"):
        given = {"kind": kind, "stacks": 1, "role": "DEVICE", "read_bytes_per_s": "999000000000"}
        assert ("ACP-M03", "/memories/2/read_bytes_per_s") not in found(**given)


@pytest.mark.parametrize(
    ("instances", "usable", "broken"),
    [(1, 10, False), (8, 10, True), (8, 80, False), (8, 9, False), (8, None, False)],
)
def test_s01(instances, usable, broken):
    given = {} if usable is None else {"usable_bytes": str(usable)}
    expected = [("ACP-S01", "/memories/2/usable_bytes")] if broken else []
    assert found(instances=instances, capacity_bytes_per_instance="10", **given) == expected
