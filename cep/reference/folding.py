"""Folded constants, computed again with NumPy (CEP-E4)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from cep.opset import PREFIX
from cep.reference.evaluation import EvaluationError, apply
from cep.reference.namespace import dtype_of, is_float
from cep.rewrite.folding import MOVES

if TYPE_CHECKING:
    from cep.rewrite import Fold


FROM_ZERO: Final = frozenset({"embedding", "gather"})
"""Operations whose second operand holds indices that are not counted from the end."""


def available() -> bool:
    """Say whether NumPy is installed, without importing it."""
    try:
        return find_spec("numpy") is not None
    except ModuleNotFoundError:
        return False


def recompute(fold: Fold, elements: Mapping[str, memoryview]) -> bytes:
    """Return the elements of a folded constant: little-endian, row-major.

    Args:
        fold: What computes it.
        elements: Elements of the constants that are read.

    Raises:
        ValueError: NumPy lacks a dtype, an index is outside its axis, or an operation makes a NaN,
            of which there are many to choose from.
    """
    import numpy as np

    known = {}
    for constant in fold.sources:
        kind = fold.types[constant.value]
        dtype = np.dtype(dtype_of(np, kind.dtype)).newbyteorder("<")
        flat = np.frombuffer(elements[constant.value], dtype=dtype)
        known[constant.value] = flat.reshape([size.value or 0 for size in kind.shape])
    for node in fold.nodes:
        name = node.target.removeprefix(PREFIX)
        operands = [known[v] for v in node.inputs]
        if name in FROM_ZERO and operands[1].size and operands[1].min() < 0:
            raise EvaluationError(f"{name}: an index is negative")
        try:
            made = apply(name, operands, node.attributes, np)
        except IndexError as error:
            raise EvaluationError(f"{name}: {error}") from None
        for value, array in zip(node.outputs, made, strict=True):
            if name not in MOVES and is_float(array) and np.isnan(array).any():
                raise EvaluationError(f"{name} makes a NaN, whose bits are not defined")
            known[value] = array
    result = known[fold.constant.value]
    return np.ascontiguousarray(result, dtype=result.dtype.newbyteorder("<")).tobytes()
