"""What a change is, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a change means for who relied on the old document."""

    WORSE = "worse"
    BETTER = "better"
    OTHER = "other"


class Act(StrEnum):
    """What happened to a part of a document."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two documents.

    Attributes:
        verdict: Whether it claims more or less than before, or only something else.
        act: Whether a part is new, gone or different.
        place: The part, by the names of things: ``memories[hbm].usable_bytes``.
        path: JSON Pointer to it, into the new document, or into the old one if it was removed.
        message: What it was and is, in words.
    """

    verdict: Verdict
    act: Act
    place: str
    path: str
    message: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the change as ``--format json`` prints it."""
        return {
            "verdict": str(self.verdict),
            "act": str(self.act),
            "place": self.place,
            "path": self.path,
            "message": self.message,
        }
