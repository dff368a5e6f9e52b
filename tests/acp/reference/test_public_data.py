"""Reference descriptors beside what others wrote down of the same devices."""

from __future__ import annotations

import json
import re

import pytest

from acp import reference

SYSTEMS = {
    "h100_sxm": "nvidia/h100-sxm",
    "h200_sxm": "nvidia/h200-sxm",
    "a100_sxm": "nvidia/a100-sxm-80gb",
    "l4": "nvidia/l4",
}
CONFIGURATIONS = {"NVIDIA_H100_80GB_HBM3": "nvidia/h100-sxm", "NVIDIA_L4": "nvidia/l4"}


def peak(document, dtype, engine="tensor"):
    return max(
        rate.peak_ops_per_s
        for one in document.engines
        if one.id == engine
        for rate in one.rates
        if rate.a == dtype and rate.sparsity == "dense"
    )


def near(ours, theirs, tolerance=0.01):
    return ours == pytest.approx(theirs, rel=tolerance)


@pytest.mark.parametrize("system", SYSTEMS)
def test_agrees_with_aiconfigurator(shared_data, system):
    text = (shared_data / "aiconfigurator" / "systems" / f"{system}.yaml").read_text("utf-8")
    theirs = {
        key: int(value) for key, value in re.findall(r"^ +(\w+): (\d+)\b", text, re.MULTILINE)
    }
    ours = reference.load(SYSTEMS[system])
    device, power = ours.memories[0], ours.power
    assert near(device.combined_bytes_per_s, theirs["mem_bw"])
    assert device.instances * device.capacity_bytes_per_instance == theirs["mem_capacity"]
    assert near(peak(ours, "bf16"), theirs["bfloat16_tc_flops"])
    assert near(peak(ours, "i8"), theirs["int8_tc_flops"])
    if "fp8_tc_flops" in theirs:
        assert near(peak(ours, "f8e4m3fn"), theirs["fp8_tc_flops"])
    assert power.tdp_mw == 1000 * theirs["power"]
    ports = {port.id: port.bytes_per_s_per_direction for port in ours.ports}
    if "nvlink" in ports:
        assert ports["nvlink"] == theirs["intra_node_bw"]
    # Theirs is the rate on the wire: line coding takes 2 of 130 bits.
    assert near(ports["pcie"], theirs["pcie_bw"] * 128 / 130)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_agrees_with_neusight_where_that_agrees_with_itself(shared_data, configuration):
    file = shared_data / "neusight" / "device_configs" / f"{configuration}.json"
    theirs = json.loads(file.read_text("utf-8"))
    ours = reference.load(CONFIGURATIONS[configuration])
    vector = ours.engines[0]
    l2 = next(memory for memory in ours.memories if memory.id == "l2")
    assert l2.capacity_bytes_per_instance == theirs["L2Cache"] * 2**20
    assert vector.clock_hz == theirs["Freq"] * 10**6
    assert near(ours.memories[0].combined_bytes_per_s, theirs["Mem_Bw"] * 10**9, 0.03)
    # For the L4 they count the multiprocessors of the whole die: 60, of which 58 work.
    assert near(peak(ours, "f32", "vector"), theirs["SingleFLOPs"] * 10**9, 0.04)
    assert vector.count == {"NVIDIA_L4": 58}.get(configuration, theirs["Num_Sm"])
