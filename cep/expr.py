"""Dims: integer polynomials over symbols, in one canonical spelling.

A dim such as ``12*s0*s1 + 1`` says a size for every admissible value of its symbols. Most questions
about two dims are decided by comparing their canonical forms; `cep.prove` answers the rest.

Grammar (spec/cep.md, "Dims")::

    dim    = ["-"] term *( (" + " / " - ") term )
    term   = integer / [integer "*"] factor *("*" factor)
    factor = symbol ["^" exponent]

Terms are sorted by falling degree, then by monomial; factors by symbol; no coefficient is 0, and
no written coefficient of a monomial is 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from typing_extensions import override

Monomial: TypeAlias = tuple[tuple[str, int], ...]

INT64_MAX = 2**63 - 1
MAX_TERMS = 64
MAX_EXPONENT = 16

_TERM = re.compile(r"(?:(\d{1,19})(?:\*|$))?((?:[a-z][a-z0-9_]*(?:\^[1-9]\d?)?(?:\*|$))*)")
_FACTOR = re.compile(r"([a-z][a-z0-9_]*)(?:\^(\d{1,2}))?")


class ExprError(ValueError):
    """A dim that is not spelled canonically, or is too large."""


@dataclass(frozen=True, slots=True)
class Range:
    """Admissible sizes of one symbol: ``min``, ``min + step`` … up to ``max``.

    Attributes:
        min: Smallest size.
        max: Largest size.
        divisor: Every size is a multiple of this.
    """

    min: int
    max: int
    divisor: int = 1

    @property
    def first(self) -> int:
        """The smallest admissible size."""
        return -(-self.min // self.divisor) * self.divisor

    @property
    def last(self) -> int:
        """The largest admissible size."""
        return self.max // self.divisor * self.divisor

    @property
    def count(self) -> int:
        """How many sizes are admissible."""
        return max(0, (self.last - self.first) // self.divisor + 1)

    def sizes(self, most: int) -> range:
        """Return the first admissible sizes, `most` of them if there are so many."""
        return range(self.first, self.first + min(self.count, most) * self.divisor, self.divisor)


Ranges: TypeAlias = Mapping[str, Range]


def _key(monomial: Monomial) -> tuple[int, Monomial]:
    return (-sum(exponent for _, exponent in monomial), monomial)


@dataclass(frozen=True, slots=True)
class Dim:
    """An integer polynomial.

    Attributes:
        terms: Monomials with their coefficients, in canonical order, none of them 0.
    """

    terms: tuple[tuple[Monomial, int], ...]

    @classmethod
    def of(cls, terms: Mapping[Monomial, int]) -> Dim:
        """Return the polynomial with the given coefficients.

        Raises:
            ExprError: It has more than 64 terms or a coefficient beyond 64 bits.
        """
        kept = tuple(sorted(((m, c) for m, c in terms.items() if c), key=lambda t: _key(t[0])))
        if len(kept) > MAX_TERMS:
            raise ExprError(f"{len(kept)} terms; a dim has at most {MAX_TERMS}")
        if any(abs(c) > INT64_MAX for _, c in kept):
            raise ExprError("a coefficient does not fit 64 bits")
        if any(e > MAX_EXPONENT for m, _ in kept for _, e in m):
            raise ExprError(f"an exponent is above {MAX_EXPONENT}")
        return cls(kept)

    @classmethod
    def constant(cls, value: int) -> Dim:
        """Return the constant polynomial."""
        return cls.of({(): value})

    @classmethod
    def symbol(cls, name: str) -> Dim:
        """Return the polynomial that is one symbol."""
        return cls.of({((name, 1),): 1})

    @property
    def value(self) -> int | None:
        """The number this is, or None if it depends on a symbol."""
        if not self.terms:
            return 0
        if len(self.terms) == 1 and self.terms[0][0] == ():
            return self.terms[0][1]
        return None

    @property
    def symbols(self) -> frozenset[str]:
        """Names of the symbols that occur."""
        return frozenset(name for monomial, _ in self.terms for name, _ in monomial)

    def __add__(self, other: Dim) -> Dim:
        terms = dict(self.terms)
        for monomial, coefficient in other.terms:
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return Dim.of(terms)

    def __neg__(self) -> Dim:
        return Dim(tuple((m, -c) for m, c in self.terms))

    def __sub__(self, other: Dim) -> Dim:
        return self + -other

    def __mul__(self, other: Dim) -> Dim:
        terms: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in other.terms:
                powers = dict(left)
                for name, exponent in right:
                    powers[name] = powers.get(name, 0) + exponent
                monomial = tuple(sorted(powers.items()))
                terms[monomial] = terms.get(monomial, 0) + a * b
        return Dim.of(terms)

    def divided_by(self, divisor: int) -> Dim | None:
        """Return the exact quotient, or None where a coefficient leaves a remainder."""
        if divisor == 0 or any(c % divisor for _, c in self.terms):
            return None
        return Dim(tuple((m, c // divisor) for m, c in self.terms))

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """Return the size for the given sizes of the symbols.

        Raises:
            KeyError: A symbol has no size.
        """
        total = 0
        for monomial, coefficient in self.terms:
            product = coefficient
            for name, exponent in monomial:
                product *= sizes[name] ** exponent
            total += product
        return total

    def bounds(self, ranges: Ranges) -> tuple[int, int]:
        """Return numbers that the size is never below and never above.

        Exact for dims with no negative coefficient. All symbols are sizes, hence not negative, so
        each monomial grows with each symbol.

        Raises:
            KeyError: A symbol has no range.
        """
        low = high = 0
        for monomial, coefficient in self.terms:
            smallest = largest = coefficient
            for name, exponent in monomial:
                span = ranges[name]
                smallest *= span.min**exponent
                largest *= span.max**exponent
            low += min(smallest, largest)
            high += max(smallest, largest)
        return low, high

    @override
    def __str__(self) -> str:
        """Return the canonical spelling."""
        if not self.terms:
            return "0"
        text = ""
        for monomial, coefficient in self.terms:
            size = abs(coefficient)
            factors = [n if e == 1 else f"{n}^{e}" for n, e in monomial]
            if size != 1 or not factors:
                factors.insert(0, str(size))
            sign = "-" if coefficient < 0 else "+"
            text += (f" {sign} " if text else sign.strip("+")) + "*".join(factors)
        return text


@lru_cache(maxsize=65536)
def parse(text: str) -> Dim:
    """Return the dim that is spelled `text`.

    Raises:
        ExprError: It is not a dim, or not in its canonical spelling.
    """
    if len(text) > MAX_TERMS * 64:
        raise ExprError("the dim is too long")
    terms: dict[Monomial, int] = {}
    signed = text if text.startswith("-") else f"+{text}"
    pieces = signed.replace(" - ", "\n-").replace(" + ", "\n+").split("\n")
    for piece in pieces:
        match = _TERM.fullmatch(piece[1:])
        if match is None or not piece[1:] or piece.endswith("*"):
            raise ExprError(f"{text!r} is not a dim; write it as in '12*s0*s1 + 1'")
        powers: dict[str, int] = {}
        for name, exponent in _FACTOR.findall(match[2]):
            powers[name] = powers.get(name, 0) + int(exponent or 1)
        monomial = tuple(sorted(powers.items()))
        coefficient = int(match[1] or 1) * (-1 if piece[0] == "-" else 1)
        terms[monomial] = terms.get(monomial, 0) + coefficient
    dim = Dim.of(terms)
    if str(dim) != text:
        raise ExprError(f"{text!r} is not canonical; write it as {str(dim)!r}")
    return dim


ZERO, ONE = Dim.constant(0), Dim.constant(1)


@lru_cache(maxsize=4096)
def product(dims: tuple[Dim, ...]) -> Dim:
    """Return the number of elements of a shape."""
    total = ONE
    for dim in dims:
        total = total * dim
    return total
