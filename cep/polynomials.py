"""What `cep.prove` asks of polynomials: their shape, their values, and bounds for them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise, product
from math import comb, lcm, prod
from typing import TypeAlias

from cep.expr import Monomial, Range, Ranges

Sizes: TypeAlias = Mapping[str, int]
Terms: TypeAlias = dict[Monomial, int]


def degrees(terms: Iterable[tuple[Monomial, int]]) -> dict[str, int]:
    """Return the degree in each symbol."""
    found: dict[str, int] = {}
    for monomial, _ in terms:
        for name, exponent in monomial:
            found[name] = max(exponent, found.get(name, 0))
    return found


def substituted(terms: Iterable[tuple[Monomial, int]], sizes: Sizes) -> Terms:
    """Return the terms that are left, none of them 0, when some symbols have a size."""
    found: Terms = {}
    for monomial, coefficient in terms:
        known = (sizes[name] ** exponent for name, exponent in monomial if name in sizes)
        rest = tuple(factor for factor in monomial if factor[0] not in sizes)
        found[rest] = found.get(rest, 0) + prod(known, start=coefficient)
    return {monomial: c for monomial, c in found.items() if c}


def points(counts: Mapping[str, int], ranges: Ranges) -> Iterator[Sizes]:
    """Yield all choices among the first sizes of some symbols."""
    for chosen in product(*(ranges[name].sizes(count) for name, count in counts.items())):
        yield dict(zip(counts, chosen, strict=True))


def newton(differences: Sequence[int], place: int) -> int:
    """Return the value at a place of the polynomial with these forward differences at 0."""
    total, binomial = 0, 1
    for j, difference in enumerate(differences):
        total += difference * binomial
        binomial = binomial * (place - j) // (j + 1)
    return total


def _as_steep(slope: Sequence[int], place: int, *, rising: bool) -> bool:
    return (newton(slope, place) >= 0) == rising


def turns(differences: Sequence[int], last: int) -> list[int]:
    """Return integers, 0 and `last` among them, between which a polynomial is monotone.

    It rises where its first difference isn't negative, and that changes at most once between
    two integers where the difference, a polynomial of lower degree, is monotone itself.
    """
    if len(differences) < 3 or last < 2:  # noqa: PLR2004 - linear, or with nothing in between
        return [0, last]
    slope = differences[1:]
    found = {0, last}
    for low, high in pairwise(turns(slope, last - 1)):
        rising = newton(slope, high) >= 0
        if rising != (newton(slope, low) >= 0):
            places = range(low, high + 1)
            signs = partial(_as_steep, slope, rising=rising)
            found.add(places[bisect_left(places, 1, key=signs)])
    return sorted(found)


def bernstein(
    terms: Terms, degrees: Mapping[str, int], ranges: Ranges
) -> dict[tuple[int, ...], int]:
    """Return the Bernstein coefficients over the box of all sizes, each times one positive number.

    The least of them is no more than the least value, and those at corners are the values there.
    """
    names = list(degrees)
    table: dict[tuple[int, ...], int] = {}
    for monomial, coefficient in terms.items():
        powers = dict(monomial)
        table[tuple(powers.get(name, 0) for name in names)] = coefficient
    for axis, name in enumerate(names):
        matrix, moved = _blossoms(ranges[name], degrees[name]), dict[tuple[int, ...], int]()
        for key, coefficient in table.items():
            for j, weight in enumerate(matrix[key[axis]]):
                at = (*key[:axis], j, *key[axis + 1 :])
                moved[at] = moved.get(at, 0) + coefficient * weight
        table = moved
    return table


def _blossoms(span: Range, degree: int) -> list[list[int]]:
    """Return, for each power of a symbol, its coefficients in a degree, times a common number."""
    scale = lcm(*(comb(degree, power) for power in range(degree + 1)))
    return [
        [
            scale
            // comb(degree, power)
            * sum(
                comb(j, i) * comb(degree - j, power - i) * span.last**i * span.first ** (power - i)
                for i in range(power + 1)
            )
            for j in range(degree + 1)
        ]
        for power in range(degree + 1)
    ]
