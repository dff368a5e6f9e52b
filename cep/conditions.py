"""Conditions of `where`, decided for a use of an operation and all admissible sizes.

What is not proven is not met (spec/cep.md, section 5.1). The grammar is that of `acp.conditions`;
questions about sizes are those of `cep.prove`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from acp.conditions import Comparison, ConditionError, Name, Term, parse_where, property_of
from acp.conditions.grammar import compare, quoted
from acp.conditions.operations import ATTRIBUTES
from cep.expr import ONE, ZERO, Dim, ExprError, Range, Ranges, product
from cep.opset import OPERATIONS
from cep.prove import Answer, at_most, divides, same

if TYPE_CHECKING:
    from acp.conditions import Property
    from cep.graph import Node
    from cep.opset.definition import AttributeValue, TensorType

Value: TypeAlias = Dim | str | bool | tuple[Dim, ...] | None
"""What a name stands for; None for what isn't there, or is no integer, text, flag or list."""

_Item = TypeVar("_Item")

YES: Final = Answer(proven=True)
NO: Final = Answer(proven=False, witness=())
OPEN: Final = Answer(proven=False, reason="the tests of remainders and lists do not decide it")


class _Use(NamedTuple):
    """A use of an operation: one tensor by the name of each operand and result."""

    tensors: Mapping[str, TensorType]
    attributes: Mapping[str, AttributeValue]
    ranges: Ranges


class _Number(NamedTuple):
    """A size, or its remainder by a number where that is not 0."""

    dim: Dim
    modulus: int

    def plain(self, ranges: Ranges) -> Dim | None:
        """Return it as a dim, if the remainder is the same for all sizes or the size itself."""
        if not self.modulus:
            return self.dim
        some = self.dim.evaluate({name: ranges[name].first for name in self.dim.symbols})
        constant = Dim.constant(some % self.modulus)
        if divides(self.modulus, self.dim - constant, ranges):
            return constant
        most = Dim.constant(self.modulus - 1)
        whole = at_most(ZERO, self.dim, ranges) and at_most(self.dim, most, ranges)
        return self.dim if whole else None


def unmet(text: str, node: Node, types: Mapping[str, TensorType], ranges: Ranges) -> str | None:
    """Return why a use of an operation is not proven to meet a condition, or None if it is.

    Args:
        text: The condition, an entry of `where`.
        node: The use.
        types: Types of its operands and results.
        ranges: Admissible sizes of the symbols.
    """
    try:
        condition = parse_where(text)
    except ConditionError as error:
        return f"{text!r} is no condition: {error}"
    for use in _uses(node, types, ranges):
        for comparison in condition.comparisons:
            try:
                answer = _decided(comparison, use)
            except ExprError as error:
                return f"{comparison.text} cannot be proven: a size is too large: {error}"
            if not answer:
                return _told(comparison, use, answer)
    return None


def _uses(node: Node, types: Mapping[str, TensorType], ranges: Ranges) -> Iterator[_Use]:
    """Yield the use; more than once, with each tensor of a variadic operand in turn."""
    operation = OPERATIONS[node.target]
    names = [operand.name for operand in operation.operands]
    fixed = dict(zip(names, node.inputs, strict=False))
    fixed |= dict(zip(operation.results, node.outputs, strict=True))
    tensors = {name: types[value] for name, value in fixed.items()}
    yield _Use(tensors, node.attributes, ranges)
    for tensor in dict.fromkeys(types[value] for value in node.inputs[len(names) :]):
        yield _Use(tensors | {names[-1]: tensor}, node.attributes, ranges)


def _value(asked: Property, use: _Use) -> Value:
    if asked.owner == ATTRIBUTES:
        found = _attribute(use.attributes.get(asked.name))
        if asked.place is None:
            return found
        return _at(found, asked.place) if isinstance(found, tuple) else None
    tensor = use.tensors.get(asked.owner)
    if tensor is None:
        return None
    if asked.name == "dtype":
        return tensor.dtype
    if asked.name == "rank":
        return Dim.constant(tensor.rank)
    if asked.name == "elements":
        return product(tensor.shape)
    return _at(tensor.shape, asked.place or 0)


def _attribute(found: AttributeValue | None) -> Value:
    if isinstance(found, tuple):
        return tuple(one if isinstance(one, Dim) else Dim.constant(one) for one in found)
    if isinstance(found, int) and not isinstance(found, bool):
        return Dim.constant(found)
    return None if isinstance(found, float) else found


def _at(items: Sequence[_Item], place: int) -> _Item | None:
    return items[place] if -len(items) <= place < len(items) else None


def _side(side: Term, use: _Use) -> _Number | str | bool | tuple[Dim, ...] | None:
    if isinstance(side.value, Name):
        value = _value(property_of(side.value), use)
    else:
        value = _attribute(side.value)
    if isinstance(value, Dim):
        return _Number(value, side.modulus)
    return None if side.modulus else value


def _decided(comparison: Comparison, use: _Use) -> Answer:
    left, right = _side(comparison.left, use), comparison.right
    if not isinstance(right, Term):
        if isinstance(left, _Number):
            dim = left.plain(use.ranges)
            numbers = sorted(one for one in right if type(one) is int)  # a flag is no integer
            return OPEN if dim is None else _among(dim, numbers, use.ranges)
        if isinstance(left, str | bool):
            return YES if any(compare(left, "==", one) for one in right) else NO
        return NO
    other = _side(right, use)
    if comparison.operator == "in":
        return _contains(other, left, use.ranges)
    if isinstance(left, _Number) and isinstance(other, _Number):
        return _ordered(comparison.operator, left, other, use.ranges)
    if isinstance(left, str | bool) and isinstance(other, str | bool):
        return YES if compare(left, comparison.operator, other) else NO
    return NO


def _ordered(operator: str, left: _Number, right: _Number, ranges: Ranges) -> Answer:
    number = right.dim.value
    if operator == "==" and left.modulus and not right.modulus and number is not None:
        possible = 0 <= number < left.modulus
        return divides(left.modulus, left.dim - right.dim, ranges) if possible else NO
    first, second = left.plain(ranges), right.plain(ranges)
    if first is None or second is None:
        return OPEN
    if operator == "==":
        return same(first, second, ranges)
    if operator == "!=":
        apart = at_most(first + ONE, second, ranges) or at_most(second + ONE, first, ranges)
        return apart or (NO if same(first, second, ranges) else OPEN)
    if operator in (">", ">="):
        first, second = second, first
    return at_most(first + ONE if operator in ("<", ">") else first, second, ranges)


def _among(dim: Dim, numbers: Sequence[int], ranges: Ranges) -> Answer:
    """Say whether a dim is one of some numbers, for all sizes.

    Those of the numbers between which the dim lies must be evenly spaced, and the dim no less than
    the first, no more than the last, and a multiple of the spacing away from them.
    """
    spans = {name: ranges[name] for name in dim.symbols}
    low, high = dim.bounds({name: Range(one.first, one.last) for name, one in spans.items()})
    inside = sorted({number for number in numbers if low <= number <= high})
    gaps = {after - before for before, after in pairwise(inside)} or {1}
    if not inside:
        return NO
    if len(gaps) > 1:
        return OPEN
    least, most = Dim.constant(inside[0]), Dim.constant(inside[-1])
    for answer in (at_most(least, dim, ranges), at_most(dim, most, ranges)):
        if not answer:
            return answer
    return divides(gaps.pop(), dim - least, ranges)


def _contains(items: object, wanted: object, ranges: Ranges) -> Answer:
    if (
        isinstance(items, _Number)
        or not isinstance(items, tuple)
        or not isinstance(wanted, _Number)
    ):
        return NO
    if any(same(one, wanted.dim, ranges) for one in items):
        return YES
    return NO if all(one.value is not None for one in items) else OPEN


def _told(comparison: Comparison, use: _Use, answer: Answer) -> str:
    facts: list[str] = []
    symbols: set[str] = set()
    for side in comparison.sides:
        if isinstance(side.value, Name):
            value = _value(property_of(side.value), use)
            facts.append(f"{side.value} is {_shown(value)}")
            for dim in value if isinstance(value, tuple) else (value,):
                symbols |= dim.symbols if isinstance(dim, Dim) else frozenset()
    for name in sorted(symbols):
        span = use.ranges[name]
        step = f" in steps of {span.divisor}" if span.divisor > 1 else ""
        facts.append(f"{name} is {span.first} to {span.last}{step}")
    if answer.witness is None:
        verdict = f"cannot be proven for all admissible sizes, since {answer.reason}"
    else:
        sizes = ", ".join(f"{name} = {size}" for name, size in answer.witness)
        verdict = f"does not hold for {sizes}" if sizes else "does not hold"
    return "; ".join((f"{comparison.text} {verdict}", *facts))


def _shown(value: Value) -> str:
    if value is None:
        return "not there, or no integer, text or flag"
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value) if isinstance(value, Dim) else quoted(value)
