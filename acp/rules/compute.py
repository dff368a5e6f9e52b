"""Rates of engines: ACP-C01 (peak follows from its parts) and ACP-C04 (accumulator is named)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from acp.rules.registry import Breach, Context, rule
from acp.v1.capability import CapabilityDescriptor

_TOLERANCE_PERCENT: Final = 3

_PPM: Final = 1_000_000

_LIKELY_MISTAKES: Final = (
    (1_900_000, 2_100_000, "sparse rate given as dense, or FMA counted twice"),
    (475_000, 525_000, "dense rate given as sparse, or FMA counted once instead of as two"),
    (3_800_000, 4_200_000, "speed-up by sparsity applied to a rate that is already sparse"),
    (970_000_000, 1_030_000_000, "a prefix mistaken, such as T for G"),
    (970, 1_030, "a prefix mistaken, such as G for T"),
)
"""Ratio of peak to product, in parts per million, from and to, and what it most often means."""


@rule("ACP-C01", CapabilityDescriptor)
def peak(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """A peak is within 3 % of units x operations per clock x clock, where all are given."""
    for i, engine in enumerate(document.engines):
        if engine.count is None or engine.clock_hz is None:
            continue
        for j, rate in enumerate(engine.rates):
            if rate.ops_per_unit_per_clock is None:
                continue
            product = engine.count * rate.ops_per_unit_per_clock * engine.clock_hz
            if 100 * abs(rate.peak_ops_per_s - product) > _TOLERANCE_PERCENT * product:
                yield Breach(
                    ("engines", i, "rates", j),
                    f"peak_ops_per_s is {rate.peak_ops_per_s}, but {engine.count} units × "
                    f"{rate.ops_per_unit_per_clock} operations per clock × {engine.clock_hz} Hz = "
                    f"{product}; allowed is ±{_TOLERANCE_PERCENT} %; "
                    f"{_guess(rate.peak_ops_per_s, product)}",
                )


@rule("ACP-C04", CapabilityDescriptor)
def accumulator(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """A rate of a matrix engine names its accumulator."""
    for i, engine in enumerate(document.engines):
        if engine.kind != "MATRIX":
            continue
        for j, rate in enumerate(engine.rates):
            if rate.acc is None:
                yield Breach(
                    ("engines", i, "rates", j, "acc"),
                    f"the rate {rate.a} × {rate.b} → {rate.out} of the matrix engine "
                    f"{engine.id!r} does not say in which dtype products are summed; add acc, "
                    "such as f32",
                )


def _guess(found: int, product: int) -> str:
    if product == 0:
        return "none of the factors may be 0"
    ratio = found * _PPM // product
    shown = f"the ratio is {ratio // _PPM}.{ratio % _PPM // 1000:03}"
    likely = next((text for low, high, text in _LIKELY_MISTAKES if low <= ratio <= high), None)
    return f"{shown}; likely: {likely}" if likely else f"{shown}; correct the peak or its factors"
