"""Operations that look for the largest, or bring elements into order."""

from __future__ import annotations

from cep.expr import ONE, Dim
from cep.opset.definition import (
    NUMBERS,
    Call,
    Family,
    Operand,
    Operation,
    Parameter,
    TensorType,
    TypeRuleError,
)
from cep.prove import at_most

ORDERING = Family()


def _argument(call: Call) -> tuple[TensorType, ...]:
    """Dtype i64; without axis dim, or with size 1 there if keepdim; all axes if there is no dim.

    No axis that goes may have size 0. Indices are within the axis dim, or within all flattened; of
    equal elements the first is meant.
    """
    operand, keep = call.operands[0], call.flag("keepdim")
    gone = set(range(operand.rank))
    if "dim" in call.attributes:
        gone = {call.axis("dim", operand.rank)} & gone
    for at in gone:
        if not at_most(ONE, operand.shape[at], call.ranges):
            raise TypeRuleError(f"axis {at} of size {operand.shape[at]} is not proven to have any")
    shape = tuple(
        ONE if i in gone else d for i, d in enumerate(operand.shape) if keep or i not in gone
    )
    return (TensorType("i64", shape),)


def _sort(call: Call) -> tuple[TensorType, ...]:
    """The type of self, and i64 of the same shape: where in axis dim the elements were.

    Which of equal elements comes first is not said.
    """
    operand = call.operands[0]
    call.axis("dim", operand.rank)
    return (operand, TensorType("i64", operand.shape))


def _topk(call: Call) -> tuple[TensorType, ...]:
    """As sort, with the first k of axis dim, which has at least k: the largest, or the smallest."""
    operand, k = call.operands[0], call.integer("k")
    at = call.axis("dim", operand.rank)
    if not operand.rank or k < 0 or not at_most(Dim.constant(k), operand.shape[at], call.ranges):
        raise TypeRuleError(f"axis {at} of {operand} is not proven to have {k} elements")
    shape = (*operand.shape[:at], Dim.constant(k), *operand.shape[at + 1 :])
    return (TensorType(operand.dtype, shape), TensorType("i64", shape))


_SELF = (Operand("self", NUMBERS),)
_DIM = Parameter("dim", "int")

for _name in ("argmax", "argmin"):
    ORDERING.add(
        Operation(
            _name,
            _SELF,
            (Parameter("dim", "int", optional=True), Parameter("keepdim", "bool")),
            ("out",),
            _argument,
            error="exact",
        )
    )
ORDERING.add(
    Operation(
        "sort",
        _SELF,
        (_DIM, Parameter("descending", "bool")),
        ("values", "indices"),
        _sort,
        error="exact",
    )
)
ORDERING.add(
    Operation(
        "topk",
        _SELF,
        (Parameter("k", "int"), _DIM, Parameter("largest", "bool")),
        ("values", "indices"),
        _topk,
        error="exact",
    )
)
