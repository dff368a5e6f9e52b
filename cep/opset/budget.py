"""The rounding budget of a graph on devices: spec/cep.md, section 5.1, as integers.

Each op has a share, by its error class or by what the device claims. The budget is the root of the
sum of their squares: roundings are taken as independent, and each as counted once, so that it
says what is to be expected of well-conditioned graphs, and bounds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isqrt
from typing import TYPE_CHECKING, Final

from cep.opset.definition import FLOATS
from cep.opset.error_classes import ERROR_CLASSES, UNITS

if TYPE_CHECKING:
    from acp.v1.capability import Numerics
    from cep.expr import Ranges
    from cep.opset.definition import Operation, TensorType

_MILLION: Final = 1_000_000
_FINEST: Final = -min(UNITS.values())
_COARSER: Final = {"f64": "f32", "f32": "f16", "f16": "bf16", "bf16": "bf16"}
_INNER: Final = {"mm": 0, "bmm": 0, "addmm": 1, "linear": 0}
"""The operand whose last axis is summed over, of operations that are matrix products."""


def is_exact(operation: Operation, results: Sequence[TensorType], claimed: Numerics | None) -> bool:
    """Say whether a device gives the very bits of the reference, by error class or by claim."""
    if ERROR_CLASSES[operation.error].units == 0 or not _floats(results):
        return True
    if claimed is None:
        return False
    if claimed.bound is not None:
        return claimed.bound.coeff_ppm == 0
    return claimed.determinism == "CROSS_MODEL"


def share(
    operation: Operation,
    operands: Sequence[TensorType],
    results: Sequence[TensorType],
    claimed: Numerics | None,
    ranges: Ranges,
) -> int:
    """Return the share of an op in the budget, in millionths of 2^-52.

    Args:
        operation: What is computed.
        operands: Types of the operands.
        results: Types of the results.
        claimed: What the device claims of its numbers.
        ranges: Admissible sizes of the symbols.
    """
    made = _floats(results)
    if not made:
        return 0
    unit = _parts(max(made))
    if is_exact(operation, results, claimed):
        return unit if any(power < max(made) for power in _floats(operands)) else 0
    if claimed is not None and claimed.bound is not None:
        coefficient = claimed.bound.coeff_ppm
        if claimed.bound.form == "ULP":
            return coefficient * unit // _MILLION
        length = 1 if claimed.bound.form == "ABS_REL" else _length(operation, operands, ranges)
        return coefficient * length << _FINEST
    units = ERROR_CLASSES[operation.error].units
    if claimed is None or claimed.acc is None or operation.error not in ("sum", "composite"):
        return units * unit
    acc = _COARSER.get(claimed.acc, "") if claimed.imprecise_acc else claimed.acc
    kept = _parts(UNITS.get(acc, 0))  # nothing is known of a sum that is kept in another dtype
    return units * kept + (unit if kept < unit else 0)


def needed(numeric: str, shares: Iterable[int], outputs: Iterable[TensorType]) -> int:
    """Return the least `numeric_tolerance` that the budget of some shares fits.

    Args:
        numeric: ``RELATIVE``, for parts per billion, or ``ULP``, for units of the outputs.
        shares: Shares of all ops.
        outputs: Types of the outputs. Those that hold no floats need none.
    """
    made = _floats(outputs)
    squares = sum(s * s for s in shares)
    if not made or not squares:
        return 0
    budget = isqrt(squares - 1) + 1
    if numeric == "ULP":
        return -(-budget // _parts(min(made)))
    return -(-budget * 1000 // (1 << _FINEST))


def _parts(power: int) -> int:
    """Return a power of 2 in millionths of 2^-52."""
    return _MILLION << power + _FINEST


def _floats(types: Iterable[TensorType]) -> list[int]:
    """Return the units of those types that hold floats."""
    return [UNITS[t.dtype] for t in types if t.dtype in FLOATS]


def _length(operation: Operation, operands: Sequence[TensorType], ranges: Ranges) -> int:
    """Return the most terms that a sum has: the inner size, or all elements of an operand."""
    if operation.name in _INNER:
        return max(1, operands[_INNER[operation.name]].shape[-1].bounds(ranges)[1])
    most = 1
    for operand in operands:
        count = 1
        for dim in operand.shape:
            count *= max(0, dim.bounds(ranges)[1])
        most = max(most, count)
    return most
