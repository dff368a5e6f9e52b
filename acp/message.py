"""The base of every generated model: one JSON form in, the same JSON form out.

Invariants (normative text: spec/envelope.md):

* ``M.from_json(value).to_json() == value`` for every value that ``from_json`` accepts.
* A refusal names every problem found, up to `acp.refusal.MAX_DIAGNOSTICS`, each with the place and
  the fix.

Most documents are in order, and long ones must be read fast. So msgspec decodes a text, and what it
cannot judge is looked at column by column: all messages of one kind together, each different string
once. Whether a text that this does not pass is refused, and why, `acp.refusal` says.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeAlias

import msgspec

from acp.canonical import MAX_INTEGER, collector_paused, is_modest
from acp.diagnostics import StructureError
from acp.members import Json, Many, One, Shape, Spelled, Table, Text, members

if TYPE_CHECKING:
    from acp.canonical import JsonValue


class Message(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """One message of schemas/proto: immutable, closed, and exact in both encodings.

    Attributes:
        PROTO_NAME: Full name of the message in schemas/proto.
        PAYLOAD_TYPE: DSSE payload type, where the message is a document that is signed.
        ONEOFS: Names of members of which exactly one is present.

    The constructor judges nothing; `judged` does, for what a program has put together.
    """

    PROTO_NAME: ClassVar[str] = ""
    PAYLOAD_TYPE: ClassVar[str] = ""
    ONEOFS: ClassVar[tuple[tuple[str, ...], ...]] = ()

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        """Return the message that a decoded JSON value stands for.

        Raises:
            StructureError: The value is not the one JSON form of such a message.
        """
        try:
            with collector_paused():
                text = json.dumps(value, allow_nan=False)
        except (RecursionError, TypeError, ValueError) as error:
            raise StructureError.because("ENV-S3", f"not a JSON value: {error}") from None
        return cls.from_text(text)

    @classmethod
    def from_text(cls, text: str | bytes) -> Self:
        """Return the message that a JSON text stands for.

        The text must have passed `acp.canonical.decode`, which alone judges its encoding.

        Raises:
            StructureError: The text is not the one JSON form of such a message.
        """
        data = text if isinstance(text, bytes) else text.encode()
        with collector_paused():
            message: Self = _decoded(cls, data) or _explained(cls, data)
        return message

    @classmethod
    def from_canonical(cls, data: bytes) -> Self | None:
        """Return the message of a text that is certainly in canonical form, or None.

        It is read once, and written again but for the quotes of 64-bit integers: so the two texts
        are compared without quotes. If they are alike, nothing in `data` can be more than what is
        written: no space, no name twice, no longer spelling. And it is in the same order: a name of
        the schema ends at its colon, so that the first two names of an object are alike, hence
        their values, hence what comes after. Only names that the schema does not know could play
        tricks; kinds with such, and texts with escapes, are left to `acp.canonical.read`.
        """
        if not _is_closed(cls) or b"\\" in data or not is_modest(data):
            return None
        with collector_paused():
            message: Self | None = _decoded(cls, data)
            if message is None:
                return None
            written: bytes = _ENCODER.encode(message)
        same = written.translate(None, b'"') == data.translate(None, b'"')
        return message if same else None

    def judged(self) -> Self:
        """Return a message that was put together by a program, if it has a JSON form.

        Raises:
            StructureError: As `from_json`.
        """
        return self.from_json(self.to_json())

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values for some members, which nothing judges."""
        return msgspec.structs.replace(self, **changes)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the one JSON form of the message."""
        found: dict[str, JsonValue] = {}
        for name, json_name, required, write in _writers(type(self)):
            value = getattr(self, name)
            if value is not None and (required or value not in ((), {})):
                found[json_name] = value if write is None else write(value)
        return found


_ENCODER: Final = msgspec.json.Encoder(order="sorted")


@cache
def _is_closed(kind: type[Message]) -> bool:
    """Tell whether the schema knows all names in messages of a kind."""
    return all(_names_only(member.shape) for member in members(kind))


def _names_only(shape: Shape) -> bool:
    match shape:
        case Table() | Json():
            return False
        case Many(element=element):
            return _names_only(element)
        case One(kind=kind):
            return _is_closed(kind)
    return True


def _decoded(kind: type[Message], data: bytes) -> Any:
    """Return the message of a text, or None if anything about it is wrong or unusual."""
    try:
        message = _decoder(kind).decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    found = _Open()
    if not _looked_over(kind, [message], found):
        return None
    # Vendor data may hold null; anywhere else the decoder has taken it for absence.
    if b"null" in data and data.count(b"null") != found.nulls:
        return None
    matching = all(_matches(pattern, texts - {None}) for pattern, texts in found.texts.items())
    return message if matching else None


def _explained(kind: type[Message], data: bytes) -> Any:
    """Return the message of a text that the decoder was not sure of, or refuse it."""
    from acp.refusal import problems

    found = problems(kind, data)
    if found:
        raise StructureError(*found)
    try:
        return _decoder(kind).decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise StructureError.because("ENV-S3", f"not such a message: {error}") from None


@cache
def _decoder(kind: type[Message]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=_read)


def _read(kind: Any, value: object) -> Any:
    return kind.read(value)


# --- columns ------------------------------------------------------------------------------------

_Getter: TypeAlias = Callable[[Any], Any]


class _Open:
    """What the decoder leaves open: strings by their pattern, and nulls where they are allowed."""

    def __init__(self) -> None:
        self.texts: dict[str, set[str | None]] = defaultdict(set)
        self.nulls = 0


def _matches(pattern: str, texts: Iterable[Any]) -> bool:
    return all(map(_compiled(pattern).fullmatch, texts))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _looked_over(kind: type[Message], messages: list[Any], found: _Open) -> bool:
    """Gather the strings that have a pattern; tell whether all else is in order."""
    for several in kind.ONEOFS:
        present = attrgetter(*several)
        absent = len(several) - 1
        if any(present(message).count(None) != absent for message in messages):
            return False
    return all(_column(shape, map(get, messages), found) for get, shape in _open(kind))


def _column(shape: Shape, column: Iterable[Any], found: _Open) -> bool:
    """Look over one member of all messages of a kind."""
    match shape:
        case Text(pattern=pattern):
            found.texts[pattern or ""].update(column)
        case Many(element=element):
            return _column(element, chain.from_iterable(column), found)
        case Table(name=name, element=element):
            tables = list(column)
            if name.pattern is not None:
                found.texts[name.pattern].update(*tables)
            inner = chain.from_iterable(table.values() for table in tables)
            return not _is_open(element) or _column(element, inner, found)
        case Json():
            values = list(column)
            found.nulls += sum(inner is None for inner in _within(values))
            return all(map(is_exact, _within(values)))
        case One(kind=kind, not_empty=not_empty):
            messages = [message for message in column if message is not None]
            if not_empty and not all(message.to_json() for message in messages):
                return False
            return not messages or _looked_over(kind, messages, found)
    return True


@cache
def _open(kind: type[Message]) -> tuple[tuple[_Getter, Shape], ...]:
    """Return the members of which the decoder leaves something open."""
    return tuple((attrgetter(m.name), m.shape) for m in members(kind) if _is_open(m.shape))


def _is_open(shape: Shape) -> bool:
    match shape:
        case Text(pattern=pattern):
            return pattern is not None
        case Many(element=element):
            return _is_open(element)
        case Table() | Json():
            return True
        case One(kind=kind, not_empty=not_empty):
            return not_empty or bool(kind.ONEOFS) or bool(_open(kind))
    return False


def _within(value: Any) -> Iterator[Any]:
    """Yield every value within a JSON value that is neither array nor object."""
    pending = [value]
    while pending:
        inner = pending.pop()
        if isinstance(inner, dict):
            pending += inner.values()
        elif isinstance(inner, list):
            pending += inner
        else:
            yield inner


def is_exact(value: Any) -> bool:
    """Tell whether a lone JSON value is no number but an integer that all readers hold exactly."""
    return not isinstance(value, float) and (
        not isinstance(value, int) or -MAX_INTEGER <= value <= MAX_INTEGER
    )


# --- writing ------------------------------------------------------------------------------------


@cache
def _writers(kind: type[Message]) -> tuple[tuple[str, str, bool, _Getter | None], ...]:
    return tuple((m.name, m.json_name, m.required, _writer(m.shape)) for m in members(kind))


def _writer(shape: Shape) -> _Getter | None:
    """Return what makes the JSON form of a member; None where the value is its own."""
    match shape:
        case Spelled(kind=kind):
            return kind.write
        case One():
            return Message.to_json
        case Json():
            return deepcopy
        case Many(element=element):
            write = _writer(element)
            return list if write is None else lambda values: list(map(write, values))
        case Table(element=element):
            each = _writer(element)
            if each is None:
                return dict
            return lambda table: {name: each(value) for name, value in table.items()}
    return None
