"""CEP-Core for `acp match`: names, order and types of what a use of an operation leaves out."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from acp.matching.opsets import UseError
from acp.matching.uses import ANY, Tensor
from cep.expr import Dim, ExprError
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import DTYPE_BYTES, Call, TensorType, TypeRuleError

if TYPE_CHECKING:
    from acp.matching.uses import AttributeValue as Given
    from acp.matching.uses import Use
    from cep.opset.definition import AttributeKind, AttributeValue, Operand, Operation


class CepCore:
    """What CEP-Core 1 knows of uses of its operations: an `acp.matching.opsets.Opset`."""

    @staticmethod
    def complete(use: Use) -> Use:
        """Return a use with its operands named and in order, and with its results.

        A dtype that CEP-Core has no type rules for leaves the results open.

        Raises:
            UseError: It is no use of the operation.
        """
        operation = OPERATIONS.get(use.op)
        if operation is None:
            near = difflib.get_close_matches(use.op, OPERATIONS, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UseError(f"CEP-Core 1 has no operation {use.op.removeprefix(PREFIX)!r}{hint}")
        named = replace(use, operands=tuple(_operands(operation, use)), listed=True)
        attributes = _attributes(operation, use.attributes)
        untyped = any(tensor.dtype not in DTYPE_BYTES for _, tensor in named.operands)
        if not named.complete or untyped:
            return replace(named, results=tuple((name, ANY) for name in operation.results))
        types = tuple(_type(tensor) for _, tensor in named.operands)
        try:
            made = operation.types(Call(types, attributes, {}))
        except (TypeRuleError, ExprError) as error:
            raise UseError(f"this is no use of {use.op}: {error}") from error
        results = tuple(map(_tensor, made))
        return replace(named, results=tuple(zip(operation.results, results, strict=True)))


CEP_CORE: Final = CepCore()


def _operands(operation: Operation, use: Use) -> Iterator[tuple[str, Tensor]]:
    """Yield the operands in the order of the signature.

    Raises:
        UseError: One has another name, or there are too many.
    """
    declared = operation.operands
    given: dict[str, list[Tensor]] = {operand.name: [] for operand in declared}
    for place, (name, tensor) in enumerate(use.operands):
        known = name or declared[min(place, len(declared) - 1)].name if declared else name
        if known not in given:
            takes = ", ".join(given) or "none"
            raise UseError(f"{operation.name} has no operand {known!r}; it takes {takes}")
        given[known].append(tensor)
    for operand in declared:
        tensors = given[operand.name]
        if len(tensors) > 1 and not operand.variadic:
            raise UseError(f"{operand.name} of {operation.name} is one tensor, not {len(tensors)}")
        if not tensors and not operand.optional:
            tensors = [ANY]
        for tensor in tensors:
            yield operand.name, _with_dtype(operand, tensor, use.default.dtype)


def _with_dtype(operand: Operand, tensor: Tensor, dtype: str | None) -> Tensor:
    """Return an operand with the dtype that all have, where it has none of its own and may."""
    if tensor.dtype is not None or dtype is None:
        return tensor
    fits = dtype in operand.dtypes or dtype not in DTYPE_BYTES
    return tensor._replace(dtype=dtype) if fits else tensor


def _attributes(operation: Operation, given: Mapping[str, Given]) -> Mapping[str, AttributeValue]:
    kinds = {parameter.name: parameter.kind for parameter in operation.parameters}
    for name in given:
        if name not in kinds:
            known = ", ".join(kinds) or "none"
            raise UseError(f"{operation.name} has no attribute {name!r}; it has {known}")
    return {name: _attribute(kinds[name], value) for name, value in given.items()}


def _attribute(kind: AttributeKind, value: Given) -> AttributeValue:
    """Return an attribute as type rules take it: sizes are dims, and reals floats."""
    if isinstance(value, bool):
        return value
    if kind == "dim" and isinstance(value, int):
        return Dim.constant(value)
    if kind == "dims" and isinstance(value, tuple):
        return tuple(map(Dim.constant, value))
    return float(value) if kind == "float" and isinstance(value, int) else value


def _type(tensor: Tensor) -> TensorType:
    return TensorType(tensor.dtype or "", tuple(map(Dim.constant, tensor.shape or ())))


def _tensor(found: TensorType) -> Tensor:
    return Tensor(found.dtype, tuple(dim.value or 0 for dim in found.shape))
