"""Engines and memories as tables of text, that can be laid beside a data sheet."""

from __future__ import annotations

from acp.quantities import read
from acp.v1.capability import Engine, EngineKind, Memory, PartitionProfile, Port, Rate

PCIE_LANE = {"pcie3": 984_615_384, "pcie4": 1_969_230_769, "pcie5": 3_938_461_538}
"""Bytes per second of one lane in one direction, after line coding."""


def engine(name: str, kind: EngineKind, count: int, clock: str | None, table: str = "") -> Engine:
    """Return an engine with its rates.

    Each line of `table` is ``a b acc out ops/clock dense``, then ``n:m=rate`` for each sparse rate;
    ``-`` where there is nothing. The operations per clock of sparse rates are those of the dense
    one, times m/n.
    """
    rates = [rate for line in table.split("\n") if line.strip() for rate in _rates(line.split())]
    clock_hz = None if clock is None else read(clock)
    return Engine(id=name, kind=kind, count=count, clock_hz=clock_hz, rates=tuple(rates))


def _rates(words: list[str]) -> list[Rate]:
    a, b, acc, out, per_clock, *peaks = words
    rates = []
    for peak in peaks:
        sparsity, _, rate = peak.rpartition("=")
        n, _, m = (sparsity or "1:1").partition(":")
        rates.append(
            Rate(
                a=a,
                b=b,
                acc=None if acc == "-" else acc,
                out=out,
                sparsity=sparsity or "dense",
                peak_ops_per_s=read(rate),
                ops_per_unit_per_clock=(
                    None if per_clock == "-" else int(per_clock) * int(m) // int(n)
                ),
            )
        )
    return rates


def cache(
    level: int, each: str, backing: str, *, instances: int = 1, rate: str | None = None
) -> Memory:
    """Return a cache that hardware fills, named after its level."""
    return Memory(
        id=f"l{level}",
        kind="sram",
        role="CACHE",
        level=level,
        instances=instances,
        capacity_bytes_per_instance=read(each),
        combined_bytes_per_s=None if rate is None else read(rate),
        managed="HW",
        backing_id=backing,
    )


def registers(instances: int, each: str) -> Memory:
    """Return the register files."""
    return Memory(
        id="registers",
        kind="register-file",
        role="REGISTER",
        instances=instances,
        capacity_bytes_per_instance=read(each),
    )


def pcie(kind: str, name: str = "pcie") -> Port:
    """Return a port of 16 lanes of PCI Express."""
    return Port(id=name, link_kind=kind, count=16, bytes_per_s_per_direction=16 * PCIE_LANE[kind])


def profiles(table: str) -> tuple[PartitionProfile, ...]:
    """Return partition profiles; each line is a name, then ``counter=number``."""
    return tuple(
        PartitionProfile(name=name, consumes={k: int(v) for k, v in (w.split("=") for w in words)})
        for name, *words in (line.split() for line in table.split("\n") if line.strip())
    )
