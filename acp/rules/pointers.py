"""JSON Pointers (RFC 6901) into a document, and the numbers that provenance leads to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from acp.canonical import JsonValue
    from acp.v1.capability import CapabilityDescriptor, Provenance

_INDEX: Final = re.compile("0|[1-9][0-9]{0,9}")
_INTEGER: Final = re.compile("0|[1-9][0-9]{0,19}")


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


def resolve(pointer: str, value: JsonValue) -> JsonValue:
    """Return what a pointer leads to.

    Raises:
        LookupError: It leads to nothing.
    """
    for name in tokens(pointer):
        if isinstance(value, dict):
            value = value[name]
        elif isinstance(value, list) and _INDEX.fullmatch(name):
            value = value[int(name)]
        else:
            raise LookupError(name)
    return value


def tokens(pointer: str) -> tuple[str, ...]:
    """Return the names and indices that a pointer consists of."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def stated(document: CapabilityDescriptor) -> Iterator[Stated]:
    """Yield every number for which `provenance` says what its source states."""
    entries = [(i, e, e.source_value) for i, e in enumerate(document.provenance)]
    if all(source is None for _, _, source in entries):
        return
    content = document.to_json()
    for i, entry, source in entries:
        for j, pointer in enumerate(entry.paths if source is not None else ()):
            try:
                found = resolve(pointer, content)
            except LookupError:  # ACP-I01 reports it
                continue
            value = _integer(found)
            if source is not None and value is not None:
                place = ("provenance", i, "paths", j)
                yield Stated(place, tokens(pointer), value, source, entry)


def _integer(value: JsonValue) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
