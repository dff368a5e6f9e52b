"""What a condition in `where` can ask of a use of an operation: shapes, dtypes and attributes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from acp.conditions.grammar import Comparison, Condition, ConditionError, Name, check_kinds, parse

ATTRIBUTES: Final = "attributes"
_PROPERTY: Final = re.compile(r"([A-Za-z0-9_]+)\.([A-Za-z0-9_]+)(?:\[(-?(?:0|[1-9][0-9]{0,3}))\])?")
_OF_TENSORS: Final = {"rank": int, "elements": int, "shape": int, "dtype": str}


class Property(NamedTuple):
    """What a name in `where` stands for.

    Attributes:
        owner: Operand or result; `ATTRIBUTES` for an attribute.
        name: ``rank``, ``dtype``, ``elements`` or ``shape``; or the name of the attribute.
        place: Axis, or place in a list; None where the name has none.
    """

    owner: str
    name: str
    place: int | None


@lru_cache(maxsize=4096)
def parse_where(text: str) -> Condition:
    """Return the condition that an entry of `where` spells.

    Raises:
        ConditionError: It spells none, or asks for what a use of an operation does not have.
    """
    condition = parse(text)
    for comparison in condition.comparisons:
        _check(comparison)
    return condition


def property_of(name: Name) -> Property:
    """Return what a name in `where` stands for.

    Raises:
        ConditionError: It stands for nothing.
    """
    match = _PROPERTY.fullmatch(name.text)
    if match is not None:
        found = Property(match[1], match[2], int(match[3]) if match[3] else None)
        if found.owner == ATTRIBUTES:
            return found
        if found.name in _OF_TENSORS and (found.name == "shape") == (found.place is not None):
            return found
    raise ConditionError(
        f"{name.text!r} is nothing that a use of an operation has; there are OPERAND.shape[AXIS], "
        "OPERAND.rank, OPERAND.elements, OPERAND.dtype and attributes.NAME",
        name.at,
    )


def _check(comparison: Comparison) -> None:
    """Refuse a comparison that no use can satisfy: a dtype is a text, a size an integer.

    Raises:
        ConditionError: The sides do not go together.
    """
    kinds: set[type] = set()
    at = 0
    for side in comparison.sides:
        if isinstance(side.value, Name):
            at = side.value.at
            asked = property_of(side.value)
            if asked.owner != ATTRIBUTES:
                kinds.add(_OF_TENSORS[asked.name])
                if comparison.operator == "in" and side is comparison.right:
                    raise ConditionError(f"{side.value.text!r} is no list", at)
        else:
            kinds.add(type(side.value))
    check_kinds(comparison, kinds, at)
