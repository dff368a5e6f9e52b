"""Reference semantics of the operations of `cep.opset.reductions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final

from cep.opset.definition import axes, axis
from cep.reference.namespace import is_float, number, wide

if TYPE_CHECKING:
    from cep.reference.table import Function


def _addends(xp: Any, array: Any) -> Any:
    """Return floats as f64, integers and i1 as i64."""
    return wide(xp, array) if is_float(array) else array.astype(xp.int64)


def _axes(array: Any, given: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the axes that a reduction takes away: all of them if none is named."""
    if not array.ndim:
        return ()
    return tuple(sorted(axes(given["dim"], array.ndim))) or tuple(range(array.ndim))


def _sum(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = _addends(xp, arrays[0])
    return xp.sum(x, axis=_axes(x, given), keepdims=given["keepdim"])


def _extreme(name: str) -> Function:
    """Return the function of a reduction to the largest or least, by its name in the namespace."""

    def compute(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
        x = arrays[0]
        return getattr(xp, name)(x, axis=_axes(x, given), keepdims=given["keepdim"])

    return compute


def _mean(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = wide(xp, arrays[0])
    gone = _axes(x, given)
    count = xp.asarray(1, dtype=x.dtype)
    for at in gone:
        count = count * x.shape[at]
    return xp.sum(x, axis=gone, keepdims=given["keepdim"]) / count


def _norm(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = xp.abs(wide(xp, arrays[0]))
    at, keep, order = _axes(x, given), given["keepdim"], float(given["ord"])
    if abs(order) == inf:
        return (xp.max if order > 0 else xp.min)(x, axis=at, keepdims=keep)
    if order == 0:
        return xp.sum(wide(xp, xp.where(x == 0, x * 0.0, 1.0)), axis=at, keepdims=keep)
    power = number(xp, order, arrays[0])
    return xp.pow(xp.sum(xp.pow(x, power), axis=at, keepdims=keep), 1.0 / power)


def exponentials(xp: Any, x: Any, at: int) -> Any:
    """Return e to the x, less the largest x of the axis so that none overflows."""
    return xp.exp(x - xp.max(x, axis=at, keepdims=True))


def _softmax(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = wide(xp, arrays[0])
    if 0 in x.shape:
        return x
    if not x.ndim:
        return _softmax(xp, (xp.reshape(x, (1,)),), {"dim": 0})[0]
    powers = exponentials(xp, x, given["dim"])
    return powers / xp.sum(powers, axis=given["dim"], keepdims=True)


def _running(name: str) -> Function:
    """Return the function of a running sum or product, by its name in the namespace."""

    def compute(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
        x = _addends(xp, arrays[0])
        return getattr(xp, name)(x, axis=given["dim"]) if x.ndim else x

    return compute


def _product(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = _addends(xp, arrays[0])
    return xp.prod(x, axis=axis(given["dim"], x.ndim), keepdims=given["keepdim"]) if x.ndim else x


def _variance(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = wide(xp, arrays[0])
    gone = _axes(x, given)
    count = 1.0
    for at in gone:
        count = count * x.shape[at]
    centred = x - _mean(xp, (x,), {**given, "keepdim": True})
    squares = xp.sum(centred * centred, axis=gone, keepdims=given["keepdim"])
    return squares / xp.asarray(max(count - given["correction"], 0.0), dtype=x.dtype)


def _log_softmax(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = wide(xp, arrays[0])
    if 0 in x.shape:
        return x
    if not x.ndim:
        return _log_softmax(xp, (xp.reshape(x, (1,)),), {"dim": 0})[0]
    centred = x - xp.max(x, axis=given["dim"], keepdims=True)
    return centred - xp.log(xp.sum(xp.exp(centred), axis=given["dim"], keepdims=True))


REDUCTIONS: Final[dict[str, Function]] = {
    "sum.dim_IntList": _sum,
    "mean.dim": _mean,
    "amax": _extreme("max"),
    "amin": _extreme("min"),
    "linalg_vector_norm": _norm,
    "_softmax": _softmax,
    "cumsum": _running("cumsum"),
    "cumprod": _running("cumprod"),
    "prod.dim_int": _product,
    "var.correction": _variance,
    "_log_softmax": _log_softmax,
}
