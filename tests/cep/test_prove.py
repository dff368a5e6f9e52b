from __future__ import annotations

import builtins
import itertools
import random
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cep import prove
from cep.expr import Dim, Range, parse
from cep.polynomials import degrees
from cep.prove import MAX_CONSULTED, MAX_POINTS, MAX_QUESTIONS, Grid, at_most, divides, same

NAMES = ("a", "b", "s0")
ZERO = Dim.constant(0)

monomials = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), max_size=3).map(
    lambda powers: tuple(sorted(powers.items()))
)
dims = st.dictionaries(monomials, st.integers(-50, 50), max_size=5).map(Dim.of)


@st.composite
def ranges(draw):
    made = {}
    for name in NAMES:
        divisor = draw(st.integers(1, 4))
        least = draw(st.integers(0, 4))
        first = -(-least // divisor) * divisor
        made[name] = Range(least, first + draw(st.integers(0, 8)), divisor)
    return made


def admissible(span):
    return [n for n in range(span.min, span.max + 1) if n % span.divisor == 0]


def every_size(spans, names=NAMES):
    for values in itertools.product(*(admissible(spans[name]) for name in names)):
        yield dict(zip(names, values, strict=True))


def check(answer, dim, spans, holds):
    """The answer is true, and a refutation has sizes that show it."""
    true = all(holds(dim.evaluate(chosen)) for chosen in every_size(spans))
    if answer:
        assert true
    elif answer.witness is not None:
        found = dict(answer.witness)
        assert set(found) == dim.symbols
        assert all(size in admissible(spans[name]) for name, size in found.items())
        assert not holds(dim.evaluate(found))
    else:
        assert answer.reason
    return true


@pytest.fixture
def alone(monkeypatch):
    """What is found without Z3, which a test about completeness must not lean on."""

    def imported(name, *rest, **more):
        if name == "z3":
            raise ImportError(name)
        return real(name, *rest, **more)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", imported)


@given(ranges(), st.sampled_from(NAMES))
def test_the_admissible_sizes(spans, name):
    span, every = spans[name], admissible(spans[name])
    assert (span.first, span.last, span.count) == (every[0], every[-1], len(every))
    assert list(span.sizes(2)) == every[:2]
    assert list(span.sizes(100)) == every


@given(dims, dims, ranges())
def test_equality_is_decided(a, b, spans):
    answer = same(a, b, spans)
    true = check(answer, a - b, spans, lambda value: value == 0)
    assert bool(answer) == true
    assert true or answer.witness is not None


@st.composite
def vanishing(draw):
    """A dim that is 0 for all admissible sizes, though it has terms."""
    spans, dim = draw(ranges()), draw(dims)
    name = draw(st.sampled_from(NAMES))
    spans[name] = Range(spans[name].min, spans[name].first + 2 * spans[name].divisor,
                        spans[name].divisor)  # fmt: skip
    for size in admissible(spans[name]):
        dim = dim * (Dim.symbol(name) - Dim.constant(size))
    return dim, spans


@given(vanishing())
def test_a_polynomial_that_vanishes_on_the_sizes_is_0(case):
    dim, spans = case
    assert same(dim, ZERO, spans)
    assert not same(dim + Dim.constant(1), ZERO, spans)


@given(dims, ranges())
def test_signs_are_never_wrong(dim, spans):
    answer = at_most(ZERO, dim, spans)
    true = check(answer, dim, spans, lambda value: value >= 0)
    counts = [len(admissible(spans[name])) for name in dim.symbols]
    if bool(answer) != true:
        assert answer.witness is None
        assert max(degrees(dim.terms).values()) > 1, "what is linear in each symbol is decided"
        assert len([n for n in counts if n > 1]) > 1, "one symbol is decided"
        assert len(list(every_size(spans, sorted(dim.symbols)))) > MAX_POINTS


@given(dims, ranges(), st.integers(1, 24))
def test_divisibility_is_decided(dim, spans, number):
    answer = divides(number, dim, spans)
    assert bool(answer) == check(answer, dim, spans, lambda value: value % number == 0)


wide = st.builds(
    lambda least, extra, divisor: Range(least, least + 2**20 + extra * divisor, divisor),
    st.integers(0, 1000), st.integers(0, 2**40), st.integers(1, 64),
)  # fmt: skip


@given(
    st.lists(st.integers(-8, 2**44), min_size=1, max_size=4), wide, st.integers(-3, 2**60),
    st.sampled_from([1, -1]),
)  # fmt: skip
def test_one_symbol_is_decided_over_any_range(roots, span, added, sign):
    dim = Dim((((), sign),))
    for root in roots:
        try:
            dim = dim * (Dim.symbol("a") - Dim.constant(root))
        except ValueError:
            break
    dim = Dim(tuple(sorted({**dict(dim.terms), (): dict(dim.terms).get((), 0) + added}.items(),
                           key=lambda t: -len(t[0]))))  # fmt: skip
    answer = at_most(ZERO, dim, {"a": span})
    assert answer or answer.witness is not None
    near = {n for root in roots for n in range(root // span.divisor * span.divisor - 200,
                                               root + 200)} | {span.first, span.last}  # fmt: skip
    middles = {(x + y) // 2 for x in roots for y in roots}
    tried = [n for n in near | middles
             if span.first <= n <= span.last and n % span.divisor == 0]  # fmt: skip
    if answer:
        assert all(dim.evaluate({"a": n}) >= 0 for n in tried)
    else:
        assert dim.evaluate(dict(answer.witness)) < 0


BIG = {"a": Range(1, 2**40), "b": Range(1, 2**40), "c": Range(1, 2**40), "d": Range(16, 2**20, 16),
       "e": Range(4, 4), "n": Range(0, 1), "m": Range(0, 1)}  # fmt: skip

PROVEN = {
    "a product of differences": (at_most, "0", "a*b - a - b + 1"),
    "differences from both ends": (at_most, "0", f"-a*b + {2**40}*a + {2**40}*b - {2**40}"),
    "a square": (at_most, "0", "a^2 - 6*a + 9"),
    "a square between integers": (at_most, "0", "a^2 - 3*a + 2"),
    "what a divisor gives": (at_most, "16", "d"),
    "a divisor within": (at_most, "d", f"{2**20}"),
    "a fixed size": (same, "a*e", "4*a"),
    "a fixed square": (same, "e^2 + a", "a + 16"),
    "a symbol that is 0 or 1": (same, "a*n^5 + b*n^2", "a*n + b*n"),
    "two that are 0 or 1": (same, "m^2*n^3", "m*n"),
    "all at the least": (at_most, "3", "a*b*c + a + b"),
    "a larger power": (at_most, "a", "a^16"),
    "a multiple by its divisor": (16, "d"),
    "a multiple by a square": (256, "d^2"),
    "a multiple by a factor": (32, "2*a*d"),
    "a multiple of two in a row": (2, "a^2 + a"),
    "a multiple of six in three": (6, "a^3 - a"),
    "a multiple by a fixed size": (12, "3*a*e"),
    "a multiple of one": (1, "a"),
    "nothing": (7, "0"),
}


def asked(question, left, right=None):
    if isinstance(question, int):
        return divides(question, parse(left), BIG)
    return question(parse(left), parse(right), BIG)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("case", PROVEN.values(), ids=PROVEN)
def test_what_the_tests_on_polynomials_prove(case):
    answer = asked(*case)
    assert answer
    assert str(answer) == "proven"
    assert not answer.consulted


REFUTED = {
    "two symbols": (same, "a", "b", "refuted by a = 1, b = 2"),
    "a power": (same, "a^2", "a", "refuted by a = 2"),
    "constants": (same, "3", "4", "refuted"),
    "too large": (at_most, "a", "1000", f"refuted by a = {2**40}"),
    "constants in order": (at_most, "4", "3", "refuted"),
    "a square less one": (at_most, "0", "a^2 - 6*a + 8", "refuted by a = 3"),
    "just below": (at_most, "d", f"{2**20 - 1}", f"refuted by d = {2**20}"),
    "a corner": (at_most, "0", "-a*b + a + b - 1", f"refuted by a = {2**40}, b = {2**40}"),
    "no multiple": (32, "d", "refuted by d = 16"),
    "odd": (2, "a^2", "refuted by a = 1"),
    "no multiple at all": (2, "3", "refuted"),
}


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("case", REFUTED.values(), ids=REFUTED)
def test_what_is_refuted_with_sizes(case):
    *question, message = case
    answer = asked(*question)
    assert not answer
    assert str(answer) == message


HARD = "-2*a*b + a^2 + b^2"
"""A square, hence never negative; its coefficients don't say so."""


def test_z3_proves_what_the_tests_do_not():
    pytest.importorskip("z3")
    grid = Grid(BIG)
    answer = at_most(ZERO, parse(HARD), grid)
    assert answer
    assert answer.consulted
    assert grid.consulted == [f"{HARD} >= 0"]


def test_a_refutation_of_z3_is_checked():
    pytest.importorskip("z3")
    dim = parse(f"{HARD} - 1")
    answer = at_most(ZERO, dim, BIG)
    assert not answer
    assert dim.evaluate(dict(answer.witness)) < 0


@pytest.mark.usefixtures("alone")
def test_without_z3_what_is_open_is_said_to_be_open():
    answer = at_most(ZERO, parse(HARD), BIG)
    assert not answer
    assert answer.witness is None
    assert str(answer).startswith("cannot be proven: ")
    assert "install acp-cep[smt]" in str(answer)


def test_z3_is_not_loaded_for_what_it_is_not_needed():
    code = (
        "import sys\n"
        "from cep.expr import *\nfrom cep.prove import *\n"
        "r = {'a': Range(1, 9), 'b': Range(1, 9)}\n"
        "assert same(parse('a'), parse('a'), r) and at_most(parse('1'), parse('a*b'), r)\n"
        "assert not same(parse('a'), parse('b'), r) and 'z3' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def hostile(seed, *, names=64, terms=64, exponent=16, factors=12):
    chosen = random.Random(seed)  # noqa: S311 - reproducible
    made = {}
    while len(made) < terms:
        inside = chosen.sample(range(names), min(names, chosen.randint(1, factors)))
        monomial = tuple((f"x{n}", chosen.randint(1, exponent)) for n in sorted(inside))
        made[tuple(sorted(monomial))] = chosen.randint(-(2**62), 2**62)
    return Dim.of(made)


HOSTILE = {
    "wide": (Range(1, 2**48), {}),
    "short": (Range(3, 9), {}),
    "two sizes": (Range(0, 1), {}),
    "few symbols": (Range(1, 2**48), {"names": 4, "factors": 4}),
    "two symbols": (Range(1, 2**48), {"names": 2, "factors": 2}),
    "one symbol": (Range(2, 2**48), {"names": 1, "factors": 1, "terms": 16}),
    "many multiples": (Range(7, 2**48, 7), {"exponent": 2, "factors": 64}),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("question", ["equal", "sign", "multiple"])
def test_hostile_polynomials_get_an_answer_soon(kind, question):
    span, shape = HOSTILE[kind]
    dim = hostile(kind, **shape)
    spans = dict.fromkeys(dim.symbols, span)
    began = time.process_time()
    answer = {"equal": lambda: same(dim, ZERO, spans), "sign": lambda: at_most(ZERO, dim, spans),
              "multiple": lambda: divides(2**61 - 1, dim, spans)}[question]()  # fmt: skip
    assert time.process_time() - began < 10
    assert bool(answer) == (kind == "one symbol" and question == "sign")
    assert answer or answer.reason or answer.witness is not None
    if answer.witness is not None:
        value = dim.evaluate(dict(answer.witness))
        assert {"equal": value != 0, "sign": value < 0, "multiple": value % (2**61 - 1)}[question]


@pytest.mark.parametrize("power", [2, 16])
def test_what_nobody_proves_is_open_soon(power):
    dim = Dim.of({((f"x{n:02}", power),): 2**20 for n in range(32)}
                 | {((f"x{n:02}", power // 2), (f"x{n + 1:02}", power // 2)): -(2**20)
                    for n in range(31)})  # fmt: skip
    spans = dict.fromkeys(dim.symbols, Range(1, 2**48))
    began = time.process_time()
    answer = at_most(ZERO, dim, spans)
    assert time.process_time() - began < 10
    assert answer or answer.reason


@pytest.mark.usefixtures("alone")
def test_a_document_asks_a_bounded_number_of_questions():
    grid = Grid(BIG)
    for n in range(MAX_QUESTIONS):
        assert at_most(ZERO, parse(f"a^2 - 6*a + {n + 9}"), grid)
    beyond = at_most(ZERO, parse("a^2 - 6*a + 1000000"), grid)
    assert not beyond
    assert str(MAX_QUESTIONS) in str(beyond)
    assert at_most(ZERO, parse("a^2 - 6*a + 9"), grid), "what is known stays known"
    assert at_most(ZERO, parse("a*b"), grid), "a glance is free"


def test_z3_is_asked_a_bounded_number_of_times(monkeypatch):
    times = []
    monkeypatch.setattr(prove, "_consulted", lambda *_: times.append(1) or prove.PROVEN)
    grid = Grid(BIG)
    found = [at_most(ZERO, parse(f"{HARD} + {n}"), grid) for n in range(1, 30)]
    assert len(times) == MAX_CONSULTED
    assert [bool(answer) for answer in found] == [True] * MAX_CONSULTED + [False] * (
        29 - len(times)
    )


def test_no_size_no_proof():
    assert not same(parse("a"), parse("1"), {"a": Range(9, 1)})
    assert not at_most(parse("1"), parse("a"), {"a": Range(9, 1)})
    assert not divides(1, parse("a"), {"a": Range(5, 7, 4)})


def test_a_symbol_without_a_range_is_named():
    with pytest.raises(KeyError, match="b"):
        same(parse("a"), parse("b"), {"a": Range(1, 2)})


def test_a_divisor_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        divides(0, parse("a"), BIG)


def test_long_witnesses_are_cut():
    spans = {f"x{n}": Range(1, 4) for n in range(20)}
    dim = Dim.of({((f"x{n}", 1),): 1 for n in range(20)})
    assert "and 12 more" in str(same(dim, ZERO, spans))


def test_degrees():
    assert degrees(parse("a*b^3 + a^2*b + 4").terms) == {"a": 2, "b": 3}
