from __future__ import annotations

import pytest

from acp import rules
from acp.v1.capability import CapabilityDescriptor
from tests.acp.examples import NOW, changed, descriptor

# 528 tensor cores x 1024 operations per clock x 1.83 GHz.
H100_F16_DENSE = 989_429_760_000_000


OWN = {"ACP-C01", "ACP-C03", "ACP-C04", "ACP-C05"}


def check(value):
    """What the rules of this module find; the numbers are no device's, as others would say."""
    document = CapabilityDescriptor.from_json(value)
    found = rules.check(document, rules.Context(now=NOW))
    return tuple(one for one in found if one.code in OWN)


def engine(kind="MATRIX", count=528, clock_hz=1_830_000_000, **rate):
    row = {"a": "f16", "b": "f16", "acc": "f32", "out": "f32", "sparsity": "dense"} | rate
    row = {name: value for name, value in row.items() if value is not None}
    one = {"id": "tensor", "kind": kind, "rates": [row]}
    one |= {} if count is None else {"count": count}
    one |= {} if clock_hz is None else {"clock_hz": str(clock_hz)}
    return changed(descriptor(), "/engines", [one])


def peak(found, per_clock=1024, **other):
    rate = {"peak_ops_per_s": str(found), "ops_per_unit_per_clock": str(per_clock)}
    return check(engine(**rate, **other))


@pytest.mark.parametrize(
    "found",
    [
        H100_F16_DENSE,
        H100_F16_DENSE * 103 // 100,
        -(-H100_F16_DENSE * 97 // 100),
        989_400_000_000_000,
    ],
)
def test_c01_accepts_within_three_percent(found):
    assert peak(found) == ()


@pytest.mark.parametrize("found", [H100_F16_DENSE * 103 // 100 + 1, H100_F16_DENSE * 97 // 100 - 1])
def test_c01_refuses_just_beyond_three_percent(found):
    (one,) = peak(found)
    assert (one.code, one.path) == ("ACP-C01", "/engines/0/rates/0")


@pytest.mark.parametrize(
    ("mistake", "arguments", "words"),
    [
        (
            "H100 f16 sparse 1979 T given as dense",
            {"found": 1979 * 10**12},
            "sparse rate given as dense, or FMA counted twice",
        ),
        (
            "the same with a sparsity speed-up of 2 on top",
            {"found": 3958 * 10**12, "per_clock": 1024},
            "speed-up by sparsity applied to a rate that is already sparse",
        ),
        (
            "f64 matrix rate of 66.9 T given for the vector units",
            {
                "found": 669 * 10**11,
                "per_clock": 128,
                "count": 132,
                "clock_hz": 1_980_000_000,
                "kind": "VECTOR",
            },
            "FMA counted twice",
        ),
        (
            "A100 with 128 multiprocessors instead of 108",
            {"found": 312 * 10**12, "per_clock": 2048, "count": 128, "clock_hz": 1_410_000_000},
            "the ratio is 0.844",
        ),
        ("fused multiply-add counted once", {"found": H100_F16_DENSE // 2}, "FMA counted once"),
        ("G for T", {"found": H100_F16_DENSE // 1000}, "prefix"),
        ("T for G", {"found": H100_F16_DENSE * 1000}, "prefix"),
        ("no units", {"found": 1, "count": 0}, "none of the factors may be 0"),
        ("no work", {"found": 1, "per_clock": 0}, "none of the factors may be 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_c01_names_the_likely_mistake(mistake, arguments, words):
    (one,) = peak(**arguments)
    assert one.code == "ACP-C01", mistake
    assert words in one.message


@pytest.mark.parametrize(
    "absent", [{"count": None}, {"clock_hz": None}, {"ops_per_unit_per_clock": None}]
)
def test_c01_needs_all_factors(absent):
    rate = {"peak_ops_per_s": "1", "ops_per_unit_per_clock": "1024"} | absent
    assert check(engine(**rate)) == ()


def test_c01_is_exact_where_floats_are_not():
    # 2**32-1 units x (2**64-1) operations x 1 Hz: a float would round the product.
    most = 2**64 - 1
    assert peak(most, per_clock=most, count=1, clock_hz=1) == ()
    (one,) = peak(most, per_clock=most, count=2**32 - 1, clock_hz=most)
    assert str(most * most * (2**32 - 1)) in one.message


def test_c01_judges_every_row_by_itself():
    value = changed(descriptor(), "/engines/0/rates/1/peak_ops_per_s", "989400000000000")
    assert [(one.code, one.path) for one in check(value)] == [("ACP-C01", "/engines/0/rates/1")]


def test_c04_matrix_rate_without_accumulator():
    (one,) = check(engine(acc=None, peak_ops_per_s="1"))
    assert (one.code, one.path) == ("ACP-C04", "/engines/0/rates/0/acc")


@pytest.mark.parametrize("kind", ["SCALAR", "VECTOR", "DATAFLOW", "FIXED", "RECONFIGURABLE"])
def test_c04_is_about_matrix_engines_only(kind):
    assert check(engine(kind=kind, acc=None, peak_ops_per_s="1")) == ()
