"""Reference semantics of the operations of `cep.opset.normalization`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cep.reference.namespace import wide

if TYPE_CHECKING:
    from cep.reference.table import Function


def _standardised(xp: Any, x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any, Any]:
    """Return x less its mean, over its standard deviation; the mean; and one over the deviation."""
    mean = xp.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    rstd = 1.0 / xp.sqrt(xp.mean(centred * centred, axis=axes, keepdims=True) + eps)
    return centred * rstd, mean, rstd


def _layer_norm(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x, *affine = (wide(xp, a) for a in arrays)
    inner = tuple(range(x.ndim - len(given["normalized_shape"]), x.ndim))
    out, mean, rstd = _standardised(xp, x, inner, given["eps"])
    if affine:
        out = out * affine[0]
    return (out + affine[1] if affine[1:] else out, mean, rstd)


def _by_channel(xp: Any, vector: Any, rank: int) -> Any:
    return xp.reshape(vector, (1, -1) + (1,) * (rank - 2))


def _group_norm(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x, *affine = (wide(xp, a) for a in arrays)
    batch, groups = x.shape[0], given["group"]
    elements = x.shape[1] // groups * given["HxW"]
    flat = xp.reshape(x, (batch, groups, elements))
    out, mean, rstd = _standardised(xp, flat, (2,), given["eps"])
    out = xp.reshape(out, x.shape)
    if affine:
        out = out * _by_channel(xp, affine[0], x.ndim)
    if affine[1:]:
        out = out + _by_channel(xp, affine[1], x.ndim)
    return (out, mean[..., 0], rstd[..., 0])


def _batch_norm(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x, *vectors = (wide(xp, a) for a in arrays)
    weight, bias, mean, variance = (_by_channel(xp, v, x.ndim) for v in vectors)
    return (x - mean) / xp.sqrt(variance + given["eps"]) * weight + bias


NORMALIZATION: Final[dict[str, Function]] = {
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
}
