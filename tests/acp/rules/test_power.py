from __future__ import annotations

import pytest

from acp import rules
from acp.v1.capability import CapabilityDescriptor
from tests.acp.examples import NOW, changed, descriptor


def found(cap=None, **power):
    point = {"name": "default"} | ({} if cap is None else {"power_cap_mw": str(cap)})
    limits = {name: str(value) for name, value in power.items()}
    value = changed(descriptor(), "/operating_point", point)
    value = changed(value, "/power", limits or ...)
    value = changed(value, "/provenance/0/paths", ["/engines"])
    document = CapabilityDescriptor.from_json(value)
    found = rules.check(document, rules.Context(now=NOW))
    return [(one.code, one.path) for one in found if one.code == "ACP-P01"]


@pytest.mark.parametrize(
    "limits",
    [
        {"idle_mw": 70, "tdp_mw": 700, "cap_min_mw": 200, "cap_max_mw": 700, "cap": 700},
        {"idle_mw": 70, "tdp_mw": 70, "cap_max_mw": 70, "cap": 0},
        {"cap_min_mw": 200, "cap_max_mw": 200, "cap": 200},
        {"tdp_mw": 700, "cap": 900},
        {"idle_mw": 300, "cap_min_mw": 200},
        {"cap": 100},
    ],
)
def test_p01_accepts(limits):
    assert found(**limits) == []


@pytest.mark.parametrize(
    ("limits", "path"),
    [
        ({"idle_mw": 71, "tdp_mw": 70}, "/power/idle_mw"),
        ({"tdp_mw": 701, "cap_max_mw": 700}, "/power/tdp_mw"),
        ({"idle_mw": 701, "cap_max_mw": 700}, "/power/idle_mw"),
        ({"cap_min_mw": 701, "cap_max_mw": 700}, "/power/cap_min_mw"),
        ({"cap_min_mw": 200, "cap": 199}, "/operating_point/power_cap_mw"),
        ({"cap_max_mw": 700, "cap": 701}, "/operating_point/power_cap_mw"),
    ],
)
def test_p01_refuses(limits, path):
    assert found(**limits) == [("ACP-P01", path)]
