"""Reference semantics of the operations of `cep.opset.contraction`: sums, in f64, in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, sqrt
from typing import TYPE_CHECKING, Any, Final

from cep.opset.definition import axes
from cep.reference.namespace import number, token_of, wide

if TYPE_CHECKING:
    from cep.reference.table import Function


def _axes(array: Any, given: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the axes that a reduction takes away: all of them if none is named."""
    if not array.ndim:
        return ()
    return tuple(sorted(axes(given["dim"], array.ndim))) or tuple(range(array.ndim))


def _reduction(name: str) -> Function:
    """Return the function of a reduction that the namespace has, by its name there."""

    def compute(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
        x = wide(xp, arrays[0])
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


def _exponentials(xp: Any, x: Any, at: int) -> Any:
    """Return e to the x, less the largest x of the axis so that none overflows."""
    return xp.exp(x - xp.max(x, axis=at, keepdims=True))


def _softmax(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = wide(xp, arrays[0])
    if 0 in x.shape:
        return x
    if not x.ndim:
        return _softmax(xp, (xp.reshape(x, (1,)),), {"dim": 0})[0]
    powers = _exponentials(xp, x, given["dim"])
    return powers / xp.sum(powers, axis=given["dim"], keepdims=True)


def _product(xp: Any, arrays: Sequence[Any], _: Mapping[str, Any]) -> Any:
    return xp.matmul(wide(xp, arrays[0]), wide(xp, arrays[1]))


def _addmm(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    beta, alpha = (number(xp, given[name], arrays[0]) for name in ("beta", "alpha"))
    product = alpha * _product(xp, arrays[1:], given)
    # With beta 0, self is not read: what is not finite in it stays out of the result.
    return product if given["beta"] == 0 else beta * wide(xp, arrays[0]) + product


def _linear(xp: Any, arrays: Sequence[Any], _: Mapping[str, Any]) -> Any:
    rows, weight, *bias = (wide(xp, a) for a in arrays)
    product = xp.matmul(rows, xp.permute_dims(weight, (1, 0)))
    return product + bias[0] if bias else product


def _attention(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    query, key, value = (wide(xp, a) for a in arrays[:3])
    scale = given.get("scale", 1.0 / sqrt(max(query.shape[-1], 1)))
    scores = xp.matmul(query, xp.swapaxes(key, -1, -2)) * scale
    mask = arrays[3] if len(arrays) > 3 else None  # noqa: PLR2004 - query, key, value, attn_mask
    if given["is_causal"]:
        mask = xp.arange(query.shape[-2])[:, None] >= xp.arange(key.shape[-2])[None, :]
    if mask is not None:
        allowed = token_of(mask) == "i1"
        scores = xp.where(mask, scores, -inf) if allowed else scores + wide(xp, mask)
    if 0 in scores.shape:
        return xp.matmul(scores, value)
    powers = _exponentials(xp, scores, -1)
    weights = powers / xp.sum(powers, axis=-1, keepdims=True)
    # A query that may attend to nothing gets zeros.
    nothing = xp.max(scores, axis=-1, keepdims=True) == -inf
    return xp.matmul(xp.where(nothing, 0.0, weights), value)


def _layer_norm(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x, *affine = (wide(xp, a) for a in arrays)
    inner = tuple(range(x.ndim - len(given["normalized_shape"]), x.ndim))
    mean = xp.mean(x, axis=inner, keepdims=True)
    centred = x - mean
    rstd = 1.0 / xp.sqrt(xp.mean(centred * centred, axis=inner, keepdims=True) + given["eps"])
    out = centred * rstd
    if affine:
        out = out * affine[0]
    return (out + affine[1] if affine[1:] else out, mean, rstd)


CONTRACTION: Final[dict[str, Function]] = {
    "sum.dim_IntList": _reduction("sum"),
    "mean.dim": _mean,
    "amax": _reduction("max"),
    "amin": _reduction("min"),
    "linalg_vector_norm": _norm,
    "_softmax": _softmax,
    "mm": _product,
    "bmm": _product,
    "addmm": _addmm,
    "linear": _linear,
    "scaled_dot_product_attention": _attention,
    "native_layer_norm": _layer_norm,
}
