"""What a mutation is: one place of a plan, and the value that takes its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from acp.diagnostics import pointer

Document: TypeAlias = dict[str, Any]
"""A plan as a JSON value. It is never changed in place: mutants share what they did not change."""

REMOVED: Final = object()
"""Stands for a member that is taken away."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one place.

    Attributes:
        path: Tokens of the JSON Pointer to the place; members on the way may be absent.
        value: What is put there; an empty list takes the member away, as canonical plans do.
    """

    path: tuple[str | int, ...]
    value: Any

    @property
    def where(self) -> str:
        """The place as a JSON Pointer."""
        return pointer(*self.path)

    def applied(self, document: Document) -> Document:
        """Return the document with this change. What did not change is shared."""
        changed: Document = _set(document, self.path, REMOVED if self.value == [] else self.value)
        return changed


def _set(inner: Any, path: tuple[str | int, ...], value: Any) -> Any:
    token, *rest = path
    copied: Any = list(inner) if isinstance(token, int) else dict(inner)
    if rest:
        absent: Any = {} if isinstance(rest[0], str) else []
        held = copied[token] if isinstance(token, int) else copied.get(token, absent)
        copied[token] = _set(held, tuple(rest), value)
    elif value is REMOVED:
        del copied[token]
    else:
        copied[token] = value
    return copied


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a plan is judged against, as far as mutations depend on it.

    Attributes:
        now: The moment to judge by, as the documents write it.
        least_revision: Oldest revision that the policy allows; 1 for any.
        weights: A store is at hand, so that digests of weights are checked.
        doubted: Digests of descriptors that were given and are not believed.
        recomputed: Folded constants are computed again.
    """

    now: str
    least_revision: int = 1
    weights: bool = False
    doubted: tuple[str, ...] = ()
    recomputed: bool = False


Source: TypeAlias = Callable[[Document, Surroundings], Iterator[Change]]


@dataclass(frozen=True, slots=True)
class Operator:
    """One kind of mutation.

    Attributes:
        name: Name on the command line.
        trips: Ids of the rules that are meant to refuse its mutants.
        changes: Yields every change of this kind, in a fixed order.
        summary: What it does, in one line.
    """

    name: str
    trips: frozenset[str]
    changes: Source
    summary: str


@dataclass(frozen=True, slots=True)
class Family:
    """Operators by name, in the order in which they are declared."""

    operators: dict[str, Operator] = field(default_factory=dict)

    def meant_for(self, *codes: str) -> Callable[[Source], Source]:
        """Declare the function below as an operator, meant to trip the rules with these ids."""

        def register(changes: Source) -> Source:
            name = changes.__name__.strip("_").replace("_", "-")
            if name in self.operators:
                raise ValueError(f"{name} is declared twice")
            summary = (changes.__doc__ or "").strip().partition("\n")[0]
            self.operators[name] = Operator(name, frozenset(codes), changes, summary)
            return changes

        return register
