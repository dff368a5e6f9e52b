"""Normalisation: over the last axes, over groups of channels, and by stored moments."""

from __future__ import annotations

from cep.expr import ONE, Dim, product
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
from cep.prove import same

NORMALIZATION = Family()


def _equal(left: Dim, right: Dim, what: str, call: Call) -> None:
    if not same(left, right, call.ranges):
        raise TypeRuleError(f"{what} are {left} and {right}: not proven equal")


def _channels(call: Call) -> Dim:
    """Return the number of channels, axis 1 of input; all other operands are vectors of it."""
    operand, *vectors = call.operands
    if operand.rank < 2:  # noqa: PLR2004 - batch and channels
        raise TypeRuleError(f"input is {operand}; it needs a batch and channels")
    for vector in vectors:
        if vector.rank != 1:
            raise TypeRuleError(f"{vector} has another rank than 1")
        _equal(vector.shape[0], operand.shape[1], "the sizes of a vector and the channels", call)
    return operand.shape[1]


def _layer_norm(call: Call) -> tuple[TensorType, ...]:
    """The type of input, then mean and rstd with size 1 in the normalised axes."""
    operand, *affine = call.operands
    inner = call.dims("normalized_shape")
    if not 1 <= len(inner) <= operand.rank:
        raise TypeRuleError(f"normalized_shape has {len(inner)} axes, input has {operand.rank}")
    outer = operand.shape[: operand.rank - len(inner)]
    for have, want in zip(operand.shape[len(outer) :], inner, strict=True):
        _equal(have, want, "the sizes of input and normalized_shape", call)
    for tensor in affine:
        if tensor.rank != len(inner):
            raise TypeRuleError(f"weight and bias has rank {tensor.rank}, not {len(inner)}")
        for have, want in zip(tensor.shape, inner, strict=True):
            _equal(have, want, "the sizes of weight or bias and normalized_shape", call)
    moments = TensorType(operand.dtype, outer + (ONE,) * len(inner))
    return (operand, moments, moments)


def _group_norm(call: Call) -> tuple[TensorType, ...]:
    """The type of input, then mean and rstd, [N, group] each.

    N, C and HxW are the sizes of input: of axis 0, of axis 1, and of all others multiplied. The
    channels come in equal groups; weight and bias are [C].
    """
    operand, channels, groups = call.operands[0], _channels(call), call.integer("group")
    sizes = {"N": operand.shape[0], "C": channels, "HxW": product(operand.shape[2:])}
    for name, size in sizes.items():
        _equal(call.dim(name), size, f"{name} and what input has", call)
    if groups < 1 or channels.divided_by(groups) is None:
        raise TypeRuleError(f"{channels} channels do not come in {groups} equal groups")
    moments = TensorType(operand.dtype, (operand.shape[0], Dim.constant(groups)))
    return (operand, moments, moments)


def _batch_norm(call: Call) -> tuple[TensorType, ...]:
    """The type of input; weight, bias, running_mean and running_var are vectors of its axis 1.

    That is ATen's first result; the others are for training.
    """
    _channels(call)
    return (call.operands[0],)


_INPUT = Operand("input", FLOATS, "T")
_AFFINE = (
    Operand("weight", FLOATS, "T", optional=True),
    Operand("bias", FLOATS, "T", optional=True),
)
_EPS = Parameter("eps", "float")

NORMALIZATION.add(
    Operation(
        "native_layer_norm",
        (_INPUT, *_AFFINE),
        (Parameter("normalized_shape", "dims"), _EPS),
        ("out", "mean", "rstd"),
        _layer_norm,
        error="composite",
    )
)
NORMALIZATION.add(
    Operation(
        "native_group_norm",
        (_INPUT, *_AFFINE),
        (*(Parameter(name, "dim") for name in ("N", "C", "HxW")), Parameter("group", "int"), _EPS),
        ("out", "mean", "rstd"),
        _group_norm,
        error="composite",
    )
)
NORMALIZATION.add(
    Operation(
        "_native_batch_norm_legit_no_training",
        (
            _INPUT,
            *(Operand(n, FLOATS, "T") for n in ("weight", "bias", "running_mean", "running_var")),
        ),
        (_EPS,),
        ("out",),
        _batch_norm,
        error="composite",
    )
)
