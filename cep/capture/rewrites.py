"""Core ATen operations that are several operations of CEP-Core, to the same bits or nearly so.

Each is taken apart as a kernel would do it, so that it costs no accuracy and no copy more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cep.capture.archive import CaptureError
from cep.expr import ONE, Dim, product

if TYPE_CHECKING:
    import torch

    from cep.capture.convert import Converter

Rewrite: TypeAlias = "Callable[[Converter, torch.fx.Node, Mapping[str, Any]], None]"

_ZERO: Final = Dim.constant(0)


def _subtract_from(c: Converter, node: torch.fx.Node, given: Mapping[str, Any]) -> None:
    """A number less a tensor: the tensor's negative, plus the number."""
    number, other = given["self"], given["other"]
    same = hasattr(other, "meta") and other.meta["val"].dtype == node.meta["val"].dtype
    if not same or given["alpha"] != 1 or not isinstance(number, int | float):
        raise CaptureError.because(
            "CEP-X3", f"{node.format_node()}: CEP-Core takes tensors from numbers of their dtype"
        )
    (negative,) = c.emit(node, "neg", (c.value(other),), {}, "negative")
    c.finish(node, "add.Scalar", (negative,), {"other": number, "alpha": 1})


def _split(c: Converter, node: torch.fx.Node, given: Mapping[str, Any]) -> None:
    """One slice for each piece."""
    source, end = c.value(given["self"]), _ZERO
    pieces: list[str] = []
    for i, size in enumerate(given["split_sizes"]):
        start, end = end, end + c.size(size)
        bounds = {"dim": given["dim"], "start": start, "end": end}
        pieces += c.emit(node, "slice.Tensor", (source,), bounds, str(i))
    c.names[node] = tuple(pieces)


def _extreme(all_axes: str, where: str) -> Rewrite:
    """Return the rewrite of a reduction that also says where the element is."""

    def rewrite(c: Converter, node: torch.fx.Node, given: Mapping[str, Any]) -> None:
        source, dim, keep = c.value(given["self"]), given["dim"], given["keepdim"]
        values = c.emit(node, all_axes, (source,), {"dim": (dim,), "keepdim": keep}, "values")
        indices = c.emit(node, where, (source,), {"dim": dim, "keepdim": keep}, "indices")
        c.names[node] = (*values, *indices)

    return rewrite


def _repeat(c: Converter, node: torch.fx.Node, given: Mapping[str, Any]) -> None:
    """Expansion of a new axis before each that repeats, then a view."""
    source = c.value(given["self"])
    times = [c.size(n) for n in given["repeats"]]
    old = c.types[source].shape
    old = (ONE,) * (len(times) - len(old)) + old
    apart = tuple(d for size in old for d in (ONE, size))
    wide = tuple(d for count, size in zip(times, old, strict=True) for d in (count, size))
    (viewed,) = c.emit(node, "view", (source,), {"size": apart}, "apart")
    (expanded,) = c.emit(node, "expand", (viewed,), {"size": wide}, "expanded")
    made = tuple(count * size for count, size in zip(times, old, strict=True))
    c.finish(node, "view", (expanded,), {"size": made})


def _unfold(c: Converter, node: torch.fx.Node, given: Mapping[str, Any]) -> None:
    """Windows that do not overlap: rows of `step` elements, of which the first are kept."""
    source, width, step = c.value(given["self"]), given["size"], given["step"]
    shape = c.types[source].shape
    at = given["dimension"] % len(shape)
    length = shape[at].value
    if length is None or width > step:
        raise CaptureError.because(
            "CEP-X3", f"{node.format_node()}: windows that overlap, or of an axis of open size"
        )
    count = (length - width) // step + 1
    if count * step > length:
        raise CaptureError.because("CEP-X3", f"{node.format_node()}: the last window is cut short")
    whole = {"dim": at, "start": _ZERO, "end": Dim.constant(count * step)}
    (kept,) = c.emit(node, "slice.Tensor", (source,), whole, "whole")
    rows = (*shape[:at], Dim.constant(count), Dim.constant(step), *shape[at + 1 :])
    (apart,) = c.emit(node, "view", (kept,), {"size": rows}, "rows")
    first = {"dim": at + 1, "start": _ZERO, "end": Dim.constant(width)}
    (windows,) = c.emit(node, "slice.Tensor", (apart,), first, "windows")
    order = [i for i in range(len(rows)) if i != at + 1]
    c.finish(node, "permute", (windows,), {"dims": (*order, at + 1)})


def _every_nth(c: Converter, node: torch.fx.Node, given: Mapping[str, Any]) -> None:
    """Each `step`-th element: of the axis as rows of `step` elements, one column."""
    source, step = c.value(given["self"]), given["step"]
    shape = c.types[source].shape
    at = given["dim"] % len(shape)
    start, end = (c.bound(name, given[name], shape[at]) for name in ("start", "end"))
    rows = shape[at].divided_by(step)
    if rows is None or start.value is None or end != shape[at]:
        raise CaptureError.because(
            "CEP-X3",
            f"{node.format_node()}: a step of {step} is taken to the end of an axis of a multiple "
            f"of {step} elements only",
        )
    apart = (*shape[:at], rows, Dim.constant(step), *shape[at + 1 :])
    (table,) = c.emit(node, "view", (source,), {"size": apart}, "rows")
    place = {"dim": at + 1, "index": start.value % step}
    (column,) = c.emit(node, "select.int", (table,), place, "column")
    bounds = {"dim": at, "start": Dim.constant(start.value // step), "end": rows}
    c.finish(node, "slice.Tensor", (column,), bounds)


def _between(c: Converter, node: torch.fx.Node, given: Mapping[str, Any]) -> None:
    """Bounds that are tensors: the larger of the lower one, then the smaller of the upper one."""
    made = c.value(given["self"])
    for name, operation in (("min", "maximum"), ("max", "minimum")):
        if given[name] is not None:
            (made,) = c.emit(node, operation, (made, c.value(given[name])), {}, name)
    c.names[node] = made


def _slice_scatter(c: Converter, node: torch.fx.Node, given: Mapping[str, Any]) -> None:
    """What comes before the slice, the source, and what comes after."""
    target, source = c.value(given["self"]), c.value(given["src"])
    at = given["dim"]
    length = c.types[target].shape[at]
    start, end = (c.bound(name, given[name], length) for name in ("start", "end"))
    if given["step"] != 1:
        raise CaptureError.because("CEP-X3", f"{node.format_node()}: the step is not 1")
    pieces: list[str] = []
    if start != _ZERO:
        before = {"dim": at, "start": _ZERO, "end": start}
        pieces += c.emit(node, "slice.Tensor", (target,), before, "before")
    pieces.append(source)
    if end != length:
        after = {"dim": at, "start": end, "end": length}
        pieces += c.emit(node, "slice.Tensor", (target,), after, "after")
    c.finish(node, "cat", tuple(pieces), {"dim": at})


def _normalise_by_batch(c: Converter, node: torch.fx.Node, given: Mapping[str, Any]) -> None:
    """Normalisation of each channel by its own moments: that of rows, one row a channel."""
    source = c.value(given["input"])
    shape = c.types[source].shape
    order = (1, 0, *range(2, len(shape)))
    several = shape[0] != ONE
    if several:
        (source,) = c.emit(node, "permute", (source,), {"dims": order}, "channels")
    inner = c.types[source].shape[0 if several else 1 :]
    rows = (inner[0], product(inner[1:]))
    (flat,) = c.emit(node, "view", (source,), {"size": rows}, "rows")
    attributes = {"normalized_shape": rows[1:], "eps": float(given["eps"])}
    made = c.emit(node, "native_layer_norm", (flat,), attributes, "normal", "mean", "rstd")[0]
    for name, operation in (("weight", "mul.Tensor"), ("bias", "add.Tensor")):
        if given[name] is not None:
            (column,) = c.emit(
                node, "unsqueeze", (c.value(given[name]),), {"dim": 1}, f"{name}.column"
            )
            alpha = {"alpha": 1} if operation == "add.Tensor" else {}
            (made,) = c.emit(node, operation, (made, column), alpha, f"{name}.applied")
    if several:
        (made,) = c.emit(node, "view", (made,), {"size": inner}, "unrolled")
        made = c.emit(node, "permute", (made,), {"dims": order}, "out")[0]
    else:
        made = c.emit(node, "view", (made,), {"size": shape}, "out")[0]
    c.names[node] = (made,)


def _with_gaps(name: str, given: Mapping[str, Any]) -> bool:
    return name == "slice.Tensor" and given["step"] != 1


def _number_less(name: str, given: Mapping[str, Any]) -> bool:
    return name == "sub.Tensor" and not hasattr(given["self"], "meta")


_REWRITES: Final[Mapping[str, Rewrite]] = {
    "_native_batch_norm_legit.no_stats": _normalise_by_batch,
    "clamp.Tensor": _between,
    "max.dim": _extreme("amax", "argmax"),
    "min.dim": _extreme("amin", "argmin"),
    "repeat": _repeat,
    "slice_scatter": _slice_scatter,
    "split_with_sizes": _split,
    "unfold": _unfold,
}


def rewrite_of(name: str, given: Mapping[str, Any]) -> Rewrite | None:
    """Return what adds a call to a graph if it is several operations of CEP-Core.

    Args:
        name: ATen's name, with its overload.
        given: The call's arguments by name.
    """
    if _with_gaps(name, given):
        return _every_nth
    return _subtract_from if _number_less(name, given) else _REWRITES.get(name)
