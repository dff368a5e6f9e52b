"""Evaluate operations and graphs by their reference semantics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from cep.expr import Dim, ExprError
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import AttributeValue, Call, Operation, TensorType
from cep.reference.contraction import CONTRACTION
from cep.reference.convolution import CONVOLUTION
from cep.reference.namespace import NamespaceError, narrowed, token_of
from cep.reference.normalization import NORMALIZATION
from cep.reference.ordering import ORDERING
from cep.reference.pointwise import POINTWISE
from cep.reference.pooling import POOLING
from cep.reference.reductions import REDUCTIONS
from cep.reference.shaping import SHAPING

if TYPE_CHECKING:
    from cep.graph import GraphView
    from cep.reference.table import Function

FUNCTIONS: Final[Mapping[str, Function]] = {
    **POINTWISE, **SHAPING, **REDUCTIONS, **ORDERING, **CONTRACTION, **CONVOLUTION, **POOLING,
    **NORMALIZATION,
}  # fmt: skip
"""The reference of each operation, by its name without the opset."""


class EvaluationError(ValueError):
    """A graph cannot be evaluated on what it was given."""


def type_of(array: Any) -> TensorType:
    """Return the type of an array.

    Raises:
        NamespaceError: CEP-Core has no such dtype.
    """
    return TensorType(token_of(array), tuple(Dim.constant(int(size)) for size in array.shape))


def apply(
    name: str, arrays: Sequence[Any], attributes: Mapping[str, AttributeValue], xp: Any
) -> tuple[Any, ...]:
    """Return the results of one operation.

    Args:
        name: Operation, without its opset: ``add.Tensor``.
        arrays: Operands.
        attributes: As in a graph; every size is a constant.
        xp: Array namespace that made the operands: NumPy 2 or ``jax.numpy``.

    Raises:
        EvaluationError: There is no such operation.
        TypeRuleError: Operands or attributes do not fit the operation's type rule.
        NamespaceError: The namespace lacks a dtype.
    """
    operation = OPERATIONS.get(PREFIX + name)
    if operation is None:
        raise EvaluationError(f"CEP-Core has no operation {name!r}")
    types = operation.types(Call(tuple(map(type_of, arrays)), attributes, {}))
    # Infinities and NaN are results here, not mistakes.
    with _quiet(xp):
        made = FUNCTIONS[name](xp, arrays, _given(operation, attributes, {}))
        several = made if isinstance(made, tuple) else (made,)
        return tuple(narrowed(xp, a, t) for a, t in zip(several, types, strict=True))


def evaluate(
    view: GraphView, inputs: Mapping[str, Any], constants: Mapping[str, Any], xp: Any
) -> dict[str, Any]:
    """Return what a graph computes, by the names that its caller uses.

    Symbols get the sizes of the inputs' axes, so each must be the size of an axis somewhere.

    Args:
        view: The graph.
        inputs: Arrays of the caller, by the names of the graph's inputs.
        constants: Arrays of the constants, by value id.
        xp: Array namespace that made the arrays: NumPy 2 or ``jax.numpy``.

    Raises:
        EvaluationError: An input or constant is missing or has another type, a symbol has no or an
            inadmissible size, or an operation is unknown.
        TypeRuleError: An operation does not fit its type rule (CEP-T3).
        NamespaceError: The namespace lacks a dtype.
    """
    known: dict[str, Any] = {}
    for binding in view.inputs:
        if binding.name not in inputs:
            raise EvaluationError(f"input {binding.name!r} is not given")
        known[binding.value] = inputs[binding.name]
    for value in view.constants:
        if value not in constants:
            raise EvaluationError(f"constant {value!r} is not given")
        known[value] = constants[value]
    sizes = _sizes(view, known)
    for value, array in known.items():
        _check(value, array, view.types[value], sizes)
    for node in view.nodes:
        name = node.target.removeprefix(PREFIX)
        operands = [known[value] for value in node.inputs]
        made = apply(name, operands, at_sizes(node.attributes, sizes), xp)
        for value, array in zip(node.outputs, made, strict=True):
            _check(value, array, view.types[value], sizes)
            known[value] = array
    return {binding.name: known[binding.value] for binding in view.outputs}


def _quiet(xp: Any) -> AbstractContextManager[Any]:
    """Return a context in which the namespace does not warn of overflow; JAX never does."""
    quiet: AbstractContextManager[Any] = (
        xp.errstate(all="ignore") if hasattr(xp, "errstate") else nullcontext()
    )
    return quiet


def _given(
    operation: Operation, attributes: Mapping[str, AttributeValue], sizes: Mapping[str, int]
) -> dict[str, Any]:
    """Return the attributes with integers for sizes; a list that was left out is empty."""
    lists = {p.name: () for p in operation.parameters if p.kind in ("ints", "dims")}
    return lists | {name: _number(value, sizes) for name, value in attributes.items()}


def _number(value: Any, sizes: Mapping[str, int]) -> Any:
    if isinstance(value, tuple):
        return tuple(_number(item, sizes) for item in value)
    return value.evaluate(sizes) if isinstance(value, Dim) else value


def at_sizes(
    attributes: Mapping[str, AttributeValue], sizes: Mapping[str, int]
) -> dict[str, AttributeValue]:
    """Return the attributes with a constant for each size."""
    found: dict[str, AttributeValue] = {}
    for name, value in attributes.items():
        if isinstance(value, Dim):
            found[name] = Dim.constant(value.evaluate(sizes))
        elif isinstance(value, tuple) and any(isinstance(v, Dim) for v in value):
            found[name] = tuple(
                Dim.constant(v.evaluate(sizes)) for v in value if isinstance(v, Dim)
            )
        else:
            found[name] = value
    return found


def _sizes(view: GraphView, known: Mapping[str, Any]) -> dict[str, int]:
    """Return the size of each symbol, read off the axes that are one symbol."""
    sizes: dict[str, int] = {}
    for value, array in known.items():
        for dim, size in zip(view.types[value].shape, array.shape, strict=False):
            if str(dim) in view.ranges:
                sizes.setdefault(str(dim), int(size))
    for name, allowed in view.ranges.items():
        if name not in sizes:
            raise EvaluationError(f"no axis of an input has the size {name}")
        size = sizes[name]
        if not allowed.min <= size <= allowed.max or size % allowed.divisor:
            raise EvaluationError(
                f"{name} is {size}; allowed are the multiples of {allowed.divisor} from "
                f"{allowed.min} to {allowed.max}"
            )
    return sizes


def _check(value: str, array: Any, declared: TensorType, sizes: Mapping[str, int]) -> None:
    """Refuse an array of another type than its value is declared with."""
    try:
        shape = tuple(d.evaluate(sizes) for d in declared.shape)
    except ExprError as error:
        raise EvaluationError(f"the type of {value!r}: {error}") from None
    if (token_of(array), tuple(array.shape)) != (declared.dtype, shape):
        raise EvaluationError(
            f"{value!r} is {type_of(array)}; the graph declares {declared}, here {list(shape)}"
        )


__all__ = [
    "FUNCTIONS",
    "EvaluationError",
    "NamespaceError",
    "apply",
    "at_sizes",
    "evaluate",
    "type_of",
]
