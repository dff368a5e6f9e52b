from __future__ import annotations

import time

import pytest

from acp import rules
from acp.canonical import digest
from acp.diagnostics import Severity
from acp.holdings import Holdings
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor
from tests.acp.examples import NOW, SYSTEM, annex, changed, descriptor

DEVICE = CapabilityDescriptor.from_json(descriptor())


def found(value, kind=SystemDescriptor, held=(DEVICE,)):
    context = rules.Context(now=NOW, held=Holdings.of(held))
    return rules.check(kind.from_json(value), context)


def places(value, **options):
    return [(one.code, one.path) for one in found(value, **options)]


def test_a_system_of_known_devices():
    assert places(annex("system")) == []


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("/links/0/a/port", "nvlink0", [("ACP-L01", "/links/0/a/port")]),
        ("/links/0/kind", "nvlink5", [("ACP-L01", f"/links/0/{side}/port") for side in "ab"]),
        ("/links/0/kind", "nvlink3", []),
        ("/links/0/kind", "nvlink", [("ACP-L01", f"/links/0/{side}/port") for side in "ab"]),
        ("/links/0/count", 19, [("ACP-L01", f"/links/0/{side}/port") for side in "ab"]),
        (
            "/links/0/a_to_b_bytes_per_s",
            "463500000000",
            [("ACP-L02", "/links/0/a_to_b_bytes_per_s")],
        ),
        ("/links/0/count", ..., []),
    ],
)
def test_one_change(path, value, expected):
    assert places(changed(annex("system"), path, value)) == expected


def test_what_is_not_held_is_not_looked_at():
    value = changed(annex("system"), "/links/0/a/port", "nvlink0")
    assert places(value, held=()) == []
    assert places(SYSTEM, held=()) == []


@pytest.mark.parametrize(
    ("rate", "hint"),
    [("128000000000", True), ("900000000000", False), ("64000000000", False)],
)
def test_l02_says_what_was_probably_done(rate, hint):
    value = changed(descriptor(), "/ports/1/bytes_per_s_per_direction", rate)
    (one,) = found(value, CapabilityDescriptor)
    assert one.code == "ACP-L02"
    assert "63015384608 in one direction" in one.message
    assert ("both directions summed" in one.message) == hint


def test_l03_names_the_slower_end():
    value = changed(
        annex("system"), "/switches/0/ports/0/bytes_per_s_per_direction", "225000000000"
    )
    there, back = found(value)
    assert (there.code, there.path) == ("ACP-L03", "/links/0/a_to_b_bytes_per_s")
    assert back.path == "/links/0/b_to_a_bytes_per_s"
    assert "'p0' of 'nvs'" in there.message
    assert "both directions summed" in there.message


@pytest.mark.parametrize(("rate", "fits"), [("34", True), ("35", False)])
def test_l03_is_exact_about_a_share_that_is_no_whole_number(rate, fits):
    port = {"id": "p0", "link_kind": "nvlink4", "count": 3, "bytes_per_s_per_direction": "100"}
    value = changed(annex("system"), "/switches/0/ports/0", port)
    members = {"count": 1, "a_to_b_bytes_per_s": rate, "b_to_a_bytes_per_s": "1"}
    value["links"][0] |= members
    assert places(value) == ([] if fits else [("ACP-L03", "/links/0/a_to_b_bytes_per_s")])


def test_l04_is_a_warning_that_names_each_island_once():
    value = annex("system")
    del value["memory_views"]
    del value["links"][1]
    for name in ("gpu2", "gpu3"):
        value["nodes"].append({"id": name, "descriptor_digest": digest(descriptor())})
    value["memory_views"] = [{"initiator": "gpu2", "target": "gpu3", "bytes_per_s": "1"}]
    first, second = found(value)
    assert {first.severity, second.severity} == {Severity.WARNING}
    assert (first.path, second.path) == ("/nodes/1", "/nodes/2")
    assert "connects gpu2, gpu3 with 'gpu0'" in second.message


def test_a_node_named_like_silicon_is_not_connected_by_its_name():
    value = annex("system")
    del value["memory_views"]
    del value["links"]
    value["nodes"][0]["contention_group"] = "gpu1"
    assert places(value) == [("ACP-L04", "/nodes/1")]


def system_of(count):
    """Devices in a row, each linked with the next and with a switch."""
    return {
        **annex("system"),
        "nodes": [{"id": f"n{i}", "descriptor_digest": digest(descriptor())} for i in range(count)],
        "switches": [
            {
                "id": f"sw{i}",
                "ports": [{"id": "p", "link_kind": "pcie5", "bytes_per_s_per_direction": "1000"}],
            }
            for i in range(count)
        ],
        "links": [
            link
            for i in range(count)
            for link in (
                {
                    "id": f"up{i}",
                    "a": {"node": f"n{i}", "port": "pcie"},
                    "b": {"node": f"sw{i}", "port": "p"},
                    "kind": "pcie5",
                    "count": 16,
                    "a_to_b_bytes_per_s": "1000",
                    "b_to_a_bytes_per_s": "1000",
                },
                {
                    "id": f"next{i}",
                    "a": {"node": f"n{i}"},
                    "b": {"node": f"n{(i + 1) % count}"},
                    "kind": "ici",
                    "a_to_b_bytes_per_s": "1000",
                    "b_to_a_bytes_per_s": "1000",
                },
            )
        ],
        "memory_views": [
            {"initiator": f"n{i}", "target": "n0", "bytes_per_s": "1"} for i in range(1, count)
        ],
        "power_domains": [{"members": [f"n{i}" for i in range(count)], "cap_mw": "1"}],
    }


def test_many_devices_cost_in_proportion():
    seconds = {}
    for count in (1_000, 8_000):
        document = SystemDescriptor.from_json(system_of(count))
        context = rules.Context(now=NOW, held=Holdings.of([DEVICE]))
        begun = time.process_time()
        assert rules.check(document, context) == ()
        seconds[count] = time.process_time() - begun
    # Eight times as many; a quadratic rule would take 64 times as long.
    assert seconds[8_000] < 24 * max(seconds[1_000], 0.02)


def test_a_chain_that_is_joined_at_the_wrong_end_is_no_deeper():
    value = system_of(5_000)
    value["links"] = [link for link in value["links"] if link["id"].startswith("next")][::-1]
    del value["memory_views"]
    begun = time.process_time()
    assert places(value) == []
    assert time.process_time() - begun < 10
