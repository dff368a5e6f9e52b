"""Documents as users hand them over: bare or in an envelope, one by one or in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acp import documents, files
from acp.canonical import decode
from acp.cli.output import about
from acp.diagnostics import (
    Diagnostic,
    FileRefusedError,
    Severity,
    SignatureError,
    StructureError,
)
from acp.dsse import Envelope

if TYPE_CHECKING:
    from acp.canonical import JsonValue
    from acp.message import Message

_ELSEWHERE: Final = {
    "acp-trust/1": "see 'acp policy'",
    "cep/1": "see 'cep show', 'cep verify' and 'cep sign'",
}
"""Where documents belong that are not of ACP, by their ``spec``."""


@dataclass(frozen=True, slots=True)
class Input:
    """The content of one file.

    Attributes:
        file: Name of the file as the user gave it.
        payload: The exact bytes of the document.
        value: The JSON value of `payload`.
        envelope: What the document came in, unverified; None for a bare document.
    """

    file: str
    payload: bytes
    value: JsonValue
    envelope: Envelope | None

    @property
    def kind(self) -> type[Message]:
        """The kind of document, by the envelope's payload type or else by its members.

        Raises:
            SignatureError: The envelope holds no document of ACP (ENV-E3).
            StructureError: The members do not tell (ENV-S1, ENV-S3).
        """
        if self.envelope is None:
            spec = self.value.get("spec") if isinstance(self.value, dict) else None
            if isinstance(spec, str) and spec in _ELSEWHERE:
                reason = f"found {spec!r}, which is not for this command: {_ELSEWHERE[spec]}"
                raise StructureError.because("ENV-S3", reason, "/spec")
            return documents.identify(self.value, tuple(documents.SIGNED.values()))
        kind = documents.SIGNED.get(self.envelope.payload_type)
        if kind is None:
            reason = (
                f"found payload type {self.envelope.payload_type!r}; this command takes "
                f"{', '.join(documents.SIGNED)}"
            )
            raise SignatureError.because("ENV-E3", reason, "/payloadType")
        return kind

    def document(self) -> Message:
        """Return the typed document.

        Raises:
            SignatureError: As `kind`.
            StructureError: As `kind`, or the document has the wrong structure (ENV-S1 to ENV-S4,
                ACP-U01).
        """
        return self.kind.from_text(self.payload)

    @property
    def identity(self) -> str:
        """The digest that is the document's identity."""
        return documents.digest(self.value)

    @property
    def caveat(self) -> str:
        """What people must know about the signatures of what they see."""
        return "" if self.envelope is None else " (signatures not checked)"


def open_input(path: Path) -> Input:
    """Read a file and, where it holds an envelope, look inside without checking signatures.

    Raises:
        FileRefusedError: The file cannot be read (ENV-F1), is not strict JSON (ENV-J1 to ENV-J4),
            or is a malformed envelope (ENV-E1, ENV-E2, ENV-E4).
    """
    with about(path):
        data = files.read(path)
        value = decode(data)
        if isinstance(value, dict) and "payloadType" in value:
            envelope = Envelope.from_bytes(data)
            return Input(str(path), envelope.payload, decode(envelope.payload), envelope)
        return Input(str(path), data, value, None)


def expand(paths: tuple[Path, ...]) -> list[Path]:
    """Return the files, and for each folder the ``*.json`` below it, by name.

    Raises:
        FileRefusedError: A folder has none, or cannot be read (ENV-F1).
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.rglob("*.json") if not file.is_dir())
        if not inside:
            reason = "the folder has no file whose name ends with .json"
            raise FileRefusedError(str(path), Diagnostic("ENV-F1", Severity.ERROR, "", reason))
        found += inside
    return found
