from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cep import expr
from cep.expr import Dim, ExprError, Range, parse, product

NAMES = ("a", "b", "s0")

monomials = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), max_size=3).map(
    lambda powers: tuple(sorted(powers.items()))
)
dims = st.dictionaries(monomials, st.integers(-50, 50), max_size=5).map(Dim.of)
sizes = st.fixed_dictionaries({name: st.integers(0, 40) for name in NAMES})


@st.composite
def ranges(draw):
    made = {}
    for name in NAMES:
        divisor = draw(st.integers(1, 3))
        least = draw(st.integers(0, 4))
        made[name] = Range(least, max(least, divisor) + draw(st.integers(0, 5)), divisor)
    return made


def admissible(span):
    return [n for n in range(span.min, span.max + 1) if n % span.divisor == 0]


def every_size(given_ranges):
    for values in itertools.product(*(admissible(given_ranges[name]) for name in NAMES)):
        yield dict(zip(NAMES, values, strict=True))


SPELLED = {
    "0": {},
    "1": {(): 1},
    "-7": {(): -7},
    "s0": {(("s0", 1),): 1},
    "-s0": {(("s0", 1),): -1},
    "12*a*b + 1": {(("a", 1), ("b", 1)): 12, (): 1},
    "a^2 - b": {(("a", 2),): 1, (("b", 1),): -1},
    "a*b^16": {(("a", 1), ("b", 16)): 1},
    "-2*a^2*b - 3*a + 4": {(("a", 2), ("b", 1)): -2, (("a", 1),): -3, (): 4},
    "9223372036854775807": {(): 2**63 - 1},
}


@pytest.mark.parametrize(("text", "terms"), SPELLED.items(), ids=SPELLED)
def test_one_spelling(text, terms):
    assert parse(text) == Dim.of(terms)
    assert str(Dim.of(terms)) == text


REFUSED = {
    "nothing": "",
    "minus zero": "-0",
    "a plus sign": "+1",
    "leading zeros": "01",
    "a written one": "1*a",
    "exponent one": "a^1",
    "exponent zero": "a^0",
    "no spaces": "a+b",
    "two spaces": "a  + b",
    "a space at the end": "a ",
    "terms out of order": "1 + a",
    "lower degree first": "a + a*b",
    "factors out of order": "b*a",
    "the same factor twice": "a*a",
    "the same term twice": "a + a",
    "terms that cancel": "a - a",
    "a coefficient behind": "a*2",
    "two coefficients": "2*3*a",
    "a product with nothing": "2*",
    "a sign in the middle": "a + -1",
    "a dangling sign": "a + ",
    "upper case": "A",
    "parentheses": "(a + b)",
    "division": "a/2",
    "a float": "1.5",
    "hexadecimal": "0x10",
    "another script's digits": "\u0661",
    "a newline": "a\n+1",
    "a huge exponent": "a^17",
    "a coefficient beyond 64 bits": "9223372036854775808",
    "a coefficient of twenty digits": "99999999999999999999",
    "more terms than allowed": " + ".join(f"a{n}" for n in sorted(map(str, range(65)))),
    "too long": "a" * 5000,
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_other_spellings_are_refused(text):
    with pytest.raises(ExprError):
        parse(text)


@given(dims)
def test_what_is_written_is_read_again(dim):
    assert parse(str(dim)) == dim


@given(st.text("ab019*^+- ", max_size=12))
def test_what_is_read_is_written_again(text):
    try:
        dim = parse(text)
    except ExprError:
        return
    assert str(dim) == text


@given(dims, dims, dims)
def test_ring_laws(a, b, c):
    zero, one = Dim.constant(0), Dim.constant(1)
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a * b == b * a
    assert a * (b + c) == a * b + a * c
    assert a + zero == a
    assert a * one == a
    assert a - a == zero
    assert (-a).__neg__() == a


@given(dims, dims, sizes)
def test_evaluation_agrees_with_arithmetic(a, b, given_sizes):
    x, y = a.evaluate(given_sizes), b.evaluate(given_sizes)
    assert (a + b).evaluate(given_sizes) == x + y
    assert (a - b).evaluate(given_sizes) == x - y
    assert (a * b).evaluate(given_sizes) == x * y
    plain = str(a).replace("^", "**")
    assert eval(plain, {}, dict(given_sizes)) == x  # noqa: S307 - our own text


@given(dims, st.integers(-9, 9))
def test_exact_division(dim, divisor):
    quotient = dim.divided_by(divisor)
    if quotient is not None:
        assert quotient * Dim.constant(divisor) == dim
    scaled = dim * Dim.constant(divisor)
    if divisor:
        assert scaled.divided_by(divisor) == dim


@given(dims, ranges())
def test_bounds_hold_for_every_size(dim, spans):
    low, high = dim.bounds(spans)
    for chosen in every_size(spans):
        assert low <= dim.evaluate(chosen) <= high


def test_values_and_symbols():
    assert parse("0").value == 0
    assert parse("-3").value == -3
    assert parse("a").value is None
    assert parse("a*b^2 + c").symbols == {"a", "b", "c"}
    assert product((parse("a"), parse("4"), parse("a + 1"))) == parse("4*a^2 + 4*a")
    assert product(()) == expr.ONE


def test_a_symbol_without_a_size_is_named():
    with pytest.raises(KeyError, match="b"):
        parse("a + b").evaluate({"a": 1})
    with pytest.raises(KeyError, match="b"):
        parse("a + b").bounds({"a": Range(1, 1)})


def test_arithmetic_never_leaves_the_limits():
    wide = Dim.of({((f"a{n}", 1),): 1 for n in range(64)})
    with pytest.raises(ExprError, match="terms"):
        wide + Dim.symbol("b")
    with pytest.raises(ExprError, match="64 bits"):
        Dim.constant(2**62) * Dim.constant(2)
    with pytest.raises(ExprError, match="exponent"):
        parse("a^16") * parse("a")
