"""Sparsity: ACP-C02 (a gain that the pattern can give) and ACP-C06 (the factor counted once)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from acp.diagnostics import Severity
from acp.rules.pointers import stated
from acp.rules.registry import Breach, Context, rule
from acp.v1.capability import CapabilityDescriptor, Rate

DENSE: Final = "dense"
_ROUNDING_PERCENT: Final = 3
"""Published rates are rounded, and the gain is taken of two of them."""


class Gain(NamedTuple):
    """How much faster than dense a pattern can be, as a fraction."""

    of: int
    kept: int

    def times(self, rate: int) -> int:
        """Return a dense rate with the gain, rounded down."""
        return rate * self.of // self.kept

    def is_exceeded(self, sparse: int, dense: int) -> bool:
        """Tell whether a rate is above a dense one by more than the gain and rounding."""
        return 100 * sparse * self.kept > (100 + _ROUNDING_PERCENT) * dense * self.of


@rule("ACP-C02", CapabilityDescriptor)
def gain(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """A sparse rate has a dense sibling, and gains no more than its pattern leaves out."""
    for i, engine in enumerate(document.engines):
        dense: dict[tuple[str | None, ...], int] = {}
        for rate in engine.rates:
            if rate.sparsity == DENSE:
                dense[_dtypes(rate)] = max(rate.peak_ops_per_s, dense.get(_dtypes(rate), 0))
        for j, rate in enumerate(engine.rates):
            if rate.sparsity != DENSE:
                reason = _excess(rate, dense.get(_dtypes(rate)))
                if reason:
                    yield Breach(("engines", i, "rates", j), reason)


@rule("ACP-C06", CapabilityDescriptor, severity=Severity.WARNING)
def factor(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """A rate is not above its source's, converted once from the source's sparsity to its own."""
    for one in stated(document):
        rate = _rate(document, one.path)
        if rate is None or one.entry.source_sparsity is None:
            continue
        told, own = speed_up(one.entry.source_sparsity), speed_up(rate.sparsity)
        once = Gain(own.of * told.kept, own.kept * told.of)
        if once.is_exceeded(rate.peak_ops_per_s, one.source):
            from acp.quantities import decimal

            yield Breach(
                one.place,
                f"the source states {decimal(one.source, ' ops/s')} for {one.entry.source_sparsity}"
                f", so that the {rate.sparsity} rate is at most "
                f"{decimal(once.times(one.source), ' ops/s')}, but "
                f"{decimal(rate.peak_ops_per_s, ' ops/s')} is found; likely: a factor for sparsity "
                "applied to a rate that has it already, or a sparse rate given as dense",
            )


def speed_up(sparsity: str) -> Gain:
    """Return how much faster than dense a pattern can be: m/n for n:m."""
    if sparsity == DENSE:
        return Gain(1, 1)
    kept, _, of = sparsity.partition(":")
    return Gain(int(of), int(kept))


def _dtypes(rate: Rate) -> tuple[str | None, ...]:
    return rate.a, rate.b, rate.acc, rate.out


def _excess(rate: Rate, dense: int | None) -> str:
    """Return why a sparse rate cannot be, or nothing."""
    most = speed_up(rate.sparsity)
    if most.of <= most.kept:
        return (
            f"the pattern {rate.sparsity} leaves nothing out: n:m keeps n of each m elements, and "
            "n is below m; write dense, or the pattern that is meant"
        )
    if dense is None:
        likely = rate.peak_ops_per_s * most.kept // most.of
        return (
            f"a {rate.sparsity} rate without the dense one of the same dtypes; add the dense row, "
            f"which from {rate.peak_ops_per_s} would be about {likely}, or give this "
            "one as dense if that is what it is"
        )
    if not most.is_exceeded(rate.peak_ops_per_s, dense):
        return ""
    from acp.quantities import decimal, scaled

    ratio, limit = scaled(rate.peak_ops_per_s, dense), scaled(most.of, most.kept)
    return (
        f"the {rate.sparsity} rate {decimal(rate.peak_ops_per_s, ' ops/s')} is {ratio} times the "
        f"dense {decimal(dense, ' ops/s')}; {rate.sparsity} gains {limit} times at most, which is "
        f"{decimal(most.times(dense), ' ops/s')}; likely: the factor applied to a rate that has it "
        "already, or a dense rate with a multiply-add counted once"
    )


def _rate(document: CapabilityDescriptor, path: tuple[str, ...]) -> Rate | None:
    """Return the rate whose peak a path leads to; it is known to lead somewhere."""
    match path:
        case ("engines", engine, "rates", rate, "peak_ops_per_s"):
            return document.engines[int(engine)].rates[int(rate)]
        case _:
            return None
