"""What cards are made of: lines, facts and sections that stay short."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from acp.cli.output import one_line

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor, Software
    from acp.v1.measurement import MeasurementRecord
    from acp.v1.system import SystemDescriptor

    Dated: TypeAlias = CapabilityDescriptor | SystemDescriptor | MeasurementRecord

ROWS: Final = 24
"""Rows of one section; a card is read by people."""


def lines(found: Iterable[str]) -> str:
    """Return the lines as text; no name can forge a line by a line feed of its own."""
    return "\n".join(map(one_line, found))


def header(document: Dated) -> Iterator[str]:
    """Yield whose document it is, and for how long."""
    start = document.not_before or document.issued_at
    yield f"  {document.uri}, revision {document.revision}"
    yield f"  issued by {document.issuer}, in force from {start} until {document.expires_at}"
    if document.__class__.__name__ != "MeasurementRecord":
        yield from fact("supersedes", [getattr(document, "supersedes", None)])
        yield from fact("revocations", [getattr(document, "status_uri", None)])


def section(title: str, things: Iterable[Any], rows: Callable[[Any], Iterable[str]]) -> list[str]:
    """Return a title and the rows of all things below it; nothing where there are none."""
    found = [row for thing in things for row in rows(thing)]
    shown = [f"    {row}" for row in islice(found, ROWS)]
    if len(found) > ROWS:
        shown.append(f"    … and {len(found) - ROWS} more; --format json shows all")
    return [f"  {title}", *shown] if found else []


def fact(title: str, words: Iterable[str | None]) -> list[str]:
    """Return one line; none where there is nothing to say."""
    known = [word for word in words if word]
    return [f"  {title}: {cut(known)}"] if known else []


def cut(words: Iterable[str]) -> str:
    """Return words with commas between them, and how many more there are."""
    known = list(words)
    more = f" and {len(known) - ROWS} more" if len(known) > ROWS else ""
    return ", ".join(known[:ROWS]) + more


def component(one: Software) -> str:
    """Return software in words."""
    return f"{one.component}{one.version_range}" + (f" ({one.name})" if one.name else "")
