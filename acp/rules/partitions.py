"""Parts of devices: ACP-Q01 (partitions fit in the whole, and no slice outdoes it)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from acp.canonical import digest
from acp.rules.registry import Breach, Context, rule
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor

if TYPE_CHECKING:
    from acp.holdings import Holdings
    from acp.rules.figures import Figure, Name
    from acp.v1.capability import Partitions
    from acp.v1.system import Node

_Excess: TypeAlias = tuple[tuple[str | int, ...], int, int]
"""Where a number stands that is too large, the number, and what it may not exceed."""

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
    """The slices of one unit together take no more than it has; a whole one stands there once."""
    if not context.held.descriptors:
        return
    yield from _twice(document, context.held)
    from acp.rules.divided import Cuts, Divided, place_of

    cut = Cuts(context.held)
    units: dict[_Unit, Divided] = {}
    for j, node in enumerate(document.nodes):
        for parent, profile in cut.of(node.descriptor_digest):
            place = place_of(node, context.held.descriptors[node.descriptor_digest])
            if place is not None and parent.partitions is not None:
                unit = units.setdefault((id(parent), *place), Divided(parent.partitions))
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


def _twice(document: SystemDescriptor, held: Holdings) -> Iterator[Breach]:
    first: dict[tuple[str, str], Node] = {}
    for j, node in enumerate(document.nodes):
        device = held.descriptors.get(node.descriptor_digest)
        if device is None or device.subject.scope == "SLICE":
            continue
        unit = node.unit_id or device.subject.unit_id
        if unit is None:
            continue
        other = first.setdefault((node.descriptor_digest, unit), node)
        shared = node.contention_group
        if other is not node and (shared is None or shared != other.contention_group):
            yield Breach(
                ("nodes", j),
                f"{node.id!r} is the unit {unit!r}, as {other.id!r} is; remove one, correct the "
                "unit_id, or say with contention_group that they share silicon",
            )


def _profiles(
    document: CapabilityDescriptor, partitions: Partitions, held: Holdings
) -> Iterator[Breach]:
    there = partitions.counters
    outdone: dict[str, Mapping[str, _Excess]] = {}
    whole = None
    for i, profile in enumerate(partitions.profiles):
        path = ("partitions", "profiles", i)
        for counter, amount in profile.consumes.items():
            if counter in there and amount > there[counter]:
                yield Breach(
                    (*path, "consumes", counter),
                    f"one partition takes {amount}, but the device has {there[counter]}; correct "
                    "one of them",
                )
        name = profile.descriptor_digest or ""
        part = held.descriptors.get(name)
        if part is not None:
            if name not in outdone:
                whole = whole or _figures(document)
                outdone[name] = _outdone(_figures(part), whole)
            where = (*path, "descriptor_digest")
            if part.subject.scope != "SLICE":
                yield Breach(
                    where,
                    f"names a descriptor of scope {part.subject.scope}, allowed is SLICE; name the "
                    "descriptor of such a partition",
                )
            if part.subject.vendor != document.subject.vendor:
                yield Breach(where, f"{_foreign(part, document)}; name another descriptor")
            for words, (_, less, more) in outdone[name].items():
                yield Breach(
                    where,
                    f"the partition claims {less} ({words}), but the whole device {more}; correct "
                    "one of the two descriptors",
                )


def _slice(document: CapabilityDescriptor, held: Holdings) -> Iterator[Breach]:
    named = held.descriptors.get(document.subject.parent_digest or "")
    parents = {} if named is None else {id(named): named}
    if held.parents:
        # One parent may have many profiles with this slice's digest.
        others = held.parents.get(digest(document.to_json()), ())
        parents |= {id(parent): parent for parent in others}
    ours = _figures(document) if parents else {}
    for parent in parents.values():
        if parent.subject.vendor != document.subject.vendor:
            yield Breach(
                ("subject", "vendor"), f"{_foreign(document, parent)}; correct it, or the parent"
            )
        for words, (path, more, less) in _outdone(ours, _figures(parent)).items():
            yield Breach(
                path,
                f"the slice claims {more} ({words}), but the device that it is a slice of {less}; "
                "lower it, or name another parent",
            )


def _foreign(part: CapabilityDescriptor, whole: CapabilityDescriptor) -> str:
    return (
        f"the slice is of a device by {part.subject.vendor}, and what it is cut from by "
        f"{whole.subject.vendor}"
    )


def _figures(document: CapabilityDescriptor) -> Mapping[Name, Figure]:
    from acp.rules.figures import figures

    return figures(document)


def _outdone(part: Mapping[Name, Figure], whole: Mapping[Name, Figure]) -> Mapping[str, _Excess]:
    """Return in which numbers a part exceeds the whole: where, the part's and the whole's."""
    return {
        figure.words: (figure.path, figure.value, whole[name].value)
        for name, figure in part.items()
        if name in whole and figure.value > whole[name].value
    }
