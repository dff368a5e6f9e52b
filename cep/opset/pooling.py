"""Pooling: the largest or the mean of each window."""

from __future__ import annotations

from cep.opset.definition import (
    FLOATS,
    Call,
    Family,
    Operand,
    Operation,
    Parameter,
    TensorType,
    TypeRuleError,
)
from cep.opset.windows import windows

POOLING = Family()


def _pooled(call: Call, dimensions: int, *, dilated: bool) -> TensorType:
    operand, kernel = call.operands[0], call.integers("kernel_size")
    if operand.rank != dimensions + 2 or len(kernel) != dimensions:
        raise TypeRuleError(
            f"self is {operand} and kernel_size {list(kernel)}: the one needs {dimensions + 2} "
            f"axes, the other {dimensions} numbers"
        )
    up, places = call.flag("ceil_mode"), []
    slid = windows(call, kernel, dilated=dilated)
    for size, window in zip(operand.shape[2:], slid, strict=True):
        if 2 * window.padding > window.size:
            raise TypeRuleError(f"padding {window.padding} is more than half of {window.size}")
        places.append(window.places(size, call.ranges, up=up))
    return TensorType(operand.dtype, (*operand.shape[:2], *places))


def _max_pool2d(call: Call) -> tuple[TensorType, ...]:
    """[n, c, h, w] is [n, c, places, places], twice; indices are i64, within h and w flattened.

    Places are as in convolution; with ceil_mode, a last place may reach beyond the padding if it
    begins inside the axis or the padding before it. Padding is at most half of the window.
    """
    made = _pooled(call, 2, dilated=True)
    return (made, TensorType("i64", made.shape))


def _max_pool3d(call: Call) -> tuple[TensorType, ...]:
    """As max_pool2d_with_indices, over three axes."""
    made = _pooled(call, 3, dilated=True)
    return (made, TensorType("i64", made.shape))


def _avg_pool2d(call: Call) -> tuple[TensorType, ...]:
    """[n, c, h, w] is [n, c, places, places], as in max pooling; divisor_override is not 0."""
    return (_averaged(call, 2),)


def _avg_pool3d(call: Call) -> tuple[TensorType, ...]:
    """As avg_pool2d, over three axes."""
    return (_averaged(call, 3),)


def _averaged(call: Call, dimensions: int) -> TensorType:
    if call.attributes.get("divisor_override") == 0:
        raise TypeRuleError("divisor_override is 0")
    return _pooled(call, dimensions, dilated=False)


_SELF = (Operand("self", FLOATS),)
_WINDOW = (
    Parameter("kernel_size", "ints"), Parameter("stride", "ints"), Parameter("padding", "ints"),
)  # fmt: skip
_CEIL = Parameter("ceil_mode", "bool")
_LARGEST = (*_WINDOW, Parameter("dilation", "ints"), _CEIL)
_MEAN = (
    *_WINDOW,
    _CEIL,
    Parameter("count_include_pad", "bool"),
    Parameter("divisor_override", "int", optional=True),
)

for _dimensions, _largest, _mean in ((2, _max_pool2d, _avg_pool2d), (3, _max_pool3d, _avg_pool3d)):
    POOLING.add(
        Operation(
            f"max_pool{_dimensions}d_with_indices",
            _SELF,
            _LARGEST,
            ("out", "indices"),
            _largest,
            error="exact",
        )
    )
    POOLING.add(Operation(f"avg_pool{_dimensions}d", _SELF, _MEAN, ("out",), _mean, error="sum"))
