"""Reference semantics of the operations of `cep.opset.pointwise`.

Floats are computed in f64 and rounded to the dtype of the result once; integers wrap around. A
number among the attributes is first rounded to the dtype of self, as ATen does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import pi, sqrt
from typing import TYPE_CHECKING, Any, Final

from cep.reference.error_function import erf
from cep.reference.namespace import dtype_of, is_float, number, wide

if TYPE_CHECKING:
    from cep.reference.table import Function

_GELU_CUBIC: Final = 0.044715


def _float(compute: Any) -> Function:
    """Return the function of an operation on one float operand."""
    return lambda xp, arrays, _: compute(xp, wide(xp, arrays[0]))


def _pair(compute: Any) -> Function:
    """Return the function of an operation on two operands of one dtype."""
    return lambda xp, arrays, _: compute(xp, *(wide(xp, a) for a in arrays))


def _with_number(compute: Any) -> Function:
    """Return the function of an operation on self and the number `other`."""
    return lambda xp, arrays, given: compute(
        xp, wide(xp, arrays[0]), number(xp, given["other"], arrays[0])
    )


def _scaled(sign: int) -> Function:
    """Return self + sign * alpha * other, `other` an operand or a number."""

    def compute(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
        first = arrays[0]
        other = wide(xp, arrays[1]) if len(arrays) > 1 else number(xp, given["other"], first)
        alpha = number(xp, given["alpha"], first)
        return wide(xp, first) + alpha * other if sign > 0 else wide(xp, first) - alpha * other

    return compute


def _sigmoid(xp: Any, x: Any) -> Any:
    return 1.0 / (1.0 + xp.exp(-x))


def _gelu(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = wide(xp, arrays[0])
    if given["approximate"] == "tanh":
        return 0.5 * x * (1.0 + xp.tanh(sqrt(2.0 / pi) * (x + _GELU_CUBIC * x * x * x)))
    return 0.5 * x * (1.0 + erf(xp, x / sqrt(2.0)))


def _relu(xp: Any, arrays: Sequence[Any], _: Mapping[str, Any]) -> Any:
    return xp.maximum(arrays[0], xp.asarray(0, dtype=arrays[0].dtype))


def _clamp(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    result = arrays[0]
    if "min" in given:
        result = xp.maximum(result, xp.asarray(given["min"], dtype=result.dtype))
    if "max" in given:
        result = xp.minimum(result, xp.asarray(given["max"], dtype=result.dtype))
    return result


def _convert(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    operand = arrays[0]
    if "dtype" not in given:
        return operand
    if given["dtype"] == "i1":
        return operand != 0
    if given["dtype"] == "ui8" and is_float(operand):
        # A negative float wraps around, as its integer does.
        operand = operand.astype(dtype_of(xp, "i64"))
    return operand.astype(dtype_of(xp, given["dtype"]))


def _power(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    return xp.pow(wide(xp, arrays[0]), number(xp, given["exponent"], arrays[0]))


def _log_of_more(xp: Any, x: Any) -> Any:
    """Return log(1 + x), by the logarithm of the rounded sum; log1p of XLA loses digits."""
    more = 1.0 + x
    plain = (more == 1.0) | xp.isinf(more)
    safe = xp.where(plain, 2.0, more)
    alone = xp.where(more == 1.0, x, xp.log(more))
    return xp.where(plain, alone, xp.log(safe) * (x / (safe - 1.0)))


def _leaky(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = wide(xp, arrays[0])
    return xp.where(x > 0, x, x * number(xp, given["negative_slope"], arrays[0]))


def _elu(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    x = wide(xp, arrays[0])
    names = ("alpha", "scale", "input_scale")
    alpha, scale, steepness = (number(xp, given[name], arrays[0]) for name in names)
    return xp.where(x > 0, x * scale, xp.expm1(xp.minimum(x, 0.0) * steepness) * alpha * scale)


def _raised(xp: Any, arrays: Sequence[Any], given: Mapping[str, Any]) -> Any:
    return xp.pow(number(xp, given["self"], arrays[0]), wide(xp, arrays[0]))


def _sign(xp: Any, x: Any) -> Any:
    """Return -1, 0 or 1, and 0 for what is no number, as ATen does."""
    found = xp.sign(x)
    return xp.where(xp.isnan(x), xp.zeros_like(x), found) if is_float(x) else found


POINTWISE: Final[dict[str, Function]] = {
    "atan": _float(lambda xp, x: xp.arctan(x)),
    "ceil": _float(lambda xp, x: xp.ceil(x)),
    "cos": _float(lambda xp, x: xp.cos(x)),
    "erf": _float(erf),
    "exp": _float(lambda xp, x: xp.exp(x)),
    "expm1": _float(lambda xp, x: xp.expm1(x)),
    "floor": _float(lambda xp, x: xp.floor(x)),
    "isinf": _float(lambda xp, x: xp.isinf(x)),
    "isnan": _float(lambda xp, x: xp.isnan(x)),
    "log": _float(lambda xp, x: xp.log(x)),
    "log10": _float(lambda xp, x: xp.log10(x)),
    "log1p": _float(_log_of_more),
    "log2": _float(lambda xp, x: xp.log2(x)),
    "reciprocal": _float(lambda _, x: 1.0 / x),
    "round": _float(lambda xp, x: xp.round(x)),
    "rsqrt": _float(lambda xp, x: 1.0 / xp.sqrt(x)),
    "sigmoid": _float(_sigmoid),
    "silu": _float(lambda xp, x: x / (1.0 + xp.exp(-x))),
    "sin": _float(lambda xp, x: xp.sin(x)),
    "sqrt": _float(lambda xp, x: xp.sqrt(x)),
    "tan": _float(lambda xp, x: xp.tan(x)),
    "tanh": _float(lambda xp, x: xp.tanh(x)),
    "trunc": _float(lambda xp, x: xp.trunc(x)),
    "elu": _elu,
    "gelu": _gelu,
    "leaky_relu": _leaky,
    "abs": lambda xp, arrays, _: xp.abs(arrays[0]),
    "neg": lambda xp, arrays, _: xp.negative(arrays[0]),
    "relu": _relu,
    "sign": lambda xp, arrays, _: _sign(xp, arrays[0]),
    "bitwise_not": lambda xp, arrays, _: xp.bitwise_not(arrays[0]),
    "logical_not": lambda xp, arrays, _: xp.logical_not(arrays[0]),
    "clone": lambda _, arrays, __: arrays[0],
    "_to_copy": _convert,
    "clamp": _clamp,
    "add.Tensor": _scaled(1),
    "add.Scalar": _scaled(1),
    "sub.Tensor": _scaled(-1),
    "sub.Scalar": _scaled(-1),
    "mul.Tensor": _pair(lambda _, a, b: a * b),
    "mul.Scalar": _with_number(lambda _, a, b: a * b),
    "div.Tensor": _pair(lambda _, a, b: a / b),
    "div.Scalar": _with_number(lambda _, a, b: a / b),
    "pow.Tensor_Scalar": _power,
    "pow.Tensor_Tensor": _pair(lambda xp, a, b: xp.pow(a, b)),
    "pow.Scalar": _raised,
    "remainder.Tensor": _pair(lambda xp, a, b: xp.remainder(a, b)),
    "remainder.Scalar": _with_number(lambda xp, a, b: xp.remainder(a, b)),
    "maximum": _pair(lambda xp, a, b: xp.maximum(a, b)),
    "minimum": _pair(lambda xp, a, b: xp.minimum(a, b)),
    "bitwise_and.Tensor": _pair(lambda xp, a, b: xp.bitwise_and(a, b)),
    "bitwise_or.Tensor": _pair(lambda xp, a, b: xp.bitwise_or(a, b)),
    "bitwise_xor.Tensor": _pair(lambda xp, a, b: xp.bitwise_xor(a, b)),
    "logical_and": _pair(lambda xp, a, b: xp.logical_and(a, b)),
    "logical_or": _pair(lambda xp, a, b: xp.logical_or(a, b)),
    "logical_xor": _pair(lambda xp, a, b: xp.logical_xor(a, b)),
    "eq.Tensor": _pair(lambda xp, a, b: xp.equal(a, b)),
    "ge.Tensor": _pair(lambda xp, a, b: xp.greater_equal(a, b)),
    "gt.Tensor": _pair(lambda xp, a, b: xp.greater(a, b)),
    "le.Tensor": _pair(lambda xp, a, b: xp.less_equal(a, b)),
    "lt.Tensor": _pair(lambda xp, a, b: xp.less(a, b)),
    "ne.Tensor": _pair(lambda xp, a, b: xp.not_equal(a, b)),
    "eq.Scalar": _with_number(lambda xp, a, b: xp.equal(a, b)),
    "ge.Scalar": _with_number(lambda xp, a, b: xp.greater_equal(a, b)),
    "gt.Scalar": _with_number(lambda xp, a, b: xp.greater(a, b)),
    "le.Scalar": _with_number(lambda xp, a, b: xp.less_equal(a, b)),
    "lt.Scalar": _with_number(lambda xp, a, b: xp.less(a, b)),
    "ne.Scalar": _with_number(lambda xp, a, b: xp.not_equal(a, b)),
    "where.self": lambda xp, arrays, _: xp.where(*arrays),
}
