"""Operations that devices run, as claims: all of CEP-Core through a stack, or some by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from acp.v1.capability import Numerics, Operand, Operation, OperationVariant, Range
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import FLOATS
from cep.opset.definition import Operation as Signature

CONTRACTIONS: Final = (
    "addmm",
    "bmm",
    "convolution",
    "linear",
    "mm",
    "scaled_dot_product_attention",
)
"""What matrix engines are for."""

_RANKS: Final[Mapping[str, Mapping[str, tuple[int, int]]]] = {
    "mm": {"self": (2, 2), "mat2": (2, 2)},
    "bmm": {"self": (3, 3), "mat2": (3, 3)},
    "addmm": {"self": (0, 2), "mat1": (2, 2), "mat2": (2, 2)},
    "convolution": {"input": (3, 5), "weight": (3, 5), "bias": (1, 1)},
}
_RESULT_CHOSEN: Final = frozenset({"_to_copy", "arange.start_step", "full"})
"""Operations with an attribute that chooses the dtype of the result."""


@dataclass(frozen=True, slots=True)
class Stack:
    """How a software stack runs CEP-Core on a device.

    Attributes:
        engine: Engine of everything but products of matrices.
        dtypes: Dtypes that it takes and makes.
        products: For each dtype of products of matrices, engine and accumulator; the first of
            several is what the stack does unless it is asked for another.
        sums: For each dtype, the accumulator of other sums.
        only: Operations that it has; all of CEP-Core if empty.
    """

    engine: str
    dtypes: frozenset[str]
    products: Mapping[str, tuple[tuple[str, str], ...]]
    sums: Mapping[str, str]
    only: frozenset[str] = frozenset()

    def claims(self) -> tuple[Operation, ...]:
        """Return the claims, by name of the operation."""
        return tuple(
            Operation(op=f"{PREFIX}{signature.name}", variants=tuple(variants))
            for signature in sorted(OPERATIONS.values(), key=lambda one: one.name)
            if (not self.only or signature.name in self.only)
            and (variants := list(self._variants(signature)))
        )

    def _variants(self, signature: Signature) -> Iterable[OperationVariant]:
        if signature.name in CONTRACTIONS:
            for dtype, ways in self.products.items():
                for engine, acc in ways:
                    yield _variant(signature, engine, frozenset({dtype}), acc)
            return
        if signature.error not in ("sum", "composite"):
            yield _variant(signature, self.engine, self.dtypes, None)
            return
        taken = frozenset.union(*(o.dtypes for o in signature.operands)) & self.dtypes
        for acc in dict.fromkeys(self.sums.values()):
            floats = frozenset(dtype for dtype, kept in self.sums.items() if kept == acc)
            yield _variant(signature, self.engine, floats, acc)
        if taken - FLOATS:
            yield _variant(signature, self.engine, taken - FLOATS, None)


def _variant(
    signature: Signature, engine: str, dtypes: frozenset[str], acc: str | None
) -> OperationVariant:
    ranks = _RANKS.get(signature.name, {})
    operands = {
        one.name: Operand(
            dtypes=tuple(
                sorted(one.dtypes & (dtypes | ({"i1"} if one.name == "attn_mask" else set())))
            ),
            rank=Range(min=ranks[one.name][0], max=ranks[one.name][1])
            if one.name in ranks
            else None,
        )
        for one in signature.operands
        if one.dtypes & dtypes or not one.optional
    }
    if len(set(operands.values())) == 1:
        operands = {"*": next(iter(operands.values()))}
    if signature.name in _RESULT_CHOSEN:
        operands["out"] = Operand(dtypes=tuple(sorted(dtypes)))
    numerics = None
    if acc is not None:
        numerics = Numerics(acc=acc, reduction_order="ANY", determinism="NONE")
    return OperationVariant(engine=engine, operands=operands, numerics=numerics)


@dataclass(frozen=True, slots=True)
class Product:
    """A product of matrices, in an opset of somebody else.

    Attributes:
        op: Name with its opset.
        engine: Engine that runs it.
        dtypes: Dtypes of both operands.
        acc: Accumulator.
        a: The opset's name of the first operand.
        b: The opset's name of the second operand.
        where: Conditions.
        sparsity: Sparsity of the first operand, where it must be sparse.
        imprecise: The accumulator is known to keep fewer bits than `acc` has.
        order: Whether sums are taken in a fixed order.
    """

    op: str
    engine: str
    dtypes: tuple[str, ...]
    acc: str
    a: str = "self"
    b: str = "mat2"
    where: tuple[str, ...] = ()
    sparsity: str = ""
    imprecise: bool | None = None
    fixed: bool = False
    ranks: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def variant(self) -> OperationVariant:
        """Return the claim."""
        return OperationVariant(
            engine=self.engine,
            operands={
                name: Operand(
                    dtypes=self.dtypes,
                    rank=Range(min=self.ranks[name][0], max=self.ranks[name][1])
                    if name in self.ranks
                    else None,
                    sparsity=(self.sparsity,) if self.sparsity and name == self.a else (),
                )
                for name in (self.a, self.b)
            },
            where=self.where,
            numerics=Numerics(
                acc=self.acc,
                imprecise_acc=self.imprecise,
                reduction_order="FIXED" if self.fixed else "ANY",
                determinism="SAME_UNIT" if self.fixed else "NONE",
            ),
        )


def products(*claims: Product) -> tuple[Operation, ...]:
    """Return claims of products, those of one operation together."""
    names = dict.fromkeys(claim.op for claim in claims)
    return tuple(
        Operation(op=name, variants=tuple(one.variant() for one in claims if one.op == name))
        for name in names
    )
