"""Which operations and dtypes a stack runs: the one table behind `supports` and `describe`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from acp.v1.capability import Numerics, Operand, OperationVariant, Range
from acp.v1.capability import Operation as OperationClaim
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import FLOATS, Operation

if TYPE_CHECKING:
    from cep.graph import Node, Region
    from cep.opset.definition import TensorType

_RESULT_CHOSEN: Final = frozenset({"_to_copy", "arange.start_step", "full"})
"""Operations with an attribute that chooses the dtype of the result."""

_SUMS: Final = frozenset(o.name for o in OPERATIONS.values() if o.error in ("sum", "composite"))
"""Operations that add or multiply many, in a dtype that a stack can choose."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The part of CEP-Core that a stack runs exactly as the opset says.

    Attributes:
        dtypes: Dtypes that the stack computes with, unless `narrowed` says otherwise.
        narrowed: Dtypes of single operations, by name without the opset; none where the stack has
            no such operation.
        ranks: The one rank that the operands of an operation may have, by name; all if not there.
        first_result_only: Operations whose other results the stack does not make.
        numbers: The one value that an attribute may have, by the names of operation and attribute;
            None where it may not be given.
    """

    dtypes: frozenset[str]
    narrowed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ranks: Mapping[str, int] = field(default_factory=dict)
    first_result_only: frozenset[str] = frozenset()
    numbers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @classmethod
    def only(cls, dtypes: Iterable[str], operations: Iterable[str]) -> Coverage:
        """Return the coverage of a stack that runs the named operations and no others."""
        names = set(operations)
        others = {o.name: frozenset[str]() for o in OPERATIONS.values() if o.name not in names}
        return cls(frozenset(dtypes), others)

    def allowed(self, operation: Operation) -> frozenset[str]:
        """Return the dtypes that the stack takes and makes in `operation`."""
        return self.dtypes & self.narrowed.get(operation.name, self.dtypes)

    def reasons(self, region: Region) -> Iterator[str]:
        """Yield why the stack cannot run `region`, one sentence for each operation at fault."""
        used = {value for node in region.nodes for value in node.inputs} | set(region.outputs)
        for node in region.nodes:
            operation = OPERATIONS.get(node.target)
            if operation is None:
                yield f"{node.target} is not in the opset"
            elif not (allowed := self.allowed(operation)):
                yield f"{node.target} is not run by this stack"
            elif found := _dtypes(node, region.types) - allowed:
                yield (
                    f"{node.target} at {node.outputs[0]} has {' '.join(sorted(found))}; "
                    f"this stack runs it with {' '.join(sorted(allowed))}"
                )
            elif any(
                region.types[value].rank != self.ranks.get(operation.name, region.types[value].rank)
                for value in node.inputs
            ):
                yield (
                    f"{node.target} at {node.outputs[0]} has an operand of another rank than "
                    f"{self.ranks[operation.name]}, the one that this stack runs"
                )
            elif operation.name in self.first_result_only and used & set(node.outputs[1:]):
                yield f"{node.target} at {node.outputs[0]}: this stack makes its first result only"
            else:
                yield from self._other_numbers(node, operation.name)

    def _other_numbers(self, node: Node, name: str) -> Iterator[str]:
        """Yield which attributes of a node have a value that the stack does not take."""
        for attribute, only in self.numbers.get(name, {}).items():
            given = node.attributes.get(attribute)
            if given != only:
                taken = "no" if only is None else f"only {only} as"
                yield (
                    f"{node.target} at {node.outputs[0]} has {attribute} {given}; this stack takes "
                    f"{taken} {attribute}"
                )

    def claims(self, engine: str) -> tuple[OperationClaim, ...]:
        """Return what a descriptor says of the operations that the stack runs on `engine`."""
        return tuple(
            claim
            for name, operation in sorted(OPERATIONS.items())
            if (claim := self._claim(name, operation, engine)) is not None
        )

    def _claim(self, name: str, operation: Operation, engine: str) -> OperationClaim | None:
        allowed = self.allowed(operation)
        operands = {o.name: sorted(o.dtypes & allowed) for o in operation.operands}
        required = [operands[o.name] for o in operation.operands if not o.optional]
        if not allowed or not all(required):
            return None
        if len({tuple(dtypes) for dtypes in operands.values()}) == 1:
            operands = {"*": next(iter(operands.values()))}
        floats = sorted(allowed & FLOATS & {d for names in operands.values() for d in names})
        variants: list[tuple[dict[str, list[str]], str | None]] = [(operands, None)]
        if name.removeprefix(PREFIX) in _SUMS:
            variants = [
                ({k: [d for d in v if d not in FLOATS or d == f] for k, v in operands.items()}, f)
                for f in floats
            ]
        if operation.name in _RESULT_CHOSEN:
            for accepted, _ in variants:
                accepted["out"] = sorted(allowed)
        only = self.ranks.get(operation.name)
        rank = None if only is None else Range(min=only, max=only)
        return OperationClaim(
            op=name,
            variants=tuple(
                OperationVariant(
                    engine=engine,
                    operands={
                        k: Operand(dtypes=tuple(v), rank=rank) for k, v in accepted.items() if v
                    },
                    numerics=_numerics(acc),
                )
                for accepted, acc in variants
            ),
        )


def _dtypes(node: Node, types: Mapping[str, TensorType]) -> set[str]:
    return {types[value].dtype for value in (*node.inputs, *node.outputs)}


def _numerics(summed: str | None) -> Numerics:
    """Return the numerics of an operation that sums `summed`, or of one that does not sum.

    With a fixed number of threads the stacks split work, never a single sum, in a fixed way. A
    processor sums f16 in f32.
    """
    if summed is None:
        return Numerics(determinism="SAME_UNIT")
    acc = "f64" if summed == "f64" else "f32"
    return Numerics(acc=acc, imprecise_acc=False, reduction_order="FIXED", determinism="SAME_UNIT")
