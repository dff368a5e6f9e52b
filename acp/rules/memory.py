"""Memories: ACP-M02, M03, M06 and S01 (sizes and rates that one memory by itself can have)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from acp.diagnostics import Severity
from acp.rules.registry import Breach, Context, rule
from acp.tokens import MEMORY_KINDS
from acp.v1.capability import CapabilityDescriptor, Memory

_ROUNDING_PERCENT: Final = 1
"""Published rates have three digits."""


@rule("ACP-M02", CapabilityDescriptor)
def usable(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """What programs can have is no more than there is."""
    for i, memory in enumerate(document.memories):
        total = capacity(memory)
        if memory.usable_bytes is not None and memory.usable_bytes > total:
            yield Breach(
                ("memories", i, "usable_bytes"),
                f"found {memory.usable_bytes} bytes, but {memory.instances} × "
                f"{memory.capacity_bytes_per_instance} bytes = {total}; lower it, or correct "
                "the capacity (is one of them in GB and the other in GiB?)",
            )


@rule("ACP-M03", CapabilityDescriptor)
def stacks(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """A stack is no faster and no larger than its technology allows."""
    for i, memory in enumerate(document.memories):
        kind = MEMORY_KINDS.get(memory.kind)
        if memory.stacks is None or kind is None or kind.part != "stack":
            continue
        most = memory.stacks * (kind.bytes_per_s or 0)
        for name, rate in rates(memory).items():
            if 100 * rate > (100 + _ROUNDING_PERCENT) * most:
                yield Breach(("memories", i, name), _too_fast(memory, memory.stacks, rate))
        total = capacity(memory)
        if kind.capacity_bytes and total > memory.stacks * kind.capacity_bytes:
            yield Breach(
                ("memories", i, "capacity_bytes_per_instance"),
                f"found {total} bytes in {memory.stacks} stacks, but one of {memory.kind} has "
                f"{kind.capacity_bytes} at most; correct kind, stacks or capacity",
            )


@rule("ACP-M06", CapabilityDescriptor)
def alignment(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Line and alignment are powers of two; a cache's alignment is whole lines."""
    for i, memory in enumerate(document.memories):
        sizes = {"line_bytes": memory.line_bytes, "alignment_bytes": memory.alignment_bytes}
        crooked = {name: size for name, size in sizes.items() if not _is_power_of_two(size)}
        for name, size in crooked.items():
            yield Breach(
                ("memories", i, name),
                f"found {size}, allowed are powers of two (1, 2, 4, …)",
            )
        line, aligned = memory.line_bytes, memory.alignment_bytes
        if crooked or line is None or aligned is None or memory.role != "CACHE":
            continue
        if aligned % line:
            yield Breach(
                ("memories", i, "alignment_bytes"),
                f"found {aligned}, allowed in a cache with lines of {line} bytes are multiples "
                f"of {line}",
            )


@rule("ACP-S01", CapabilityDescriptor, severity=Severity.WARNING)
def total(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """What all instances have together is not what one of them has."""
    for i, memory in enumerate(document.memories):
        one = memory.capacity_bytes_per_instance
        if memory.instances > 1 and memory.usable_bytes == one:
            yield Breach(
                ("memories", i, "usable_bytes"),
                f"found {one}, the capacity of one of {memory.instances} instances; "
                f"{memory.instances} × {one} = {capacity(memory)}; likely: the size of one given "
                "as the total, or the total given as the size of one",
            )


def capacity(memory: Memory) -> int:
    """Return the bytes of all instances."""
    return memory.instances * memory.capacity_bytes_per_instance


def rates(memory: Memory) -> dict[str, int]:
    """Return the peak rates that a memory states, by member."""
    members = {
        "read_bytes_per_s": memory.read_bytes_per_s,
        "write_bytes_per_s": memory.write_bytes_per_s,
        "combined_bytes_per_s": memory.combined_bytes_per_s,
    }
    return {name: rate for name, rate in members.items() if rate is not None}


def _too_fast(memory: Memory, count: int, rate: int) -> str:
    from acp.quantities import decimal

    kinds = {
        name: kind.bytes_per_s * count
        for name, kind in MEMORY_KINDS.items()
        if kind.part == "stack" and kind.bytes_per_s is not None
    }
    faster = [name for name, most in kinds.items() if rate <= most]
    guess = f"a kind such as {faster[0]}, or " if faster else ""
    return (
        f"found {decimal(rate, 'B/s')} from {count} stacks, but {memory.kind} reaches "
        f"{decimal(kinds[memory.kind], 'B/s')} with as many; likely: {guess}the rate of "
        "something else, such as a cache"
    )


def _is_power_of_two(size: int | None) -> bool:
    """Tell whether a size is a power of two, or absent."""
    return size is None or (size > 0 and size & (size - 1) == 0)
