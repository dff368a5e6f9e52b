"""Names and what they stand for: ACP-I01 (unique and resolved) and ACP-I02 (unit or model)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Protocol, TypeAlias

from acp.rules.pointers import resolve
from acp.rules.registry import Breach, Context, listed, rule
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor

if TYPE_CHECKING:
    from acp.v1.capability import Partitions
    from acp.v1.system import Endpoint


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


_Named: TypeAlias = tuple[tuple[str | int, ...], str]
"""Where a name stands, and the name."""


@rule("ACP-I01", CapabilityDescriptor)
def names_of_a_device(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Identifiers are unique and references resolve within a capability descriptor."""
    yield from _unique("engine", _ids("engines", document.engines))
    yield from _unique("memory", _ids("memories", document.memories))
    yield from _unique("port", _ids("ports", document.ports))
    yield from _unique(
        "operation", ((("ops", i, "op"), one.op) for i, one in enumerate(document.ops))
    )
    yield from _unique(
        "limit", ((("queues", i, "kind"), one.kind) for i, one in enumerate(document.queues))
    )
    engines = {engine.id for engine in document.engines}
    memories = {memory.id for memory in document.memories}
    for i, memory in enumerate(document.memories):
        yield from _resolved(
            "engine", engines, _elements(("memories", i, "engines"), memory.engines)
        )
        if memory.backing_id is not None:
            path = ("memories", i, "backing_id")
            yield from _resolved("memory", memories, [(path, memory.backing_id)])
    yield from _circles(document)
    for i, operation in enumerate(document.ops):
        for j, variant in enumerate(operation.variants):
            place = ("ops", i, "variants", j, "engine")
            yield from _resolved("engine", engines, [(place, variant.engine)])
    for i, energy in enumerate(document.energy):
        if energy.event.startswith("mem:"):
            name = energy.event.removeprefix("mem:").rpartition(".")[0]
            yield from _resolved("memory", memories, [(("energy", i, "event"), name)])
    if document.partitions is not None:
        yield from _partitions(document.partitions)
    yield from _provenance(document)


@rule("ACP-I01", SystemDescriptor)
def names_of_a_system(document: SystemDescriptor, _: Context) -> Iterator[Breach]:
    """Identifiers are unique and references resolve within a system descriptor."""
    places = chain(_ids("nodes", document.nodes), _ids("switches", document.switches))
    yield from _unique("node or switch", places)
    yield from _unique("link", _ids("links", document.links))
    for i, switch in enumerate(document.switches):
        ports = ((("switches", i, "ports", j, "id"), one.id) for j, one in enumerate(switch.ports))
        yield from _unique("port", ports)
    nodes = {node.id for node in document.nodes}
    ports_of = {one.id: {port.id for port in one.ports} for one in document.switches}
    for i, link in enumerate(document.links):
        yield from _endpoint(("links", i, "a"), link.a, nodes, ports_of)
        yield from _endpoint(("links", i, "b"), link.b, nodes, ports_of)
        if link.a.node == link.b.node:
            path: tuple[str | int, ...] = ("links", i, "b", "node")
            yield Breach(path, f"both ends are {link.b.node!r}; a link has two different ones")
    views: set[tuple[str, str]] = set()
    for i, view in enumerate(document.memory_views):
        path = ("memory_views", i)
        ends = [((*path, "initiator"), view.initiator), ((*path, "target"), view.target)]
        yield from _resolved("node", nodes, ends)
        if view.initiator == view.target:
            yield Breach(path, f"{view.target!r} views itself; a view is of another node's memory")
        if (view.initiator, view.target) in views:
            told = f"{view.initiator!r} has of {view.target!r}"
            yield Breach(path, f"a second view that {told}; keep the one that is true")
        views.add((view.initiator, view.target))
    for i, domain in enumerate(document.power_domains):
        place = ("power_domains", i, "members")
        yield from _resolved("node", nodes, _elements(place, domain.members))
        seen: set[str] = set()
        for path, name in _elements(place, domain.members):
            if name in seen:
                yield Breach(path, f"{name!r} is a member already; name each once")
            seen.add(name)


@rule("ACP-I02", CapabilityDescriptor)
def scope(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """A unit has a unit id, and a model has none; a slice alone has a parent."""
    subject = document.subject
    if subject.scope == "UNIT" and subject.unit_id is None:
        yield Breach(
            ("subject", "unit_id"),
            "a descriptor of scope UNIT must say which unit: add the serial number or UUID, or "
            "set the scope to MODEL",
        )
    if subject.scope == "MODEL" and subject.unit_id is not None:
        yield Breach(
            ("subject", "unit_id"),
            f"found {subject.unit_id!r}, but a descriptor of scope MODEL speaks of every unit; "
            "remove it, or set the scope to UNIT",
        )
    if subject.scope != "SLICE" and subject.parent_digest is not None:
        yield Breach(
            ("subject", "parent_digest"),
            f"what has a parent is a slice of it, but the scope is {subject.scope}; remove it, or "
            "set the scope to SLICE",
        )


def _ids(member: str, things: Iterable[_HasId]) -> Iterator[_Named]:
    for index, thing in enumerate(things):
        yield (member, index, "id"), thing.id


def _elements(path: tuple[str | int, ...], names: Iterable[str]) -> Iterator[_Named]:
    for index, name in enumerate(names):
        yield (*path, index), name


def _unique(noun: str, named: Iterable[_Named]) -> Iterator[Breach]:
    seen: set[str] = set()
    for path, name in named:
        if name in seen:
            yield Breach(path, f"a second {noun} with the name {name!r}; give each its own")
        seen.add(name)


def _resolved(noun: str, known: Collection[str], named: Iterable[_Named]) -> Iterator[Breach]:
    for path, name in named:
        if name not in known:
            yield Breach(path, f"there is no {noun} {name!r}; there are: {listed(known)}")


def _circles(document: CapabilityDescriptor) -> Iterator[Breach]:
    """Find memories from which `backing_id` leads back to themselves."""
    backing = {memory.id: memory.backing_id for memory in document.memories}
    settled: set[str] = set()
    for i, memory in enumerate(document.memories):
        walked: dict[str, None] = {}
        name: str | None = memory.id
        while name is not None and name not in settled and name not in walked:
            walked[name] = None
            name = backing.get(name)
        if name in walked:
            path = ("memories", i, "backing_id")
            yield Breach(path, f"backing leads in a circle: {' → '.join([*list(walked)[:8], '…'])}")
        settled.update(walked)


def _partitions(partitions: Partitions) -> Iterator[Breach]:
    profiles = partitions.profiles
    path = ("partitions", "profiles")
    yield from _unique("profile", (((*path, i, "name"), p.name) for i, p in enumerate(profiles)))
    for i, profile in enumerate(profiles):
        named = (((*path, i, "consumes", counter), counter) for counter in profile.consumes)
        yield from _resolved("counter", partitions.counters, named)


def _endpoint(
    path: tuple[str | int, ...],
    end: Endpoint,
    nodes: Collection[str],
    ports_of: dict[str, set[str]],
) -> Iterator[Breach]:
    """A node's ports stand in its own descriptor, so that only a switch's can be resolved here."""
    if end.node in nodes:
        return
    if end.node not in ports_of:
        known = {*nodes, *ports_of}
        yield from _resolved("node or switch", known, [((*path, "node"), end.node)])
    elif end.port is not None:
        known = ports_of[end.node]
        yield from _resolved(f"port of {end.node!r}", known, [((*path, "port"), end.port)])


def _provenance(document: CapabilityDescriptor) -> Iterator[Breach]:
    for i, entry in enumerate(document.provenance):
        for j, path in enumerate(entry.paths):
            try:
                resolve(path, document)
            except LookupError:
                where = ("provenance", i, "paths", j)
                yield Breach(
                    where, f"{path!r} leads to nothing in this document; correct or remove it"
                )
