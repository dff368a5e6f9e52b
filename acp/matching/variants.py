"""Whether a variant is for a use: the constraints on its operands, then its conditions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from acp.matching.answers import Answer, Reason
from acp.matching.conditions import unmet
from acp.matching.uses import ANY

if TYPE_CHECKING:
    from acp.matching.uses import Tensor, Use
    from acp.v1.capability import Operand, OperationVariant

CONTIGUOUS: Final = "contiguous"


def against(variant: OperationVariant, use: Use) -> Iterator[Reason]:
    """Yield all that stands against a variant for a use (spec/acp.md, section 2.6)."""
    limits = variant.operands or {}
    for name, tensor in use.operands:
        limit = limits.get(name) or limits.get("*")
        if limit is not None:
            yield from _outside(limit, tensor, name)
    for name, tensor in use.results:
        if name in limits:
            yield from _outside(limits[name], tensor, name)
    if not use.complete:
        named = {name for name, _ in (*use.operands, *use.results)}
        for name, limit in limits.items():
            if name == "*" and not use.operands:
                yield from _outside(limit, use.default, "every operand")
            elif name != "*" and name not in named:
                yield from _outside(limit, ANY, name)
    for text in variant.where:
        yield from unmet(text, use)


def _outside(limit: Operand, tensor: Tensor, name: str) -> Iterator[Reason]:
    """Yield what a constraint does not accept of a tensor."""
    if limit.dtypes and tensor.dtype not in limit.dtypes:
        yield _reason(name, tensor.dtype, " ".join(limit.dtypes))
    if limit.rank:
        rank = None if tensor.shape is None else len(tensor.shape)
        if rank is None or not limit.rank.min <= rank <= limit.rank.max:
            yield _reason(name, rank, _range(limit.rank.min, limit.rank.max), "rank ")
    if limit.layouts and CONTIGUOUS not in limit.layouts:
        yield _reason(name, CONTIGUOUS, " ".join(limit.layouts))
    if limit.sparsity and tensor.sparsity not in limit.sparsity:
        yield _reason(name, tensor.sparsity, " ".join(limit.sparsity))
    if limit.quant:
        yield _reason(name, "not quantised", " ".join(limit.quant))


def _reason(name: str, found: object, claimed: str, what: str = "") -> Reason:
    if found is None:
        return Reason(Answer.OPEN, "operand", f"{name} must have {what or 'dtype '}{claimed}")
    verb = "has" if what else "is"
    return Reason(Answer.NO, "operand", f"{name} {verb} {what}{found}; claimed: {claimed}")


def _range(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"
