from __future__ import annotations

import pytest

from acp import rules
from acp.v1.capability import CapabilityDescriptor
from tests.acp.examples import NOW, changed, descriptor
from tests.acp.rules.judging import engine as one_engine
from tests.acp.rules.judging import places, rate

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


def test_c01_says_what_the_right_rate_is():
    (one,) = peak(1979 * 10**12)
    assert "FMA counted twice: 1979 T for 989.42 T, which is the dense rate" in one.message
    (one,) = peak(3958 * 10**12, per_clock=2048, sparsity="2:4")
    assert "3958 T for 1978.85 T, which is the 2:4 rate" in one.message


@pytest.mark.parametrize(
    ("peak_of", "count", "words"),
    [
        (H100_F16_DENSE // 528, 528, "the rate of one unit; all 528 reach 989.42 T"),
        (H100_F16_DENSE * 108 // 128, 528, "it fits 446 units of 528; are disabled units counted?"),
        (H100_F16_DENSE * 3 // 2, 528, "the ratio is 1.500; correct the peak or its factors"),
    ],
)
def test_c01_knows_parts_of_the_device(peak_of, count, words):
    (one,) = peak(peak_of, count=count)
    assert words in one.message


def rows(*described, **members):
    engines = [{"id": "tensor", "kind": "MATRIX", "rates": [rate(**one) for one in described]}]
    return places("ACP-C03", ("/engines", [engines[0] | members]))


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ({"a": "f16"}, {"a": "f8e4m3fn"}),
        ({"a": "bf16"}, {"a": "f8e5m2"}),
        ({"a": "tf32"}, {"a": "bf16"}),
        ({"a": "f8e4m3fn"}, {"a": "f4e2m1fn"}),
        ({"a": "i8", "acc": "i32"}, {"a": "ui4", "acc": "i32"}),
        ({"a": "f16", "sparsity": "2:4"}, {"a": "f8e4m3fn", "sparsity": "2:4"}),
    ],
)
def test_c03_half_the_width_gains_2_1_at_most(wide, narrow):
    assert rows(wide | {"peak": 100}, narrow | {"peak": 210}) == []
    assert rows(wide | {"peak": 100}, narrow | {"peak": 211}) == [
        "/engines/0/rates/1/peak_ops_per_s"
    ]
    assert rows(narrow | {"peak": 211}, wide | {"peak": 100}) == [
        "/engines/0/rates/0/peak_ops_per_s"
    ]


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        pytest.param({"a": "f64"}, {"a": "f32"}, id="f64 is slow by choice"),
        pytest.param({"a": "f32"}, {"a": "f16"}, id="MI300X: f16 is eight times f32"),
        pytest.param({"a": "f64"}, {"a": "tf32"}, id="A100: tf32 is eight times f64"),
        pytest.param({"a": "f16"}, {"a": "f4e2m1fn"}, id="a quarter of the width"),
        pytest.param({"a": "f16"}, {"a": "i8", "acc": "f32"}, id="floats and integers"),
        pytest.param({"a": "f16"}, {"a": "f8e4m3fn", "acc": "f16"}, id="other accumulators"),
        pytest.param({"a": "f16"}, {"a": "f8e4m3fn", "sparsity": "2:4"}, id="other sparsity"),
        pytest.param({"a": "f16"}, {"a": "f8e4m3fn", "b": "f16"}, id="one operand is narrower"),
        pytest.param({"a": "f16"}, {"a": "example.com/f8"}, id="unknown width"),
        pytest.param({"a": "f8e4m3fn"}, {"a": "f6e2m3fn"}, id="three quarters of the width"),
    ],
)
def test_c03_compares_what_differs_in_width_alone(wide, narrow):
    assert rows(wide | {"peak": 1}, narrow | {"peak": 1000}) == []


def test_c03_takes_the_fastest_of_the_wider_rates():
    assert (
        rows({"a": "f16", "peak": 1}, {"a": "bf16", "peak": 5}, {"a": "f8e5m2", "peak": 10}) == []
    )


FACTORS = {"count": 1, "clock_hz": "1000000000000"}


@pytest.mark.parametrize(
    "sources",
    [
        [""],
        ["/engines"],
        ["/engines/0"],
        ["/engines/0/rates"],
        ["/engines/0/rates/0"],
        ["/memories", "/engines/0/rates/0/peak_ops_per_s"],
    ],
)
def test_c05_accepts_a_source(sources):
    provenance = ("/provenance", [{"paths": sources, "basis": "ESTIMATED"}])
    assert places("ACP-C05", one_engine(rate()), provenance) == []


@pytest.mark.parametrize("sources", [["/memories"], ["/engines/0/rates/0/a"], ["/engines/0/kind"]])
def test_c05_warns_of_a_rate_from_nowhere(sources):
    provenance = ("/provenance", [{"paths": sources, "basis": "VENDOR_CLAIM"}])
    assert places("ACP-C05", one_engine(rate()), provenance) == ["/engines/0/rates/0"]
    assert places("ACP-C05", one_engine(rate(), kind="VECTOR"), provenance) == []
    computed = one_engine(rate(ops_per_unit_per_clock="1"), **FACTORS)
    assert places("ACP-C05", computed, provenance) == []
    for absent in FACTORS:
        half = {name: value for name, value in FACTORS.items() if name != absent}
        described = one_engine(rate(ops_per_unit_per_clock="1"), **half)
        assert places("ACP-C05", described, provenance) == ["/engines/0/rates/0"]
