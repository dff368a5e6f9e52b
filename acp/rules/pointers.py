"""JSON Pointers (RFC 6901) into a document, and the numbers that provenance leads to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from acp.members import members
from acp.message import Message

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor, Provenance

_INDEX: Final = re.compile("0|[1-9][0-9]{0,9}")


class Stated(NamedTuple):
    """A number of a document, beside what its source states for it.

    Attributes:
        place: Where the pointer stands.
        path: What it leads to.
        value: The number there.
        source: The number that the source states.
        entry: The entry of `provenance`.
    """

    place: tuple[str | int, ...]
    path: tuple[str, ...]
    value: int
    source: int
    entry: Provenance


def resolve(pointer: str, document: Message) -> Any:
    """Return what a pointer into the JSON of a document leads to, as the document holds it.

    Raises:
        LookupError: It leads to nothing.
    """
    value: Any = document
    for name in tokens(pointer):
        if isinstance(value, Message):
            value = getattr(value, _attributes(type(value))[name])
            if value is None or value in ((), {}):
                raise LookupError(name)
        elif isinstance(value, dict):
            value = value[name]
        elif isinstance(value, list | tuple) and _INDEX.fullmatch(name):
            value = value[int(name)]
        else:
            raise LookupError(name)
    return value


def tokens(pointer: str) -> tuple[str, ...]:
    """Return the names and indices that a pointer consists of."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def stated(document: CapabilityDescriptor) -> Iterator[Stated]:
    """Yield every number for which `provenance` says what its source states."""
    for i, entry in enumerate(document.provenance):
        if entry.source_value is None:
            continue
        for j, pointer in enumerate(entry.paths):
            try:
                value = resolve(pointer, document)
            except LookupError:  # ACP-I01 reports it
                continue
            if isinstance(value, int) and not isinstance(value, bool):
                place = ("provenance", i, "paths", j)
                yield Stated(place, tokens(pointer), value, entry.source_value, entry)


@cache
def _attributes(kind: type[Message]) -> dict[str, str]:
    return {member.json_name: member.name for member in members(kind)}
