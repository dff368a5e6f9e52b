"""From a signed envelope to a document that may be acted on: all checks, in the one right order.

Invariants (normative text: spec/acp.md, section 8, and spec/envelope.md):

* Signature and trust come before structure, and structure before rules.
* What is parsed are the exact bytes that were signed.
* The floors of the trust policy and the status lists that are given always count.

    accepted = accept(envelope, policy, now=datetime.now(UTC))
    accepted.document, accepted.issuer, accepted.digest
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from acp import documents, rules, trust
from acp.diagnostics import Diagnostic, Refused, Severity
from acp.holdings import Holdings
from acp.v1.status import StatusList

if TYPE_CHECKING:
    from acp.message import Message
    from acp.policy import TrustPolicy


class BrokenRuleError(Refused):
    """A document that breaks rules of spec/acp.md (codes ``ACP-…``)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A document that passed every check.

    Attributes:
        document: The typed document.
        digest: Its identity.
        issuer: Whose document it is.
        keyids: The keys that count for it.
        payload: The exact bytes that were signed.
        warnings: What was found that does not refuse it.
        status_sequences: Sequence numbers of the issuer's status lists that do not revoke it; empty
            where its revocation was not checked.
    """

    document: Message
    digest: str
    issuer: str
    keyids: tuple[str, ...]
    payload: bytes = field(repr=False)
    warnings: tuple[Diagnostic, ...] = ()
    status_sequences: tuple[int, ...] = ()


def accept(
    envelope: bytes,
    policy: TrustPolicy,
    *,
    now: datetime,
    expected: Collection[type[Message]] = tuple(documents.SIGNED.values()),
    status_lists: Collection[StatusList] = (),
    understood: Collection[str] = (),
    held: Holdings | None = None,
) -> Accepted:
    """Return the document in an envelope, if it may be acted on.

    Args:
        envelope: A DSSE envelope in JSON.
        policy: What is trusted.
        now: The moment to judge by, aware of its time zone.
        expected: Kinds of documents that the caller can use here.
        status_lists: Lists that `accept_status_list` returned.
        understood: Names of critical extensions that the caller understands.
        held: Other documents that `accept` returned, for the rules about several documents.

    Raises:
        DecodeError: Envelope or payload is not strict JSON (ENV-J1 to ENV-J4).
        SignatureError: The envelope is malformed or of another type (ENV-E1 to ENV-E4).
        TrustError: The policy does not trust it (ENV-T1 to ENV-T4).
        StructureError: The document has the wrong structure (ENV-S1 to ENV-S4, ACP-U01).
        BrokenRuleError: The document breaks a rule.
        ValueError: `now` is naive.
    """
    kinds = {kind.PAYLOAD_TYPE: kind for kind in expected}
    verified = trust.verify(envelope, policy, now=now, expected=kinds)
    document = verified.document(kinds[verified.payload_type])
    least = (
        policy.min_sequence(verified.issuer)
        if isinstance(document, StatusList)
        else policy.min_revision(verified.issuer, getattr(document, "uri", ""))
    )
    context = rules.Context(
        now=now,
        status_lists=tuple(status_lists),
        understood=frozenset(understood),
        min_revision=least,
        held=held or Holdings(),
    )
    found = rules.check(document, context)
    if any(one.severity is Severity.ERROR for one in found):
        raise BrokenRuleError(*found)
    return Accepted(
        document=document,
        digest=verified.digest,
        issuer=verified.issuer,
        keyids=verified.keyids,
        payload=verified.payload,
        warnings=(*verified.diagnostics, *found),
        status_sequences=tuple(
            one.sequence for one in status_lists if one.issuer == verified.issuer
        ),
    )


def accept_status_list(
    envelope: bytes, policy: TrustPolicy, *, now: datetime, known: Collection[StatusList] = ()
) -> StatusList:
    """Return the status list in an envelope, if it is trusted, current and not rolled back.

    Args:
        envelope: A DSSE envelope in JSON.
        policy: What is trusted.
        now: The moment to judge by, aware of its time zone.
        known: Lists that were accepted before; one of a lower sequence by the same issuer is
            refused (ACP-T02). Who keeps the latest list is protected from an older one.

    Raises:
        Refused: As `accept`.
    """
    document = accept(
        envelope, policy, now=now, expected=(StatusList,), status_lists=known
    ).document
    assert isinstance(document, StatusList)  # noqa: S101 - narrows what `expected` asks for
    return document
