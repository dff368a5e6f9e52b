"""Parts of devices: ACP-Q01 (partitions fit in the whole, and no slice outdoes it)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from acp.canonical import digest
from acp.rules.registry import Breach, Context, listed, rule
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor

if TYPE_CHECKING:
    from acp.holdings import Holdings
    from acp.v1.capability import Partitions
    from acp.v1.system import Node

_Unit: TypeAlias = tuple[int | str, ...]
"""What tells a physical unit that is divided: its descriptor, and where it stands."""


@rule("ACP-Q01", CapabilityDescriptor)
def partitions_of_a_device(document: CapabilityDescriptor, context: Context) -> Iterator[Breach]:
    """A partition takes no more than there is, and a slice does no more than the whole."""
    if document.partitions is not None:
        yield from _profiles(document, document.partitions, context.held)
    if document.subject.scope == "SLICE":
        yield from _slice(document, context.held)


@rule("ACP-Q01", SystemDescriptor)
def partitions_of_a_system(document: SystemDescriptor, context: Context) -> Iterator[Breach]:
    """The slices of one unit together take no more than the unit has."""
    if not context.held.descriptors:
        return
    cut = _Cuts(context.held)
    units: dict[_Unit, _Divided] = {}
    for j, node in enumerate(document.nodes):
        for parent, profile in cut.of(node.descriptor_digest):
            place = _place(node, context.held.descriptors[node.descriptor_digest])
            if place is not None and parent.partitions is not None:
                unit = units.setdefault((id(parent), *place), _Divided(parent.partitions))
                unit.taken[profile] += 1
                unit.last = j
    judged: dict[tuple[int, frozenset[tuple[int, int]]], str] = {}
    for unit in units.values():
        # Units that are divided alike are judged once, so that a fleet costs what its kinds cost.
        key = (id(unit.partitions), frozenset(unit.taken.items()))
        if key not in judged:
            judged[key] = unit.excess()
        if judged[key]:
            yield Breach(("nodes", unit.last), judged[key])


@dataclass(slots=True)
class _Cuts:
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
class _Divided:
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


def _profiles(
    document: CapabilityDescriptor, partitions: Partitions, held: Holdings
) -> Iterator[Breach]:
    there = partitions.counters
    for i, profile in enumerate(partitions.profiles):
        path = ("partitions", "profiles", i)
        for counter, amount in profile.consumes.items():
            if counter in there and amount > there[counter]:
                yield Breach(
                    (*path, "consumes", counter),
                    f"one partition takes {amount}, but the device has {there[counter]}; correct "
                    "one of them",
                )
        part = held.descriptors.get(profile.descriptor_digest or "")
        if part is not None:
            where = (*path, "descriptor_digest")
            if part.subject.scope != "SLICE":
                yield Breach(
                    where,
                    f"names a descriptor of scope {part.subject.scope}, allowed is SLICE; name the "
                    "descriptor of such a partition",
                )
            for words, (_, less, more) in _outdone(part, document).items():
                yield Breach(
                    where,
                    f"the partition claims {less} ({words}), but the whole device {more}; correct "
                    "one of the two descriptors",
                )


def _slice(document: CapabilityDescriptor, held: Holdings) -> Iterator[Breach]:
    parents = []
    if document.subject.parent_digest is not None:
        parents = [held.descriptors.get(document.subject.parent_digest)]
    if held.parents:
        parents += held.parents.get(digest(document.to_json()), ())
    for parent in parents:
        if parent is None:
            continue
        for words, (path, more, less) in _outdone(document, parent).items():
            yield Breach(
                path,
                f"the slice claims {more} ({words}), but the device that it is a slice of {less}; "
                "lower it, or name another parent",
            )


def _outdone(
    part: CapabilityDescriptor, whole: CapabilityDescriptor
) -> Mapping[str, tuple[tuple[str | int, ...], int, int]]:
    """Return in which numbers a part exceeds the whole: where, the part's and the whole's."""
    from acp.rules.figures import figures

    of_whole = figures(whole)
    return {
        figure.words: (figure.path, figure.value, of_whole[name].value)
        for name, figure in figures(part).items()
        if name in of_whole and figure.value > of_whole[name].value
    }


def _place(node: Node, slice_: CapabilityDescriptor) -> tuple[str, ...] | None:
    """Return what tells the unit that a slice is of; nothing where the system does not say."""
    unit = node.unit_id or slice_.subject.unit_id
    if unit is not None:
        return ("unit", unit)
    return None if node.pcie is None else ("pcie", node.host or "", node.pcie)
