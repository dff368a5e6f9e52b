"""Reference semantics of the operations of `cep.opset.pooling`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, prod
from typing import TYPE_CHECKING, Any, Final

from cep.reference.namespace import wide
from cep.reference.windows import padded, slid

if TYPE_CHECKING:
    from cep.reference.table import Function


def _places(sizes: Sequence[int], given: Mapping[str, Any]) -> list[int]:
    """Return how often the window fits each axis."""
    dilation = given.get("dilation", (1,) * len(sizes))
    found = []
    for size, k, s, p, d in zip(
        sizes, given["kernel_size"], given["stride"], given["padding"], dilation, strict=True
    ):
        room = size + 2 * p - d * (k - 1) - 1
        steps = -(-room // s) if given["ceil_mode"] else room // s
        # The last window begins inside the axis or the padding before it.
        found.append(steps + 1 - (steps * s >= size + p))
    return found


def _around(xp: Any, x: Any, value: Any, places: Sequence[int], given: Mapping[str, Any]) -> Any:
    """Return `x` with `value` around it, as far as any window reaches."""
    dilation = given.get("dilation", (1,) * len(places))
    after = [
        (n - 1) * s + d * (k - 1) + 1 - p - size
        for n, s, d, k, p, size in zip(
            places, given["stride"], dilation, given["kernel_size"], given["padding"],
            x.shape[-len(places) :], strict=True,
        )
    ]  # fmt: skip
    return padded(xp, x, given["padding"], [max(a, 0) for a in after], value)


def _largest(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x, kernel = arrays[0], given["kernel_size"]
    sizes = x.shape[2:]
    places = _places(sizes, given)
    numbers = xp.reshape(xp.arange(prod(sizes), dtype=xp.int64), sizes)
    windows = slid(_around(xp, x, -inf, places, given), kernel, places, given)
    indices = slid(_around(xp, numbers, -1, places, given), kernel, places, given)
    best = at = None
    for (_, there), (_, index) in zip(windows, indices, strict=True):
        if best is None or at is None:
            best, at = there, xp.broadcast_to(index, there.shape)
            continue
        # Padding is never taken; the first of equal elements is, and any that is no number.
        taken = (index >= 0) & ((at < 0) | (there > best) | xp.isnan(there))
        best, at = xp.where(taken, there, best), xp.where(taken, index, at)
    return best, at


def _mean(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x, kernel = wide(xp, arrays[0]), given["kernel_size"]
    places = _places(x.shape[2:], given)
    total = sum(
        there for _, there in slid(_around(xp, x, 0.0, places, given), kernel, places, given)
    )
    if "divisor_override" in given:
        return total / float(given["divisor_override"])
    # What counts: the elements, and the padding too if it is included, but nothing beyond it.
    ones = xp.ones(x.shape[2:], dtype=x.dtype)
    if given["count_include_pad"]:
        ones = padded(xp, ones, given["padding"], given["padding"], 1.0)
        inside = {**given, "padding": (0,) * len(kernel)}
        counted = _around(xp, ones, 0.0, places, inside)
    else:
        counted = _around(xp, ones, 0.0, places, given)
    return total / sum(there for _, there in slid(counted, kernel, places, given))


POOLING: Final[dict[str, Function]] = {
    "max_pool2d_with_indices": _largest,
    "max_pool3d_with_indices": _largest,
    "avg_pool2d": _mean,
    "avg_pool3d": _mean,
}
