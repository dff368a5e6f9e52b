"""Links: ACP-L01 (ends), L02 (protocol), L03 (ports) and L04 (paths).

The ports of a device stand in its own descriptor. Where that is not held, what a link says of its
ports is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from acp.diagnostics import Severity
from acp.rules.registry import Breach, Context, listed, rule
from acp.tokens import LINK_KINDS
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acp.holdings import Holdings
    from acp.v1.capability import Port
    from acp.v1.system import Endpoint, Link

Side: TypeAlias = Literal["a", "b"]

_SIDES: Final[tuple[Side, Side]] = ("a", "b")
_LEAVING: Final = {"a": "a_to_b_bytes_per_s", "b": "b_to_a_bytes_per_s"}
_FAMILY: Final = re.compile(r"(.*?)([0-9]{1,9})")
_PERCENT_ALLOWED: Final = 3
_TWICE: Final = (19, 21)
"""Tenths between which a number is taken for the double of another."""


@rule("ACP-L01", SystemDescriptor)
def ends(document: SystemDescriptor, context: Context) -> Iterator[Breach]:
    """Links end at ports that exist, are of their kind, and have room for all of them."""
    ports = _Ports(document, context.held)
    loads: dict[tuple[str, str], _Load] = {}
    for i, link in enumerate(document.links):
        for side in _SIDES:
            end: Endpoint = getattr(link, side)
            if end.port is None:
                continue
            path = ("links", i, side, "port")
            known = ports.of(end.node)
            if known is not None and end.port not in known and end.node in ports.nodes:
                yield Breach(
                    path,
                    f"the descriptor of {end.node!r} has no port {end.port!r}; there are: "
                    f"{listed(known)}",
                )
            port = ports.at(end)
            if port is None:
                continue
            if not _carries(port.link_kind, link.kind):
                yield Breach(
                    path,
                    f"the link is of kind {link.kind}, but the port {end.port!r} is for "
                    f"{port.link_kind}; correct one of them, or name another port",
                )
            load = loads.setdefault((end.node, end.port), _Load(port))
            excess = load.add(link, side)
            if excess:
                yield Breach(path, f"{excess}; use another port, or correct counts and rates")


@rule("ACP-L02", CapabilityDescriptor)
def protocol_of_ports(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """No port of a device is faster in one direction than its protocol."""
    for i, port in enumerate(document.ports):
        yield from _within_protocol(("ports", i), port)


@rule("ACP-L02", SystemDescriptor)
def protocol_of_links(document: SystemDescriptor, _: Context) -> Iterator[Breach]:
    """No link, and no port of a switch, is faster in one direction than its protocol."""
    for i, switch in enumerate(document.switches):
        for j, port in enumerate(switch.ports):
            yield from _within_protocol(("switches", i, "ports", j), port)
    for i, link in enumerate(document.links):
        for member in _LEAVING.values():
            yield from _exceeding(
                ("links", i, member), link.kind, link.count, getattr(link, member)
            )


@rule("ACP-L03", SystemDescriptor)
def slower_end(document: SystemDescriptor, context: Context) -> Iterator[Breach]:
    """No link is faster than the slower of its two ports."""
    ports = _Ports(document, context.held)
    for i, link in enumerate(document.links):
        both = [(end, port) for end in (link.a, link.b) if (port := ports.at(end)) is not None]
        if not both:
            continue
        slower, port = min(both, key=lambda one: _share(one[1], link))
        allowed = _share(port, link)
        for member in _LEAVING.values():
            rate = getattr(link, member)
            if _exceeds(rate, allowed):
                yield Breach(
                    ("links", i, member),
                    f"found {rate}, but the port {slower.port!r} of {slower.node!r} gives the link "
                    f"{allowed} in one direction; lower the rate{_doubled(rate, allowed)}",
                )


@rule("ACP-L04", SystemDescriptor, severity=Severity.WARNING)
def paths(document: SystemDescriptor, _: Context) -> Iterator[Breach]:
    """What is said to copy directly can, and every device can be reached from every other."""
    for i, link in enumerate(document.links):
        if link.p2p != "DIRECT":
            continue
        if link.kind == "host-memory":
            yield Breach(
                ("links", i, "p2p"),
                "found DIRECT on a link through host memory; say HOST_MEDIATED, or which link "
                "the two ends have without the host",
            )
        elif not link.a_to_b_bytes_per_s or not link.b_to_a_bytes_per_s:
            yield Breach(
                ("links", i, "p2p"),
                "found DIRECT on a link with a rate of 0; say NONE, or state the rate",
            )
    yield from _islands(document)


def _islands(document: SystemDescriptor) -> Iterator[Breach]:
    """Find the groups of devices that nothing connects with the first device, but for the first."""
    groups = _Groups()
    for link in document.links:
        if link.a_to_b_bytes_per_s or link.b_to_a_bytes_per_s:
            groups.join(link.a.node, link.b.node)
    for view in document.memory_views:
        groups.join(view.initiator, view.target)
    for node in document.nodes:
        if node.contention_group is not None:
            # No id has a blank, so that a group is never taken for a node.
            groups.join(node.id, f"silicon {node.contention_group}")
    members: dict[str, list[int]] = {}
    for j, node in enumerate(document.nodes):
        members.setdefault(groups.root(node.id), []).append(j)
    first, *others = members.values()
    for island in others:
        names = listed(document.nodes[j].id for j in island)
        yield Breach(
            ("nodes", island[0]),
            f"no link, memory view or shared silicon connects {names} with "
            f"{document.nodes[first[0]].id!r}; add what does, or describe two systems",
        )


class _Ports:
    """The ports that links may end at.

    Attributes:
        nodes: Digest of the descriptor of each node.
    """

    def __init__(self, document: SystemDescriptor, held: Holdings) -> None:
        self.nodes = {node.id: node.descriptor_digest for node in document.nodes}
        self._held = held
        self._of_devices: dict[str, dict[str, Port]] = {}
        self._of_switches = {
            switch.id: {port.id: port for port in switch.ports} for switch in document.switches
        }

    def of(self, name: str) -> Mapping[str, Port] | None:
        """Return the ports of a node or switch by id; None where they are not known."""
        digest = self.nodes.get(name)
        if digest is None:
            return self._of_switches.get(name)
        if digest not in self._of_devices:
            descriptor = self._held.descriptors.get(digest)
            if descriptor is None:
                return None
            self._of_devices[digest] = {port.id: port for port in descriptor.ports}
        return self._of_devices[digest]

    def at(self, end: Endpoint) -> Port | None:
        """Return the port that an end of a link names, where it is known."""
        return None if end.port is None else (self.of(end.node) or {}).get(end.port)


@dataclass(slots=True)
class _Load:
    """What the links at one port take of it.

    Attributes:
        port: The port.
        links: Number of links so far.
        parts: Lanes or links that they take; a link that does not say how many takes one.
        rates: Bytes per second that leave and that arrive.
    """

    port: Port
    links: int = 0
    parts: int = 0
    rates: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_SIDES, 0))

    def add(self, link: Link, side: Side) -> str:
        """Add a link, and return by what the port is now oversubscribed, or nothing."""
        self.links += 1
        self.parts += 1 if link.count is None else link.count
        self.rates["a"] += getattr(link, _LEAVING[side])
        self.rates["b"] += getattr(link, _LEAVING["b" if side == "a" else "a"])
        if self.port.count is not None and self.parts > self.port.count:
            return (
                f"the links at this port take {self.parts} lanes or links, of which it has "
                f"{self.port.count}"
            )
        rate, there = max(self.rates.values()), self.port.bytes_per_s_per_direction
        if self.links > 1 and _exceeds(rate, there):
            return f"the links at this port move {rate} bytes/s in one direction, the port {there}"
        return ""


class _Groups:
    """Which names are connected: union by size, with shortened paths."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._size: dict[str, int] = {}

    def root(self, name: str) -> str:
        """Return the name that stands for all that are connected with `name`."""
        while (parent := self._parent.get(name, name)) != name:
            self._parent[name] = self._parent.get(parent, parent)
            name = parent
        return name

    def join(self, one: str, other: str) -> None:
        """Connect two names."""
        small, large = self.root(one), self.root(other)
        if small == large:
            return
        if self._size.get(small, 1) > self._size.get(large, 1):
            small, large = large, small
        self._parent[small] = large
        self._size[large] = self._size.get(small, 1) + self._size.get(large, 1)


def _carries(port: str, link: str) -> bool:
    """Tell whether a port carries links of this kind: its own, or an earlier generation of it."""
    if port == link:
        return True
    ours, theirs = _FAMILY.fullmatch(port), _FAMILY.fullmatch(link)
    if ours is None or theirs is None or ours[1] != theirs[1]:
        return False
    return int(theirs[2]) < int(ours[2])


def _share(port: Port, link: Link) -> int:
    """Return what a port gives a link in one direction: its part, where both state how many."""
    whole = port.bytes_per_s_per_direction
    if not port.count or not link.count or link.count >= port.count:
        return whole
    return whole * link.count // port.count


def _within_protocol(path: tuple[str | int, ...], port: Port) -> Iterator[Breach]:
    rate = port.bytes_per_s_per_direction
    yield from _exceeding((*path, "bytes_per_s_per_direction"), port.link_kind, port.count, rate)


def _exceeding(
    path: tuple[str | int, ...], token: str, count: int | None, rate: int
) -> Iterator[Breach]:
    """Yield a breach where `rate` is more than a link of this kind moves in one direction."""
    kind = LINK_KINDS.get(token)
    if kind is None or kind.bytes_per_s is None or kind.parts is None:
        return
    parts = kind.parts if count is None else count
    ceiling = parts * kind.bytes_per_s
    if rate > ceiling:
        width = f"the widest, {parts} {kind.part}s" if count is None else f"{parts} {kind.part}s"
        yield Breach(
            path,
            f"found {rate}, but {token} moves at most {ceiling} in one direction ({width} of "
            f"{kind.bytes_per_s}); lower it, or correct kind and count{_doubled(rate, ceiling)}",
        )


def _exceeds(rate: int, allowed: int) -> bool:
    """Tell whether a rate is more than 3 % above what is allowed."""
    return 100 * rate > (100 + _PERCENT_ALLOWED) * allowed


def _doubled(rate: int, allowed: int) -> str:
    """Return what to say of a rate that is about twice what is allowed."""
    low, high = _TWICE
    is_double = low * allowed <= 10 * rate <= high * allowed
    return " (are these both directions summed?)" if is_double else ""
