"""Trust: which keys may sign which documents of which issuers, and the check that they did.

Invariants (normative text: spec/envelope.md):

* No document is accepted without a policy; the one that trusts everybody says so in its name, and
  in a warning on every document it lets through.
* A signature is checked over the envelope's exact payload before a byte of that payload is parsed,
  and what is parsed afterwards are those same bytes.
* A key counts once, whatever key ids the envelope claims; an envelope's key ids are hints that
  can neither grant nor withhold anything.
* A key counts only for a document type and an issuer that one grant names together with it, and
  only within its validity at the moment of the check.
* A threshold is met within one grant; keys of different grants are never added up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from acp.canonical import JsonValue, digest, digest_bytes, read
from acp.diagnostics import Diagnostic, Severity, SignatureError, TrustError, pointer
from acp.dsse import RECEIPT, Envelope
from acp.message import Message
from acp.policy import Floor, Grant, TrustedKey, TrustPolicy, is_dns_name

__all__ = ["Floor", "Grant", "TrustPolicy", "TrustedKey", "Verified", "verify"]

M = TypeVar("M", bound=Message)

_TRIAL_BYTES: Final = 1024 * 1024 * 1024
"""Bytes that `verify` is ready to hash for signatures whose key id leads nowhere."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A payload that a policy accepts.

    Attributes:
        payload: The exact bytes that were signed; keep and hash these.
        payload_type: What they are.
        issuer: Whose document it is, as the payload says and the policy allows.
        keyids: The distinct keys that count for it, in the policy's order.
        canonical: The payload is the canonical form of its value.
        diagnostics: Warnings; ENV-T6 where the policy is the one that trusts everybody.
        read: The document, where it was typed on the way; else its JSON value.
    """

    payload: bytes = field(repr=False)
    payload_type: str
    issuer: str
    keyids: tuple[str, ...]
    canonical: bool = field(compare=False)
    diagnostics: tuple[Diagnostic, ...] = ()
    read: Message | JsonValue = field(default=None, repr=False, compare=False)

    @property
    def value(self) -> JsonValue:
        """The JSON value of `payload`."""
        return self.read.to_json() if isinstance(self.read, Message) else self.read

    @property
    def digest(self) -> str:
        """The identity of the document."""
        return digest_bytes(self.payload) if self.canonical else digest(self.value)

    def document(self, kind: type[M]) -> M:
        """Return the document as one of type `kind`.

        Raises:
            StructureError: It is none (ENV-S1 to ENV-S4, ACP-U01).
        """
        return self.read if isinstance(self.read, kind) else kind.from_text(self.payload)


def verify(
    envelope_bytes: bytes,
    policy: TrustPolicy,
    *,
    now: datetime,
    expected: Collection[str] | Mapping[str, type[Message]],
) -> Verified:
    """Return the payload of an envelope, if `policy` trusts it.

    Args:
        envelope_bytes: A DSSE envelope in JSON.
        policy: What is trusted.
        now: The moment to judge by, aware of its time zone.
        expected: Payload types that the caller can handle here, or the kinds of documents by them:
            a document of such a kind is read once only, where it is canonical.

    Raises:
        DecodeError: Envelope or payload isn't strict JSON (ENV-J1 to ENV-J4).
        SignatureError: The envelope is malformed (ENV-E1, ENV-E2, ENV-E4), or of a type that isn't
            expected (ENV-E3).
        TrustError: No known key signed it (ENV-T1), too few did (ENV-T2), not the ones granted
            (ENV-T3), or not ones valid now (ENV-T4).
        ValueError: `now` is naive.
        TypeError: `expected` is a string.
    """
    if now.tzinfo is None:
        raise ValueError("`now` must be aware of its time zone")
    if isinstance(expected, str):
        raise TypeError("`expected` must be a collection of payload types, not one of them")
    envelope = Envelope.from_bytes(envelope_bytes)
    if envelope.payload_type not in expected:
        allowed = ", ".join(sorted(expected)) or "none"
        reason = f"found payload type {envelope.payload_type!r}; expected here: {allowed}"
        raise SignatureError.because("ENV-E3", reason, "/payloadType")
    warnings: tuple[Diagnostic, ...] = ()
    kind = expected.get(envelope.payload_type) if isinstance(expected, Mapping) else None
    keyids: tuple[str, ...] = ()
    if policy.accepts_anything:
        read, canonical, issuer = _parse(envelope, kind)
        reason = "accepted without checking any signature; anybody could have written this"
        warnings = (Diagnostic("ENV-T6", Severity.WARNING, "", reason),)
    else:
        signers = _signers(envelope, policy)
        read, canonical, issuer = _parse(envelope, kind)
        counted = _authorize(envelope.payload_type, issuer, signers, policy, now)
        keyids = tuple(entry.keyid for entry in policy.keys if entry.keyid in counted)
    return Verified(
        envelope.payload, envelope.payload_type, issuer, keyids, canonical, warnings, read
    )


def _signers(envelope: Envelope, policy: TrustPolicy) -> frozenset[str]:
    """Return the ids of the policy's keys that signed `envelope`; at least one (ENV-T1)."""
    message = envelope.signed_bytes
    found: set[str] = set()
    unhinted = 0
    for signature in envelope.signatures:
        hinted = policy.public_key(signature.keyid)
        if hinted is not None and hinted.verify(signature.sig, message):
            found.add(hinted.keyid)
            continue
        for entry in policy.keys:
            key = policy.public_key(entry.keyid)
            if key is None or key is hinted or key.keyid in found:
                continue
            unhinted += len(message)
            if unhinted > _TRIAL_BYTES:
                reason = (
                    "too many signatures without the id of the key that made them, for a payload "
                    f"of {len(envelope.payload)} bytes; add the ids"
                )
                raise SignatureError.because("ENV-E4", reason, "/signatures")
            if key.verify(signature.sig, message):
                found.add(key.keyid)
                break
    if found:
        return frozenset(found)
    claimed = [one.keyid for one in envelope.signatures if policy.public_key(one.keyid)]
    reason = (
        f"the signature of the known key {claimed[0]} does not verify: payload, payload type or "
        "signature was altered"
        if claimed
        else "no signature is by a key of the policy; add the signer's key, if you trust it"
    )
    raise TrustError.because("ENV-T1", reason, "/signatures")


def _parse(envelope: Envelope, kind: type[Message] | None) -> tuple[Message | JsonValue, bool, str]:
    """Return the payload's document or value, whether it is canonical, and its issuer."""
    document = kind.from_canonical(envelope.payload) if kind is not None else None
    found: Any = getattr(document, "issuer", None)
    if document is not None and isinstance(found, str) and is_dns_name(found):
        return document, True, found
    decoded = read(envelope.payload)
    path = ("predicate", "issuer") if envelope.payload_type == RECEIPT else ("issuer",)
    found = decoded.value
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, str) or not is_dns_name(found):
        reason = "the issuer must be present, and a DNS name in lower case"
        raise TrustError.because("ENV-T3", reason, pointer(*path))
    return decoded.value, decoded.canonical, found


def _authorize(
    payload_type: str, issuer: str, signers: frozenset[str], policy: TrustPolicy, now: datetime
) -> set[str]:
    """Return the signers that count; those of every grant whose threshold they reach."""
    grants = [grant for grant in policy.grants if grant.covers(payload_type, issuer)]
    granted = signers & {keyid for grant in grants for keyid in grant.keyids}
    if not granted:
        reason = f"no grant lets {_listed(signers)} sign {payload_type} of {issuer}"
        raise TrustError.because("ENV-T3", reason)
    valid = {entry.keyid for entry in policy.keys if entry.is_valid_at(now)} & granted
    if not valid:
        moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        reason = f"{_listed(granted)} is outside its validity at {moment}"
        raise TrustError.because("ENV-T4", reason)
    counted: set[str] = set()
    for grant in grants:
        agreeing = valid.intersection(grant.keyids)
        if len(agreeing) >= grant.threshold:
            counted |= agreeing
    if not counted:
        best = max(
            grants, key=lambda grant: len(valid.intersection(grant.keyids)) - grant.threshold
        )
        reason = (
            f"{len(valid.intersection(best.keyids))} of the {best.threshold} signatures needed "
            f"for {payload_type} of {issuer}"
        )
        expired = granted - valid
        if expired:
            reason += f"; not counting {_listed(expired)}, outside its validity"
        raise TrustError.because("ENV-T2", reason)
    return counted


def _listed(keyids: Collection[str]) -> str:
    return "key " + ", ".join(sorted(keyids))
