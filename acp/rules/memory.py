"""Memories: ACP-M02 (usable fits in capacity) and ACP-M06 (lines and alignment)."""

from __future__ import annotations

from collections.abc import Iterator

from acp.rules.registry import Breach, Context, rule
from acp.v1.capability import CapabilityDescriptor


@rule("ACP-M02", CapabilityDescriptor)
def usable(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """What programs can have is no more than there is."""
    for i, memory in enumerate(document.memories):
        total = memory.instances * memory.capacity_bytes_per_instance
        if memory.usable_bytes is not None and memory.usable_bytes > total:
            yield Breach(
                ("memories", i, "usable_bytes"),
                f"found {memory.usable_bytes} bytes, but {memory.instances} × "
                f"{memory.capacity_bytes_per_instance} bytes = {total}; lower it, or correct "
                "the capacity (is one of them in GB and the other in GiB?)",
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


def _is_power_of_two(size: int | None) -> bool:
    """Tell whether a size is a power of two, or absent."""
    return size is None or (size > 0 and size & (size - 1) == 0)
