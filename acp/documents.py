"""From bytes to typed documents, and the names under which documents are known.

>>> identify({"spec": "acp/1", "sequence": "1", "next_update": "2026-12-01T00:00:00Z"}).__name__
'StatusList'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from acp import canonical
from acp.diagnostics import StructureError
from acp.members import members
from acp.message import Message
from acp.v1.capability import CapabilityDescriptor
from acp.v1.envelope import Envelope
from acp.v1.measurement import MeasurementRecord
from acp.v1.status import StatusList
from acp.v1.system import SystemDescriptor

if TYPE_CHECKING:
    from acp.canonical import JsonValue

M = TypeVar("M", bound=Message)

KINDS: Final[tuple[type[Message], ...]] = (
    CapabilityDescriptor,
    SystemDescriptor,
    MeasurementRecord,
    StatusList,
    Envelope,
)
"""Everything that travels on its own under the names of ACP."""

SIGNED: Final = {kind.PAYLOAD_TYPE: kind for kind in KINDS if kind.PAYLOAD_TYPE}
"""The documents that are signed on their own, by DSSE payload type."""


def load(data: bytes, kind: type[M], others: Sequence[type[Message]] = ()) -> M:
    """Return the document of type `kind` that the JSON text `data` holds.

    Args:
        data: A bare document.
        kind: What it should be.
        others: What else it might be, besides `KINDS`; named if that is the more likely.

    Raises:
        DecodeError: `data` is not strict JSON (ENV-J1 to ENV-J4).
        StructureError: The JSON is not the one form of such a document (ENV-S1 to ENV-S4, ACP-U01).
    """
    value = canonical.decode(data)
    try:
        return kind.from_text(data)
    except StructureError as refusal:
        try:
            likely = identify(value, tuple(dict.fromkeys((kind, *KINDS, *others))))
        except StructureError:
            likely = kind
        if likely is kind:
            raise
        reason = (
            f"this looks like a document of type {likely.__name__}; expected is {kind.__name__}"
        )
        raise StructureError.because(refusal.diagnostics[0].code, reason) from None


def identify(value: JsonValue, kinds: Sequence[type[Message]] = KINDS) -> type[Message]:
    """Return the type among `kinds` that a decoded document most likely has, by its members.

    The answer says against which schema to judge the document, not that it passes.

    Raises:
        StructureError: The value is no object (ENV-S3), or has no member that tells (ENV-S1).
    """
    names = ", ".join(kind.__name__ for kind in kinds)
    if not isinstance(value, dict):
        raise StructureError.because("ENV-S3", f"a document is an object, one of {names}")
    likeness = {kind: _likeness(value, kind) for kind in kinds}
    best = max(kinds, key=lambda kind: likeness[kind])
    if list(likeness.values()).count(likeness[best]) > 1 or likeness[best] <= 0:
        reason = f"the members do not tell which document this is; known are {names}"
        raise StructureError.because("ENV-S1", reason)
    return best


def digest(document: Message | JsonValue) -> str:
    """Return the identity of a document: the digest of the canonical form of its JSON."""
    return canonical.digest(document.to_json() if isinstance(document, Message) else document)


def identity(judged: JsonValue) -> str:
    """Return what `digest` does, of a decoded document whose structure was found right: faster."""
    return canonical.digest_bytes(canonical.canonicalize_message(judged))


def payload_type(kind: type[Message]) -> str:
    """Return the DSSE payload type under which documents of type `kind` are signed.

    Raises:
        ValueError: Such messages are not signed on their own.
    """
    if not kind.PAYLOAD_TYPE:
        raise ValueError(f"{kind.__name__} is not signed on its own")
    return kind.PAYLOAD_TYPE


def _likeness(value: dict[str, JsonValue], kind: type[Message]) -> int:
    """Return the number of required members that `value` has, less those it should not have."""
    required = {member.json_name: member.required for member in members(kind)}
    return sum(required.get(name, -1) for name in value)
