"""The numbers by which two descriptors can be compared, under names that both would give them.

Identifiers are each issuer's own choice, so that a number is known by what it is about: a rate by
kind of engine, dtypes and sparsity; a memory by technology, role and level; ports by technology.
Where several things have one name, rates of engines give the largest, and all else the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor, Memory, Rate

Name: TypeAlias = tuple[str | int | None, ...]
"""What a number is about."""

_MEMORY_MEMBERS: Final = (
    "capacity_bytes_per_instance",
    "usable_bytes",
    "read_bytes_per_s",
    "write_bytes_per_s",
    "combined_bytes_per_s",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of a descriptor.

    Attributes:
        value: The number.
        path: Where it stands; the first of several.
        words: What it is about, for people.
    """

    value: int
    path: tuple[str | int, ...]
    words: str


def figures(document: CapabilityDescriptor) -> dict[Name, Figure]:
    """Return the numbers of a descriptor by what they are about, in one pass."""
    found = _rates(document) | _memories(document) | _ports(document)
    if document.power is not None and document.power.tdp_mw is not None:
        found["power",] = Figure(document.power.tdp_mw, ("power", "tdp_mw"), "tdp_mw")
    return found


def multiplied(rate: Rate) -> str:
    """Return the dtypes and the sparsity of a rate in words."""
    acc = "" if rate.acc is None else f" + {rate.acc}"
    return f"{rate.a} × {rate.b}{acc} → {rate.out}, {rate.sparsity}"


def _rates(document: CapabilityDescriptor) -> dict[Name, Figure]:
    found: dict[Name, Figure] = {}
    for i, engine in enumerate(document.engines):
        for j, rate in enumerate(engine.rates):
            name = ("rate", engine.kind, rate.a, rate.b, rate.acc, rate.out, rate.sparsity)
            known = found.get(name)
            if known is None or rate.peak_ops_per_s > known.value:
                path = ("engines", i, "rates", j, "peak_ops_per_s")
                words = f"{multiplied(rate)} on a {engine.kind} engine"
                found[name] = Figure(rate.peak_ops_per_s, path, words)
    return found


def _memories(document: CapabilityDescriptor) -> dict[Name, Figure]:
    """A sum is known where each memory of the name states its part."""
    groups: dict[Name, list[tuple[int, Memory]]] = {}
    for i, memory in enumerate(document.memories):
        groups.setdefault((memory.kind, memory.role, memory.level), []).append((i, memory))
    found: dict[Name, Figure] = {}
    for name, memories in groups.items():
        for member in _MEMORY_MEMBERS:
            parts = [_part(memory, member) for _, memory in memories]
            known = [part for part in parts if part is not None]
            if len(known) == len(parts):
                path = ("memories", memories[0][0], member)
                level = "" if name[2] is None else f" of level {name[2]}"
                words = f"{member} of {name[0]} {name[1]} memory{level}"
                found["memory", *name, member] = Figure(sum(known), path, words)
    return found


def _part(memory: Memory, member: str) -> int | None:
    value: int | None = getattr(memory, member)
    if member == "capacity_bytes_per_instance" and value is not None:
        return value * memory.instances
    return value


def _ports(document: CapabilityDescriptor) -> dict[Name, Figure]:
    found: dict[Name, Figure] = {}
    for i, port in enumerate(document.ports):
        name = ("port", port.link_kind)
        path = ("ports", i, "bytes_per_s_per_direction")
        known = found.get(name, Figure(0, path, f"{port.link_kind} ports, one direction"))
        found[name] = Figure(known.value + port.bytes_per_s_per_direction, known.path, known.words)
    return found
