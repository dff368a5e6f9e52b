"""Indices outside their axis, which some stacks take for others instead of refusing them.

PyTorch refuses such an index; ONNX Runtime counts negative ones from the end, OpenVINO reads
elsewhere. A plan must end in an error then (spec/cep.md, section 13), so each index of a region is
traced to where it comes from. An input of the region is checked each time before the stack runs, a
constant once, a range of sizes by reasoning for all of them. Where an index is computed in another
way, the region is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cep.expr import ONE, Dim, product
from cep.opset import PREFIX
from cep.prove import at_most
from reference_runtime.adapter import StepError, Thunk, UnsupportedError, View

if TYPE_CHECKING:
    from cep.graph import Node, Region

_KEEPS_VALUES: Final = frozenset(
    PREFIX + name
    for name in (
        "_to_copy", "clone", "expand", "gather", "index.Tensor", "permute", "select.int",
        "slice.Tensor", "squeeze.dims", "unsqueeze", "view",
    )
)  # fmt: skip
"""Operations whose results hold no other elements than their first operand."""


_ORDERS: Final = frozenset({"sort", "topk"})
_PLACES: Final = _ORDERS | {"argmax", "argmin"}
"""Operations that make indices of the axis that they look along; those of `_ORDERS` second."""


@dataclass(frozen=True, slots=True)
class Use:
    """An index and the axis that it must be inside of.

    Attributes:
        source: Value that the index's elements come from.
        size: Size of the axis.
        negative: Indices down to minus the size count from the end.
        node: The operation that uses it.
    """

    source: str
    size: Dim
    negative: bool
    node: Node


def uses(region: Region) -> Iterator[Use]:
    """Yield the indices of a region, each with the value that its elements come from."""
    makers = {value: node for node in region.nodes for value in node.outputs}
    for node in region.nodes:
        shapes = [region.types[value].shape for value in node.inputs]
        found: list[tuple[str, Dim]] = []
        match node.target.removeprefix(PREFIX):
            case "embedding":
                found = [(node.inputs[1], shapes[0][0])]
            case "gather":
                axis = node.attributes["dim"]
                found = [(node.inputs[1], shapes[0][axis])] if isinstance(axis, int) else []
            case "index.Tensor":
                found = list(zip(node.inputs[1:], shapes[0], strict=False))
        for value, size in found:
            source = value
            while source in makers and _keeps_values(makers[source]):
                source = makers[source].inputs[0]
            yield Use(source, size, node.target == f"{PREFIX}index.Tensor", node)


def _keeps_values(node: Node) -> bool:
    adds_nothing = node.target == f"{PREFIX}add.Scalar" and node.attributes.get("other") == 0
    return node.target in _KEEPS_VALUES or adds_nothing


def reasons(region: Region) -> Iterator[str]:
    """Yield why indices of a region cannot be checked."""
    makers = {value: node for node in region.nodes for value in node.outputs}
    for use in uses(region):
        maker = makers.get(use.source)
        if maker is not None and not _stays_inside(maker, use, region):
            yield (
                f"{use.node.target} at {use.node.outputs[0]} has an index that {maker.target} "
                "computes; this stack does not refuse one that is outside its axis"
            )


def _stays_inside(maker: Node, use: Use, region: Region) -> bool:
    """Say whether a range of integers, a clamped one, or a place is inside the axis always."""
    name = maker.target.removeprefix(PREFIX)
    if name in _PLACES:
        size = _searched(maker, region)
        place = name not in _ORDERS or use.source == maker.outputs[1]
        return place and bool(at_most(size, use.size, region.ranges))
    first, last = maker.attributes.get("min"), maker.attributes.get("max")
    if maker.target == f"{PREFIX}arange.start_step":
        first, end = maker.attributes["start"], maker.attributes["end"]
        last = end - Dim.constant(1) if isinstance(end, Dim) else None
    low, high = (Dim.constant(v) if isinstance(v, int) else v for v in (first, last))
    if not isinstance(low, Dim) or not isinstance(high, Dim):
        return False
    least = -use.size if use.negative else Dim.constant(0)
    ranges = region.ranges
    above = at_most(high + Dim.constant(1), use.size, ranges)
    return bool(at_most(least, low, ranges) and above)


def _searched(maker: Node, region: Region) -> Dim:
    """Return how many places there are, of which an operation finds one or brings some to order."""
    shape, at = region.types[maker.inputs[0]].shape, maker.attributes.get("dim")
    if not isinstance(at, int):
        return product(shape)
    return shape[at] if shape else ONE


def check_constants(region: Region, constants: Mapping[str, View]) -> None:
    """Refuse constants that are indices outside their axis.

    Raises:
        UnsupportedError: There is one (RUN-A3).
    """
    for use in uses(region):
        if use.source in region.constants:
            size = use.size.bounds(region.ranges)[0]
            if not _inside(constants[use.source], size, negative=use.negative):
                raise UnsupportedError.because(
                    "RUN-A3",
                    f"constant {use.source} has an index outside an axis of {use.size} elements",
                )


def guarded(
    region: Region, inputs: Sequence[View], sizes: Mapping[str, int], thunk: Thunk
) -> Thunk:
    """Return a thunk that checks the indices among its inputs first; the same if there are none."""
    views = dict(zip(region.inputs, inputs, strict=True))
    tightest: dict[tuple[str, bool], int] = {}
    for use in uses(region):
        if use.source in views:
            key, size = (use.source, use.negative), use.size.evaluate(sizes)
            tightest[key] = min(size, tightest.get(key, size))
    if not tightest:
        return thunk
    checks = [(name, views[name], size, neg) for (name, neg), size in tightest.items()]

    def checked() -> None:
        for name, view, size, negative in checks:
            if not _inside(view, size, negative=negative):
                raise StepError.because(
                    "RUN-X1",
                    f"{name} has an index outside an axis of {size} elements: its elements are "
                    f"{view.min()} to {view.max()}",
                )
        thunk()

    return checked


def _inside(view: View, size: int, *, negative: bool) -> bool:
    low = -size if negative else 0
    return not view.size or bool(low <= view.min() and view.max() < size)
