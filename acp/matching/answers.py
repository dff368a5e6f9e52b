"""How a question is answered: yes, no, or yes under conditions that the question leaves open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acp.v1.capability import Rate


class Answer(StrEnum):
    """Whether what is asked for is claimed."""

    YES = "yes"
    OPEN = "open"
    NO = "no"

    @classmethod
    def of(cls, reasons: Iterable[Reason]) -> Answer:
        """Return the answer that is left by what stands against a yes."""
        found = {reason.answer for reason in reasons}
        return next((one for one in (cls.NO, cls.OPEN) if one in found), cls.YES)


@dataclass(frozen=True, slots=True)
class Reason:
    """What stands against a yes.

    Attributes:
        answer: ``NO``, or ``OPEN`` where it depends on what the question leaves open.
        about: What was asked about: ``requirement``, ``op``, ``operand``, ``where``, ``memory``,
            ``rate`` or ``numerics``.
        message: What was found and what was asked for, or what is still to be met.
    """

    answer: Answer
    about: str
    message: str

    def as_json(self) -> dict[str, str]:
        """Return the reason as ``--format json`` prints it."""
        return {"answer": str(self.answer), "about": self.about, "message": self.message}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way in which a device could do what is asked: a variant of the operation, or an engine.

    Attributes:
        engine: Id of the engine.
        variant: Place of the variant among those of the operation; None where no use is asked for.
        reasons: What stands against it.
        rate: The row of the engine with the peak rate for these dtypes, where it has one.
        memory: Id of the memory that it would work in, where the engine reaches one.
    """

    engine: str
    variant: int | None
    reasons: tuple[Reason, ...]
    rate: Rate | None = None
    memory: str | None = None

    @property
    def answer(self) -> Answer:
        """Whether this way is claimed."""
        return Answer.of(self.reasons)

    @property
    def name(self) -> str:
        """The candidate in words."""
        return self.engine if self.variant is None else f"variant {self.variant} on {self.engine}"

    def as_json(self) -> dict[str, object]:
        """Return the candidate as ``--format json`` prints it."""
        rate = None if self.rate is None else self.rate.to_json()
        found: dict[str, object] = {
            "answer": str(self.answer),
            "engine": self.engine,
            "variant": self.variant,
            "reasons": [reason.as_json() for reason in self.reasons],
            "rate": rate,
            "memory": self.memory,
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Match:
    """What a descriptor answers.

    Attributes:
        reasons: What stands against a yes, whichever way is taken.
        candidates: The ways, in the order of the descriptor; none where no way is asked for.
    """

    reasons: tuple[Reason, ...]
    candidates: tuple[Candidate, ...] = ()

    @property
    def answer(self) -> Answer:
        """Whether the descriptor claims what is asked for, in one way at least."""
        device = Answer.of(self.reasons)
        if device is Answer.NO or not self.candidates:
            return device
        best = min((one.answer for one in self.candidates), key=list(Answer).index)
        return max(device, best, key=list(Answer).index)

    @property
    def best(self) -> Candidate | None:
        """The fastest of the ways that are claimed, or else of those that are open."""
        for answer in (Answer.YES, Answer.OPEN):
            found = [one for one in self.candidates if one.answer is answer]
            if found:
                return max(found, key=lambda one: one.rate.peak_ops_per_s if one.rate else 0)
        return None

    @property
    def nearest(self) -> Candidate | None:
        """The way against which least stands, where none is claimed."""
        if self.best is not None:
            return None
        return min(self.candidates, key=_misses, default=None)


def _misses(one: Candidate) -> tuple[int, bool, int]:
    """Return how much stands against a candidate: what says no, a missing rate, and all reasons."""
    refusing = sum(reason.answer is Answer.NO for reason in one.reasons)
    return refusing, one.rate is None, len(one.reasons)
