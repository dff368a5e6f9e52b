from __future__ import annotations

import pytest

from acp import rules
from acp.v1.capability import CapabilityDescriptor
from tests.acp.examples import NOW, changed, descriptor
from tests.acp.rules.judging import engine, places, rate


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


T = 10**12


def implausible(kind, watts, *rates):
    power = {"tdp_mw": str(int(watts * 1000))}
    point = {"name": "default"}
    members = (("/power", power), ("/operating_point", point), ("/subject/device_class", kind))
    sourced = ("/provenance/0/paths", ["/engines"])
    return places("ACP-P02", *members, engine(*rates), sourced)


@pytest.mark.parametrize(
    ("kind", "watts", "rates"),
    [
        pytest.param("gpu", 700, [rate(1979 * T, a="f8e4m3fn"), rate(67 * T, a="f64")], id="H100"),
        pytest.param("gpu", 72, [rate(242 * T, a="i8"), rate(30 * T, a="f32")], id="L4"),
        pytest.param("gpu", 1000, [rate(9000 * T, a="f4e2m1fn")], id="B200"),
        pytest.param("gpu", 300, [rate(8.7 * T, a="f32")], id="K80"),
        pytest.param("cpu", 360, [rate(3.69 * T, a="f64")], id="EPYC 9654"),
        pytest.param("cpu", 500, [rate(524 * T, a="i8")], id="Xeon with AMX"),
        pytest.param("lpu", 300, [rate(750 * T, a="i8")], id="GroqChip"),
        pytest.param("npu", 2.5, [rate(26 * T, a="i8")], id="Hailo-8"),
        pytest.param("fpga", 225, [rate(17 * T, a="i8")], id="U280"),
        pytest.param("tpu", 2, [rate(4 * T, a="i8")], id="Edge TPU"),
        pytest.param("gpu", 700, [rate(1, a="example.com/f9")], id="of unknown width"),
        pytest.param("custom", 1, [rate(10**18)], id="custom"),
        pytest.param("example.com/box", 1, [rate(10**18)], id="unknown"),
        pytest.param("gpu", 700, [rate(67 * T), rate(10**18, sparsity="2:4")], id="sparse"),
    ],
)
def test_p02_accepts_devices_that_exist(kind, watts, rates):
    rates = [one | {"peak_ops_per_s": str(int(float(one["peak_ops_per_s"])))} for one in rates]
    assert implausible(kind, watts, *rates) == []


@pytest.mark.parametrize(
    ("kind", "watts", "rates"),
    [
        pytest.param("gpu", 0.7, [rate(1979 * T, a="f8e4m3fn")], id="watts for milliwatts"),
        pytest.param(
            "gpu", 700_000, [rate(1979 * T, a="f8e4m3fn")], id="a thousand times too many"
        ),
        pytest.param("npu", 10, [rate(45_000 * T, a="i8")], id="T for G"),
        pytest.param("cpu", 360, [rate(10 * 10**9, a="f32")], id="G for T"),
        pytest.param("gpu", 0, [rate(1)], id="no power at all"),
    ],
)
def test_p02_warns_of_wrong_prefixes(kind, watts, rates):
    assert implausible(kind, watts, *rates) == ["/power/tdp_mw"]


def test_p02_is_exact():
    # 20 T per joule on 8 bits, 5 T on 32, for a gpu.
    assert implausible("gpu", 100, rate(2000 * T, a="i8")) == []
    assert implausible("gpu", 100, rate(2000 * T + 1, a="i8")) == ["/power/tdp_mw"]
    assert implausible("gpu", 100, rate(500 * T, a="f32")) == []
    assert implausible("gpu", 100, rate(500 * T + 1, a="f32")) == ["/power/tdp_mw"]
    assert implausible("gpu", 100, rate(3 * 10**11)) == []
    assert implausible("gpu", 100, rate(3 * 10**11 - 1)) == ["/power/tdp_mw"]
