"""Operations that arrange elements, pick some of them, or make a tensor from nothing."""

from __future__ import annotations

from itertools import pairwise

from cep.expr import ONE, Dim, product
from cep.opset.definition import (
    ANY,
    FLOATS,
    INDICES,
    INTEGER_RANGES,
    INTEGERS,
    Call,
    Family,
    Operand,
    Operation,
    Parameter,
    TensorType,
    TypeRuleError,
    axes,
    axis,
    holds,
)
from cep.opset.pointwise import broadcast
from cep.prove import at_most, same

SHAPING = Family()


def _view(call: Call) -> tuple[TensorType, ...]:
    """The dtype of self; the shape is size, which has as many elements as self."""
    operand, size = call.operands[0], call.dims("size")
    have, want = product(operand.shape), product(size)
    if not (equal := same(have, want, call.ranges)):
        raise TypeRuleError(f"self has {have} elements, size has {want}; {have} = {want} {equal}")
    return (TensorType(operand.dtype, size),)


def _permute(call: Call) -> tuple[TensorType, ...]:
    """Axis i of the result is axis dims[i] of self."""
    operand = call.operands[0]
    order = [axis(d, operand.rank) for d in call.integers("dims")]
    if sorted(order) != list(range(operand.rank)):
        raise TypeRuleError(f"dims {order} is not a permutation of {operand.rank} axes")
    return (TensorType(operand.dtype, tuple(operand.shape[i] for i in order)),)


def _unsqueeze(call: Call) -> tuple[TensorType, ...]:
    """A new axis of size 1 at dim."""
    operand = call.operands[0]
    at = axis(call.integer("dim"), operand.rank + 1)
    return (TensorType(operand.dtype, (*operand.shape[:at], ONE, *operand.shape[at:])),)


def _squeeze(call: Call) -> tuple[TensorType, ...]:
    """Without the axes dim, each of which has size 1."""
    operand = call.operands[0]
    gone = axes(call.integers("dim"), operand.rank)
    for at in gone:
        if not operand.rank or operand.shape[at] != ONE:
            raise TypeRuleError(f"axis {at} of {operand} has another size than 1")
    kept = tuple(d for i, d in enumerate(operand.shape) if i not in gone)
    return (TensorType(operand.dtype, kept),)


def _expand(call: Call) -> tuple[TensorType, ...]:
    """The shape is size; self broadcasts to it."""
    operand, size = call.operands[0], call.dims("size")
    if len(size) < operand.rank:
        raise TypeRuleError(f"size has {len(size)} axes, self has {operand.rank}")
    for have, want in zip(reversed(operand.shape), reversed(size), strict=False):
        if have != ONE and not (equal := same(have, want, call.ranges)):
            raise TypeRuleError(
                f"an axis of size {have} does not expand to {want}; {have} = {want} {equal}"
            )
    return (TensorType(operand.dtype, size),)


def _slice(call: Call) -> tuple[TensorType, ...]:
    """Elements start to end - 1 of axis dim, with 0 <= start <= end <= size and step 1."""
    operand = call.operands[0]
    at = call.axis("dim", operand.rank)
    start, end = call.dim("start"), call.dim("end")
    bounds = (Dim.constant(0), start, end, operand.shape[at])
    for low, high in pairwise(bounds):
        if not (fits := at_most(low, high, call.ranges)):
            raise TypeRuleError(f"for all sizes of the symbols, {low} <= {high} {fits}")
    shape = (*operand.shape[:at], end - start, *operand.shape[at + 1 :])
    return (TensorType(operand.dtype, shape),)


def _select(call: Call) -> tuple[TensorType, ...]:
    """Element index of axis dim; the axis is gone."""
    operand = call.operands[0]
    at, index = call.axis("dim", operand.rank), call.integer("index")
    needed, size = Dim.constant(index + 1 if index >= 0 else -index), operand.shape[at]
    if not (inside := at_most(needed, size, call.ranges)):
        raise TypeRuleError(f"index {index} of an axis of {size}: {needed} <= {size} {inside}")
    return (TensorType(operand.dtype, operand.shape[:at] + operand.shape[at + 1 :]),)


def _cat(call: Call) -> tuple[TensorType, ...]:
    """Sizes of axis dim add up; all other sizes are the same."""
    first = call.operands[0]
    at = call.axis("dim", first.rank)
    total = Dim.constant(0)
    for operand in call.operands:
        if operand.rank != first.rank:
            raise TypeRuleError(f"tensors have ranks {first.rank} and {operand.rank}")
        for i, (have, want) in enumerate(zip(operand.shape, first.shape, strict=True)):
            if i != at and not (equal := same(have, want, call.ranges)):
                raise TypeRuleError(
                    f"axis {i} has sizes {want} and {have}; {want} = {have} {equal}"
                )
        total = total + operand.shape[at]
    return (TensorType(first.dtype, (*first.shape[:at], total, *first.shape[at + 1 :])),)


def _full(call: Call) -> tuple[TensorType, ...]:
    """The dtype and size that are asked for."""
    dtype = call.token("dtype")
    if dtype not in ANY:
        raise TypeRuleError(f"dtype {dtype} is not one that CEP-Core computes with")
    fill = call.attributes["fill_value"]
    if isinstance(fill, int | float) and not holds(dtype, fill):
        raise TypeRuleError(f"fill_value is {fill}, which {dtype} does not hold")
    return (TensorType(dtype, call.dims("size")),)


def _arange(call: Call) -> tuple[TensorType, ...]:
    """The integers start to end - 1; dtype holds them with each term at its least and its most."""
    start, end, dtype = call.dim("start"), call.dim("end"), call.token("dtype")
    if dtype not in INTEGERS:
        raise TypeRuleError(f"dtype {dtype} is not an integer dtype")
    if not (fits := at_most(start, end, call.ranges)):
        raise TypeRuleError(f"for all sizes of the symbols, {start} <= {end} {fits}")
    least, most = start.bounds(call.ranges)[0], end.bounds(call.ranges)[1] - 1
    low, high = INTEGER_RANGES[dtype]
    if least < low or most > high:
        raise TypeRuleError(f"{start} to {end} - 1 may be integers that {dtype} does not hold")
    return (TensorType(dtype, (end - start,)),)


def _embedding(call: Call) -> tuple[TensorType, ...]:
    """The rows of weight that indices name: the shape of indices, then the row."""
    weight, indices = call.operands
    if weight.rank != 2:  # noqa: PLR2004 - a table has two axes
        raise TypeRuleError(f"weight has rank {weight.rank}, not 2")
    return (TensorType(weight.dtype, (*indices.shape, weight.shape[1])),)


def _gather(call: Call) -> tuple[TensorType, ...]:
    """The shape of index; every other axis of index is at most that of self."""
    operand, index = call.operands
    at = call.axis("dim", operand.rank)
    if index.rank != operand.rank:
        raise TypeRuleError(f"index has rank {index.rank}, self has {operand.rank}")
    for i, (have, want) in enumerate(zip(index.shape, operand.shape, strict=True)):
        if i != at and not (fits := at_most(have, want, call.ranges)):
            raise TypeRuleError(f"axis {i} of index is within self's: {have} <= {want} {fits}")
    return (TensorType(operand.dtype, index.shape),)


def _index(call: Call) -> tuple[TensorType, ...]:
    """The leading axes of self are replaced by the broadcast shape of the indices."""
    operand, *indices = call.operands
    if len(indices) > operand.rank:
        raise TypeRuleError(f"{len(indices)} indices for a tensor of rank {operand.rank}")
    front = broadcast([i.shape for i in indices], call.ranges)
    return (TensorType(operand.dtype, front + operand.shape[len(indices) :]),)


def _flip(call: Call) -> tuple[TensorType, ...]:
    """The type of self; the axes dims run backwards."""
    operand = call.operands[0]
    axes(call.integers("dims"), operand.rank)
    return (operand,)


def _pad(call: Call) -> tuple[TensorType, ...]:
    """As self, with pad[0] elements before and pad[1] after the last axis, and so on backwards.

    A negative number takes elements away; no size is negative. The dtype of self holds value.
    """
    operand, pad = call.operands[0], call.integers("pad")
    if len(pad) % 2 or len(pad) > 2 * operand.rank:
        raise TypeRuleError(f"pad has {len(pad)} numbers for {operand.rank} axes: two an axis")
    fill = call.attributes["value"]
    if isinstance(fill, int | float) and not holds(operand.dtype, fill):
        raise TypeRuleError(f"value is {fill}, which {operand.dtype} does not hold")
    shape = list(operand.shape)
    for i, (before, after) in enumerate(zip(pad[::2], pad[1::2], strict=True), 1):
        taken = Dim.constant(-min(before, 0) - min(after, 0))
        if not at_most(taken, shape[-i], call.ranges):
            raise TypeRuleError(f"{taken} elements are taken of an axis of {shape[-i]}")
        shape[-i] = shape[-i] + Dim.constant(before + after)
    return (TensorType(operand.dtype, tuple(shape)),)


_SELF = (Operand("self"),)
_DIM = (Parameter("dim", "int"),)
_SIZE = (Parameter("size", "dims"),)

SHAPING.add(Operation("view", _SELF, _SIZE, ("out",), _view, error="exact"))
SHAPING.add(
    Operation("permute", _SELF, (Parameter("dims", "ints"),), ("out",), _permute, error="exact")
)
SHAPING.add(Operation("unsqueeze", _SELF, _DIM, ("out",), _unsqueeze, error="exact"))
SHAPING.add(
    Operation("squeeze.dims", _SELF, (Parameter("dim", "ints"),), ("out",), _squeeze, error="exact")
)
SHAPING.add(Operation("expand", _SELF, _SIZE, ("out",), _expand, error="exact"))
SHAPING.add(
    Operation(
        "slice.Tensor",
        _SELF,
        (*_DIM, Parameter("start", "dim"), Parameter("end", "dim")),
        ("out",),
        _slice,
        error="exact",
    )
)
SHAPING.add(
    Operation(
        "select.int", _SELF, (*_DIM, Parameter("index", "int")), ("out",), _select, error="exact"
    )
)
SHAPING.add(
    Operation(
        "cat", (Operand("tensors", ANY, "T", variadic=True),), _DIM, ("out",), _cat, error="exact"
    )
)
SHAPING.add(
    Operation(
        "full",
        (),
        (*_SIZE, Parameter("fill_value", "number"), Parameter("dtype", "dtype")),
        ("out",),
        _full,
        error="exact",
    )
)
SHAPING.add(
    Operation(
        "arange.start_step",
        (),
        (Parameter("start", "dim"), Parameter("end", "dim"), Parameter("dtype", "dtype")),
        ("out",),
        _arange,
        error="exact",
    )
)
SHAPING.add(
    Operation(
        "embedding",
        (Operand("weight", FLOATS), Operand("indices", INDICES)),
        (),
        ("out",),
        _embedding,
        error="exact",
    )
)
SHAPING.add(
    Operation(
        "gather",
        (Operand("self"), Operand("index", frozenset({"i64"}))),
        _DIM,
        ("out",),
        _gather,
        error="exact",
    )
)
SHAPING.add(
    Operation(
        "index.Tensor",
        (Operand("self"), Operand("indices", INDICES, variadic=True)),
        (),
        ("out",),
        _index,
        error="exact",
    )
)
SHAPING.add(Operation("flip", _SELF, (Parameter("dims", "ints"),), ("out",), _flip, error="exact"))
SHAPING.add(
    Operation(
        "constant_pad_nd",
        _SELF,
        (Parameter("pad", "ints"), Parameter("value", "number")),
        ("out",),
        _pad,
        error="exact",
    )
)
