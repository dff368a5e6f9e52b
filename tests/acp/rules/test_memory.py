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
