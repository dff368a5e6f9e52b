"""Documents as users hand them over: bare or in an envelope, one by one or in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acp import documents, files
from acp.canonical import canonicalize, decode
from acp.cli.output import about
from acp.diagnostics import (
    DecodeError,
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

YAML: Final = (".yaml", ".yml")
"""How the names of files end that are read as YAML."""

BINARY: Final = (".binpb", ".pb")
"""How the names of files end that only `acp convert` reads."""

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
        payload: The exact bytes of the document; the canonical JSON of one that is in YAML.
        value: The JSON value of `payload`.
        envelope: What the document came in, unverified; None for a bare document.
        written: The YAML that `payload` was made of; None where it was JSON.
    """

    file: str
    payload: bytes
    value: JsonValue
    envelope: Envelope | None
    written: bytes | None = None

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
        try:
            return self.kind.from_text(self.payload)
        except StructureError as refusal:
            raise StructureError(*self.placed(refusal.diagnostics)) from None

    def placed(self, diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Return findings about the document, with line and column where it was written in YAML."""
        found = tuple(diagnostics)
        if self.written is None or not found:
            return found
        from acp.yaml_text import places

        at = places(self.written, {one.path for one in found})
        return tuple(replace(one, place=at[one.path]) for one in found)

    @property
    def identity(self) -> str:
        """The digest that is the document's identity."""
        return documents.digest(self.value)

    @property
    def caveat(self) -> str:
        """What people must know about the signatures of what they see."""
        return "" if self.envelope is None else " (signatures not checked)"


def open_input(path: Path, *, yaml: bool | None = None) -> Input:
    """Read a file and, where it holds an envelope, look inside without checking signatures.

    Args:
        path: The file.
        yaml: Whether it holds YAML; None to tell by its name.

    Raises:
        FileRefusedError: The file cannot be read (ENV-F1), is not strict JSON (ENV-J1 to ENV-J4),
            or YAML if its name says so (ENV-Y1 to ENV-Y3), or is a malformed envelope (ENV-E1,
            ENV-E2, ENV-E4).
    """
    with about(path):
        data = files.read(path)
        if path.suffix in YAML if yaml is None else yaml:
            return _from_yaml(path, data)
        if path.suffix in BINARY:
            reason = "protobuf's binary encoding; turn it into JSON or YAML first: 'acp convert'"
            raise StructureError.because("ENV-J1", reason)
        try:
            value = decode(data)
        except DecodeError as refusal:
            if path != files.DASH:
                raise
            first = refusal.diagnostics[0]
            hint = "; standard input is read as JSON, YAML is only from files"
            raise DecodeError(replace(first, message=first.message + hint)) from None
        if isinstance(value, dict) and "payloadType" in value:
            envelope = Envelope.from_bytes(data)
            return Input(str(path), envelope.payload, decode(envelope.payload), envelope)
        return Input(str(path), data, value, None)


def _from_yaml(path: Path, data: bytes) -> Input:
    from acp import yaml_text

    value = yaml_text.decode(data)
    if isinstance(value, dict) and "payloadType" in value:
        reason = "an envelope is JSON: what is signed is bytes; see 'acp sign'"
        raise SignatureError.because("ENV-E1", reason)
    return Input(str(path), canonicalize(value), value, None, data)


def json_of(path: Path) -> bytes:
    """Return the bytes of a file that holds JSON, or the canonical JSON of one that holds YAML.

    Raises:
        FileRefusedError: The file cannot be read (ENV-F1), or is not YAML (ENV-Y1 to ENV-Y3).
    """
    return open_input(path).payload if path.suffix in YAML else files.read(path)


def expand(paths: tuple[Path, ...], *, yaml: bool = False) -> list[Path]:
    """Return the files, and for each folder the ``*.json`` below it, by name.

    Args:
        paths: Files and folders.
        yaml: Whether documents in YAML are looked for as well, which are never signed.

    Raises:
        FileRefusedError: A folder has none, or cannot be read (ENV-F1).
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        ends = (".json", *YAML) if yaml else (".json",)
        inside = sorted(
            file for file in path.rglob("*") if file.suffix in ends and not file.is_dir()
        )
        if not inside:
            reason = f"the folder has no file whose name ends with {' or '.join(ends)}"
            raise FileRefusedError(str(path), Diagnostic("ENV-F1", Severity.ERROR, "", reason))
        found += inside
    return found


def envelope_of(path: Path) -> bytes:
    """Return the bytes of a file that should hold an envelope, which others judge.

    Raises:
        FileRefusedError: The file cannot be read (ENV-F1), or is YAML by its name (ENV-E1).
    """
    with about(path):
        if path.suffix in YAML:
            reason = "this is YAML, and an envelope is JSON: sign the document first, 'acp sign'"
            raise SignatureError.because("ENV-E1", reason)
        return files.read(path)
