from __future__ import annotations

import random
from fractions import Fraction
from math import sqrt

import pytest

from acp.v1.capability import Numerics
from cep.expr import Range
from cep.opset import OPERATIONS, PREFIX
from cep.opset.budget import is_exact, needed, share
from cep.opset.error_classes import ERROR_CLASSES, UNITS
from tests.cep.opset.cases import tensor

RANGES = {"b": Range(1, 8), "n": Range(1, 100)}
PART = Fraction(1, 10**6 * 2**52)
"""What a share is counted in."""


def part(name, operands, result, **claimed):
    numerics = Numerics.from_json(claimed) if claimed else None
    types = [tensor(o) for o in operands]
    return share(OPERATIONS[PREFIX + name], types, [tensor(result)], numerics, RANGES) * PART


def bound(form, coefficient):
    return {"bound": {"form": form, "coeff_ppm": str(coefficient)}}


@pytest.mark.parametrize("dtype", UNITS)
@pytest.mark.parametrize(
    ("name", "error"),
    [("relu", "exact"), ("sqrt", "rounded"), ("tanh", "elementary"), ("gelu", "terms")],
)
def test_the_class_counts_units_of_the_result(dtype, name, error):
    assert OPERATIONS[PREFIX + name].error == error
    found = part(name, [f"{dtype}[b]"], f"{dtype}[b]")
    assert found == ERROR_CLASSES[error].units * Fraction(2) ** UNITS[dtype]


def test_integers_are_exact():
    assert part("add.Tensor", ["i64[b]", "i64[b]"], "i64[b]") == 0
    assert part("gt.Tensor", ["f32[b]", "f32[b]"], "i1[b]") == 0


@pytest.mark.parametrize(
    ("given", "made", "units"),
    [("f32", "f16", 1), ("f64", "f32", 1), ("f32", "f32", 0), ("f16", "f32", 0), ("i64", "f16", 0)],
)
def test_a_conversion_counts_where_it_loses_digits(given, made, units):
    found = part("_to_copy", [f"{given}[b]"], f"{made}[b]")
    assert found == units * Fraction(2) ** UNITS[made]


@pytest.mark.parametrize(
    ("name", "operands", "result", "length"),
    [
        ("mm", ["f32[b, 12]", "f32[12, n]"], "f32[b, n]", 12),
        ("mm", ["f32[b, n]", "f32[n, 4]"], "f32[b, 4]", 100),
        ("bmm", ["f32[3, b, 5]", "f32[3, 5, n]"], "f32[3, b, n]", 5),
        ("addmm", ["f32[n]", "f32[b, 7]", "f32[7, n]"], "f32[b, n]", 7),
        ("linear", ["f32[b, n, 6]", "f32[2, 6]", "f32[2]"], "f32[b, n, 2]", 6),
        ("sum.dim_IntList", ["f32[b, n]"], "f32[b]", 800),
    ],
)
def test_the_length_of_a_sum(name, operands, result, length):
    assert part(name, operands, result, **bound("DOT", 3)) == Fraction(3 * length, 10**6)


@pytest.mark.parametrize(
    ("claimed", "share_of_f16"),
    [
        ({"acc": "f16"}, 32),
        ({"acc": "f32"}, 1 + Fraction(32, 2**13)),
        ({"acc": "f64"}, 1 + Fraction(32, 2**42)),
        ({"acc": "bf16"}, 32 * 8),
        ({"acc": "f32", "imprecise_acc": True}, 32),
        ({"acc": "f8e5m2"}, 32 * 2**10),
        ({"determinism": "SAME_MODEL"}, 32),
        ({"determinism": "CROSS_MODEL"}, 0),
        ({"determinism": "CROSS_MODEL", **bound("ULP", 1_500_000)}, Fraction(3, 2)),
        (bound("ULP", 0), 0),
        (bound("ABS_REL", 1000), Fraction(1024, 1000)),
    ],
)
def test_what_is_claimed_counts_instead(claimed, share_of_f16):
    found = part("mm", ["f16[b, 4]", "f16[4, 4]"], "f16[b, 4]", **claimed)
    assert found == share_of_f16 * Fraction(2) ** -10


def test_what_is_exact():
    out = [tensor("f32[b]")]
    mm, relu = (OPERATIONS[PREFIX + name] for name in ("mm", "relu"))
    assert is_exact(relu, out, None)
    assert not is_exact(mm, out, None)
    assert not is_exact(mm, out, Numerics.from_json({"acc": "f64"}))
    assert is_exact(mm, [tensor("i64[b]")], None)


def test_the_tolerance_is_the_least_that_holds_the_root_of_the_squares():
    chance = random.Random(7)  # noqa: S311 - no secret
    outputs = [tensor("f32[b]"), tensor("i64[b]"), tensor("f64[b]")]
    for _ in range(1000):
        shares = [chance.randrange(10 ** chance.randrange(1, 22)) for _ in range(9)]
        root = sqrt(sum(s * s for s in shares)) * float(PART)
        relative, units = needed("RELATIVE", shares, outputs), needed("ULP", shares, outputs)
        assert relative == pytest.approx(root * 1e9, rel=1e-9, abs=1.001)
        assert units == pytest.approx(root * 2.0**52, rel=1e-9, abs=1.001)
        assert Fraction(relative, 10**9) ** 2 >= sum(s * s for s in shares) * PART**2
        assert Fraction(units, 2**52) ** 2 >= sum(s * s for s in shares) * PART**2


@pytest.mark.parametrize("numeric", ["RELATIVE", "ULP"])
def test_nothing_is_needed_of_nothing(numeric):
    assert needed(numeric, [], [tensor("f32[b]")]) == 0
    assert needed(numeric, [0, 0], [tensor("f32[b]")]) == 0
    assert needed(numeric, [10**20], [tensor("i64[b]")]) == 0
    assert needed(numeric, [1], [tensor("f64[b]")]) == 1
