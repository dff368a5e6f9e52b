from __future__ import annotations

import pytest

from acp import rules
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor
from tests.acp.examples import NOW, SYSTEM, changed, descriptor

PORT = {"id": "nv", "link_kind": "nvlink4", "bytes_per_s_per_direction": "450000000000"}
PARTITIONS = {
    "counters": {"slices": "7"},
    "profiles": [{"name": "1g", "consumes": {"slices": "1"}}],
}


def found(kind, value):
    return [
        (one.code, one.path) for one in rules.check(kind.from_json(value), rules.Context(now=NOW))
    ]


def device(path, value, base=None):
    return found(CapabilityDescriptor, changed(base or descriptor(), path, value))


def system(path, value):
    return found(SystemDescriptor, changed(SYSTEM, path, value))


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("/engines/1", descriptor()["engines"][0], "/engines/1/id"),
        ("/memories/2", descriptor()["memories"][1], "/memories/2/id"),
        ("/ports", [PORT, PORT], "/ports/1/id"),
        ("/ops/1", descriptor()["ops"][0], "/ops/1/op"),
        ("/queues", [{"kind": "COPY", "max": 1}, {"kind": "COPY", "max": 2}], "/queues/1/kind"),
        ("/memories/1/engines", ["tensor", "vector"], "/memories/1/engines/1"),
        ("/memories/1/backing_id", "ddr", "/memories/1/backing_id"),
        ("/memories/1/backing_id", "l2", "/memories/1/backing_id"),
        ("/memories/0/backing_id", "l2", "/memories/0/backing_id"),
        ("/ops/0/variants/0/engine", "tensro", "/ops/0/variants/0/engine"),
        ("/energy/0/event", "mem:ddr.read", "/energy/0/event"),
        ("/energy/0/event", "mem:hbm", "/energy/0/event"),
        ("/provenance/0/paths/2", "/port", "/provenance/0/paths/2"),
        ("/provenance/0/paths/2", "/engines/1", "/provenance/0/paths/2"),
        ("/provenance/0/paths/2", "/engines/00", "/provenance/0/paths/2"),
        ("/provenance/0/paths/2", "/engines/-", "/provenance/0/paths/2"),
        ("/provenance/0/paths/2", "/engines/²", "/provenance/0/paths/2"),
        ("/provenance/0/paths/2", "/engines/" + "9" * 2000, "/provenance/0/paths/2"),
        ("/provenance/0/paths/2", "/issuer/0", "/provenance/0/paths/2"),
        ("/provenance/0/paths/2", "/subject/unit_id", "/provenance/0/paths/2"),
        (
            "/partitions",
            changed(PARTITIONS, "/profiles/0/consumes", {"memory": "1"}),
            "/partitions/profiles/0/consumes/memory",
        ),
        (
            "/partitions",
            changed(PARTITIONS, "/profiles/1", PARTITIONS["profiles"][0]),
            "/partitions/profiles/1/name",
        ),
    ],
)
def test_i01_refuses_in_a_device(path, value, place):
    assert device(path, value) == [("ACP-I01", place)]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/memories/0/id", "hbm"),
        ("/ports", [PORT]),
        ("/partitions", PARTITIONS),
        ("/energy/0/event", "op:f16*f16+f32"),
        ("/energy/0/event", "vendor.specific"),
        ("/provenance/0/paths/2", ""),
        ("/provenance/0/paths/2", "/engines/0/rates/1/peak_ops_per_s"),
    ],
)
def test_i01_accepts_in_a_device(path, value):
    assert device(path, value) == []


def test_i01_resolves_escaped_pointers_and_names_with_dots():
    value = descriptor()
    value["ops"][0]["op"] = "example.com/ops/1:mm"
    value["ops"][0]["variants"][0]["operands"]["a/b~c"] = {"dtypes": ["f16"]}
    value["provenance"][0]["paths"].append("/ops/0/variants/0/operands/a~1b~0c")
    value["memories"][0]["id"] = "hbm.0"
    value["memories"][1]["backing_id"] = "hbm.0"
    value["energy"][0]["event"] = "mem:hbm.0.read"
    assert found(CapabilityDescriptor, value) == []


def test_i01_names_may_repeat_between_kinds():
    value = descriptor()
    value["ports"] = [PORT | {"id": "hbm"}]
    assert found(CapabilityDescriptor, value) == []


def test_i01_reports_a_circle_once_however_long():
    value = descriptor()
    link = value["memories"][1]
    value["memories"] += [
        link | {"id": f"m{i}", "backing_id": f"m{(i + 1) % 50}"} for i in range(50)
    ]
    assert found(CapabilityDescriptor, value) == [("ACP-I01", "/memories/2/backing_id")]


def test_i01_message_lists_what_there_is():
    value = changed(descriptor(), "/ops/0/variants/0/engine", "tensro")
    (one,) = rules.check(CapabilityDescriptor.from_json(value), rules.Context(now=NOW))
    assert "'tensro'" in one.message
    assert one.message.endswith("there are: tensor")


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("/nodes/2", SYSTEM["nodes"][0], "/nodes/2/id"),
        ("/switches/1", {"id": "cpu"}, "/switches/1/id"),
        ("/switches/0/ports/1", SYSTEM["switches"][0]["ports"][0], "/switches/0/ports/1/id"),
        ("/links/1/id", "up", "/links/1/id"),
        ("/links/0/a/node", "tpu", "/links/0/a/node"),
        ("/links/0/b/port", "p1", "/links/0/b/port"),
        ("/memory_views/0/initiator", "tpu", "/memory_views/0/initiator"),
        ("/memory_views/0/target", "sw", "/memory_views/0/target"),
        ("/power_domains/0/members/1", "tpu", "/power_domains/0/members/1"),
        ("/power_domains/0/members/1", "cpu", "/power_domains/0/members/1"),
        ("/memory_views/0/target", "gpu", "/memory_views/0"),
        (
            "/memory_views/1",
            {"initiator": "gpu", "target": "cpu", "bytes_per_s": "1"},
            "/memory_views/1",
        ),
        ("/links/0/a", {"node": "sw"}, "/links/0/b/node"),
        ("/links/1/b", {"node": "sw"}, "/links/1/b/node"),
    ],
)
def test_i01_refuses_in_a_system(path, value, place):
    assert system(path, value) == [("ACP-I01", place)]


def test_i01_views_go_both_ways():
    back = {"initiator": "cpu", "target": "gpu", "bytes_per_s": "1"}
    assert system("/memory_views/1", back) == []


def test_i01_leaves_the_ports_of_nodes_to_their_descriptors():
    assert system("/links/0/a/port", "anything") == []


UNIT = {"scope": "UNIT", "vendor": "example.com", "model": "E100", "device_class": "gpu"}


@pytest.mark.parametrize(
    ("scope", "unit_id", "codes"),
    [
        ("UNIT", "GPU-1", []),
        ("UNIT", None, ["ACP-I02"]),
        ("MODEL", None, []),
        ("MODEL", "GPU-1", ["ACP-I02"]),
        ("SLICE", None, []),
        ("SLICE", "GPU-1", []),
    ],
)
def test_i02(scope, unit_id, codes):
    subject = UNIT | {"scope": scope} | ({"unit_id": unit_id} if unit_id else {})
    result = device("/subject", subject)
    assert result == [(code, "/subject/unit_id") for code in codes]


@pytest.mark.parametrize("scope", ["UNIT", "MODEL", "SLICE"])
def test_i02_what_has_a_parent_is_a_slice(scope):
    subject = UNIT | {"scope": scope, "parent_digest": "sha256:" + "7" * 64}
    subject |= {} if scope == "MODEL" else {"unit_id": "GPU-1"}
    expected = [] if scope == "SLICE" else [("ACP-I02", "/subject/parent_digest")]
    assert device("/subject", subject) == expected
