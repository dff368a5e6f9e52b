"""Mutations of where values lie: arenas, buffers, memories, and what the plan promises of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cep.mutate.change import REMOVED, Change, Document, Family, Surroundings
from cep.mutate.identity import NOTHING
from cep.mutate.schedule import HAZARDS

FAMILY: Final = Family()
OVERLAPS: Final = HAZARDS | {"CEP-M2"}
SEES: Final = frozenset({"CEP-O5", "CEP-O6", "CEP-M1", "CEP-M8"})


@FAMILY.meant_for("CEP-M1")
def _buffer_shrunk(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give a value less room than it needs."""
    for i, buffer in enumerate(plan["buffers"]):
        size = int(buffer["size"])
        for smaller in sorted({size - 1, size // 2, 0} if size else ()):
            yield Change(("buffers", i, "size"), str(smaller))


@FAMILY.meant_for("CEP-M1", *OVERLAPS)
def _buffer_enlarged(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give a value more room, which others may use."""
    for i, buffer in enumerate(plan["buffers"]):
        for more in (1, 64, int(buffer["size"])):
            yield Change(("buffers", i, "size"), str(int(buffer["size"]) + more))


@FAMILY.meant_for("CEP-M1")
def _buffer_shifted(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Let a buffer begin a few bytes later, where its arena is not aligned."""
    aligned = {a["id"]: int(a["alignment_bytes"]) for a in plan["arenas"]}
    for i, buffer in enumerate(plan["buffers"]):
        for shift in (1, 2, 4, 17):
            if shift % aligned[buffer["arena"]]:
                yield Change(("buffers", i, "offset"), str(int(buffer["offset"]) + shift))


@FAMILY.meant_for("CEP-M1")
def _buffer_outside(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Let a buffer end outside its arena."""
    ends = {a["id"]: int(a["bytes"]) for a in plan["arenas"]}
    for i, buffer in enumerate(plan["buffers"]):
        if int(buffer["size"]):
            for offset in (ends[buffer["arena"]], 2**63 - 64, 2**64 - 64):
                yield Change(("buffers", i, "offset"), str(offset))


@FAMILY.meant_for("CEP-M1", *OVERLAPS)
def _buffer_moved(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Put a buffer where another one is, or half of it."""
    for i, buffer in enumerate(plan["buffers"]):
        starts = {b["offset"] for b in plan["buffers"] if b["arena"] == buffer["arena"]}
        halves = {str(int(b) + int(buffer["size"]) // 2) for b in starts}
        for offset in sorted(starts | halves):
            if offset != buffer["offset"]:
                yield Change(("buffers", i, "offset"), offset)


@FAMILY.meant_for(*SEES, *OVERLAPS)
def _buffer_rebound(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Put a buffer into another arena."""
    for i, buffer in enumerate(plan["buffers"]):
        for arena in plan["arenas"]:
            if arena["id"] != buffer["arena"]:
                yield Change(("buffers", i, "arena"), arena["id"])


@FAMILY.meant_for("CEP-S3", "CEP-O3", "CEP-O5", "CEP-M1", "CEP-M4", "CEP-M7", "CEP-T5")
def _buffer_value(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Keep another value in a buffer."""
    for i, buffer in enumerate(plan["buffers"]):
        for value in plan["values"]:
            if value["id"] != buffer["value"]:
                yield Change(("buffers", i, "value"), value["id"])


@FAMILY.meant_for("CEP-T1")
def _buffer_unknown_value(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Keep a value in a buffer that there is not."""
    for i in range(len(plan["buffers"])):
        yield Change(("buffers", i, "value"), NOTHING)


@FAMILY.meant_for("CEP-O3", "CEP-O5", *OVERLAPS, "CEP-S3", "CEP-O6", "CEP-M1")
def _buffers_swapped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Exchange the places of two buffers in the list, which steps refer to."""
    buffers = plan["buffers"]
    for i in range(len(buffers) - 1):
        one, two = buffers[i], buffers[i + 1]
        yield Change(("buffers",), [*buffers[:i], two, one, *buffers[i + 2 :]])


@FAMILY.meant_for("CEP-M2")
def _in_place_added(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Declare that a buffer takes over another one, which it does not."""
    written = {b for t in plan["steps"] for b in t.get("writes", [])}
    for i, buffer in enumerate(plan["buffers"]):
        for j in range(len(plan["buffers"])):
            if i in written and buffer.get("in_place_of") != j:
                yield Change(("buffers", i, "in_place_of"), j)


@FAMILY.meant_for("CEP-M2")
def _in_place_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Do not declare that a buffer takes over another one."""
    for i, buffer in enumerate(plan["buffers"]):
        if "in_place_of" in buffer:
            yield Change(("buffers", i, "in_place_of"), REMOVED)


@FAMILY.meant_for("CEP-M1")
def _arena_shrunk(plan: Document, _: Surroundings) -> Iterator[Change]:
    """End an arena before its last buffer ends."""
    for i, arena in enumerate(plan["arenas"]):
        held = [b for b in plan["buffers"] if b["arena"] == arena["id"]]
        end = max((int(b["offset"]) + int(b["size"]) for b in held), default=0)
        for size in (end - 1, end // 2, 1):
            if 0 < size < end:
                yield Change(("arenas", i, "bytes"), str(size))


@FAMILY.meant_for("CEP-M8")
def _arena_huge(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Ask for more memory than the device has."""
    for i in range(len(plan["arenas"])):
        for power in (48, 56, 63):
            yield Change(("arenas", i, "bytes"), str(2**power))


@FAMILY.meant_for("CEP-M8")
def _arena_enlarged(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Ask for a little more memory."""
    for i, arena in enumerate(plan["arenas"]):
        for more in (1, 64, 4096):
            yield Change(("arenas", i, "bytes"), str(int(arena["bytes"]) + more))


@FAMILY.meant_for("CEP-M1")
def _arena_alignment(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Align an arena otherwise."""
    for i, arena in enumerate(plan["arenas"]):
        aligned = int(arena["alignment_bytes"])
        for other in sorted({1, 3, 48, aligned // 2 or 1, aligned * 2, aligned * 4, 2**30}):
            if other != aligned:
                yield Change(("arenas", i, "alignment_bytes"), str(other))


@FAMILY.meant_for("CEP-M1")
def _arena_memory(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Put an arena into a memory that the device does not have."""
    for i in range(len(plan["arenas"])):
        yield Change(("arenas", i, "memory"), NOTHING)


@FAMILY.meant_for(*SEES)
def _arena_device(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Put an arena into another device's memory."""
    used = {b["arena"] for b in plan["buffers"]}
    for i, arena in enumerate(plan["arenas"]):
        for device in plan["devices"]:
            if device["slot"] != arena["device"] and arena["id"] in used:
                yield Change(("arenas", i, "device"), device["slot"])


@FAMILY.meant_for("CEP-M8")
def _peak_lowered(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Promise to need less memory than the arenas of a device have."""
    for device in plan["devices"]:
        sizes = [int(a["bytes"]) for a in plan["arenas"] if a["device"] == device["slot"]]
        if sizes:
            promise = [{"device": device["slot"], "bytes": str(sum(sizes) - 1)}]
            yield Change(("constraints", "peak_bytes"), promise)
