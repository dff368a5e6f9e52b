"""How far a correct result of an operation may be from the reference: one error class an operation.

A bound is a number of units, the dtype's distance from 1 to the next float, times a magnitude.
Where terms may cancel, the magnitude is that of the terms, not of what is left of them. A result in
the subnormal range may be off by the smallest normal float. Integers and i1 are exact always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

ErrorName: TypeAlias = Literal["exact", "rounded", "elementary", "terms", "sum", "composite"]
Magnitude: TypeAlias = Literal["result", "terms", "largest"]


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """A bound on errors.

    Attributes:
        units: How many units of the dtype, see `UNITS`.
        of: Magnitude that they are units of. ``result``: each element of the result. ``terms``:
            each element of what the operation makes of the absolute values of its operands.
            ``largest``: the largest finite element of all operands and of the result.
        why: Reason, as the spec prints it. Wording is no part of the opset's digest.
    """

    units: int
    of: Magnitude
    why: str


UNITS: Final[Mapping[str, int]] = {"f64": -52, "f32": -23, "f16": -10, "bf16": -7}
"""The unit of each float dtype, the distance from 1 to the next float, as a power of 2."""

ERROR_CLASSES: Final[Mapping[ErrorName, ErrorClass]] = {
    "exact": ErrorClass(
        0, "result", "picks, moves or compares; rounds nothing, or as IEEE 754 says"
    ),
    "rounded": ErrorClass(1, "result", "one rounding, of the exact result"),
    "elementary": ErrorClass(8, "result", "a function of one number, from a library"),
    "terms": ErrorClass(8, "terms", "two roundings or one, between which terms cancel"),
    "sum": ErrorClass(32, "terms", "a sum of many, in any order, possibly fused"),
    "composite": ErrorClass(64, "largest", "sums, then functions of them"),
}


def error_table() -> dict[str, object]:
    """Return units and classes as plain data, for the spec and the digest of the opset."""
    return {
        "float_units": dict(UNITS),
        "error_classes": [
            {"name": name, "units": c.units, "of": c.of} for name, c in ERROR_CLASSES.items()
        ],
    }
