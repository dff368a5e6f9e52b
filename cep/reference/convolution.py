"""Reference semantics of the operation of `cep.opset.convolution`: one product a window element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cep.reference.namespace import wide
from cep.reference.windows import padded, slid

if TYPE_CHECKING:
    from cep.reference.table import Function


def _convolution(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x, weight, *bias = (wide(xp, a) for a in arrays)
    out = (_transposed if given["transposed"] else _direct)(xp, x, weight, given)
    axes = (1, -1) + (1,) * (out.ndim - 2)
    return out + xp.reshape(bias[0], axes) if bias else out


def _direct(xp: Any, x: Any, weight: Any, given: Mapping[str, Any]) -> Any:
    padding = given["padding"]
    return _correlated(xp, padded(xp, x, padding, padding, 0.0), weight, given)


def _transposed(xp: Any, x: Any, weight: Any, given: Mapping[str, Any]) -> Any:
    """Spread the input by the stride, then slide the mirrored window by one element."""
    groups, kernel = given["groups"], weight.shape[2:]
    for axis, stride in enumerate(given["stride"], 2):
        x = _spread(xp, x, axis, stride)
    reach = [d * (k - 1) for d, k in zip(given["dilation"], kernel, strict=True)]
    before = [r - p for r, p in zip(reach, given["padding"], strict=True)]
    after = [b + more for b, more in zip(before, given["output_padding"], strict=True)]
    grouped = xp.reshape(weight, (groups, weight.shape[0] // groups, *weight.shape[1:]))
    turned = xp.flip(xp.swapaxes(grouped, 1, 2), axis=tuple(range(3, grouped.ndim)))
    filters = xp.reshape(turned, (groups * weight.shape[1], weight.shape[0] // groups, *kernel))
    once = {**given, "stride": (1,) * len(kernel)}
    return _correlated(xp, padded(xp, x, before, after, 0.0), filters, once)


def _spread(xp: Any, x: Any, axis: int, stride: int) -> Any:
    """Return `x` with stride - 1 zeros between neighbours of an axis."""
    x = xp.moveaxis(x, axis, -1)
    zeros = xp.zeros((*x.shape, stride - 1), dtype=x.dtype)
    wider = xp.concat([xp.expand_dims(x, axis=-1), zeros], axis=-1)
    flat = xp.reshape(wider, (*x.shape[:-1], x.shape[-1] * stride))
    return xp.moveaxis(flat[..., : (x.shape[-1] - 1) * stride + 1], -1, axis)


def _correlated(xp: Any, x: Any, weight: Any, given: Mapping[str, Any]) -> Any:
    """Return the sum over the window's elements of weight times what lies there, by groups."""
    groups, kernel = given["groups"], weight.shape[2:]
    batch, made = x.shape[0], weight.shape[0]
    places = [
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip(
            x.shape[2:], kernel, given["stride"], given["dilation"], strict=True
        )
    ]
    filters = xp.reshape(weight, (groups, made // groups, weight.shape[1], *kernel))
    total = xp.zeros((batch, groups, made // groups, 1), dtype=x.dtype)
    for position, there in slid(x, kernel, places, given):
        # By groups, and all places in one axis: one matrix product for each.
        flat = xp.reshape(there, (batch, groups, weight.shape[1], _count(places)))
        total = total + xp.matmul(filters[(..., *position)], flat)
    return xp.reshape(total, (batch, made, *places))


def _count(places: Sequence[int]) -> int:
    count = 1
    for number in places:
        count *= number
    return count


CONVOLUTION: Final[dict[str, Function]] = {"convolution": _convolution}
