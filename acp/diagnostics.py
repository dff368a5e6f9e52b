"""How every layer says no: a coded diagnostic, and the exception that carries it.

Invariants:

* Every refusal is a `Refused` and carries at least one diagnostic.
* The code of a diagnostic (``ENV-T2``, ``ACP-C01``, ``CEP-M3``) is normative: it is the id of a
  numbered sentence in ``spec/``. The message is for people and may change at any time.
* The path is an RFC 6901 JSON Pointer into the document that was judged; the empty string points
  at the whole document.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from typing_extensions import override


class Severity(StrEnum):
    """How much a diagnostic weighs: an error refuses the document, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Place(NamedTuple):
    """A place in a text that somebody wrote by hand; both numbers count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about one place of one document.

    Attributes:
        code: Id of the rule that speaks, such as ``ACP-C01``.
        severity: Whether the finding refuses the document.
        path: RFC 6901 JSON Pointer to the place; empty for the whole document.
        message: What was found, what was allowed, and how to fix it.
        place: Line and column, where the document was written by hand.
    """

    code: str
    severity: Severity
    path: str
    message: str
    place: Place | None = None

    @override
    def __str__(self) -> str:
        """Return the finding as one line for a terminal or a log."""
        path = f" at {self.path}" if self.path else ""
        place = f" (line {self.place.line}, column {self.place.column})" if self.place else ""
        return f"{self.code} {self.severity}{path}{place}: {self.message}"

    def as_json(self) -> dict[str, str | int]:
        """Return the finding as the JSON object that ``--format json`` prints."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "path": self.path,
            "message": self.message,
            **(self.place._asdict() if self.place else {}),
        }


class Refused(Exception):
    """The input was judged and refused.

    Attributes:
        diagnostics: Why; at least one.
    """

    diagnostics: tuple[Diagnostic, ...]

    def __init__(self, *diagnostics: Diagnostic) -> None:
        """Refuse for the given reasons.

        Raises:
            ValueError: No reason was given.
        """
        if not diagnostics:
            msg = "a refusal must carry at least one diagnostic"
            raise ValueError(msg)
        self.diagnostics = diagnostics
        super().__init__(*diagnostics)

    @override
    def __str__(self) -> str:
        """Return all findings, one a line."""
        return "\n".join(map(str, self.diagnostics))

    @classmethod
    def because(cls, code: str, message: str, path: str = "") -> Self:
        """Return a refusal for the single reason that rule `code` gives for `path`."""
        return cls(Diagnostic(code, Severity.ERROR, path, message))


class FileRefusedError(Refused):
    """A refusal that is about one file.

    Attributes:
        file: Name of the file as the user gave it.
    """

    def __init__(self, file: str, *diagnostics: Diagnostic) -> None:
        """Refuse `file` for the given reasons."""
        super().__init__(*diagnostics)
        self.file = file


class DecodeError(Refused):
    """Bytes that are not the strict JSON of spec/envelope.md (codes ``ENV-J…``)."""


class StructureError(Refused):
    """A document whose members have the wrong shape (codes ``ENV-S…``)."""


class SignatureError(Refused):
    """An envelope that is malformed or not the expected kind (codes ``ENV-E…``)."""


class TrustError(Refused):
    """A signature, key or policy that does not establish trust (codes ``ENV-T…``)."""


class KeyFileError(Refused):
    """A key that cannot be read, written or used (codes ``ENV-K…``)."""


def pointer(*tokens: str | int) -> str:
    """Return the RFC 6901 JSON Pointer that walks through `tokens`."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)
