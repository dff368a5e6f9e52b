"""Links: ACP-L01 (ends), L02 (protocol), L03 (ports) and L04 (paths).

The ports of a device stand in its own descriptor. Where that is not held, what a link says of its
ports is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from acp.diagnostics import Severity
from acp.rules.registry import Breach, Context, listed, rule
from acp.tokens import LINK_KINDS
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor

if TYPE_CHECKING:
    from fractions import Fraction

    from acp.v1.capability import Port
    from acp.v1.system import Endpoint

_RATES: Final = ("a_to_b_bytes_per_s", "b_to_a_bytes_per_s")
_TWICE: Final = (19, 21)
"""Tenths between which a number is taken for the double of another."""


@rule("ACP-L01", SystemDescriptor)
def ends(document: SystemDescriptor, context: Context) -> Iterator[Breach]:
    """Links end at ports that exist, are of their kind, and have room for all of them."""
    from acp.rules.ports import SIDES, Load, Ports, carries

    ports = Ports(document, context.held)
    loads: dict[tuple[str, str], Load] = {}
    for i, link in enumerate(document.links):
        for side in SIDES:
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
            if not carries(port.link_kind, link.kind):
                yield Breach(
                    path,
                    f"the link is of kind {link.kind}, but the port {end.port!r} is for "
                    f"{port.link_kind}; correct one of them, or name another port",
                )
            load = loads.setdefault((end.node, end.port), Load(port))
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
        for member in _RATES:
            yield from _exceeding(
                ("links", i, member), link.kind, link.count, getattr(link, member)
            )


@rule("ACP-L03", SystemDescriptor)
def slower_end(document: SystemDescriptor, context: Context) -> Iterator[Breach]:
    """No link is faster than the slower of its two ports."""
    from acp.rules.ports import Ports, exceeds, share

    ports = Ports(document, context.held)
    for i, link in enumerate(document.links):
        both = [(end, port) for end in (link.a, link.b) if (port := ports.at(end)) is not None]
        if not both:
            continue
        slower, port = min(both, key=lambda one: share(one[1], link))
        allowed = share(port, link)
        for member in _RATES:
            rate = getattr(link, member)
            if exceeds(rate, allowed):
                yield Breach(
                    ("links", i, member),
                    f"found {rate}, but the port {slower.port!r} of {slower.node!r} gives the link "
                    f"{int(allowed)} in one direction; lower the rate{_doubled(rate, allowed)}",
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
    from acp.rules.ports import Groups

    groups = Groups()
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


def _doubled(rate: int, allowed: int | Fraction) -> str:
    """Return what to say of a rate that is about twice what is allowed."""
    low, high = _TWICE
    is_double = low * allowed <= 10 * rate <= high * allowed
    return " (are these both directions summed?)" if is_double else ""
