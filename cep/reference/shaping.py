"""Reference semantics of the operations of `cep.opset.shaping`: no element is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cep.opset.definition import axes, axis
from cep.reference.namespace import dtype_of
from cep.reference.windows import padded

if TYPE_CHECKING:
    from cep.reference.table import Function


def _view(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    return xp.reshape(arrays[0], given["size"])


def _permute(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    order = tuple(axis(dim, arrays[0].ndim) for dim in given["dims"])
    return xp.permute_dims(arrays[0], order)


def _unsqueeze(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    return xp.expand_dims(arrays[0], axis=given["dim"])


def _squeeze(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    gone = axes(given["dim"], arrays[0].ndim)
    kept = tuple(size for at, size in enumerate(arrays[0].shape) if at not in gone)
    return xp.reshape(arrays[0], kept)


def _expand(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    return xp.broadcast_to(arrays[0], given["size"])


def _along(array: Any, dim: int, picked: slice | int) -> Any:
    """Return what `picked` picks of one axis."""
    return array[(slice(None),) * axis(dim, array.ndim) + (picked,)]


def _slice(_: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    return _along(arrays[0], given["dim"], slice(given["start"], given["end"]))


def _select(_: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    return _along(arrays[0], given["dim"], given["index"])


def _cat(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    return xp.concat(list(arrays), axis=given["dim"])


def _full(xp: Any, _: Sequence[Any], given: Mapping[str, Any]) -> Any:
    return xp.full(given["size"], given["fill_value"], dtype=dtype_of(xp, given["dtype"]))


def _arange(xp: Any, _: Sequence[Any], given: Mapping[str, Any]) -> Any:
    return xp.arange(given["start"], given["end"], dtype=dtype_of(xp, given["dtype"]))


def _embedding(xp: Any, arrays: Sequence[Any], _: Mapping[str, Any]) -> Any:
    return xp.take(arrays[0], arrays[1], axis=0)


def _gather(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    operand, index = arrays
    if not index.ndim:
        return operand
    at = axis(given["dim"], index.ndim)
    within = tuple(slice(None if i == at else size) for i, size in enumerate(index.shape))
    return xp.take_along_axis(operand[within], index, axis=at)


def _index(_: Any, arrays: Sequence[Any], __: Mapping[str, Any]) -> Any:
    return arrays[0][tuple(arrays[1:])]


def _flip(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    if not given["dims"]:
        return arrays[0]
    return xp.flip(arrays[0], axis=tuple(axes(given["dims"], arrays[0].ndim)))


def _pad(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    before, after = given["pad"][::2], given["pad"][1::2]
    return padded(xp, arrays[0], before[::-1], after[::-1], given["value"])


SHAPING: Final[dict[str, Function]] = {
    "view": _view,
    "permute": _permute,
    "unsqueeze": _unsqueeze,
    "squeeze.dims": _squeeze,
    "expand": _expand,
    "slice.Tensor": _slice,
    "select.int": _select,
    "cat": _cat,
    "full": _full,
    "arange.start_step": _arange,
    "embedding": _embedding,
    "gather": _gather,
    "index.Tensor": _index,
    "flip": _flip,
    "constant_pad_nd": _pad,
}
