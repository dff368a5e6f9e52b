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


_IDENTITIES: Final[Mapping[str, tuple[str, Callable[[Arguments], dict[str, Any]]]]] = {
    "full_like": ("full", _filled_alike),
    "hardtanh": ("clamp", _clamped),
    "mean": ("mean.dim", _all_axes),
    "scalar_tensor": ("full", _filled),
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
