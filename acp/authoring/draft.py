"""The draft of a descriptor: a document of which members may be missing, and how it is filled."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from acp.authoring.members import Member, descriptor

if TYPE_CHECKING:
    from acp.canonical import JsonValue
    from acp.v1.capability import CapabilityDescriptor

_HEADER: Final = (
    "uri", "revision", "issuer", "issued_at", "not_before", "expires_at", "supersedes",
    "status_uri", "provenance", "attestation", "extensions", "critical",
)  # fmt: skip
"""What a descriptor says of itself or of its evidence, which another one cannot take over."""

_OF_THE_UNIT: Final = ("vendor", "model", "part_number", "unit_id", "parent_digest")
_SOURCED: Final = (
    "engines", "memories", "ops", "power", "energy", "partitions", "ports", "queues", "software",
)  # fmt: skip
_INSTANT: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(slots=True)
class Draft:
    """A descriptor in the making.

    Attributes:
        value: Its members, in the order of the schema when it is written.
    """

    value: dict[str, Any] = field(default_factory=dict)

    def put(self, path: str, text: str) -> None:
        """Set a member of an object by its path: ``power.tdp_mw`` and ``700_000``.

        Raises:
            ValueError: There is no such member, or it cannot have this value.
        """
        put(self.value, descriptor(), path, text)

    def add(
        self, name: str, text: str, defaults: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Add an entry to a list: ``engines`` and ``id=tensor,kind=MATRIX,count=528``.

        Args:
            name: The list.
            text: Members of the entry.
            defaults: Members that the entry gets where the text does not say them.

        Returns:
            The entry.

        Raises:
            ValueError: The text is no such entry.
        """
        kind = descriptor().member(name).entries
        entry = parts(text, kind or descriptor(), defaults or {})
        self.value.setdefault(name, []).append(entry)
        return entry

    def head(self, issuer: str | None, now: datetime, days: int) -> None:
        """State who speaks, and for how long."""
        self.value |= {"spec": "acp/1", "revision": "1", "issued_at": now.strftime(_INSTANT)}
        self.value["expires_at"] = (now + timedelta(days=days)).strftime(_INSTANT)
        if issuer is not None:
            self.value["issuer"] = issuer
        model = self.value.get("subject", {}).get("model")
        if issuer is not None and model and "uri" not in self.value:
            self.value["uri"] = f"https://{issuer}/acp/{_slug(model)}"

    def source(self, basis: str | None, uri: str | None) -> None:
        """State where the claims come from: all of them from one source."""
        paths = [f"/{name}" for name in _SOURCED if name in self.value]
        if paths:
            entry = {"paths": paths, "basis": basis, "source_uri": uri}
            self.value["provenance"] = [{k: v for k, v in entry.items() if v is not None}]


def like(document: CapabilityDescriptor) -> Draft:
    """Return the draft of a descriptor like another one: its claims, without their evidence."""
    value: dict[str, Any] = copy.deepcopy(document.to_json())
    for name in _HEADER:
        value.pop(name, None)
    for name in _OF_THE_UNIT:
        value["subject"].pop(name, None)
    for profile in value.get("partitions", {}).get("profiles", ()):
        profile.pop("descriptor_digest", None)
    return Draft(value)


def missing(value: Any, kind: Member, path: str = "") -> Iterator[str]:
    """Yield JSON Pointers to the members that must be there and are not."""
    if kind.is_object and isinstance(value, dict):
        for member in kind.members():
            if member.name in value:
                yield from missing(value[member.name], member, f"{path}/{member.name}")
            elif member.required:
                yield f"{path}/{member.name}"
    elif isinstance(value, list) and kind.entries is not None:
        for index, entry in enumerate(value):
            yield from missing(entry, kind.entries, f"{path}/{index}")
    elif isinstance(value, dict) and kind.values is not None:
        for name, entry in value.items():
            yield from missing(entry, kind.values, f"{path}/{name}")


def parts(text: str, kind: Member, defaults: Mapping[str, str]) -> dict[str, Any]:
    """Return the object that a text describes: ``id=tensor,kind=MATRIX``.

    Raises:
        ValueError: It describes none.
    """
    value: dict[str, Any] = {}
    for part in text.split(","):
        name, sign, content = part.partition("=")
        if not sign or not name.strip():
            raise ValueError(f"{part[:60]!r} is not MEMBER=VALUE")
        put(value, kind, name.strip(), content.strip())
    for name, content in defaults.items():
        if name not in value:
            put(value, kind, name, content)
    return value


def put(value: dict[str, JsonValue], kind: Member, path: str, text: str) -> None:
    """Set a member of an object, by a path with dots.

    Raises:
        ValueError: There is no such member, it has one already, or cannot have this value.
    """
    *outer, last = path.split(".")
    inner: Any = value
    for name in outer:
        kind = kind.member(name)
        if not kind.is_object:
            raise ValueError(f"{name} has no members that can be set by a path")
        inner = inner.setdefault(name, {})
    if not kind.is_object:
        raise ValueError(f"{path} leads to no member")
    if last in inner:
        raise ValueError(f"{path} is given twice")
    inner[last] = kind.member(last).value(text)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "device"
