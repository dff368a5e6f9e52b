"""The rules of spec/acp.md beyond structure: is what the document says consistent and in force?

`check` runs every rule that is about a document's kind and returns what it found; a document is
valid if no diagnostic is an error. Rules are pure and share no state.

    >>> from datetime import UTC, datetime
    >>> from acp.v1.status import StatusList
    >>> document = StatusList(
    ...     spec="acp/1", issuer="example.com", sequence=1,
    ...     issued_at="2026-01-01T00:00:00Z", next_update="2026-02-01T00:00:00Z",
    ... )
    >>> [found.code for found in check(document, Context(now=datetime(2026, 3, 1, tzinfo=UTC)))]
    ['ACP-T01']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from acp.rules import (
    compute,
    consistency,
    evidence,
    extensions,
    hierarchy,
    identity,
    links,
    memory,
    numerics,
    operations,
    partitions,
    power,
    records,
    sources,
    sparsity,
    temporal,
)
from acp.rules.registry import MAX_BREACHES, Context, Rule, registered

if TYPE_CHECKING:
    from acp.diagnostics import Diagnostic
    from acp.message import Message

__all__ = ["MAX_BREACHES", "RULES", "Context", "Rule", "check"]

_FAMILIES: Final = (
    *(temporal, identity, consistency, extensions, sources),
    *(compute, sparsity, operations, numerics, memory, hierarchy, power),
    *(links, partitions, evidence, records),
)

RULES: Final = registered()
"""Every rule that is implemented, by id. ACP-U01 is part of the structure; see `acp.message`."""


def check(document: Message, context: Context) -> tuple[Diagnostic, ...]:
    """Return every place at which `document` breaks a rule, by rule id.

    Args:
        document: A document of any kind; one that no rule is about breaks none.
        context: The moment, revocations, and what the caller understands and demands.
    """
    return tuple(found for rule in RULES for found in rule.check(document, context))
