"""The means to write vectors down: cases, and the edits that tell siblings apart."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from types import EllipsisType
from typing import Any, Final, TypeAlias

from acp.canonical import canonicalize, digest
from conformance.phases import PHASES, phase_of

Json: TypeAlias = dict[str, Any]

NOW: Final = "2026-11-20T00:00:00Z"

_SCHEMA: Final = "urn:acp-cep:conformance:1:vector"


@dataclass(frozen=True, slots=True)
class Question:
    """What is put to an implementation; the members are those of request.schema.json."""

    operation: str
    input: bytes
    type: str | None = None
    now: str | None = None
    policy: bytes | None = None
    understood: tuple[str, ...] = ()
    status_lists: tuple[bytes, ...] = ()
    known: tuple[bytes, ...] = ()
    records: tuple[bytes, ...] = ()
    references: tuple[bytes, ...] = ()
    descriptors: tuple[bytes, ...] = ()
    binding: Json | None = None
    plan: bytes | None = None
    store: tuple[bytes, ...] = ()
    inputs: list[list[Json]] | None = None
    outputs: list[list[Json]] | None = None

    def to_json(self) -> Json:
        """Return the members that are present."""
        members = ((one.name, getattr(self, one.name)) for one in fields(self))
        return {name: _written(value) for name, value in members if value not in (None, ())}


@dataclass(frozen=True, slots=True)
class Vector:
    """One case with its answer."""

    id: str
    area: str
    feature: str
    level: str
    requires: tuple[str, ...]
    why: str
    question: Question
    expect: Json
    sibling: str | None = None
    mutation: str | None = None

    def to_json(self) -> Json:
        """Return the vector as vector.schema.json defines it."""
        about = {} if self.sibling is None else {"sibling": self.sibling, "mutation": self.mutation}
        return {
            "$schema": _SCHEMA,
            "id": self.id,
            "area": self.area,
            "requires": list(self.requires),
            "level": self.level,
            "feature": self.feature,
            "why": self.why,
            **about,
            "expect": self.expect,
            **self.question.to_json(),
        }


@dataclass(slots=True)
class Book:
    """The vectors of one area.

    Attributes:
        area: Folder of the vectors.
        feature: Feature that they belong to.
        vectors: The vectors by id.
    """

    area: str
    feature: str
    vectors: dict[str, Vector] = field(default_factory=dict)

    def accept(
        self,
        name: str,
        requires: str,
        why: str,
        question: Question,
        identity: str,
        *,
        feature: str | None = None,
        canonical: str | None = None,
        level: str = "MUST",
    ) -> Vector:
        """Write a case down that is to be accepted.

        Args:
            name: Id of the case.
            requires: Ids of the rules that it is about, separated by spaces.
            why: What goes wrong where an implementation refuses it.
            question: What is put.
            identity: Digest that the operation computes.
            feature: Feature other than the book's.
            canonical: Canonical form, where the case is about it.
            level: MUST, SHOULD or MAY.
        """
        form = {} if canonical is None else {"canonical": canonical}
        expect = {"outcome": "accepted", "digest": identity, **form}
        return self._add(
            Vector(
                name,
                self.area,
                feature or self.feature,
                level,
                tuple(requires.split()),
                why,
                question,
                expect,
            )
        )

    def refuse(
        self,
        name: str,
        codes: str,
        sibling: Vector,
        mutation: str,
        why: str,
        *,
        also: str = "",
        requires: str = "",
        **changes: Any,
    ) -> Vector:
        """Write a case down that is to be refused.

        Args:
            name: Id of the case.
            codes: Rules of which one must be reported, separated by spaces; the intended one first.
            sibling: The accepted case.
            mutation: The one difference, in words.
            why: What goes wrong where an implementation accepts it.
            also: Rules that may be reported besides.
            requires: Rules that the case is about, if not the first code.
            changes: The one difference: members of the question.
        """
        expect: Json = {
            "outcome": "rejected",
            "phases": sorted(
                {phase_of([code]) for code in f"{codes} {also}".split()}, key=PHASES.index
            ),
            "codes": codes.split(),
        }
        if also:
            expect["also"] = also.split()
        return self._add(
            Vector(
                name,
                sibling.area,
                sibling.feature,
                sibling.level,
                tuple((requires or codes.split(maxsplit=1)[0]).split()),
                why,
                replace(sibling.question, **changes),
                expect,
                sibling.id,
                mutation,
            )
        )

    def warn(
        self,
        name: str,
        code: str,
        sibling: Vector,
        mutation: str,
        why: str,
        identity: str,
        *,
        also: str = "",
        **changes: Any,
    ) -> Vector:
        """Write a case down that is to be accepted, with a warning.

        Args:
            name: Id of the case.
            code: Rule of severity warning that must be reported.
            sibling: The accepted case.
            mutation: The one difference, in words.
            why: What goes wrong where an implementation does not warn.
            identity: Digest that the operation computes.
            also: Rules of severity warning that may be reported besides.
            changes: The one difference: members of the question.
        """
        expect: Json = {"outcome": "warned", "digest": identity, "codes": [code]}
        if also:
            expect["also"] = also.split()
        return self._add(
            Vector(
                name,
                sibling.area,
                sibling.feature,
                "SHOULD",
                (code,),
                why,
                replace(sibling.question, **changes),
                expect,
                sibling.id,
                mutation,
            )
        )

    def _add(self, vector: Vector) -> Vector:
        if vector.id in self.vectors:
            raise ValueError(f"a second case {vector.id!r}")
        if vector.question in (other.question for other in self.vectors.values()):
            raise ValueError(f"{vector.id} asks what another case asks")
        self.vectors[vector.id] = vector
        return vector


Edit: TypeAlias = tuple[str, Any]
"""A JSON Pointer, and the value to put there; `...` removes the member, ``/-`` appends."""


def edited(document: Json, *edits: Edit) -> Json:
    """Return a copy of a JSON value with edits applied.

    Raises:
        KeyError: An edit removes what isn't there, or leads nowhere.
    """
    result = copy.deepcopy(document)
    for path, value in edits:
        *tokens, last = (t.replace("~1", "/").replace("~0", "~") for t in path.split("/")[1:])
        inner: Any = result
        for token in tokens:
            inner = inner[int(token) if isinstance(inner, list) else token]
        _put(inner, last, value)
    return result


def _put(inner: Any, last: str, value: Any) -> None:
    key: Any = int(last) if isinstance(inner, list) and last != "-" else last
    if isinstance(value, EllipsisType):
        del inner[key]
    elif key == "-":
        inner.append(value)
    else:
        inner[key] = value


def text(document: object) -> bytes:
    """Return a document's canonical form."""
    return canonicalize(document)


def identity(document: object) -> str:
    """Return a document's digest."""
    return digest(document)


def _written(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, tuple):
        return [_written(one) for one in value]
    return value


Chapter: TypeAlias = Callable[[], Book]
"""A function that writes one area down."""
