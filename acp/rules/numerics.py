"""Numerics of operations: ACP-N01 … N04 (a claim about accuracy that can be true, and tested)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from acp.diagnostics import Severity
from acp.operations import OPS
from acp.rules.operations import dtypes_of, variants
from acp.rules.registry import Breach, Context, listed, rule
from acp.tokens import DTYPES
from acp.v1.capability import CapabilityDescriptor, Engine

_Sums: TypeAlias = dict[str, dict[str, tuple[int, str]]]
"""Width and name of the widest accumulator, by the dtypes of both operands."""


class _Engine(NamedTuple):
    """How an engine sums up, where it does so in floats, or in integers.

    Attributes:
        sums: The widest accumulator of each product.
        fewest: Bits of the narrowest of them.
    """

    sums: _Sums
    fewest: int


_EITHER: Final = frozenset({"preserve", "flush"})


@rule("ACP-N01", CapabilityDescriptor)
def subnormals(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Subnormal numbers are preserved or flushed; both only where a program can choose."""
    for path, _op, variant in variants(document):
        numerics = variant.numerics
        if (
            numerics is not None
            and _EITHER.issubset(numerics.subnormals)
            and numerics.subnormals_selectable is not True
        ):
            yield Breach(
                (*path, "numerics", "subnormals"),
                "found both preserve and flush, so that a subnormal result may be either; keep "
                "the one that happens, or add subnormals_selectable if a program can choose",
            )


@rule("ACP-N02", CapabilityDescriptor)
def bound(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """What accumulates many terms is not bounded in units of the result's last place."""
    for path, op, variant in variants(document):
        limit = variant.numerics and variant.numerics.bound
        if limit and limit.form == "ULP" and op in OPS and OPS[op].accumulates:
            yield Breach(
                (*path, "numerics", "bound", "form"),
                f"found ULP, but {op} accumulates: where its terms cancel, the error is any "
                "number of units in the last place of the result; allowed are DOT and ABS_REL",
            )


@rule("ACP-N03", CapabilityDescriptor)
def accumulators(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Sums that are claimed in a dtype are taken in one that is no narrower."""
    engines = {engine.id: _sums(engine) for engine in document.engines}
    for path, op, variant in variants(document):
        numerics = variant.numerics
        claimed = DTYPES.get((numerics and numerics.acc) or "")
        if numerics is None or claimed is None or numerics.imprecise_acc is True:
            continue
        engine = engines.get(variant.engine, {}).get(claimed.kind == "float")
        if engine is None or engine.fewest >= claimed.bits:
            continue
        narrow = _narrower(claimed.bits, engine.sums, dtypes_of(variant))
        if narrow:
            yield Breach(
                (*path, "numerics", "acc"),
                f"{op} is claimed to sum in {numerics.acc}, but {variant.engine!r} multiplies "
                f"{listed(narrow)}; claim that dtype, set imprecise_acc, or add the rate with "
                f"acc {numerics.acc}",
            )


@rule("ACP-N04", CapabilityDescriptor, severity=Severity.WARNING)
def repeatability(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Sums that are taken in any order do not give the same bits."""
    for path, _op, variant in variants(document):
        numerics = variant.numerics
        if (
            numerics is not None
            and numerics.reduction_order == "ANY"
            and numerics.determinism not in {None, "NONE"}
        ):
            yield Breach(
                (*path, "numerics", "determinism"),
                f"found {numerics.determinism}, but reduction_order is ANY: sums of floats in "
                "another order give other bits; claim NONE, or FIXED if the order is",
            )


def _sums(engine: Engine) -> dict[bool, _Engine]:
    """Return how an engine sums up in floats, and in integers."""
    found: dict[bool, _Sums] = {}
    for rate in engine.rates:
        acc = DTYPES.get(rate.acc or "")
        if acc is not None and rate.a in DTYPES and rate.b in DTYPES and rate.exposed is not False:
            widest = found.setdefault(acc.kind == "float", {}).setdefault(rate.a, {})
            widest[rate.b] = max(widest.get(rate.b, (0, "")), (acc.bits, rate.acc or ""))
    return {
        in_floats: _Engine(sums, min(bits for row in sums.values() for bits, _ in row.values()))
        for in_floats, sums in found.items()
    }


def _narrower(claimed: int, known: _Sums, dtypes: set[str]) -> list[str]:
    """Return the products of some dtypes, or of any, that are summed in fewer bits than claimed."""
    return [
        f"{a} × {b} into {acc}"
        for a in sorted(known.keys() & dtypes if dtypes else known)
        for b, (bits, acc) in known[a].items()
        if bits < claimed and (not dtypes or b in dtypes)
    ]
