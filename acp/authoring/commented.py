"""A descriptor as commented YAML from which its author goes on.

Every member is explained once, in the words of the schema: those that are there where they first
are, those that must be there as ``# REQUIRED``, and those that may be there with an example of
their form. All of these but the first are comments, so that the text is as complete as the value.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from acp.yaml_emit import is_plain
from acp.yaml_text import NAMES

if TYPE_CHECKING:
    from acp.authoring.members import Member
    from acp.canonical import JsonValue

REQUIRED: Final = "REQUIRED"
_WIDTH: Final = 96
_NARROWEST: Final = 40
_TOKENS_SHOWN: Final = 12
_NESTED: Final = 2


def commented(value: Mapping[str, JsonValue], kind: Member) -> str:
    """Return a document as YAML text with comments.

    Args:
        value: The members that are known; any may be missing.
        kind: Type of the document.
    """
    return "\n".join([*_Writer().document(value, kind), ""])


class _Writer:
    """Writes one document and remembers what it has explained.

    Attributes:
        explained: Names of messages whose members have been explained, and of registries whose
            tokens have been listed.
    """

    def __init__(self) -> None:
        self.explained: set[str] = set()

    def document(self, value: Mapping[str, JsonValue], kind: Member) -> Iterator[str]:
        """Yield the lines of a document, with an empty line between members that have several."""
        for member in kind.members():
            lines = list(self._member(member, value, 0, explain=True))
            if member.is_object or member.entries is not None:
                yield ""
            yield from lines

    def _object(self, value: Mapping[str, Any], kind: Member, depth: int) -> Iterator[str]:
        explain = kind.type_name not in self.explained
        self.explained.add(kind.type_name)
        for member in kind.members():
            yield from self._member(member, value, depth, explain=explain)

    def _member(
        self, member: Member, value: Mapping[str, Any], depth: int, *, explain: bool
    ) -> Iterator[str]:
        """Yield what is said of a member, and the member."""
        indent = " " * depth
        if member.name in value:
            if explain:
                yield from _comment(_words(member, self.explained), indent)
            yield from self._named(member.name, value[member.name], member, depth)
        elif member.required:
            words = f"{REQUIRED}. {_words(member, self.explained)}"
            yield from _comment(words, indent)
            yield from _hidden(self._named(member.name, member.example(), member, depth), indent)
        elif explain:
            yield from _comment(_words(member, self.explained), indent)
            yield from _hidden(self._named(member.name, member.example(), member, depth), indent)

    def _named(self, name: str, value: Any, kind: Member, depth: int) -> Iterator[str]:
        """Yield a member: in one line, or its name and what is below it."""
        indent = " " * depth
        if isinstance(value, dict) and value:
            yield f"{indent}{_name(name)}:"
            yield from self._below(value, kind, depth + _NESTED)
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            yield f"{indent}{_name(name)}:"
            yield from self._listed(value, kind.entries or kind, depth)
        else:
            yield f"{indent}{_name(name)}: {_flow(value)}"

    def _below(self, value: Mapping[str, Any], kind: Member, depth: int) -> Iterator[str]:
        if kind.is_object:
            yield from self._object(value, kind, depth)
            return
        inner = kind.values or kind
        for name, one in value.items():
            yield from self._named(name, one, inner, depth)

    def _listed(self, value: Sequence[Any], kind: Member, depth: int) -> Iterator[str]:
        """Yield the entries of a list of objects: the first line of each that counts has a dash."""
        for entry in value:
            lines = list(self._object(entry, kind, depth + 2 * _NESTED))
            first = next(i for i, line in enumerate(lines) if not line.lstrip().startswith("#"))
            start = " " * (depth + _NESTED)
            yield from (line[_NESTED:] for line in lines[:first])
            yield f"{start}- {lines[first].lstrip()}"
            yield from lines[first + 1 :]


def _hidden(lines: Iterator[str], indent: str) -> Iterator[str]:
    """Yield lines as comments; taking the mark away makes them part of the document."""
    for line in lines:
        yield f"{indent}#{line[len(indent) :]}"


def _comment(text: str, indent: str) -> Iterator[str]:
    width = max(_WIDTH - len(indent), _NARROWEST)
    wrapped = textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
    return (f"{indent}# {line}" for line in wrapped)


def _words(member: Member, told: set[str]) -> str:
    """Return what is said of a member: its meaning, and once the tokens of its registry."""
    inner = member.entries or member
    if not inner.known or inner.type_name in told:
        return member.description
    told.add(inner.type_name)
    shown = ", ".join(inner.known[:_TOKENS_SHOWN])
    more = ", …" if len(inner.known) > _TOKENS_SHOWN else ""
    return f"{member.description} Known: {shown}{more}."


def _name(text: str) -> str:
    return text if text in NAMES else _scalar(text)


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    if isinstance(value, dict):
        return "{}"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    return value if is_plain(value) else json.dumps(value, ensure_ascii=not value.isprintable())
