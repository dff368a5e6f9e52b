"""Whether 64-bit integers may be held in 32 bits, as OpenVINO's plug-in for processors does.

An interval for each integer value of a region, from what is known of all admissible inputs: region
inputs and constants fit 32 bits (checked where their elements are), sizes are within the ranges of
their symbols. What cannot be shown to fit is refused, not truncated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Final, TypeAlias

from cep.expr import Dim
from cep.opset import PREFIX
from cep.opset.definition import FLOATS

if TYPE_CHECKING:
    from cep.graph import Node, Region

Interval: TypeAlias = tuple[float, float]
"""Smallest and largest value; the numbers are integers or infinities."""

INT32: Final[Interval] = (-(2**31), 2**31 - 1)
_BIT: Final[Interval] = (0, 1)
_INFINITE: Final = float("inf")
_BITWISE: Final = frozenset({"bitwise_and", "bitwise_or", "bitwise_xor"})
_ORDERS: Final = frozenset({"sort", "topk"})
_PLACES: Final = _ORDERS | {
    "argmax", "argmin", "max_pool2d_with_indices", "max_pool3d_with_indices",
}  # fmt: skip
"""Operations with indices among their results; those of `_ORDERS` give elements too."""
_BOUNDED: Final = _BITWISE | _PLACES | {"sign", "remainder", "constant_pad_nd"}
_ANY: Final[Interval] = (-_INFINITE, _INFINITE)


def reasons(region: Region) -> Iterator[str]:
    """Yield which integers of a region may not fit 32 bits."""
    known: dict[str, Interval] = {}
    for value in (*region.inputs, *region.constants):
        known[value] = INT32
    for node in region.nodes:
        interval = _interval(node, region, known)
        low, high = interval
        for value in node.outputs:
            known[value] = interval
        if region.types[node.outputs[0]].dtype == "i64" and not INT32[0] <= low <= high <= INT32[1]:
            yield f"{node.target} at {node.outputs[0]} may not fit the 32 bits of this stack's i64"
            known.update(dict.fromkeys(node.outputs, INT32))


def _interval(node: Node, region: Region, known: Mapping[str, Interval]) -> Interval:
    """Return an interval that holds every element of the integer results of a node."""
    name = node.target.removeprefix(PREFIX)
    given = [_operand(v, region, known) for v in node.inputs]
    arithmetic, _, _ = name.partition(".")
    if name.startswith(("add.", "sub.", "mul.")):
        return _arithmetic(arithmetic, node, given)
    if arithmetic in _BOUNDED:
        return _bounded(arithmetic, node, region, given)
    if name == "full":
        return _hull([_number(node, "fill_value")])
    if name == "arange.start_step":
        start, end = node.attributes["start"], node.attributes["end"]
        bounds = [d.bounds(region.ranges) for d in (start, end) if isinstance(d, Dim)]
        return (min(low for low, _ in bounds), max(high for _, high in bounds))
    if name in ("neg", "bitwise_not"):
        ((low, high),) = given
        return (-high, -low) if name == "neg" else (-high - 1, -low - 1)
    if name == "abs":
        ((low, high),) = given
        return (0, max(-low, high))
    if name in ("relu", "clamp"):
        limits = (0.0, _INFINITE) if name == "relu" else _limits(node)
        return _hull([min(max(bound, limits[0]), limits[1]) for bound in given[0]])
    return _hull([bound for interval in given for bound in interval]) if given else _ANY


def _bounded(name: str, node: Node, region: Region, given: list[Interval]) -> Interval:
    """Return the interval of an operation whose results are bounded in a way of their own."""
    if name in _BITWISE:
        return INT32 if all(INT32[0] <= a <= b <= INT32[1] for a, b in given) else _ANY
    if name == "sign":
        return (-1, 1)
    if name == "constant_pad_nd":
        return _hull([*given[0], _number(node, "value")])
    if name == "remainder":
        return _hull([0, *(given[1] if len(given) > 1 else (_number(node, "other"),))])
    ordered = given[0] if name in _ORDERS else ()
    finite = [bound for bound in ordered if abs(bound) != _INFINITE]  # floats have no bounds
    return _hull([0, _elements(node.inputs[0], region), *finite])


def _elements(value: str, region: Region) -> float:
    """Return the largest number of elements of a value, which no index within it reaches."""
    return prod(dim.bounds(region.ranges)[1] for dim in region.types[value].shape)


def _arithmetic(name: str, node: Node, given: list[Interval]) -> Interval:
    left = given[0]
    right = given[1] if len(given) > 1 else _hull([_number(node, "other")])
    if name == "mul":
        return _hull([a * b for a, b in product(left, right) if a and b] or [0.0])
    alpha = _number(node, "alpha", 1.0) * (-1 if name == "sub" else 1)
    return _hull([a + alpha * b for a, b in product(left, right)])


def _limits(node: Node) -> Interval:
    return (_number(node, "min", -_INFINITE), _number(node, "max", _INFINITE))


def _operand(value: str, region: Region, known: Mapping[str, Interval]) -> Interval:
    dtype = region.types[value].dtype
    if dtype == "i1":
        return _BIT
    return _ANY if dtype in FLOATS else known[value]


def _hull(bounds: list[float]) -> Interval:
    return (min(bounds), max(bounds))


def _number(node: Node, name: str, default: float = 0.0) -> float:
    value = node.attributes.get(name, default)
    return float(value) if isinstance(value, int | float) else default
