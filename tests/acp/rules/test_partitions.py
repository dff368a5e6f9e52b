from __future__ import annotations

import time

import pytest

from acp import rules
from acp.canonical import digest
from acp.holdings import Holdings
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor
from tests.acp.examples import NOW, annex, changed, descriptor

DEVICE = CapabilityDescriptor.from_json(descriptor())
SEVENTH = CapabilityDescriptor.from_json(annex("slice"))


def found(value, kind=CapabilityDescriptor, held=(DEVICE, SEVENTH)):
    context = rules.Context(now=NOW, held=Holdings.of(held))
    return rules.check(kind.from_json(value), context)


def places(value, *arguments):
    return [(one.code, one.path) for one in found(value, *arguments)]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/engines/0/rates/0/peak_ops_per_s", "989400000000001"),
        ("/memories/0/capacity_bytes_per_instance", "85899345921"),
        ("/memories/0/combined_bytes_per_s", "3350000000001"),
    ],
)
def test_a_slice_has_no_more_than_the_whole(path, value):
    part = annex("slice")
    del part["engines"][0]["clock_hz"]
    assert places(part) == []
    beyond = changed(part, path, value)
    assert ("ACP-Q01", path) in places(beyond)
    assert "ACP-Q01" not in {code for code, _ in places(beyond, CapabilityDescriptor, ())}


def test_the_whole_is_found_by_its_profile_too():
    part = annex("slice")
    del part["subject"]["parent_digest"]
    del part["engines"][0]["clock_hz"]
    part["engines"][0]["rates"][0]["peak_ops_per_s"] = "989400000000001"
    whole = changed(descriptor(), "/partitions/profiles/0/descriptor_digest", digest(part))
    held = [CapabilityDescriptor.from_json(one) for one in (part, whole)]
    assert ("ACP-Q01", "/engines/0/rates/0/peak_ops_per_s") in places(
        part, CapabilityDescriptor, held
    )
    path = "/partitions/profiles/0/descriptor_digest"
    assert places(whole, CapabilityDescriptor, held) == [("ACP-Q01", path)]


def slices(count, unit="E100-0001"):
    named = {"descriptor_digest": digest(annex("slice")), "unit_id": unit}
    return [{"id": f"{unit.lower()}.{i}", **named} for i in range(count)]


def system_of(nodes):
    rest = ("links", "switches", "memory_views", "power_domains")
    value = {name: part for name, part in annex("system").items() if name not in rest}
    return {**value, "nodes": [{**node, "contention_group": "all"} for node in nodes]}


def test_seven_sevenths_are_one():
    assert places(system_of(slices(7)), SystemDescriptor) == []
    (one,) = found(system_of(slices(8)), SystemDescriptor)
    assert (one.code, one.path) == ("ACP-Q01", "/nodes/7")
    assert "(8 × 1/7) take 8 of 'compute', of which there are 7" in one.message


def test_each_unit_counts_by_itself():
    nodes = slices(7, "E100-0001") + slices(8, "E100-0002") + slices(1, "E100-0003")
    assert places(system_of(nodes), SystemDescriptor) == [("ACP-Q01", "/nodes/14")]


def test_slices_of_a_place_that_is_not_told():
    nodes = [{k: v for k, v in node.items() if k != "unit_id"} for node in slices(8)]
    assert places(system_of(nodes), SystemDescriptor) == []
    for node in nodes:
        node["pcie"] = "0000:65:00.0"
    assert places(system_of(nodes), SystemDescriptor) == [("ACP-Q01", "/nodes/7")]
    for i, node in enumerate(nodes):
        node["host"] = f"host{i}"
    assert places(system_of(nodes), SystemDescriptor) == []


def test_a_fleet_costs_in_proportion_whatever_the_counters():
    counters = {f"c{i:03}": "1000000" for i in range(256)}
    profile = {"name": "1/7", "consumes": dict.fromkeys(counters, "1")}
    whole = {**descriptor(), "partitions": {"counters": counters, "profiles": [profile]}}
    part = changed(annex("slice"), "/subject/parent_digest", digest(whole))
    held = Holdings.of([CapabilityDescriptor.from_json(one) for one in (whole, part)])
    nodes = [
        {"id": f"n{i}", "descriptor_digest": digest(part), "unit_id": f"u{i % 20_000}"}
        for i in range(40_000)
    ]
    document = SystemDescriptor.from_json(system_of(nodes))
    begun = time.process_time()
    assert rules.check(document, rules.Context(now=NOW, held=held)) == ()
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    ("groups", "fits"), [((None, None), False), (("a", "b"), False), (("a", "a"), True)]
)
def test_a_whole_unit_stands_in_a_system_once(groups, fits):
    value = annex("system")
    assert places(value, SystemDescriptor) == []
    value["nodes"][1]["unit_id"] = value["nodes"][0]["unit_id"]
    for node, group in zip(value["nodes"], groups, strict=True):
        node.update({"contention_group": group} if group else {})
    assert places(value, SystemDescriptor) == ([] if fits else [("ACP-Q01", "/nodes/1")])
    assert places(value, SystemDescriptor, ()) == []


def test_many_profiles_of_one_slice_cost_in_proportion():
    part = annex("slice")
    del part["subject"]["parent_digest"]
    row = {"b": "f16", "out": "f16", "sparsity": "dense", "peak_ops_per_s": "1"}
    rows = [{"a": f"x.com/a{i}", **row, "exposed": False} for i in range(4_000)]
    profile = {"consumes": {"compute": "1"}, "descriptor_digest": digest(part)}
    whole = {**descriptor(), "partitions": {
        "counters": {"compute": "7"},
        "profiles": [{"name": f"p{i}", **profile} for i in range(4_000)],
    }}  # fmt: skip
    whole["engines"] = [*whole["engines"], {"id": "more", "kind": "VECTOR", "rates": rows}]
    held = [CapabilityDescriptor.from_json(one) for one in (part, whole)]
    begun = time.process_time()
    assert places(whole, CapabilityDescriptor, held) == []
    assert places(part, CapabilityDescriptor, held) == []
    assert time.process_time() - begun < 5
