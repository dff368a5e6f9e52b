"""Operations along axes: sums, products, extremes, norms, and what softmax makes of them."""

from __future__ import annotations

from math import inf

from cep.expr import ONE
from cep.opset.definition import (
    ANY,
    FLOATS,
    NUMBERS,
    Call,
    Family,
    Operand,
    Operation,
    Parameter,
    TensorType,
    TypeRuleError,
    axes,
)
from cep.prove import at_most

REDUCTIONS = Family()


def _summed(dtype: str) -> str:
    """Return the dtype that elements are added up or multiplied in: integers and i1 in i64."""
    return dtype if dtype in FLOATS else "i64"


def _reduce(call: Call) -> tuple[TensorType, ...]:
    """Without the axes dim, or with size 1 there if keepdim; all axes if dim is empty."""
    operand = call.operands[0]
    gone = axes(call.integers("dim"), operand.rank) or set(range(operand.rank))
    keep = call.flag("keepdim")
    shape = tuple(
        ONE if i in gone else d for i, d in enumerate(operand.shape) if keep or i not in gone
    )
    return (TensorType(operand.dtype, shape),)


def _sum(call: Call) -> tuple[TensorType, ...]:
    """As mean.dim, in the dtype of self if that is a float, else in i64."""
    (made,) = _reduce(call)
    return (TensorType(_summed(made.dtype), made.shape),)


def _extreme(call: Call) -> tuple[TensorType, ...]:
    """As mean.dim; no axis that goes may have size 0."""
    operand = call.operands[0]
    gone = axes(call.integers("dim"), operand.rank) or set(range(operand.rank))
    for at in sorted(gone & set(range(operand.rank))):
        size = operand.shape[at]
        if not (some := at_most(ONE, size, call.ranges)):
            raise TypeRuleError(f"axis {at} may have no elements: {ONE} <= {size} {some}")
    return _reduce(call)


def _norm(call: Call) -> tuple[TensorType, ...]:
    """As mean.dim; where ord is infinite, no axis that goes may have size 0."""
    order = call.attributes["ord"]
    infinite = isinstance(order, float) and abs(order) == inf
    return _extreme(call) if infinite else _reduce(call)


def _softmax(call: Call) -> tuple[TensorType, ...]:
    """The type of self."""
    call.axis("dim", call.operands[0].rank)
    return (call.operands[0],)


def _running(call: Call) -> tuple[TensorType, ...]:
    """The shape of self, in its dtype if that is a float, else in i64."""
    operand = call.operands[0]
    call.axis("dim", operand.rank)
    return (TensorType(_summed(operand.dtype), operand.shape),)


def _product(call: Call) -> tuple[TensorType, ...]:
    """Without axis dim, or with size 1 there if keepdim; dtype as of cumsum."""
    operand, keep = call.operands[0], call.flag("keepdim")
    at = call.axis("dim", operand.rank)
    shape = tuple(ONE if i == at else d for i, d in enumerate(operand.shape) if keep or i != at)
    return (TensorType(_summed(operand.dtype), shape),)


def _variance(call: Call) -> tuple[TensorType, ...]:
    """As mean.dim: squares of what is left without the mean, over their number less correction."""
    return _reduce(call)


_DIM = Parameter("dim", "int")
_KEEP = Parameter("keepdim", "bool")
_DIMS = (Parameter("dim", "ints"), _KEEP)
_FLOAT = Operand("self", FLOATS)

REDUCTIONS.add(
    Operation("sum.dim_IntList", (Operand("self", ANY),), _DIMS, ("out",), _sum, error="sum")
)
REDUCTIONS.add(Operation("mean.dim", (_FLOAT,), _DIMS, ("out",), _reduce, error="sum"))
for _name in ("amax", "amin"):
    REDUCTIONS.add(
        Operation(_name, (Operand("self", NUMBERS),), _DIMS, ("out",), _extreme, error="exact")
    )
REDUCTIONS.add(
    Operation(
        "linalg_vector_norm",
        (_FLOAT,),
        (Parameter("ord", "number"), *_DIMS),
        ("out",),
        _norm,
        error="composite",
    )
)
for _name in ("_softmax", "_log_softmax"):
    REDUCTIONS.add(Operation(_name, (_FLOAT,), (_DIM,), ("out",), _softmax, error="composite"))

for _name in ("cumsum", "cumprod"):
    REDUCTIONS.add(
        Operation(_name, (Operand("self", ANY),), (_DIM,), ("out",), _running, error="sum")
    )
REDUCTIONS.add(
    Operation(
        "prod.dim_int", (Operand("self", ANY),), (_DIM, _KEEP), ("out",), _product, error="sum"
    )
)
REDUCTIONS.add(
    Operation(
        "var.correction",
        (_FLOAT,),
        (Parameter("dim", "ints"), Parameter("correction", "number"), _KEEP),
        ("out",),
        _variance,
        error="composite",
    )
)
