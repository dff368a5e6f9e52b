"""What a condition can ask of a document: paths into its JSON.

A step into an object is a member's name, after a dot or in brackets. A step into a list of objects
is in brackets and names the one entry with that key: its `id`, `op`, `component`, `event`, `name`
or `kind`, whichever of these it has first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeGuard

from typing_extensions import override

from acp.conditions.grammar import Comparison, Condition, Literal, Name, Term, compare, quoted

if TYPE_CHECKING:
    from acp.canonical import JsonValue

KEYS: Final = ("id", "op", "component", "event", "name", "kind")
"""Members by which an entry of a list is named, in the order in which they are looked for."""

_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,19}")
_SHOWN: Final = 4

Paths: TypeAlias = "Mapping[str, Paths] | frozenset[Literal] | Literal | None"
"""A JSON value in which every step of a path is one look-up."""


def paths(value: JsonValue) -> Paths:
    """Return a JSON value in the form in which conditions ask for it."""
    if isinstance(value, dict):
        return {name: paths(one) for name, one in value.items()}
    if isinstance(value, list):
        if any(isinstance(one, dict | list) for one in value):
            return _by_key(value)
        return frozenset(_plain(one) for one in value if _is_listed(one))
    return _plain(value) if isinstance(value, str | int) else None


class Judged(NamedTuple):
    """One comparison of a condition, and what became of it.

    Attributes:
        text: The comparison as it was written.
        met: Whether it holds.
        found: What its names stand for, in words.
    """

    text: str
    met: bool
    found: str

    @override
    def __str__(self) -> str:
        """Return the comparison with what was found."""
        return f"{self.text}: {self.found}"


def judged(condition: Condition, document: Paths) -> Iterator[Judged]:
    """Yield every comparison of a condition, in its order, with whether the document meets it.

    Args:
        condition: What is demanded.
        document: What `paths` made of the document; a JSON object of texts and integers will do.
    """
    for comparison in condition.comparisons:
        yield Judged(comparison.text, _holds(comparison, document), _told(comparison, document))


def unmet(condition: Condition, document: Paths) -> str | None:
    """Return why a document does not meet a condition, or None if it does.

    Args:
        condition: What is demanded.
        document: What `paths` made of the document; a JSON object of texts and integers will do.
    """
    for comparison in condition.comparisons:
        if not _holds(comparison, document):
            return f"{comparison.text}: {_told(comparison, document)}"
    return None


def _told(comparison: Comparison, document: Paths) -> str:
    found = [
        f"{side.value} is {_shown(_value(side.value, document))}"
        for side in comparison.sides
        if isinstance(side.value, Name)
    ]
    return ", ".join(found) or "this never holds"


def _holds(comparison: Comparison, document: Paths) -> bool:
    left, right = _side(comparison.left, document), comparison.right
    if not isinstance(right, Term):
        return any(_compare(left, "==", literal) for literal in right)
    found = _side(right, document)
    if comparison.operator == "in":
        return isinstance(found, frozenset) and _is_listed(left) and left in found
    return _compare(left, comparison.operator, found)


def _is_listed(value: object) -> TypeGuard[str | int]:
    """Say whether a value can be in a list; a flag would be taken for the integer it equals."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def _compare(left: Paths, operator: str, right: Paths) -> bool:
    if isinstance(left, str | int) and isinstance(right, str | int):
        return compare(_plain(left), operator, _plain(right))
    return False


def _side(side: Term, document: Paths) -> Paths:
    value = _value(side.value, document) if isinstance(side.value, Name) else _plain(side.value)
    if not side.modulus:
        return value
    return value % side.modulus if isinstance(value, int) and _is_listed(value) else None


def _value(name: Name, document: Paths) -> Paths:
    value = document
    for step in name.steps:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step.name)
    return value


def _by_key(entries: list[JsonValue]) -> Mapping[str, Paths]:
    """Return the entries of a list that have a key of their own."""
    found: dict[str, Paths] = {}
    seen: set[str] = set()
    for entry in entries:
        held = entry if isinstance(entry, dict) else {}
        key = next((str(held[name]) for name in KEYS if isinstance(held.get(name), str)), None)
        if key is None:
            continue
        if key in seen:
            found.pop(key, None)
        else:
            found[key] = paths(entry)
        seen.add(key)
    return found


def _plain(value: Literal) -> Literal:
    """Return the integer that a text spells, as 64-bit integers are written, or the value."""
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value


def _shown(value: Paths) -> str:
    if isinstance(value, str | int):
        return quoted(value)
    if isinstance(value, frozenset):
        listed = sorted(map(quoted, value))
        more = ", …" if len(listed) > _SHOWN else ""
        return f"[{', '.join(listed[:_SHOWN])}{more}]"
    return "not stated" if value is None else "several members"
