"""Whether the conditions of `where` became narrower or wider, as far as that can be shown.

A list of conditions *implies* another one if whatever meets the first meets the second. What is
shown here holds; what holds is not always shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from acp.conditions import ConditionError, Name, Term, parse_where
from acp.conditions.grammar import Comparison, Literal, compare

MAX_CONDITIONS: Final = 16
"""Longer lists are compared by their texts alone."""

_FLIPPED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class Relation(StrEnum):
    """What became of a list of conditions."""

    SAME = "same"
    NARROWER = "narrower"
    WIDER = "wider"
    UNKNOWN = "unknown"


def relation(old: Sequence[str], new: Sequence[str]) -> Relation:
    """Return what became of the conditions of a variant.

    >>> relation(["self.shape[0] % 16 == 0"], ["self.shape[0] % 8 == 0"])
    <Relation.WIDER: 'wider'>
    """
    if max(len(old), len(new)) > MAX_CONDITIONS:
        wider, narrower = set(new) <= set(old), set(old) <= set(new)
    else:
        wider, narrower = implies(old, new), implies(new, old)
    if wider and narrower:
        return Relation.SAME
    if wider or narrower:
        return Relation.WIDER if wider else Relation.NARROWER
    return Relation.UNKNOWN


def implies(stronger: Sequence[str], weaker: Sequence[str]) -> bool:
    """Say whether it is shown that whatever meets all of `stronger` meets all of `weaker`."""
    known, unread = _facts(stronger)
    wanted, unclear = _facts(weaker)
    if any(text not in unread for text in unclear):
        return False
    domains: dict[str, _Domain] = {}
    for one in known:
        if isinstance(one, _Fact):
            domains.setdefault(one.name, _Domain.of(one.name)).learn(one)
    texts = {one for one in known if isinstance(one, str)}
    return all(
        one in texts if isinstance(one, str) else domains.get(one.name, _NOTHING).shows(one)
        for one in wanted
    )


class _Fact(NamedTuple):
    """A comparison of a name with literals: ``name % modulus operator values``."""

    name: str
    modulus: int
    operator: str
    values: tuple[Literal, ...]

    def holds(self, value: Literal) -> bool:
        """Say whether it holds where the name stands for a value."""
        if self.modulus:
            number = _number(value)
            if number is None:
                return False
            value = number % self.modulus
        operator = "==" if self.operator == "in" else self.operator
        return any(compare(value, operator, one) for one in self.values)


@dataclass
class _Domain:
    """What is known of a name.

    Attributes:
        among: The values that it can have; None if that is not known.
        low: It is at least this number; None if that is not known.
        high: It is at most this number; None if that is not known.
        facts: All that is known.
    """

    among: tuple[Literal, ...] | None = None
    low: int | None = None
    high: int | None = None
    facts: list[_Fact] = field(default_factory=list)

    @classmethod
    def of(cls, name: str) -> _Domain:
        """Return what is known of a name before any fact: sizes are not negative."""
        return cls(low=None if name.startswith("attributes.") or name.endswith("dtype") else 0)

    def learn(self, fact: _Fact) -> None:
        """Take a fact into account."""
        self.facts.append(fact)
        if not fact.modulus and fact.operator in ("==", "in"):
            listed = fact.values if self.among is None else self.among
            self.among = tuple(one for one in listed if fact.holds(one))
        number = _number(fact.values[0])
        if fact.modulus or number is None:
            return
        low, high = {
            "<": (None, number - 1),
            "<=": (None, number),
            ">": (number + 1, None),
            ">=": (number, None),
        }.get(fact.operator, (None, None))
        if low is not None:
            self.low = low if self.low is None else max(low, self.low)
        if high is not None:
            self.high = high if self.high is None else min(high, self.high)

    def shows(self, wanted: _Fact) -> bool:
        """Say whether it follows that a fact holds."""
        if wanted in self.facts:
            return True
        if self.among is not None:
            left = [one for one in self.among if all(fact.holds(one) for fact in self.facts)]
            return all(map(wanted.holds, left))
        if wanted.modulus:
            return any(_same_remainder(fact, wanted) for fact in self.facts)
        number = _number(wanted.values[0])
        if number is None or wanted.operator in ("==", "in"):
            return False
        if wanted.operator == "!=":
            return self._excludes(number)
        end = self.high if wanted.operator in ("<", "<=") else self.low
        return end is not None and wanted.holds(end)

    def _excludes(self, number: int) -> bool:
        below = self.low is not None and number < self.low and bool(self.facts)
        above = self.high is not None and number > self.high
        # What is known of texts and flags says nothing: "!=" is not met between different kinds.
        whole = [one for one in self.facts if one.modulus or _number(one.values[0]) is not None]
        return below or above or any(not fact.holds(number) for fact in whole)


_NOTHING: Final = _Domain()


def _number(value: Literal) -> int | None:
    """Return an integer; None for a text or a flag."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _same_remainder(known: _Fact, wanted: _Fact) -> bool:
    """Say whether the remainders that are known leave only such as are wanted."""
    if known.operator not in ("==", "in") or not known.modulus:
        return False
    if known.modulus % wanted.modulus:
        return False
    return all(wanted.holds(one) for one in known.values)


def _facts(conditions: Iterable[str]) -> tuple[list[_Fact | str], set[str]]:
    """Return the comparisons of some conditions, and the texts that nobody can read."""
    found: list[_Fact | str] = []
    unread: set[str] = set()
    for text in conditions:
        try:
            parsed = parse_where(text)
        except ConditionError:
            unread.add(text)
            continue
        found += map(_fact, parsed.comparisons)
    return found, unread


def _fact(comparison: Comparison) -> _Fact | str:
    """Return a comparison of a name with literals; others by their words alone."""
    left, operator, right = comparison.left, comparison.operator, comparison.right
    if isinstance(right, Term):
        if operator in _FLIPPED and isinstance(right.value, Name):
            left, operator, right = right, _FLIPPED[operator], left
        if isinstance(left.value, Name) and not isinstance(right.value, Name) and operator != "in":
            return _Fact(str(left.value), left.modulus, operator, (right.value,))
    elif isinstance(left.value, Name):
        return _Fact(str(left.value), left.modulus, operator, right)
    return " ".join(comparison.text.split())
