"""Rates of engines: ACP-C01, C03, C04 and C05 (a peak follows from its parts, and says of what)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from acp.diagnostics import Severity
from acp.rules.registry import Breach, Context, rule
from acp.rules.sparsity import DENSE
from acp.tokens import DTYPES
from acp.v1.capability import CapabilityDescriptor, Engine, Rate

_TOLERANCE_PERCENT: Final = 3

_PPM: Final = 1_000_000

_LIKELY_MISTAKES: Final = (
    (475_000, 525_000, "dense rate given as sparse, or FMA counted once instead of as two"),
    (3_800_000, 4_200_000, "speed-up by sparsity applied to a rate that is already sparse"),
    (970_000_000, 1_030_000_000, "a prefix mistaken, such as T for G"),
    (970, 1_030, "a prefix mistaken, such as G for T"),
)
"""Ratio of peak to product, in parts per million, from and to, and what it most often means."""

_DOUBLE_PPM: Final = (1_900_000, 2_100_000)

_TF32: Final = "tf32"
_COMPARED: Final = 16
"""Operands of more bits than this are often slow by choice; tf32 is compared, as made for speed."""

_Operands: TypeAlias = tuple[str, str | None, bool, int]
"""Sparsity, accumulator, whether the operands are floats, and their width."""


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
                    f"{_guess(engine, rate, product)}",
                )


@rule("ACP-C03", CapabilityDescriptor, severity=Severity.WARNING)
def narrower(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Operands of half the width are no more than 2.1 times as fast."""
    for i, engine in enumerate(document.engines):
        fastest: dict[_Operands, int] = {}
        for rate in engine.rates:
            operands = _operands(rate)
            if operands is not None:
                fastest[operands] = max(rate.peak_ops_per_s, fastest.get(operands, 0))
        for j, rate in enumerate(engine.rates):
            operands = _operands(rate)
            wide = fastest.get((*operands[:3], 2 * operands[3])) if operands is not None else None
            if wide is not None and 10 * rate.peak_ops_per_s > 21 * wide:
                from acp.quantities import decimal, scaled

                yield Breach(
                    ("engines", i, "rates", j, "peak_ops_per_s"),
                    f"{rate.a} × {rate.b}, {rate.sparsity}, reaches "
                    f"{decimal(rate.peak_ops_per_s, ' ops/s')}, {scaled(rate.peak_ops_per_s, wide)}"
                    f" times the {decimal(wide, ' ops/s')} of operands twice as wide; expected is "
                    "2.1 times at most; likely: the sparse rate in one of the two rows, or another "
                    "accumulator",
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


@rule("ACP-C05", CapabilityDescriptor, severity=Severity.WARNING)
def origin(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """A rate of a matrix engine can be computed, or says where it comes from."""
    told = {path for entry in document.provenance for path in entry.paths}
    for i, engine in enumerate(document.engines):
        if engine.kind != "MATRIX" or told & {"", "/engines", f"/engines/{i}", _rates(i)}:
            continue
        can_be_computed = engine.count is not None and engine.clock_hz is not None
        for j, rate in enumerate(engine.rates):
            row = f"{_rates(i)}/{j}"
            if can_be_computed and rate.ops_per_unit_per_clock is not None:
                continue
            if not told & {row, f"{row}/peak_ops_per_s"}:
                yield Breach(
                    ("engines", i, "rates", j),
                    f"nothing says where {rate.peak_ops_per_s} operations per second come from; "
                    "add count, clock_hz and ops_per_unit_per_clock, or an entry of provenance "
                    f"for {row}",
                )


def _rates(engine: int) -> str:
    return f"/engines/{engine}/rates"


def _operands(rate: Rate) -> _Operands | None:
    """Return what a rate is of, if it can be compared with that of operands twice as wide."""
    a, b = DTYPES.get(rate.a), DTYPES.get(rate.b)
    if a is None or b is None or a.bits != b.bits or (a.kind == "float") != (b.kind == "float"):
        return None
    if a.bits > _COMPARED and not rate.a == rate.b == _TF32:
        return None
    return rate.sparsity, rate.acc, a.kind == "float", a.bits


def _guess(engine: Engine, rate: Rate, product: int) -> str:
    """Return the ratio and what it most likely means."""
    if product == 0:
        return "none of the factors may be 0"
    ratio = rate.peak_ops_per_s * _PPM // product
    shown = f"the ratio is {ratio // _PPM}.{ratio % _PPM // 1000:03}"
    likely = _likely(engine, rate, product, ratio)
    return f"{shown}; likely: {likely}" if likely else f"{shown}; correct the peak or its factors"


def _likely(engine: Engine, rate: Rate, product: int, ratio: int) -> str:
    from acp.quantities import decimal

    found, right = decimal(rate.peak_ops_per_s, ""), decimal(product, "")
    low, high = _DOUBLE_PPM
    if low <= ratio <= high and rate.sparsity == DENSE:
        matrix = "" if engine.kind == "MATRIX" else ", or the matrix units' rate"
        return (
            f"sparse rate given as dense, or FMA counted twice{matrix}: {found} for {right}, which "
            "is the dense rate"
        )
    if low <= ratio <= high:
        return (
            f"speed-up by sparsity applied to a rate that is already sparse: {found} for {right}, "
            f"which is the {rate.sparsity} rate"
        )
    for low, high, text in _LIKELY_MISTAKES:
        if low <= ratio <= high:
            return f"{text}; by the factors it is {right}"
    count = engine.count or 0
    if 100 * abs(rate.peak_ops_per_s * count - product) <= _TOLERANCE_PERCENT * product:
        return f"the rate of one unit; all {count} reach {right}"
    if ratio < _PPM < 2 * ratio:
        units = (rate.peak_ops_per_s * count + product // 2) // product
        return f"it fits {units} units of {count}; are disabled units counted?"
    return ""
