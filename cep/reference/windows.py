"""Windows that slide over padded axes, one slice for each of their elements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any


def padded(xp: Any, x: Any, before: Sequence[int], after: Sequence[int], value: Any) -> Any:
    """Return `x` with elements of `value` around its last axes; less than none cuts them off."""
    outer = x.ndim - len(before)
    for i, (low, high) in enumerate(zip(before, after, strict=True), outer):
        head, tail = max(-low, 0), x.shape[i] - max(-high, 0)
        x = x[(slice(None),) * i + (slice(head, max(tail, head)),)]
    width = [(0, 0)] * outer + [
        (max(low, 0), max(high, 0)) for low, high in zip(before, after, strict=True)
    ]
    return xp.pad(x, width, constant_values=value)


def slid(
    x: Any, kernel: Sequence[int], places: Sequence[int], given: Mapping[str, Any]
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield each position in a window, and of a padded array the element there of each window."""
    strides = given["stride"]
    dilation = given.get("dilation", (1,) * len(kernel))
    for position in product(*map(range, kernel)):
        starts = [p * d for p, d in zip(position, dilation, strict=True)]
        cut = tuple(
            slice(start, start + (count - 1) * stride + 1, stride)
            for start, count, stride in zip(starts, places, strides, strict=True)
        )
        yield position, x[(..., *cut)]
