"""Reference semantics of the operations of `cep.opset.contraction`: sums, in f64, in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, sqrt
from typing import TYPE_CHECKING, Any, Final

from cep.reference.namespace import number, token_of, wide
from cep.reference.reductions import exponentials

if TYPE_CHECKING:
    from cep.reference.table import Function


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
    powers = exponentials(xp, scores, -1)
    weights = powers / xp.sum(powers, axis=-1, keepdims=True)
    # A query that may attend to nothing gets zeros.
    nothing = xp.max(scores, axis=-1, keepdims=True) == -inf
    return xp.matmul(xp.where(nothing, 0.0, weights), value)


CONTRACTION: Final[dict[str, Function]] = {
    "mm": _product,
    "bmm": _product,
    "addmm": _addmm,
    "linear": _linear,
    "scaled_dot_product_attention": _attention,
}
