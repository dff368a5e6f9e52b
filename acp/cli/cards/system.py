"""The card of a system descriptor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from acp.cli.cards.text import cut, fact, header, lines, section
from acp.quantities import decimal, watts

if TYPE_CHECKING:
    from acp.v1.system import (
        Endpoint,
        Link,
        MemoryView,
        Node,
        PowerDomain,
        Switch,
        SystemDescriptor,
    )


def card(document: SystemDescriptor) -> str:
    """Return a system descriptor in words."""
    groups = Counter(one.contention_group for one in document.nodes if one.contention_group)
    kinds = Counter(one.kind for one in document.links)
    devices = len({one.descriptor_digest for one in document.nodes})
    several = f" with {devices} descriptors" if devices < len(document.nodes) else ""
    return lines(
        [
            f"System of {len(document.nodes)} nodes{several}",
            *header(document),
            *section("nodes", document.nodes, _node),
            *fact("sharing silicon", (f"{n} nodes in {name}" for name, n in groups.items())),
            *section("switches", document.switches, _switch),
            *fact("kinds of links", (f"{count} {kind}" for kind, count in kinds.items())),
            *section("links", document.links, _link),
            *section("memory seen by others", document.memory_views, _view),
            *section("power shared", document.power_domains, _domain),
            *fact("extensions", document.extensions),
            *fact("critical", document.critical),
        ]
    )


def _node(node: Node) -> Iterator[str]:
    places = [
        f"unit {node.unit_id}" if node.unit_id else "",
        f"host {node.host}" if node.host else "",
        f"NUMA node {node.numa_node}" if node.numa_node is not None else "",
        f"PCI {node.pcie}" if node.pcie else "",
        f"contends in {node.contention_group}" if node.contention_group else "",
        f"labels {' '.join(node.labels)}" if node.labels else "",
    ]
    yield ", ".join([f"{node.id}: {node.descriptor_digest}", *filter(None, places)])


def _switch(switch: Switch) -> Iterator[str]:
    kinds = Counter(port.link_kind for port in switch.ports)
    words = cut(f"{count} {kind}" for kind, count in kinds.items())
    yield f"{switch.id}: {len(switch.ports)} ports" + (f", {words}" if words else "")


def _link(link: Link) -> Iterator[str]:
    there, back = link.a_to_b_bytes_per_s, link.b_to_a_bytes_per_s
    rates = decimal(there, "B/s")
    rates += " each way" if there == back else f", back {decimal(back, 'B/s')}"
    count = f" × {link.count}" if link.count else ""
    more = [
        f"{link.latency_ns} ns" if link.latency_ns is not None else "",
        "coherent" if link.coherent else "",
        f"peer to peer {link.p2p}" if link.p2p else "",
    ]
    ends = f"{_end(link.a)} → {_end(link.b)}"
    yield ", ".join([f"{link.id}: {ends}, {link.kind}{count}, {rates}", *filter(None, more)])


def _end(one: Endpoint) -> str:
    return one.node + (f".{one.port}" if one.port else "")


def _view(view: MemoryView) -> Iterator[str]:
    wait = f", {view.latency_ns} ns" if view.latency_ns is not None else ""
    coherent = ", coherent" if view.coherent else ""
    speed = decimal(view.bytes_per_s, "B/s")
    yield f"{view.initiator} sees that of {view.target}: {speed}{wait}{coherent}"


def _domain(domain: PowerDomain) -> Iterator[str]:
    yield f"{cut(domain.members)}: at most {watts(domain.cap_mw)}"
