"""Where a window fits along an axis: the sizes that convolution and pooling give.

A size may depend on symbols, and floor division is no polynomial. It is one where every coefficient
of a symbol is a multiple of the stride; anything else is refused, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

from cep.expr import Dim, Ranges
from cep.opset.definition import Call, TypeRuleError
from cep.prove import at_most


@dataclass(frozen=True, slots=True)
class Window:
    """How a window slides along one axis.

    Attributes:
        size: Number of elements that it takes.
        stride: Elements from one place to the next.
        padding: Elements that are added at each end.
        dilation: Elements from one that it takes to the next.
    """

    size: int
    stride: int
    padding: int
    dilation: int

    @property
    def reach(self) -> int:
        """Number of elements from the first to the last that it takes, both included."""
        return self.dilation * (self.size - 1) + 1

    def places(self, size: Dim, ranges: Ranges, *, up: bool = False) -> Dim:
        """Return at how many places the window fits, at least one.

        Args:
            size: Size of the axis.
            ranges: Admissible sizes of the symbols.
            up: Whether a last place may reach beyond the padding, as with ``ceil_mode``. It never
                begins beyond the axis and the padding before it.

        Raises:
            TypeRuleError: It is not proven to fit, or how often is no polynomial.
        """
        room = size + Dim.constant(2 * self.padding - self.reach)
        if not at_most(Dim.constant(0), room, ranges):
            raise TypeRuleError(
                f"a window of {self.reach} is not proven to fit an axis of {size} with "
                f"{self.padding} added at each end"
            )
        constant = dict(room.terms).get((), 0)
        steps = (room - Dim.constant(constant)).divided_by(self.stride)
        if steps is None:
            raise TypeRuleError(
                f"an axis of {size} at stride {self.stride}: how often the window fits is no "
                "polynomial; every coefficient must be a multiple of the stride"
            )
        more = constant // self.stride
        if up and more * self.stride < constant:
            # Whether the place at `more + 1` begins inside: size + padding is room + what follows.
            begins = constant - self.padding + self.reach
            more += (more + 1) * self.stride < begins
        return steps + Dim.constant(more + 1)

    def spread(self, size: Dim, more: int) -> Dim:
        """Return the size from which the window gives `size` places, plus `more`."""
        stride = Dim.constant(self.stride)
        rest = Dim.constant(self.reach - 2 * self.padding + more)
        return (size - Dim.constant(1)) * stride + rest


def windows(call: Call, sizes: tuple[int, ...], *, dilated: bool = True) -> tuple[Window, ...]:
    """Return the window of each axis, from the attributes stride, padding and dilation.

    Args:
        call: The use of the operation.
        sizes: Sizes of the window.
        dilated: Whether there is a dilation.

    Raises:
        TypeRuleError: An attribute has another length, or numbers that make no window.
    """
    lists = {name: call.integers(name) for name in ("stride", "padding")}
    lists["dilation"] = call.integers("dilation") if dilated else (1,) * len(sizes)
    for name, values in lists.items():
        if len(values) != len(sizes):
            raise TypeRuleError(f"{name} has {len(values)} numbers, not {len(sizes)}")
        if any(v < (name != "padding") for v in values):
            raise TypeRuleError(f"{name} is {list(values)}: too small")
    if any(s < 1 for s in sizes):
        raise TypeRuleError(f"the window is {list(sizes)}: too small")
    return tuple(
        Window(*numbers)
        for numbers in zip(sizes, lists["stride"], lists["padding"], lists["dilation"], strict=True)
    )
