"""Operations and what they are claimed for: ACP-O01 (rates are reachable), O02 and O03 (names)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import gcd
from typing import TYPE_CHECKING, Final, TypeAlias

from acp.conditions import ConditionError, Name, Property, Term, parse_where, property_of
from acp.conditions.operations import ATTRIBUTES
from acp.diagnostics import Severity
from acp.operations import OPS, OPSETS, Names
from acp.rules.registry import Breach, Context, listed, rule
from acp.tokens import DTYPES
from acp.v1.capability import CapabilityDescriptor, Engine, OperationVariant

if TYPE_CHECKING:
    from acp.conditions import Comparison

_Steps: TypeAlias = dict[str, dict[str, int]]

_ANY: Final = "*"
"""Stands in `operands` for all operands that are not named."""

_COMPUTED_FROM: Final[dict[str, frozenset[str]]] = {
    one.stored_as: frozenset({name, one.stored_as})
    for name, one in DTYPES.items()
    if one.stored_as != name
}
"""What an engine may compute with, where another dtype than that is in memory."""


def variants(
    document: CapabilityDescriptor,
) -> Iterator[tuple[tuple[str | int, ...], str, OperationVariant]]:
    """Yield every variant with its place and its operation."""
    for i, operation in enumerate(document.ops):
        for j, variant in enumerate(operation.variants):
            yield ("ops", i, "variants", j), operation.op, variant


def dtypes_of(variant: OperationVariant) -> set[str]:
    """Return the dtypes that a variant lists, and those computed with; empty if it lists none."""
    found: set[str] = set()
    for operand in variant.operands.values():
        for dtype in operand.dtypes:
            found.update(_COMPUTED_FROM.get(dtype, (dtype,)))
    return found


@rule("ACP-O01", CapabilityDescriptor)
def reachable(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """What an engine multiplies, an operation on it accepts, or the rate is not exposed."""
    accepted: dict[str, set[str] | None] = {engine.id: set() for engine in document.engines}
    for _path, _op, variant in variants(document):
        if variant.engine not in accepted:  # ACP-I01 reports it; what it was meant for is unknown
            return
        known = accepted[variant.engine]
        if known is None:
            continue
        lists_any = False
        for operand in variant.operands.values():
            if operand.dtypes:
                known.update(operand.dtypes)
                lists_any = True
        if not lists_any:
            accepted[variant.engine] = None
    for i, engine in enumerate(document.engines):
        known = accepted[engine.id]
        for j, rate in enumerate(engine.rates if known is not None else ()):
            lost = {one for one in (rate.a, rate.b) if not _is_in(one, known or ())}
            if lost and rate.exposed is not False:
                yield Breach(
                    ("engines", i, "rates", j),
                    f"no operation on {engine.id!r} accepts {listed(lost)}, which this rate "
                    f"multiplies; accepted there: {listed(known or ())}; add the operation, or "
                    "set exposed to false if no program can reach the rate",
                )


@rule("ACP-O02", CapabilityDescriptor)
def names(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Operations of registered opsets, and the names of operands in conditions, are defined."""
    for i, operation in enumerate(document.ops):
        if operation.op not in OPS and operation.op.rpartition(":")[0] in OPSETS:
            yield Breach(("ops", i, "op"), _unknown(operation.op))
    for path, op, variant in variants(document):
        defined = OPS.get(op)
        if defined is not None:
            for name in variant.operands:
                if name != _ANY and name not in defined.operands and name not in defined.results:
                    yield Breach(
                        (*path, "operands", name),
                        f"{op} has no operand or result {name!r}; there are: "
                        f"{', '.join((*defined.operands, *defined.results))}",
                    )
        yield from _empty(path, variant)
        for k, text in enumerate(variant.where):
            try:
                reason = _undefined(text, op, variant, defined)
            except ConditionError as error:
                reason = f"{error}; write it as in 'self.shape[-1] % 16 == 0'"
            if reason:
                yield Breach((*path, "where", k), reason)


@rule("ACP-O03", CapabilityDescriptor, severity=Severity.WARNING)
def divisibility(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Sizes that a condition demands go together with the tile."""
    steps = {engine.id: _steps(engine) for engine in document.engines}
    for path, op, variant in variants(document):
        called = OPS[op].tile if op in OPS and variant.where else None
        if not called or not steps.get(variant.engine):
            continue
        tile = _smallest(steps[variant.engine], dtypes_of(variant))
        for k, text in enumerate(variant.where):
            for name, modulus, rest in _demands(text):
                dim = next((dim for dim, names in called.items() if name in names), "")
                if dim in tile and not _goes_with(modulus, rest, tile[dim]):
                    yield Breach(
                        (*path, "where", k),
                        f"found {name} % {modulus} == {rest}, but {variant.engine!r} computes "
                        f"{dim} in steps of {tile[dim]}; allowed are multiples and divisors of "
                        "the tile, with remainder 0",
                    )


def _empty(path: tuple[str | int, ...], variant: OperationVariant) -> Iterator[Breach]:
    for name, operand in variant.operands.items():
        rank = operand.rank
        if rank is not None and rank.min > rank.max:
            yield Breach(
                (*path, "operands", name, "rank"),
                f"no rank is {rank.min} at least and {rank.max} at most; swap them, or leave the "
                "operation out",
            )


def _is_in(dtype: str, accepted: Collection[str]) -> bool:
    """Tell whether a dtype is accepted, or the one that it has in memory."""
    known = DTYPES.get(dtype)
    return dtype in accepted or (known is not None and known.stored_as in accepted)


def _unknown(op: str) -> str:
    import difflib

    opset = op.rpartition(":")[0]
    close = difflib.get_close_matches(op, OPS, n=1)
    advice = f"did you mean {close[0]}?" if close else f"see spec/opsets for what {opset} has"
    return f"{opset} has no operation {op[len(opset) + 1 :]!r}; {advice}"


def _undefined(text: str, op: str, variant: OperationVariant, defined: Names | None) -> str:
    """Return which name of a condition stands for nothing, or nothing.

    Raises:
        ConditionError: The text is no condition.
    """
    for comparison in parse_where(text).comparisons:
        for side in comparison.sides:
            if isinstance(side.value, Name):
                asked = property_of(side.value)
                if defined is not None:
                    reason = _lost(asked, op, defined)
                    if reason:
                        return reason
                if asked.name == "shape" and asked.owner != ATTRIBUTES:
                    reason = _beyond(asked, variant, defined)
                    if reason:
                        return reason
    return ""


def _lost(asked: Property, op: str, defined: Names) -> str:
    if asked.owner == ATTRIBUTES:
        if asked.name in defined.attributes:
            return ""
        return f"{op} has no attribute {asked.name!r}; there are: {listed(defined.attributes)}"
    known = (*defined.operands, *defined.results)
    if asked.owner in known:
        return ""
    return f"{op} has no operand or result {asked.owner!r}; there are: {', '.join(known)}"


def _beyond(asked: Property, variant: OperationVariant, defined: Names | None) -> str:
    """Return that an axis is beyond the rank which the variant accepts, or nothing."""
    constraint = variant.operands.get(asked.owner)
    if constraint is None and defined is not None and asked.owner in defined.operands:
        constraint = variant.operands.get(_ANY)
    if constraint is None or constraint.rank is None or asked.place is None:
        return ""
    most = constraint.rank.max
    if -most <= asked.place < most:
        return ""
    return (
        f"{asked.owner}.shape[{asked.place}] asks for an axis that no operand of rank {most} or "
        f"less has; allowed is -{most} to {most - 1}"
        if most
        else f"{asked.owner} has rank 0 and no axes, so that shape[{asked.place}] is nothing"
    )


def _steps(engine: Engine) -> _Steps:
    """Return the smallest tile of an engine by dtype, in each dimension."""
    found: _Steps = {}
    for rate in engine.rates:
        if rate.tile is not None:
            for dtype in (rate.a, rate.b):
                tile = found.setdefault(dtype, {})
                for dim, size in (("m", rate.tile.m), ("n", rate.tile.n), ("k", rate.tile.k)):
                    tile[dim] = min(size, tile.get(dim, size))
    return found


def _smallest(steps: _Steps, dtypes: set[str]) -> dict[str, int]:
    """Return the smallest tile over dtypes, or over all if there are none."""
    tiles = [steps[one] for one in (dtypes or steps) if one in steps]
    return {dim: min(tile[dim] for tile in tiles) for dim in ("m", "n", "k")} if tiles else {}


def _demands(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the demands ``name % modulus == rest`` of a condition."""
    try:
        condition = parse_where(text)
    except ConditionError:  # ACP-O02 reports it
        return
    for comparison in condition.comparisons:
        demand = _demand(comparison)
        if demand is not None:
            yield demand


def _demand(comparison: Comparison) -> tuple[str, int, int] | None:
    left, right = comparison.left, comparison.right
    if comparison.operator != "==" or not isinstance(right, Term):
        return None
    if right.modulus:
        left, right = right, left
    if isinstance(left.value, Name) and left.modulus and isinstance(right.value, int):
        return left.value.text, left.modulus, right.value
    return None


def _goes_with(modulus: int, rest: int, size: int) -> bool:
    """Tell whether sizes of remainder `rest` go together with steps of `size`."""
    if rest == 0:
        return modulus % size == 0 or size % modulus == 0
    return rest % gcd(modulus, size) == 0
