"""Conditions of `where`, decided for one use with known sizes: met, not met, or left open.

What spec/cep.md decides for all admissible sizes of a plan is decided here for the sizes of one
use, and with the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from acp.conditions import Comparison, ConditionError, Name, Term, parse_where, property_of
from acp.conditions.grammar import compare, quoted
from acp.conditions.operations import ATTRIBUTES
from acp.matching.answers import Answer, Reason
from acp.matching.uses import MAX_SIZE

if TYPE_CHECKING:
    from acp.conditions import Property
    from acp.matching.uses import AttributeValue, Tensor, Use


class _Open:
    """Stands for what the question leaves open."""


OPEN: Final = _Open()

_Value: TypeAlias = "int | str | bool | tuple[int, ...] | _Open | None"
_Item = TypeVar("_Item")


def unmet(text: str, use: Use) -> Iterator[Reason]:
    """Yield what stands against a condition of `where`: each comparison that is not met, or open.

    Args:
        text: The condition, an entry of `where`.
        use: The use, of which everything is known that is not open.
    """
    try:
        condition = parse_where(text)
    except ConditionError as error:
        yield Reason(Answer.NO, "where", f"{text!r} is no condition: {error}")
        return
    told: set[str] = set()
    for tensors in _turns(use):
        for comparison in condition.comparisons:
            answer = _decided(comparison, tensors, use)
            if answer is not Answer.YES and comparison.text not in told:
                told.add(comparison.text)
                yield Reason(answer, "where", _told(comparison, tensors, use, answer))


def _turns(use: Use) -> Iterator[Mapping[str, Tensor]]:
    """Yield tensors by name; more than once, with each tensor of one name in turn."""
    given = [*use.operands, *use.results]
    first: dict[str, Tensor] = {}
    later: list[tuple[str, Tensor]] = []
    for name, tensor in given:
        if first.setdefault(name, tensor) is not tensor:
            later.append((name, tensor))
    yield first
    for name, tensor in dict.fromkeys(later):
        yield first | {name: tensor}


def _decided(comparison: Comparison, tensors: Mapping[str, Tensor], use: Use) -> Answer:
    left, right = _side(comparison.left, tensors, use), comparison.right
    if not isinstance(right, Term):
        if left is OPEN:
            return Answer.OPEN
        return _answer(_listed(left, right))
    other = _side(right, tensors, use)
    if left is OPEN or other is OPEN:
        return Answer.OPEN
    if comparison.operator == "in":
        is_listed = isinstance(other, tuple) and isinstance(left, int) and left in other
        return _answer(is_listed and not isinstance(left, bool))
    if isinstance(left, int | str) and isinstance(other, int | str):
        return _answer(compare(left, comparison.operator, other))
    return Answer.NO


def _listed(value: _Value, literals: Sequence[int | str | bool]) -> bool:
    return isinstance(value, int | str) and any(compare(value, "==", one) for one in literals)


def _answer(met: bool) -> Answer:  # noqa: FBT001 - an answer is made of nothing but this
    return Answer.YES if met else Answer.NO


def _side(side: Term, tensors: Mapping[str, Tensor], use: Use) -> _Value:
    value: _Value = side.value if not isinstance(side.value, Name) else None
    if isinstance(side.value, Name):
        value = _value(property_of(side.value), tensors, use)
    if not side.modulus or value is OPEN:
        return value
    return value % side.modulus if isinstance(value, int) and not isinstance(value, bool) else None


def _value(asked: Property, tensors: Mapping[str, Tensor], use: Use) -> _Value:
    if asked.owner == ATTRIBUTES:
        if asked.name not in use.attributes:
            return None if use.complete else OPEN
        found = _attribute(use.attributes[asked.name])
        if asked.place is None:
            return found
        return _at(found, asked.place) if isinstance(found, tuple) else None
    tensor = tensors.get(asked.owner)
    if tensor is None:
        # Results follow from the operands; a question that lacks them leaves them open.
        return None if use.complete and use.results else OPEN
    if asked.name == "dtype":
        return OPEN if tensor.dtype is None else tensor.dtype
    if tensor.shape is None:
        return OPEN
    if asked.name == "shape":
        return _at(tensor.shape, asked.place or 0)
    elements = tensor.elements or 0
    return len(tensor.shape) if asked.name == "rank" else elements if elements <= MAX_SIZE else None


def _attribute(found: AttributeValue) -> _Value:
    return None if isinstance(found, float) else found


def _at(items: Sequence[_Item], place: int) -> _Item | None:
    return items[place] if -len(items) <= place < len(items) else None


def _told(comparison: Comparison, tensors: Mapping[str, Tensor], use: Use, answer: Answer) -> str:
    facts = []
    for side in comparison.sides:
        if isinstance(side.value, Name):
            value = _value(property_of(side.value), tensors, use)
            if value is not OPEN:
                facts.append(f"{side.value} is {_shown(value)}")
    verdict = "must hold" if answer is Answer.OPEN else "does not hold"
    return "; ".join((f"{comparison.text} {verdict}", *facts))


def _shown(value: _Value) -> str:
    if value is None:
        return "not there, or no integer, text or flag"
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return quoted(value) if isinstance(value, int | str) else "left open"
