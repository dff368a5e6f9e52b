"""How far a result of an operation may be from the reference: one error class an operation.

A bound is a number of units, the dtype's distance from 1 to the next float, times a magnitude.
Where terms may cancel, the magnitude is that of the terms, not of what is left of them. A result in
the subnormal range may be off by the smallest normal float.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from cep.reference.evaluation import FUNCTIONS, apply
from cep.reference.namespace import is_float, wide

if TYPE_CHECKING:
    from cep.opset.definition import AttributeValue

Magnitude: TypeAlias = Literal["result", "terms", "largest"]


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """A bound on errors.

    Attributes:
        units: How many units of the dtype: f64 has 2^-52, f32 2^-23.
        of: Magnitude that they are units of. ``result``: each element of the result. ``terms``:
            each element of what the operation makes of the absolute values of its operands.
            ``largest``: the largest finite element of all operands and of the result.
        why: Reason, as the coverage page prints it.
    """

    units: int
    of: Magnitude
    why: str


EXACT: Final = "exact"

CLASSES: Final[Mapping[str, ErrorClass]] = {
    EXACT: ErrorClass(0, "result", "picks, moves or compares; rounds nothing, or as IEEE 754 says"),
    "rounded": ErrorClass(1, "result", "one rounding, of the exact result"),
    "elementary": ErrorClass(8, "result", "a function of one number, from a library"),
    "terms": ErrorClass(8, "terms", "two roundings or one, between which terms cancel"),
    "sum": ErrorClass(32, "terms", "a sum of many, in any order, possibly fused"),
    "composite": ErrorClass(64, "largest", "sums, then functions of them"),
}

_MEMBERS: Final[Mapping[str, str]] = {
    "rounded": "mul.Tensor mul.Scalar div.Tensor div.Scalar reciprocal sqrt",
    "elementary": "cos erf exp log rsqrt sigmoid silu sin tanh pow.Tensor_Scalar",
    "terms": "add.Tensor add.Scalar sub.Tensor sub.Scalar gelu",
    "sum": "sum.dim_IntList mean.dim mm bmm addmm linear",
    "composite": "_softmax linalg_vector_norm scaled_dot_product_attention native_layer_norm",
}
_CLASS_OF: Final = {name: group for group, names in _MEMBERS.items() for name in names.split()}
_TERMS_OF: Final[Mapping[str, str]] = {
    "sub.Tensor": "add.Tensor", "sub.Scalar": "add.Scalar", "gelu": "abs",
}  # fmt: skip


def class_of(name: str) -> str:
    """Return the name of the error class of an operation, given without its opset.

    Raises:
        KeyError: There is no such operation.
    """
    if name not in FUNCTIONS:
        raise KeyError(name)
    return _CLASS_OF.get(name, EXACT)


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
    chosen = CLASSES[class_of(name)]
    return tuple(
        xp.abs(wide(xp, result)) * 0
        if not chosen.units or not is_float(result)
        else chosen.units * _unit(xp, result) * magnitude + _smallest(xp, result)
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
    of = CLASSES[class_of(name)].of
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


def _unit(xp: Any, array: Any) -> float:
    return float(xp.finfo(array.dtype).eps)


def _smallest(xp: Any, array: Any) -> float:
    return float(xp.finfo(array.dtype).smallest_normal)
