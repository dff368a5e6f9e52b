"""Convolution, in one to three dimensions, and its transpose."""

from __future__ import annotations

from typing import Final

from cep.expr import ONE, Dim
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
from cep.opset.windows import Window, windows
from cep.prove import at_most, same

CONVOLUTION = Family()

_RANKS: Final = (3, 4, 5)


def _convolution(call: Call) -> tuple[TensorType, ...]:
    """[n, c, sizes...] with weight [m, c / groups, window...] is [n, m, places...]; a bias is [m].

    A window of r = dilation (k - 1) + 1 elements fits floor((size + 2 padding - r) / stride) + 1
    times along an axis, and must fit once. If transposed, the weight is [c, m / groups, window...],
    and the sizes are (size - 1) stride - 2 padding + r + output_padding, at least 1. Windows have
    fixed sizes; where a size depends on a symbol, its coefficients are multiples of the stride.
    """
    operand, weight, *bias = call.operands
    if operand.rank not in _RANKS or weight.rank != operand.rank:
        raise TypeRuleError(f"input and weight need the same rank, 3 to 5: {operand}, {weight}")
    channels = _channels(call, weight)
    if bias and (bias[0].rank != 1 or not same(bias[0].shape[0], channels, call.ranges)):
        raise TypeRuleError(f"the bias is {bias[0]}, not of shape [{channels}]")
    sizes = tuple(d.value for d in weight.shape[2:])
    if None in sizes:
        raise TypeRuleError(f"the weight is {weight}: a window has fixed sizes")
    slid = windows(call, tuple(s or 0 for s in sizes))
    extra = call.integers("output_padding")
    if len(extra) != len(slid):
        raise TypeRuleError(f"output_padding has {len(extra)} numbers, not {len(slid)}")
    places = tuple(
        _places(call, size, window, more)
        for size, window, more in zip(operand.shape[2:], slid, extra, strict=True)
    )
    return (TensorType(operand.dtype, (operand.shape[0], channels, *places)),)


def _channels(call: Call, weight: TensorType) -> Dim:
    """Return the number of channels that are made; those of input are what the weight takes."""
    groups, given = call.integer("groups"), call.operands[0].shape[1]
    if groups < 1 or weight.shape[0].divided_by(groups) is None:
        raise TypeRuleError(f"{weight.shape[0]} filters do not come in {groups} equal groups")
    inner = weight.shape[1] * Dim.constant(groups)
    taken, made = inner, weight.shape[0]
    if call.flag("transposed"):
        taken, made = made, taken
    if not same(given, taken, call.ranges):
        raise TypeRuleError(f"input has {given} channels, the weight takes {taken}")
    return made


def _places(call: Call, size: Dim, window: Window, more: int) -> Dim:
    """Return the size of an axis of the result."""
    if not call.flag("transposed"):
        if more:
            raise TypeRuleError("output_padding is for a transposed convolution")
        return window.places(size, call.ranges)
    if not 0 <= more < max(window.stride, window.dilation):
        raise TypeRuleError(f"output_padding is {more}, not below stride or dilation")
    spread = window.spread(size, more)
    if not at_most(ONE, spread, call.ranges):
        raise TypeRuleError(f"{spread} is not proven to be at least 1")
    return spread


CONVOLUTION.add(
    Operation(
        "convolution",
        (
            Operand("input", FLOATS, "T"),
            Operand("weight", FLOATS, "T"),
            Operand("bias", FLOATS, "T", optional=True),
        ),
        (
            Parameter("stride", "ints"),
            Parameter("padding", "ints"),
            Parameter("dilation", "ints"),
            Parameter("transposed", "bool"),
            Parameter("output_padding", "ints"),
            Parameter("groups", "int"),
        ),
        ("out",),
        _convolution,
        error="sum",
    )
)
