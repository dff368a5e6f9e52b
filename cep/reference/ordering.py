"""Reference semantics of the operations of `cep.opset.ordering`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cep.opset.definition import axis

if TYPE_CHECKING:
    from cep.reference.table import Function


def _argument(*, largest: bool) -> Function:
    """Return the function of argmax or argmin: the first of equal elements, NaN before all."""

    def compute(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
        x, keep = arrays[0], given["keepdim"]
        rank, dim = x.ndim, given.get("dim")
        if dim is None or not rank:
            flat = xp.reshape(x, (-1,))
            found = xp.reshape(_first(xp, flat, 0, largest=largest), (1,) * rank if keep else ())
        else:
            at = axis(dim, rank)
            found = _first(xp, x, at, largest=largest)
            found = xp.expand_dims(found, axis=at) if keep else found
        return xp.asarray(found, dtype=xp.int64)

    return compute


def _first(xp: Any, x: Any, at: int, *, largest: bool) -> Any:
    return (xp.argmax if largest else xp.argmin)(x, axis=at)


def _ordered(xp: Any, x: Any, at: int, *, descending: bool) -> tuple[Any, Any]:
    """Return the elements of an axis in order, NaN above all others, and where they were."""
    if not x.ndim:
        return x, xp.zeros((), dtype=xp.int64)
    # Of equal elements the first comes first, whatever the direction.
    turned = xp.flip(x, axis=at) if descending else x
    order = xp.asarray(xp.argsort(turned, axis=at, stable=True), dtype=xp.int64)
    if descending:
        order = x.shape[at] - 1 - xp.flip(order, axis=at)
    return xp.take_along_axis(x, order, axis=at), order


def _sort(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = arrays[0]
    return _ordered(xp, x, axis(given["dim"], x.ndim), descending=given["descending"])


def _topk(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = arrays[0]
    at = axis(given["dim"], x.ndim)
    within = (slice(None),) * at + (slice(given["k"]),)
    values, indices = _ordered(xp, x, at, descending=given["largest"])
    return values[within], indices[within]


ORDERING: Final[dict[str, Function]] = {
    "argmax": _argument(largest=True),
    "argmin": _argument(largest=False),
    "sort": _sort,
    "topk": _topk,
}
