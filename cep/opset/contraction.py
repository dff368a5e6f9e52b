"""Matrix products, and attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cep.opset.definition import (
    ANY,
    BOOLEAN,
    FLOATS,
    Call,
    Family,
    Operand,
    Operation,
    Parameter,
    TensorType,
    TypeRuleError,
)
from cep.opset.pointwise import broadcast
from cep.prove import same

if TYPE_CHECKING:
    from cep.expr import Dim

CONTRACTION = Family()


def _equal(left: Dim, right: Dim, what: str, call: Call) -> None:
    if not (equal := same(left, right, call.ranges)):
        raise TypeRuleError(f"{what} are {left} and {right}; {left} = {right} {equal}")


def _rank(operand: TensorType, name: str, rank: int) -> None:
    if operand.rank != rank:
        raise TypeRuleError(f"{name} has rank {operand.rank}, not {rank}")


def _mm(call: Call) -> tuple[TensorType, ...]:
    """[n, k] times [k, m] is [n, m]."""
    left, right = call.operands
    _rank(left, "self", 2)
    _rank(right, "mat2", 2)
    _equal(left.shape[1], right.shape[0], "the inner sizes", call)
    return (TensorType(left.dtype, (left.shape[0], right.shape[1])),)


def _bmm(call: Call) -> tuple[TensorType, ...]:
    """[b, n, k] times [b, k, m] is [b, n, m]."""
    left, right = call.operands
    _rank(left, "self", 3)
    _rank(right, "mat2", 3)
    _equal(left.shape[0], right.shape[0], "the batch sizes", call)
    _equal(left.shape[2], right.shape[1], "the inner sizes", call)
    return (TensorType(left.dtype, (left.shape[0], left.shape[1], right.shape[2])),)


def _addmm(call: Call) -> tuple[TensorType, ...]:
    """The sum beta * self + alpha * mat1 @ mat2; self broadcasts to the product."""
    bias, left, right = call.operands
    _rank(left, "mat1", 2)
    _rank(right, "mat2", 2)
    _equal(left.shape[1], right.shape[0], "the inner sizes", call)
    shape = (left.shape[0], right.shape[1])
    if broadcast([bias.shape, shape], call.ranges) != shape:
        raise TypeRuleError(f"self, {bias}, does not broadcast to the product")
    return (TensorType(left.dtype, shape),)


def _linear(call: Call) -> tuple[TensorType, ...]:
    """[..., k] times the transpose of weight [m, k], plus bias [m], is [..., m]."""
    operand, weight, *bias = call.operands
    _rank(weight, "weight", 2)
    if operand.rank < 1:
        raise TypeRuleError("input is a scalar")
    _equal(operand.shape[-1], weight.shape[1], "the inner sizes", call)
    if bias:
        _rank(bias[0], "bias", 1)
        _equal(bias[0].shape[0], weight.shape[0], "the sizes of bias and weight", call)
    return (TensorType(operand.dtype, (*operand.shape[:-1], weight.shape[0])),)


def _attention(call: Call) -> tuple[TensorType, ...]:
    """Attention over the last two axes: softmax(query @ key^T * scale + mask) @ value."""
    query, key, value, *mask = call.operands
    if query.rank < 3 or not query.rank == key.rank == value.rank:  # noqa: PLR2004
        raise TypeRuleError("query, key and value need the same rank, at least 3")
    for i in range(query.rank - 2):
        _equal(query.shape[i], key.shape[i], f"axes {i} of query and key", call)
        _equal(query.shape[i], value.shape[i], f"axes {i} of query and value", call)
    _equal(query.shape[-1], key.shape[-1], "the sizes of query and key heads", call)
    _equal(key.shape[-2], value.shape[-2], "the lengths of key and value", call)
    if mask:
        if call.flag("is_causal"):
            raise TypeRuleError("is_causal and attn_mask exclude each other")
        if mask[0].dtype not in BOOLEAN | {query.dtype}:
            raise TypeRuleError(f"attn_mask is {mask[0].dtype}; allowed are i1 and {query.dtype}")
        scores = (*query.shape[:-1], key.shape[-2])
        if broadcast([mask[0].shape, scores], call.ranges) != scores:
            raise TypeRuleError(f"attn_mask, {mask[0]}, does not broadcast to the scores")
    return (TensorType(query.dtype, (*query.shape[:-1], value.shape[-1])),)


CONTRACTION.add(
    Operation(
        "mm",
        (Operand("self", FLOATS, "T"), Operand("mat2", FLOATS, "T")),
        (),
        ("out",),
        _mm,
        error="sum",
    )
)
CONTRACTION.add(
    Operation(
        "bmm",
        (Operand("self", FLOATS, "T"), Operand("mat2", FLOATS, "T")),
        (),
        ("out",),
        _bmm,
        error="sum",
    )
)
CONTRACTION.add(
    Operation(
        "addmm",
        (
            Operand("self", FLOATS, "T"),
            Operand("mat1", FLOATS, "T"),
            Operand("mat2", FLOATS, "T"),
        ),
        (Parameter("beta", "number"), Parameter("alpha", "number")),
        ("out",),
        _addmm,
        error="sum",
    )
)
CONTRACTION.add(
    Operation(
        "linear",
        (
            Operand("input", FLOATS, "T"),
            Operand("weight", FLOATS, "T"),
            Operand("bias", FLOATS, "T", optional=True),
        ),
        (),
        ("out",),
        _linear,
        error="sum",
    )
)
CONTRACTION.add(
    Operation(
        "scaled_dot_product_attention",
        (
            Operand("query", FLOATS, "T"),
            Operand("key", FLOATS, "T"),
            Operand("value", FLOATS, "T"),
            Operand("attn_mask", ANY, optional=True),
        ),
        (Parameter("is_causal", "bool"), Parameter("scale", "float", optional=True)),
        ("out",),
        _attention,
        error="composite",
    )
)
