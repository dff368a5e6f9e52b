"""Memories beside each other: ACP-M01, M04 and M07 (levels in order, drained in plausible time)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from acp.diagnostics import Severity
from acp.rules.memory import capacity, rates
from acp.rules.registry import Breach, Context, rule
from acp.tokens import MEMORY_KINDS
from acp.v1.capability import CapabilityDescriptor, Memory

_LEVEL_FACTOR: Final = 2
"""Exclusive outer caches may be as small as half of what they serve."""

_MILLISECONDS: Final = 1000
"""In a second: static memory is read in one of them."""

_SECONDS: Final = 60
"""In which dynamic memory is read."""

_SMALL: Final = 64 * 2**20
"""Static memory below this may lie behind a narrow bus, as in microcontrollers."""


class _Level(NamedTuple):
    """The caches of one level, or the main memory.

    Attributes:
        name: For a message.
        place: Index of the first memory.
        capacity: Bytes of all together; None for the main memory.
        rates: Peak rates by member, where all of them state it.
    """

    name: str
    place: int
    capacity: int | None
    rates: dict[str, int]


@rule("ACP-M01", CapabilityDescriptor, severity=Severity.WARNING)
def levels(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Towards the engine, caches get smaller and faster."""
    for inner, outer in pairwise(_levels(document)):
        if (
            inner.capacity is not None
            and outer.capacity is not None
            and inner.capacity > _LEVEL_FACTOR * outer.capacity
        ):
            yield Breach(
                ("memories", inner.place, "capacity_bytes_per_instance"),
                f"{inner.name} has {inner.capacity} bytes over all instances, more than twice the "
                f"{outer.capacity} of {outer.name}; likely: a total given for each instance, or "
                "level counted from the memory instead of the engine; a cache before main memory "
                "that other processors share may be so small",
            )
        for member, rate in inner.rates.items():
            beyond = outer.rates.get(member)
            if beyond is not None and rate < beyond:
                yield Breach(
                    ("memories", inner.place, member),
                    f"{inner.name} moves {rate} bytes per second over all instances, but "
                    f"{outer.name}, which lies behind it, {beyond}; likely: the rate of one "
                    "instance given as the total",
                )


@rule("ACP-M04", CapabilityDescriptor)
def drain_of_static(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Static memory that is no cache is read out within a millisecond."""
    for i, memory, size, rate in _of(document, "sram"):
        if memory.role != "CACHE" and size * _MILLISECONDS > rate and size >= _SMALL:
            yield Breach(
                ("memories", i, "capacity_bytes_per_instance"),
                f"{_drain(memory, size, rate)}; allowed for static memory is 1 ms; likely: GB for "
                "MB, or the rate of one instance given as the total",
            )


@rule("ACP-M07", CapabilityDescriptor, severity=Severity.WARNING)
def drain_of_dynamic(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Dynamic memory is read out in a millisecond to a minute."""
    for i, memory, size, rate in _of(document, "dram"):
        is_fast = size * _MILLISECONDS < rate
        if is_fast or size > _SECONDS * rate:
            likely = (
                "MB for GB, GB/s for MB/s, or the capacity of one instance"
                if is_fast
                else "MB/s for GB/s, TB for GB, or the rate of one instance"
            )
            yield Breach(
                ("memories", i, "capacity_bytes_per_instance"),
                f"{_drain(memory, size, rate)}; expected are 1 ms to 60 s; likely: {likely}",
            )


def _levels(document: CapabilityDescriptor) -> Iterator[_Level]:
    """Yield the cache levels from the engine outwards, and the fastest main memory."""
    caches: dict[int, list[tuple[int, Memory]]] = {}
    main: list[tuple[int, Memory]] = []
    for i, memory in enumerate(document.memories):
        if memory.role == "CACHE" and memory.level is not None:
            caches.setdefault(memory.level, []).append((i, memory))
        elif memory.role in {"DEVICE", "SHARED"}:
            main.append((i, memory))
    for level in sorted(caches):
        told = [rates(memory) for _, memory in caches[level]]
        common = set(told[0]).intersection(*told)
        yield _Level(
            f"level {level}",
            caches[level][0][0],
            sum(capacity(memory) for _, memory in caches[level]),
            {name: sum(one[name] for one in told) for name in sorted(common)},
        )
    if caches and main:
        fastest: dict[str, int] = {}
        for _, memory in main:
            for name, rate in rates(memory).items():
                fastest[name] = max(rate, fastest.get(name, 0))
        yield _Level("the main memory", main[0][0], None, fastest)


def _of(document: CapabilityDescriptor, technology: str) -> Iterator[tuple[int, Memory, int, int]]:
    """Yield the memories of a technology that have a rate: place, capacity and highest rate."""
    for i, memory in enumerate(document.memories):
        kind = MEMORY_KINDS.get(memory.kind)
        rate = max(rates(memory).values(), default=0)
        if kind is not None and kind.technology == technology and rate:
            yield i, memory, capacity(memory), rate


def _drain(memory: Memory, size: int, rate: int) -> str:
    from acp.quantities import decimal, scaled

    milliseconds = scaled(size * _MILLISECONDS, rate)
    return f"{size} bytes of {memory.kind} at {decimal(rate, 'B/s')} take {milliseconds} ms to read"
