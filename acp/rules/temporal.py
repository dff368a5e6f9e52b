"""Is the document in force: ACP-T01 (term and revocation) and ACP-T02 (rollback)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import TypeAlias

from acp.canonical import digest
from acp.rules.registry import Breach, Context, rule
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.status import StatusList
from acp.v1.system import SystemDescriptor

_Dated: TypeAlias = CapabilityDescriptor | SystemDescriptor | MeasurementRecord


@rule("ACP-T01", CapabilityDescriptor, SystemDescriptor, MeasurementRecord)
def in_force(document: _Dated, context: Context) -> Iterator[Breach]:
    """The clock is within the document's term, and its issuer has not revoked it."""
    start = "issued_at" if document.not_before is None else "not_before"
    yield from _term(document, start, "expires_at", context)
    yield from _revoked(document, context)


@rule("ACP-T01", StatusList)
def current(document: StatusList, context: Context) -> Iterator[Breach]:
    """The clock is before the next update, and its issuer has not revoked the list itself."""
    yield from _term(document, "issued_at", "next_update", context)
    yield from _revoked(document, context)


def _revoked(document: _Dated | StatusList, context: Context) -> Iterator[Breach]:
    lists = [one for one in context.status_lists if one.issuer == document.issuer]
    if not lists:
        return
    now = _written(context)
    identity = digest(document.to_json())
    for entry in (entry for one in lists for entry in one.entries):
        if entry.digest == identity and entry.effective_at <= now:
            yield Breach(
                (),
                f"{document.issuer} revoked this document as of {entry.effective_at}: "
                f"{entry.reason}; obtain a newer one",
            )


@rule("ACP-T02", CapabilityDescriptor, SystemDescriptor, MeasurementRecord)
def not_rolled_back(document: _Dated, context: Context) -> Iterator[Breach]:
    """The revision is not below the floor of the trust policy."""
    if document.revision < context.min_revision:
        yield Breach(
            ("revision",),
            f"found revision {document.revision}, allowed by the trust policy for "
            f"{document.uri} are {context.min_revision} and above; obtain the newer revision",
        )


@rule("ACP-T02", StatusList)
def not_forgetful(document: StatusList, context: Context) -> Iterator[Breach]:
    """The sequence is neither below the floor of the trust policy nor that of a list at hand."""
    known = [one.sequence for one in context.status_lists if one.issuer == document.issuer]
    least = max(known, default=0)
    if document.sequence < context.min_revision:
        yield Breach(
            ("sequence",),
            f"found sequence {document.sequence}, allowed by the trust policy for "
            f"{document.issuer} are {context.min_revision} and above; obtain the newer list",
        )
    elif document.sequence < least:
        yield Breach(
            ("sequence",),
            f"found sequence {document.sequence}, but a list by {document.issuer} with sequence "
            f"{least} is at hand; leave the older one out",
        )


def _term(
    document: _Dated | StatusList, start: str, end: str, context: Context
) -> Iterator[Breach]:
    """Compare as text: timestamps have one spelling, whose order is that of time."""
    now = _written(context)
    first: str = getattr(document, start)
    last: str = getattr(document, end)
    if now < first:
        yield Breach((start,), f"not in force before {first}; the clock says {now}")
    if now >= last:
        yield Breach((end,), f"out of force since {last}; the clock says {now}; obtain a newer one")


def _written(context: Context) -> str:
    """Return the clock as documents write time; a fraction of a second makes no difference."""
    return f"{context.now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
