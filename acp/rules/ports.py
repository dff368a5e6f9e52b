"""What the links of a system take of ports, and what they connect.

Loaded only where a system is judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acp.holdings import Holdings
    from acp.v1.capability import Port
    from acp.v1.system import Endpoint, Link, SystemDescriptor

Side: TypeAlias = Literal["a", "b"]

SIDES: Final[tuple[Side, Side]] = ("a", "b")
"""The ends of a link."""

LEAVING: Final = {"a": "a_to_b_bytes_per_s", "b": "b_to_a_bytes_per_s"}
"""Members with the rates away from each end."""

_FAMILY: Final = re.compile(r"(.*?)([0-9]{1,9})")
_PERCENT_ALLOWED: Final = 3


class Ports:
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
class Load:
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
    rates: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SIDES, 0))

    def add(self, link: Link, side: Side) -> str:
        """Add a link, and return by what the port is now oversubscribed, or nothing."""
        self.links += 1
        self.parts += 1 if link.count is None else link.count
        self.rates["a"] += getattr(link, LEAVING[side])
        self.rates["b"] += getattr(link, LEAVING["b" if side == "a" else "a"])
        if self.port.count is not None and self.parts > self.port.count:
            return (
                f"the links at this port take {self.parts} lanes or links, of which it has "
                f"{self.port.count}"
            )
        rate, there = max(self.rates.values()), self.port.bytes_per_s_per_direction
        if self.links > 1 and exceeds(rate, there):
            return f"the links at this port move {rate} bytes/s in one direction, the port {there}"
        return ""


class Groups:
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


def carries(port: str, link: str) -> bool:
    """Tell whether a port carries links of this kind: its own, or an earlier generation of it."""
    if port == link:
        return True
    ours, theirs = _FAMILY.fullmatch(port), _FAMILY.fullmatch(link)
    if ours is None or theirs is None or ours[1] != theirs[1]:
        return False
    return int(theirs[2]) < int(ours[2])


def share(port: Port, link: Link) -> Fraction:
    """Return what a port gives a link in one direction: its part, where both state how many."""
    whole = port.bytes_per_s_per_direction
    if not port.count or not link.count or link.count >= port.count:
        return Fraction(whole)
    return Fraction(whole * link.count, port.count)


def exceeds(rate: int, allowed: int | Fraction) -> bool:
    """Tell whether a rate is more than 3 % above what is allowed."""
    return 100 * rate > (100 + _PERCENT_ALLOWED) * allowed
