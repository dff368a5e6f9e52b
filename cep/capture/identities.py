"""Core ATen operations that are another operation of CEP-Core under a second name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Arguments: TypeAlias = Mapping[str, Any]


def _without(arguments: Arguments, *names: str) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in names}


def _all_axes(arguments: Arguments) -> dict[str, Any]:
    return {**arguments, "dim": [], "keepdim": False}


def _filled(arguments: Arguments) -> dict[str, Any]:
    return {**_without(arguments, "s"), "fill_value": arguments["s"]}


def _filled_alike(arguments: Arguments) -> dict[str, Any]:
    return _without(arguments, "self")


def _clamped(arguments: Arguments) -> dict[str, Any]:
    rest = _without(arguments, "min_val", "max_val")
    return {**rest, "min": arguments["min_val"], "max": arguments["max_val"]}


def _windows(dimensions: int) -> Callable[[Arguments], dict[str, Any]]:
    """Return what spells out a number for each axis, where ATen takes one for all or none."""

    def translate(arguments: Arguments) -> dict[str, Any]:
        found = dict(arguments)
        for name in ("kernel_size", "stride", "padding", "dilation"):
            if name in found:
                given = found[name] if isinstance(found[name], list | tuple) else [found[name]]
                full = list(given) * (dimensions if len(given) == 1 else 1)
                found[name] = full or found["kernel_size"]
        return found

    return translate


def _corrected(arguments: Arguments) -> dict[str, Any]:
    correction = arguments["correction"]
    return {**arguments, "correction": 1 if correction is None else correction}


def _stable(arguments: Arguments) -> dict[str, Any]:
    return _without(arguments, "stable")


_IDENTITIES: Final[Mapping[str, tuple[str, Callable[[Arguments], dict[str, Any]]]]] = {
    "avg_pool2d": ("avg_pool2d", _windows(2)),
    "avg_pool3d": ("avg_pool3d", _windows(3)),
    "full_like": ("full", _filled_alike),
    "hardtanh": ("clamp", _clamped),
    "max_pool2d_with_indices": ("max_pool2d_with_indices", _windows(2)),
    "max_pool3d_with_indices": ("max_pool3d_with_indices", _windows(3)),
    "mean": ("mean.dim", _all_axes),
    "scalar_tensor": ("full", _filled),
    "sort.stable": ("sort", _stable),
    "var.correction": ("var.correction", _corrected),
}


def identity(name: str, arguments: Arguments) -> tuple[str, Arguments]:
    """Return the name and arguments that a call has in CEP-Core.

    Args:
        name: ATen's name, with its overload.
        arguments: ATen's arguments by name, defaults included.
    """
    if name not in _IDENTITIES:
        return name, arguments
    other, translate = _IDENTITIES[name]
    return other, translate(arguments)
