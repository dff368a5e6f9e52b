from __future__ import annotations

import pytest

from tests.acp.rules.judging import engine, found, places, rate

TILE = {"m": 1, "n": 2, "k": 3}


def test_i03_accepts_what_is_stated_twice_alike():
    assert places("ACP-I03", engine(rate(), rate())) == []


@pytest.mark.parametrize(
    "other",
    [
        {"acc": "f16"},
        {"out": "f16"},
        {"sparsity": "2:4"},
        {"tile": TILE},
        {"exposed": False},
        {"b": "bf16"},
    ],
)
def test_i03_accepts_rates_that_differ_in_what_they_are_of(other):
    assert places("ACP-I03", engine(rate(), rate(7, **other))) == []


@pytest.mark.parametrize("same", [{}, {"exposed": True}, {"ops_per_unit_per_clock": "5"}])
def test_i03_refuses_two_peaks_of_one_rate(same):
    ((path, message),) = found("ACP-I03", engine(rate(), rate(7, **same)))
    assert path == "/engines/0/rates/1"
    assert "is 7 here and 1000000000000 in row 0" in message


def test_i03_two_engines_have_rates_of_their_own():
    rows = [
        {"id": name, "kind": "MATRIX", "rates": [rate(peak)]}
        for name, peak in (("tensor", 1), ("b", 2))
    ]
    assert places("ACP-I03", ("/engines", rows)) == []


@pytest.mark.parametrize(
    ("role", "managed", "broken"),
    [
        ("CACHE", "HW", False),
        ("CACHE", "SW", True),
        ("SCRATCH", "SW", False),
        ("SCRATCH", "HW", True),
        ("DEVICE", "SW", False),
        ("REGISTER", "HW", False),
    ],
)
def test_i03_who_manages_a_memory(role, managed, broken):
    changes = (("/memories/1/role", role), ("/memories/1/managed", managed))
    assert places("ACP-I03", *changes) == (["/memories/1/managed"] if broken else [])


@pytest.mark.parametrize(
    ("read", "write", "combined", "broken"),
    [
        (10, 10, 10, False),
        (10, 10, 20, False),
        (10, 5, 9, True),
        (5, 10, 9, True),
        (10, 10, 21, True),
        (10, None, 10, False),
        (10, None, 99, False),
        (None, 10, 9, True),
        (10, 10, None, False),
    ],
)
def test_i03_rates_of_a_memory(read, write, combined, broken):
    rates = {"read": read, "write": write, "combined": combined}
    changes = [
        (f"/memories/0/{name}_bytes_per_s", str(one))
        for name, one in rates.items()
        if one is not None
    ]
    if combined is None:
        changes.append(("/memories/0/combined_bytes_per_s", ...))
    assert places("ACP-I03", *changes) == (["/memories/0/combined_bytes_per_s"] if broken else [])


@pytest.mark.parametrize(
    ("event", "per", "energy", "broken"),
    [
        ("mem:hbm.read", "BYTE", 31000, False),
        ("mem:hbm.read", "BYTE", 3100, True),
        ("mem:hbm.read", "OP", 3100, False),
        ("mem:hbm.write", "BYTE", 3100, False),
    ],
)
def test_i03_energies(event, per, energy, broken):
    entry = {"event": event, "per": per, "femtojoules": str(energy)}
    expected = ["/energy/1/femtojoules"] if broken else []
    assert places("ACP-I03", ("/energy/1", entry)) == expected


@pytest.mark.parametrize(
    ("component", "name", "version", "broken"),
    [
        ("driver", "a", "==1", False),
        ("driver", "a", "==2", True),
        ("driver", "b", "==2", False),
        ("torch", "a", "==2", False),
    ],
)
def test_i03_software(component, name, version, broken):
    first = {"component": "driver", "name": "a", "version_range": "==1"}
    second = {"component": component, "name": name, "version_range": version}
    expected = ["/software/1/version_range"] if broken else []
    assert places("ACP-I03", ("/software", [first, second])) == expected


@pytest.mark.parametrize(
    ("kind", "arch", "broken"),
    [
        ("gpu", "cuda:sm_90a", False),
        ("gpu", "rocm:gfx942", False),
        ("gpu", "cuda", False),
        ("npu", "cuda:sm_90a", True),
        ("gpu", "x86-64:avx512f", True),
        ("wasm", "x86-64:avx2", False),
        ("custom", "cuda:sm_90a", False),
        ("vendor.example/box", "cuda:sm_90a", False),
        ("gpu", "vendor.example/isa:7", False),
        ("gpu", "who knows", False),
        ("npu", "riscv64:v", False),
        ("gpu", "riscv64:v", True),
        ("cpu", "tensilica:lx7", False),
        ("npu", "amd-fpga:versal", False),
        ("cpu", "oneapi:spir64_x86_64", False),
    ],
)
def test_i03_architecture_and_class(kind, arch, broken):
    changes = (("/subject/device_class", kind), ("/subject/arch", [arch]))
    assert places("ACP-I03", *changes) == (["/subject/arch/0"] if broken else [])
