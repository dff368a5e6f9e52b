"""Which device sees which memory without a transfer, and which links join the others.

A memory with a coherence domain belongs to that domain, and any other is a domain of its own,
private to its slot (spec/cep.md, section 8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor, Memory
    from acp.v1.system import SystemDescriptor
    from cep.v1.plan import Arena


@dataclass
class Sight:
    """The memories of a plan's devices.

    Attributes:
        arenas: Arenas of the plan.
        devices: Believed descriptors by slot.
        digests: Digests of the descriptors that the slots stand for.
        systems: Believed system descriptors.
    """

    arenas: Sequence[Arena]
    devices: Mapping[str, CapabilityDescriptor]
    digests: Mapping[str, str]
    systems: Sequence[SystemDescriptor]

    @cached_property
    def visible(self) -> dict[str, frozenset[str]]:
        """Names of what each slot's device sees without a transfer."""
        return {
            slot: frozenset(self.domain(slot, memory) for memory in descriptor.memories)
            for slot, descriptor in self.devices.items()
        }

    @cached_property
    def domains(self) -> dict[str, str | None]:
        """Name of what shares each arena's memory; None where no descriptor has that memory."""
        found: dict[str, str | None] = {}
        for arena in self.arenas:
            memory = self.memory(arena.device, arena.memory)
            found[arena.id] = self.domain(arena.device, memory) if memory else None
        return found

    @cached_property
    def seen_by(self) -> dict[str | None, frozenset[str]]:
        """Digests of the descriptors of the devices that see each domain."""
        seeing: dict[str | None, set[str]] = {domain: set() for domain in self.domains.values()}
        for slot, digest in self.digests.items():
            for domain in self.visible.get(slot, frozenset()) & seeing.keys():
                seeing[domain].add(digest)
        return {domain: frozenset(digests) for domain, digests in seeing.items()}

    @cached_property
    def links(self) -> dict[str, list[tuple[str, str, int, int]]]:
        """By link, in each direction it carries: descriptors at both ends, rate and latency."""
        found: dict[str, list[tuple[str, str, int, int]]] = {}
        for system in self.systems:
            nodes = {node.id: node.descriptor_digest for node in system.nodes}
            for link in system.links:
                a, b = nodes.get(link.a.node), nodes.get(link.b.node)
                if a and b and link.a.node != link.b.node:
                    ways, latency = found.setdefault(link.id, []), link.latency_ns or 0
                    there, back = link.a_to_b_bytes_per_s, link.b_to_a_bytes_per_s
                    ways += [(a, b, there, latency)] if there else []
                    ways += [(b, a, back, latency)] if back else []
        return found

    @cached_property
    def joined(self) -> set[tuple[str, str]]:
        """Descriptors of each two nodes between which links lead in both directions."""
        found: set[tuple[str, str]] = set()
        for system in self.systems:
            nodes = {node.id: node.descriptor_digest for node in system.nodes}
            ends = [(link.a.node, link.b.node, link) for link in system.links]
            ways = {(a, b) for a, b, link in ends if link.a_to_b_bytes_per_s}
            ways |= {(b, a) for a, b, link in ends if link.b_to_a_bytes_per_s}
            there = {(a, b) for a, b in ways if a != b and a in nodes and b in nodes}
            found |= {(nodes[a], nodes[b]) for a, b in there if (b, a) in there}
        return found

    def memory(self, slot: str, name: str) -> Memory | None:
        """Return a memory of a slot's descriptor."""
        descriptor = self.devices.get(slot)
        found = [m for m in descriptor.memories if m.id == name] if descriptor else []
        return found[0] if found else None

    def domain(self, slot: str, memory: Memory) -> str:
        """Return the name of what shares a memory: its coherence domain, or the memory alone."""
        if memory.coherence_domain is not None:
            return f"={memory.coherence_domain}"  # no slot begins so
        return f"{slot}/{memory.id}"

    @cached_property
    def rooms(self) -> dict[str, int]:
        """Bytes of each memory that programs can have; the least that any device says."""
        rooms: dict[str, int] = {}
        for slot, descriptor in self.devices.items():
            for memory in descriptor.memories:
                room, domain = room_of(memory), self.domain(slot, memory)
                if memory.role in ("DEVICE", "SHARED", "SCRATCH"):
                    rooms[domain] = min(room, rooms.get(domain, room))
        return rooms

    def main_memory(self, slot: str) -> Memory | None:
        """Return the largest memory of a device that programs use, the first of equals."""
        found = self.devices.get(slot)
        main = [m for m in found.memories if m.role in ("DEVICE", "SHARED")] if found else []
        return max(main, key=lambda m: m.instances * m.capacity_bytes_per_instance, default=None)

    def main_domain(self, slot: str) -> str:
        """Return the name of what shares a device's main memory; the slot where it has none."""
        main = self.main_memory(slot)
        return self.domain(slot, main) if main else slot


def room_of(memory: Memory) -> int:
    """Return the bytes of a memory that programs can have, by its descriptor."""
    return memory.usable_bytes or memory.instances * memory.capacity_bytes_per_instance
