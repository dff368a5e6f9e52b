"""Units that stand in a system in slices: where slices are cut from, and what they take.

Loaded only where a system is judged together with its devices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from acp.rules.registry import listed

if TYPE_CHECKING:
    from acp.holdings import Holdings
    from acp.v1.capability import CapabilityDescriptor, Partitions
    from acp.v1.system import Node


@dataclass(slots=True)
class Cuts:
    """From which descriptors slices are cut, each looked up once.

    Attributes:
        held: Where the descriptors are.
    """

    held: Holdings
    _known: dict[str, tuple[tuple[CapabilityDescriptor, int], ...]] = field(default_factory=dict)
    _profiles: dict[int, dict[str, int]] = field(default_factory=dict)

    def of(self, digest: str) -> tuple[tuple[CapabilityDescriptor, int], ...]:
        """Return the whole that a slice is cut from, with the index of the profile; all of them."""
        if digest not in self._known:
            self._known[digest] = tuple(self._found(digest))
        return self._known[digest]

    def _found(self, digest: str) -> Iterator[tuple[CapabilityDescriptor, int]]:
        slice_ = self.held.descriptors.get(digest)
        if slice_ is None or slice_.subject.scope != "SLICE":
            return
        parents = {id(parent): parent for parent in self.held.parents.get(digest, ())}
        named = self.held.descriptors.get(slice_.subject.parent_digest or "")
        parents |= {} if named is None else {id(named): named}
        for parent in parents.values():
            profiles = self._index(parent)
            mode = slice_.operating_point.partition_mode
            index = profiles.get(digest, profiles.get(mode or ""))
            if index is not None:
                yield parent, index

    def _index(self, parent: CapabilityDescriptor) -> dict[str, int]:
        """Return the profiles' indices, by their names and by the digests of their descriptors."""
        if id(parent) not in self._profiles:
            profiles = parent.partitions.profiles if parent.partitions else ()
            found: dict[str, int] = {}
            for index, profile in enumerate(profiles):
                found.setdefault(profile.name, index)
                found.setdefault(profile.descriptor_digest or "", index)
            found.pop("", None)
            self._profiles[id(parent)] = found
        return self._profiles[id(parent)]


@dataclass(slots=True)
class Divided:
    """A unit that stands in a system in slices.

    Attributes:
        partitions: What there is to divide.
        taken: Number of slices by the index of the profile.
        last: Index of the last node that is one of them.
    """

    partitions: Partitions
    taken: Counter[int] = field(default_factory=Counter)
    last: int = 0

    def excess(self) -> str:
        """Return what is wrong with the division, or nothing."""
        profiles = self.partitions.profiles
        for counter, there in self.partitions.counters.items():
            amount = sum(
                count * profiles[index].consumes.get(counter, 0)
                for index, count in self.taken.items()
            )
            if amount > there:
                slices = listed(f"{count} × {profiles[i].name}" for i, count in self.taken.items())
                return (
                    f"this and the other slices of its unit ({slices}) take {amount} of "
                    f"{counter!r}, of which there are {there}; remove some of them"
                )
        return ""


def place_of(node: Node, slice_: CapabilityDescriptor) -> tuple[str, ...] | None:
    """Return what tells the unit that a slice is of; nothing where the system does not say."""
    unit = node.unit_id or slice_.subject.unit_id
    if unit is not None:
        return ("unit", unit)
    return None if node.pcie is None else ("pcie", node.host or "", node.pcie)
