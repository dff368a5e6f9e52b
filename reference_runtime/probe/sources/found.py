"""What a source tells of a device, and how a driver is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

from acp.tokens import LINK_KINDS
from acp.v1.capability import (
    Engine,
    Memory,
    OperatingPoint,
    Partitions,
    Port,
    Power,
    Provenance,
    Software,
    Subject,
)

if TYPE_CHECKING:
    from acp.canonical import JsonValue
    from acp.message import Message

_T = TypeVar("_T")

Fact = str | int | bool | list[str]
"""Something that no member of a descriptor has room for."""

PCI_VENDORS: Final[Mapping[int, str]] = {
    0x1002: "amd.com",
    0x106B: "apple.com",
    0x10DE: "nvidia.com",
    0x13B5: "arm.com",
    0x14E4: "broadcom.com",
    0x1AE0: "google.com",
    0x5143: "qualcomm.com",
    0x8086: "intel.com",
    0x10005: "mesa3d.org",
}
"""DNS names of makers by their number at the PCI-SIG, or at Khronos from 0x10000 on."""


class NothingFoundError(Exception):
    """A source found no device; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A device as its driver describes it: members of a descriptor, and what has no room there.

    There are no `ops`: what a device can run is claimed by the adapter that runs it.

    Attributes:
        subject: The device; `unit_id` names it across sources and restarts.
        operating_point: Settings in force.
        software: Drivers.
        engines: Things that compute; without measured rates.
        memories: Things that hold data.
        power: Limits.
        ports: Where links attach.
        partitions: How it can be divided.
        provenance: Where the values come from.
        facts: What else is known, by name.
    """

    subject: Subject
    operating_point: OperatingPoint
    software: tuple[Software, ...] = ()
    engines: tuple[Engine, ...] = ()
    memories: tuple[Memory, ...] = ()
    power: Power | None = None
    ports: tuple[Port, ...] = ()
    partitions: Partitions | None = None
    provenance: tuple[Provenance, ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def unit_id(self) -> str:
        """The unit's name."""
        return self.subject.unit_id or ""

    def members(self) -> dict[str, JsonValue]:
        """Return the members of a descriptor that are known, as JSON."""
        known: dict[str, JsonValue] = {}
        for name in (f.name for f in fields(self) if f.name != "facts"):
            value = getattr(self, name)
            if isinstance(value, tuple):
                known |= {name: [one.to_json() for one in value]} if value else {}
            elif value is not None:
                known[name] = value.to_json()
        return known

    def to_json(self) -> dict[str, Any]:
        """Return the form in which one process tells another."""
        return {"members": self.members(), "facts": dict(self.facts)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Found:
        """Return what another process told.

        Raises:
            StructureError: A member has not the structure of a descriptor's.
        """
        single: dict[str, type[Message]] = {
            "subject": Subject,
            "operating_point": OperatingPoint,
            "power": Power,
            "partitions": Partitions,
        }
        several: dict[str, type[Message]] = {
            "software": Software,
            "engines": Engine,
            "memories": Memory,
            "ports": Port,
            "provenance": Provenance,
        }
        members = value["members"]
        read: dict[str, Message | tuple[Message, ...]] = {
            name: kind.from_json(members[name]) for name, kind in single.items() if name in members
        }
        for name, kind in several.items():
            read[name] = tuple(kind.from_json(one) for one in members.get(name, ()))
        made: dict[str, Any] = {**read, "facts": value["facts"]}
        return cls(**made)


class Driver:
    """Questions to a driver, of which it answers some.

    Attributes:
        untold: What it did not answer, each with its reason.
    """

    def __init__(self, *errors: type[Exception]) -> None:
        """Name the errors by which the driver says that it does not know."""
        self._errors = errors
        self.untold: list[str] = []

    def ask(self, question: Callable[..., _T], *arguments: object) -> _T | None:
        """Return the answer, or None where the driver does not tell."""
        try:
            return question(*arguments)
        except self._errors as error:
            name = getattr(question, "__name__", "?")
            self.untold.append(f"{name}: {error}"[:200])
            return None


def vendor(number: int) -> str:
    """Return the DNS name of a maker by its PCI number; under ``.invalid`` if it is not known."""
    return PCI_VENDORS.get(number, f"pci-{number:04x}.invalid")


def slug(text: str) -> str:
    """Return lower-case words joined by hyphens, for use inside an id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unnamed"


def told(paths: tuple[str, ...], source: str) -> Provenance:
    """Return the provenance of what a maker's driver reports."""
    return Provenance(paths=paths, basis="VENDOR_CLAIM", source_uri=source)


def derived(paths: tuple[str, ...], source: str) -> Provenance:
    """Return the provenance of what is computed from what a driver reports."""
    return Provenance(paths=paths, basis="DERIVED", source_uri=source)


def port(name: str, kind: str, count: int | None) -> tuple[Port, ...]:
    """Return a port of so many lanes or links, at the rate that the registry has for its kind.

    There is none where the count is not known, or the registry knows no rate.
    """
    rate = LINK_KINDS[kind].bytes_per_s if kind in LINK_KINDS else None
    if not count or rate is None:
        return ()
    return (Port(id=name, link_kind=kind, count=count, bytes_per_s_per_direction=count * rate),)
