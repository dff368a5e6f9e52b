"""What a rule is, and the list of all of them.

A rule is a pure function from a typed document and a `Context` to the places where the document
breaks it. It is registered under the id of the sentence in spec/acp.md that it checks::

    @rule("ACP-I02", CapabilityDescriptor)
    def scope(document: CapabilityDescriptor, context: Context) -> Iterator[Breach]:
        '''A unit has a unit id, and a model has none.'''
        if ...:
            yield Breach(("subject", "unit_id"), "found …, allowed is …; do …")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from acp.diagnostics import Diagnostic, Severity, pointer
from acp.holdings import Holdings

if TYPE_CHECKING:
    from acp.message import Message
    from acp.v1.status import StatusList

MAX_BREACHES: Final = 100
"""Most places at which one rule is reported; a broken rule is always reported at one at least."""

_NAMES_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class Context:
    """What rules need to know besides the document.

    Attributes:
        now: The moment to judge by, aware of its time zone.
        status_lists: Status lists that the caller has verified and checked.
        understood: Names of extensions that the caller understands.
        min_revision: Lowest revision that the caller's trust policy allows for the document; of a
            status list, the lowest sequence.
        held: Other documents that the caller has accepted. What is not among them is not looked at.
    """

    now: datetime
    status_lists: tuple[StatusList, ...] = ()
    understood: frozenset[str] = frozenset()
    min_revision: int = 0
    held: Holdings = field(default_factory=Holdings)

    def __post_init__(self) -> None:
        """Check the clock.

        Raises:
            ValueError: `now` is naive.
        """
        if self.now.tzinfo is None:
            raise ValueError("`now` must be aware of its time zone")


class Breach(msgspec.Struct, frozen=True):
    """One place at which a rule is broken.

    Attributes:
        path: The place, as member names and indices from the top of the document.
        message: What was found, what is allowed, and how to mend it.
    """

    path: tuple[str | int, ...]
    message: str


class Rule(msgspec.Struct, frozen=True):
    """One rule for some kinds of documents.

    Attributes:
        id: Id of the rule's sentence in the spec.
        severity: Whether a document that breaks it is refused.
        documents: The kinds of documents that it is about.
        breaches: The function that finds where a document breaks it.
    """

    id: str
    severity: Severity
    documents: tuple[type[Message], ...]
    breaches: Callable[[Any, Context], Iterable[Breach]]

    def check(self, document: Message, context: Context) -> Iterator[Diagnostic]:
        """Yield a diagnostic for each of the first `MAX_BREACHES` places that break the rule."""
        if isinstance(document, self.documents):
            for breach in islice(self.breaches(document, context), MAX_BREACHES):
                yield Diagnostic(self.id, self.severity, pointer(*breach.path), breach.message)


_REGISTERED: Final[list[Rule]] = []

_Function = TypeVar("_Function", bound=Callable[[Any, Context], Iterable[Breach]])


def rule(
    rule_id: str, *documents: type[Message], severity: Severity = Severity.ERROR
) -> Callable[[_Function], _Function]:
    """Register the decorated function as the check of `rule_id` for these kinds of documents."""

    def register(function: _Function) -> _Function:
        _REGISTERED.append(Rule(rule_id, severity, documents, function))
        return function

    return register


def registered() -> tuple[Rule, ...]:
    """Return the rules registered so far, by id. A rule with two functions occurs twice."""
    return tuple(sorted(_REGISTERED, key=lambda one: one.id))


def listed(names: Iterable[str]) -> str:
    """Return names for a message: the first few, and how many more there are."""
    known = list(names)
    shown = ", ".join(nsmallest(_NAMES_SHOWN, known)) or "none"
    rest = len(known) - _NAMES_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown
