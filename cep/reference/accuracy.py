"""How far a result may be from the reference, as numbers: an error class applied to operands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

from cep.opset import OPERATIONS, PREFIX
from cep.opset.error_classes import ERROR_CLASSES, UNITS
from cep.reference.evaluation import apply
from cep.reference.namespace import is_float, token_of, wide

if TYPE_CHECKING:
    from cep.opset.definition import AttributeValue
    from cep.opset.error_classes import ErrorName

_TERMS_OF: Final[Mapping[str, str]] = {
    "sub.Tensor": "add.Tensor", "sub.Scalar": "add.Scalar", "gelu": "abs",
}  # fmt: skip


def class_of(name: str) -> ErrorName:
    """Return the name of the error class of an operation, given without its opset.

    Raises:
        KeyError: There is no such operation.
    """
    return OPERATIONS[PREFIX + name].error


def allowed_error(
    xp: Any,
    name: str,
    arrays: Sequence[Any],
    attributes: Mapping[str, AttributeValue],
    results: Sequence[Any],
) -> tuple[Any, ...]:
    """Return, for each result, how far each of its elements may be from the reference.

    Args:
        xp: Array namespace.
        name: Operation, without its opset.
        arrays: Operands.
        attributes: Attributes.
        results: What the reference makes of them.
    """
    chosen = ERROR_CLASSES[class_of(name)]
    return tuple(
        xp.abs(wide(xp, result)) * 0
        if not chosen.units or not is_float(result)
        else chosen.units * 2.0 ** UNITS[token_of(result)] * magnitude + _smallest(xp, result)
        for result, magnitude in zip(
            results, _magnitudes(xp, name, arrays, attributes, results), strict=True
        )
    )


def _magnitudes(
    xp: Any,
    name: str,
    arrays: Sequence[Any],
    attributes: Mapping[str, AttributeValue],
    results: Sequence[Any],
) -> tuple[Any, ...]:
    of = ERROR_CLASSES[class_of(name)].of
    if of == "result":
        return tuple(xp.abs(wide(xp, r)) for r in results)
    if of == "terms":
        positive = {
            k: abs(v) if isinstance(v, int | float) and not isinstance(v, bool) else v
            for k, v in attributes.items()
        }
        given = {} if name == "gelu" else positive
        terms = apply(_TERMS_OF.get(name, name), [xp.abs(a) for a in arrays], given, xp)
        return tuple(wide(xp, t) for t in terms)
    floats = [wide(xp, a) for a in (*arrays, *results) if is_float(a) and 0 not in a.shape]
    sizes = [xp.max(xp.where(xp.isfinite(a), xp.abs(a), 0.0)) for a in floats]
    largest = reduce(xp.maximum, sizes, xp.asarray(0.0))
    return tuple(xp.zeros(r.shape) + largest for r in results)


def _smallest(xp: Any, array: Any) -> float:
    return float(xp.finfo(array.dtype).smallest_normal)
