"""From a device's tables to the text of its descriptor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from acp.v1.capability import (
    CapabilityDescriptor,
    Engine,
    Memory,
    OperatingPoint,
    Operation,
    Partitions,
    Port,
    Power,
    Provenance,
    Software,
    Subject,
)

if TYPE_CHECKING:
    from schemas.devices.sources import Says

ISSUER: Final = "acp-cep.example"
"""A name below a top-level domain that RFC 2606 reserves: nobody else can ever own it, and no key
is granted for it by accident. These are statements of this project about products of others."""

_ISSUED: Final = "2026-11-01T00:00:00Z"
_EXPIRES: Final = "2036-11-01T00:00:00Z"
"""Products of the past do not change; a mistake is mended by a release, with a higher revision."""

_COLUMNS: Final = 160


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of one device at one operating point.

    Attributes:
        name: Vendor and model, which name the file: ``nvidia/h100-sxm``.
        revision: Counts changes of the published descriptor.
        sources: Who says what. Of several places that hold a value the longest counts.
    """

    name: str
    subject: Subject
    operating_point: OperatingPoint
    engines: tuple[Engine, ...]
    memories: tuple[Memory, ...]
    ops: tuple[Operation, ...]
    sources: tuple[Says, ...]
    power: Power | None = None
    partitions: Partitions | None = None
    ports: tuple[Port, ...] = ()
    software: tuple[Software, ...] = ()
    revision: int = 1

    def text(self) -> str:
        """Return the descriptor as JSON for people, whose canonical form has its identity.

        Raises:
            LookupError: A source is said to stand behind what is not there.
            StructureError: The tables make no descriptor.
        """
        bare = self._descriptor(Provenance(paths=("",), basis="ESTIMATED"))
        value = bare.to_json()
        sourced = bare.replace(provenance=tuple(one.provenance(value) for one in self.sources))
        return layout(CapabilityDescriptor.from_json(sourced.to_json()).to_json()) + "\n"

    def _descriptor(self, *provenance: Provenance) -> CapabilityDescriptor:
        return CapabilityDescriptor(
            spec="acp/1",
            uri=f"https://{ISSUER}/reference/{self.name}",
            revision=self.revision,
            issuer=ISSUER,
            issued_at=_ISSUED,
            expires_at=_EXPIRES,
            subject=self.subject,
            operating_point=self.operating_point,
            software=self.software,
            engines=self.engines,
            memories=self.memories,
            ops=self.ops,
            power=self.power,
            partitions=self.partitions,
            ports=self.ports,
            provenance=provenance,
        )


def layout(value: Any, indent: int = 0, lead: int = 0) -> str:
    """Return JSON in which what fits a line is on one line.

    Args:
        value: The value.
        indent: Depth of the line that it stands on.
        lead: Characters before it on that line, without the indentation.
    """
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or len(flat) + 2 * indent + lead < _COLUMNS:
        return flat
    inner = "  " * (indent + 1)
    if isinstance(value, dict):
        heads = {key: f"{json.dumps(key, ensure_ascii=False)}: " for key in value}
        rows = [heads[k] + layout(v, indent + 1, len(heads[k])) for k, v in value.items()]
        opening, closing = "{", "}"
    else:
        rows = [layout(one, indent + 1) for one in value]
        opening, closing = "[", "]"
    body = ",\n".join(inner + row for row in rows)
    return f"{opening}\n{body}\n{'  ' * indent}{closing}"
