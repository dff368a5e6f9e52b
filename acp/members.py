"""What the members of each message may hold, read once from the annotations of `acp.fields`.

Whoever writes, explains or looks over messages of every kind goes by this; the native decoder reads
the same annotations.
"""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin
from typing import get_type_hints as hints_of

import msgspec

from acp.fields import Blob, Whole64

if TYPE_CHECKING:
    from acp.message import Message


class Text(msgspec.Struct, frozen=True):
    """A string."""

    fewest: int
    most: int
    pattern: str | None


class Choice(msgspec.Struct, frozen=True):
    """One of several strings."""

    values: tuple[str, ...]


class Flag(msgspec.Struct, frozen=True):
    """A truth value."""


class Number(msgspec.Struct, frozen=True):
    """An integer that JSON writes as a number."""

    lowest: int
    highest: int


class Spelled(msgspec.Struct, frozen=True):
    """An integer of 64 bits, or bytes, that JSON writes as a string."""

    kind: type[Whole64 | Blob]


class Json(msgspec.Struct, frozen=True):
    """Any JSON object without numbers that are not exact."""


class Many(msgspec.Struct, frozen=True):
    """An array of like elements."""

    element: Shape
    fewest: int
    most: int


class Table(msgspec.Struct, frozen=True):
    """An object with free names and like values."""

    name: Text
    element: Shape
    fewest: int
    most: int


class One(msgspec.Struct, frozen=True):
    """A message."""

    kind: type[Message]
    not_empty: bool


Shape: TypeAlias = Text | Choice | Flag | Number | Spelled | Json | Many | Table | One


class Member(msgspec.Struct, frozen=True):
    """One member of a message.

    Attributes:
        name: In Python.
        json_name: In JSON.
        required: Documents must have it.
        shape: What it holds, where it is present.
    """

    name: str
    json_name: str
    required: bool
    shape: Shape


@cache
def members(kind: type[Message]) -> tuple[Member, ...]:
    """Return the members of a message, in the order of the schema."""
    hints = hints_of(kind, include_extras=True)
    return tuple(
        Member(field.name, field.encode_name, field.required, _shape(hints[field.name]))
        for field in msgspec.structs.fields(kind)
    )


def _shape(annotation: Any, *marks: msgspec.Meta) -> Shape:
    """Return what an annotation of `acp.fields` says."""
    inner = get_args(annotation)
    match get_origin(annotation):
        case origin if origin is Annotated:
            return _shape(inner[0], *inner[1:])
        case origin if origin in (Union, UnionType):
            (some,) = (kind for kind in inner if kind is not NoneType)
            return _shape(some, *marks)
        case origin if origin is Literal:
            return Choice(inner)
        case origin if origin is tuple:
            return Many(_shape(inner[0]), marks[0].min_length or 0, marks[0].max_length or 0)
        case origin if origin is dict:
            return _object(inner[0], inner[1], marks[0])
    return _lone(annotation, *marks)


def _object(key: Any, value: Any, mark: msgspec.Meta) -> Json | Table:
    if mark.extra is not None:
        return Json()
    name = _shape(key)
    assert isinstance(name, Text)  # noqa: S101 - names of members are strings
    return Table(name, _shape(value), mark.min_length or 0, mark.max_length or 0)


def _lone(kind: Any, *marks: msgspec.Meta) -> Shape:
    mark = marks[0] if marks else msgspec.Meta()
    extra: dict[str, Any] = mark.extra or {}
    if kind is bool:
        return Flag()
    if kind is str:
        return Text(mark.min_length or 0, mark.max_length or 0, extra.get("pattern"))
    if kind is int:
        return Number(int(mark.ge or 0), int(mark.le or 0))
    if issubclass(kind, Whole64 | Blob):
        return Spelled(kind)
    return One(kind, bool(extra.get("not_empty")))
