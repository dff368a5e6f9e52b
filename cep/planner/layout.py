"""Buffer layout: where in an arena each value lives, so that no two living values overlap.

Greedy by size: the largest value is placed first, each at the lowest offset that is free during
its whole life. Offsets and sizes are for the largest sizes of the symbols, so that one layout
serves every admissible size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT_BYTES = 64


@dataclass(frozen=True, slots=True)
class Life:
    """A value that needs room.

    Attributes:
        name: Its key.
        size: Bytes at the symbols' largest sizes.
        first: Step that makes it; -1 if it is there from the start.
        last: Last step that needs it.
    """

    name: str
    size: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets of values, and the room that they need together.

    Attributes:
        offsets: Bytes from the start of the arena, by name.
        bytes: Size of the arena.
    """

    offsets: dict[str, int]
    bytes: int


def aligned(size: int) -> int:
    """Return `size` rounded up to the alignment of buffers."""
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def lay_out(lives: Sequence[Life]) -> Layout:
    """Return a layout in which values whose lives meet do not overlap."""
    placed: list[tuple[int, int, Life]] = []
    offsets: dict[str, int] = {}
    for life in sorted(lives, key=lambda v: (-v.size, v.first, v.name)):
        size = aligned(life.size)
        offset = 0
        for start, end, other in sorted(placed, key=lambda p: p[0]):
            if life.first > other.last or other.first > life.last:
                continue
            if offset + size <= start:
                break
            offset = max(offset, end)
        offsets[life.name] = offset
        placed.append((offset, offset + size, life))
    return Layout(offsets, max((end for _, end, _ in placed), default=0))
