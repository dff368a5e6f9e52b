"""Everything that is wrong with a document's structure, each with the place and the fix.

Codes: ENV-S1 a member is missing, ENV-S2 a member is unknown, ENV-S3 a value has the wrong type or
is out of range, ENV-S4 a null, or an empty array or map, where absence says the same. In ACP
documents ACP-U01 stands for ENV-S3 where a number is a float, or stands in a 64-bit field.

This and the quick look of `acp.message` judge alike: what one lets pass, the other has no word
against.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from acp.diagnostics import Diagnostic, Severity, pointer
from acp.fields import Blob, Whole64
from acp.members import (
    Choice,
    Flag,
    Json,
    Many,
    Number,
    One,
    Shape,
    Spelled,
    Table,
    Text,
    members,
)
from acp.message import is_exact
from acp.v1.formats import HINTS

if TYPE_CHECKING:
    from acp.message import Message

MAX_DIAGNOSTICS: Final = 100
"""Most problems that one refusal names."""

_SHOWN: Final = 60

_Path: TypeAlias = tuple[int | str, ...]
_Problem: TypeAlias = tuple[str, _Path, str]
"""Code, place and message."""


def problems(kind: type[Message], data: bytes) -> list[Diagnostic]:
    """Return what is wrong with a JSON text as a message of type `kind`, in the schema's order."""
    try:
        value = json.loads(data)
    except (RecursionError, ValueError) as error:
        message = f"{error}; judge the text with `acp.canonical.decode` first"
        return [Diagnostic("ENV-S3", Severity.ERROR, "", message)]
    number = "ACP-U01" if kind.PROTO_NAME.startswith("acp.") else "ENV-S3"
    found = list(islice(_Judge(number).message((), value, kind), MAX_DIAGNOSTICS + 1))
    diagnostics = [
        Diagnostic(code, Severity.ERROR, pointer(*path), message) for code, path, message in found
    ]
    if len(found) > MAX_DIAGNOSTICS:
        more = "and more problems; fix these first"
        diagnostics[MAX_DIAGNOSTICS - 1 :] = [Diagnostic("ENV-S3", Severity.ERROR, "", more)]
    return diagnostics


@dataclass(frozen=True, slots=True)
class _Judge:
    """Says what is wrong with values, where `number` is the code for numbers of the wrong form."""

    number: str

    def message(self, at: _Path, value: Any, kind: type[Message]) -> Iterator[_Problem]:
        """Yield what is wrong with a value as a message."""
        if not isinstance(value, dict):
            yield self._wrong(at, value, "an object")
            return
        known = members(kind)
        for member in known:
            place = (*at, member.json_name)
            if member.json_name in value:
                yield from self.value(place, value[member.json_name], member.shape)
            elif member.required:
                yield "ENV-S1", place, "the member is missing and required; add it"
        names = {member.json_name for member in known}
        for name in value:
            if name not in names:
                yield "ENV-S2", (*at, name), _unknown(kind, name, names)
        for several in kind.ONEOFS:
            yield from _choice(at, [name for name in several if name in value], several)

    def value(self, at: _Path, value: Any, shape: Shape) -> Iterator[_Problem]:
        """Yield what is wrong with the value of a member."""
        match shape:
            case _ if value is None:
                yield "ENV-S4", at, "found null; leave the member out to say that it is absent"
            case One(kind=kind, not_empty=not_empty):
                if not_empty and value == {}:
                    yield "ENV-S4", at, "found {}; leave the member out instead"
                else:
                    yield from self.message(at, value, kind)
            case Many(element=element):
                yield from self._sized(at, value, shape, "an array", "elements")
                for i, inner in enumerate(value if isinstance(value, list) else ()):
                    yield from self.value((*at, i), inner, element)
            case Table(name=named, element=element):
                yield from self._sized(at, value, shape, "an object", "members")
                for name, inner in value.items() if isinstance(value, dict) else ():
                    yield from self.value((*at, name), name, named)
                    yield from self.value((*at, name), inner, element)
            case Json():
                yield from self._json(at, value)
            case _ if problem := _allowed(value, shape):
                yield self._wrong(at, value, problem, spelled=isinstance(shape, Spelled))

    def _sized(
        self, at: _Path, value: Any, shape: Many | Table, noun: str, elements: str
    ) -> Iterator[_Problem]:
        if not isinstance(value, list if isinstance(shape, Many) else dict):
            yield self._wrong(at, value, noun)
        elif not value:
            yield "ENV-S4", at, f"found {_show(value)}; leave the member out instead"
        elif not shape.fewest <= len(value) <= shape.most:
            limits = f"{shape.fewest} to {shape.most} {elements}"
            yield "ENV-S3", at, f"found {noun} of {len(value)}, allowed are {limits}"

    def _json(self, at: _Path, value: Any) -> Iterator[_Problem]:
        if not isinstance(value, dict):
            yield self._wrong(at, value, "an object")
            return
        pending: list[tuple[_Path, Any]] = [(at, value)]
        while pending:
            path, inner = pending.pop()
            if isinstance(inner, dict):
                pending += [((*path, name), member) for name, member in inner.items()]
            elif isinstance(inner, list):
                pending += [((*path, i), element) for i, element in enumerate(inner)]
            elif not is_exact(inner):
                message = (
                    f"found the number {_show(inner)}, allowed are integers within ±(2^53 - 1); "
                    "write other numbers as strings"
                )
                yield self.number, path, message

    def _wrong(self, at: _Path, value: Any, allowed: str, *, spelled: bool = False) -> _Problem:
        if isinstance(value, float):
            return self.number, at, f"found the float {_show(value)}, allowed is {allowed}"
        if spelled and isinstance(value, int) and not isinstance(value, bool):
            shown = _show(value)
            message = f'found the number {shown}; write the decimal string "{shown}"'
            return self.number, at, message
        return "ENV-S3", at, f"found {_show(value)}, allowed is {allowed}"


def _allowed(value: Any, shape: Shape) -> str:
    """Return what is allowed where a lone value is not; nothing where it is."""
    match shape:
        case Text():
            return _text(value, shape)
        case Choice(values=values) if not isinstance(value, str) or value not in values:
            *others, last = map(repr, values)
            return f"{', '.join(others)} or {last}" if others else last
        case Flag() if not isinstance(value, bool):
            return "true or false"
        case Number(lowest=lowest, highest=highest):
            if not isinstance(value, int) or isinstance(value, bool):
                return "an integer"
            if not lowest <= value <= highest:
                return (
                    f"a number of at {f'least {lowest}' if value < lowest else f'most {highest}'}"
                )
        case Spelled(kind=kind):
            return _spelling(value, kind)
    return ""


def _text(value: Any, shape: Text) -> str:
    if not isinstance(value, str):
        return "a string"
    if len(value) < shape.fewest:
        return f"a string of at least {shape.fewest} character"
    if len(value) > shape.most:
        return f"a string of at most {shape.most} characters"
    if shape.pattern is not None and not re.fullmatch(shape.pattern, value):
        return HINTS[shape.pattern]
    return ""


def _spelling(value: Any, kind: type[Whole64 | Blob]) -> str:
    try:
        kind.read(value)
    except ValueError:
        if issubclass(kind, Whole64):
            return f"a decimal string from {kind.lowest} to {kind.highest}"
        return f"base64 of at most {kind.longest} characters, with padding (RFC 4648, section 4)"
    return ""


def _choice(at: _Path, found: list[str], several: tuple[str, ...]) -> Iterator[_Problem]:
    """Yield what is wrong with a oneof that has no member, or several."""
    names = " or ".join(f"`{name}`" for name in several)
    if len(found) > 1:
        yield "ENV-S3", at, f"found {_and(found)}, allowed is exactly one of {names}"
    elif not found:
        yield "ENV-S1", at, f"none of {names} is present; add exactly one"


def _unknown(kind: type[Message], found: str, names: set[str]) -> str:
    """Return what to say of a member that is not in the schema."""
    close = difflib.get_close_matches(found[:_SHOWN], sorted(names), n=1)
    advice = f"did you mean `{close[0]}`?" if close else f"allowed are {_and(sorted(names))}"
    return f"{kind.__name__} has no member {_show(found)}; {advice}"


def _and(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _show(value: object) -> str:
    """Return a value as JSON, or what it is where it is long."""
    if isinstance(value, list) and value:
        return f"an array of {len(value)}"
    if isinstance(value, dict) and value:
        return f"an object of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**_SHOWN:
        return f"an integer of {value.bit_length()} bits"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"
