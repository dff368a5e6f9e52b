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

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
)
from typing_extensions import override

from acp.canonical import MAX_INTEGER, JsonValue, Limits, canonicalize, decode
from acp.diagnostics import (
    Diagnostic,
    KeyFileError,
    Severity,
    SignatureError,
    TrustError,
    pointer,
)
from acp.dsse import PAYLOAD_TYPES, RECEIPT, Envelope
from acp.keys import PublicKey

_DNS_NAME: Final = (
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_ISSUER: Final = re.compile(_DNS_NAME)
_MAX_DNS_NAME: Final = 253

_POLICY_LIMITS: Final = Limits(max_bytes=1024 * 1024, max_depth=8, max_values=100_000)
_MAX_KEYS: Final = 256
_TRIAL_BYTES: Final = 1024 * 1024 * 1024
"""Bytes that `verify` is ready to hash for signatures whose key id leads nowhere."""

KeyId = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
DnsName = Annotated[str, StringConstraints(pattern=f"^{_DNS_NAME}$", max_length=_MAX_DNS_NAME)]
IssuerPattern = Annotated[
    str, StringConstraints(pattern=rf"^(?:\*\.)?{_DNS_NAME}$", max_length=_MAX_DNS_NAME)
]
Timestamp = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{4}(?:-[0-9]{2}){2}T[0-9]{2}(?::[0-9]{2}){2}Z$")
]
DistributionName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=100)
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TrustedKey(_Part):
    """A key that the policy knows, and when it may be used.

    Attributes:
        keyid: The key's id; must be the digest of `public_key`.
        public_key: The key as SubjectPublicKeyInfo in PEM.
        not_before: First moment at which the key counts, RFC 3339 UTC; always, where absent.
        not_after: First moment at which it no longer counts; never, where absent.
        comment: For people.
    """

    keyid: KeyId
    public_key: Annotated[str, StringConstraints(max_length=4096)]
    not_before: Timestamp | None = None
    not_after: Timestamp | None = None
    comment: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None

    @classmethod
    def of(
        cls,
        key: PublicKey,
        *,
        not_before: str | None = None,
        not_after: str | None = None,
        comment: str | None = None,
    ) -> Self:
        """Return the policy's entry for `key`."""
        return cls(
            keyid=key.keyid,
            public_key=key.pem,
            not_before=not_before,
            not_after=not_after,
            comment=comment,
        )

    def is_valid_at(self, now: datetime) -> bool:
        """Tell whether ``not_before <= now < not_after``."""
        return (self.not_before is None or _instant(self.not_before) <= now) and (
            self.not_after is None or now < _instant(self.not_after)
        )


class Grant(_Part):
    """A permission: these keys, this many of them, for these types of these issuers' documents.

    Attributes:
        document_types: DSSE payload types.
        issuers: DNS names, or ``*.`` and a DNS name for every name below it.
        keyids: Ids of keys of the policy.
        threshold: How many distinct ones of these keys must have signed.
    """

    document_types: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    issuers: Annotated[tuple[IssuerPattern, ...], Field(strict=False, min_length=1)]
    keyids: Annotated[tuple[KeyId, ...], Field(strict=False, min_length=1)]
    threshold: Annotated[int, Field(ge=1)] = 1

    def covers(self, payload_type: str, issuer: str) -> bool:
        """Tell whether the grant is about this type of document of this issuer."""
        return payload_type in self.document_types and any(
            _matches(pattern, issuer) for pattern in self.issuers
        )


class Floor(_Part):
    """The oldest revision of a document that is still accepted (anti-rollback).

    Attributes:
        issuer: Who issues the document.
        uri: The document's name, which all its revisions share.
        min_revision: Its lowest acceptable revision.
    """

    issuer: DnsName
    uri: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    min_revision: Annotated[int, Field(ge=0, le=MAX_INTEGER)]


class TrustPolicy(_Part):
    """What an operator trusts; a document of its own, and as secret as it is writable.

    Attributes:
        spec: Name and version of this form.
        keys: The keys that the grants name.
        grants: Who may sign what; one satisfied grant suffices.
        adapters: Distributions whose adapters the runtime may load; none where empty.
        floors: Revisions below which documents are refused.

    Raises:
        TrustError: ENV-T5, on construction, where the parts contradict each other.
    """

    spec: Literal["acp-trust/1"]
    keys: Annotated[tuple[TrustedKey, ...], Field(strict=False, min_length=1, max_length=_MAX_KEYS)]
    grants: Annotated[tuple[Grant, ...], Field(strict=False, min_length=1)]
    adapters: Annotated[tuple[DistributionName, ...], Field(strict=False)] = ()
    floors: Annotated[tuple[Floor, ...], Field(strict=False)] = ()

    _public: dict[str, PublicKey] = PrivateAttr(default_factory=dict)
    _accepts_anything: bool = PrivateAttr(default=False)

    @override
    def model_post_init(self, context: Any, /) -> None:
        findings = [*self._judge_keys(), *self._judge_grants(), *self._judge_floors()]
        if findings:
            raise TrustError(*findings)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a policy from its JSON form.

        Raises:
            DecodeError: `data` isn't strict JSON of modest size (ENV-J1 to ENV-J4).
            TrustError: ENV-T5, it isn't a policy.
        """
        document = decode(data, limits=_POLICY_LIMITS)
        nothings = [_malformed("leave out what is empty", *path) for path in _nothings(document)]
        if nothings:
            raise TrustError(*nothings)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise TrustError(
                *(
                    _malformed(str(finding["msg"]), *finding["loc"])
                    for finding in error.errors(include_url=False, include_input=False)
                )
            ) from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a policy from a JSON file.

        Raises:
            DecodeError: As `from_bytes`.
            TrustError: ENV-T5, the file can't be read, or isn't a policy.
        """
        try:
            with Path(path).open("rb") as file:
                data = file.read(_POLICY_LIMITS.max_bytes + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise TrustError(_malformed(f"{path}: {reason}")) from None
        return cls.from_bytes(data)

    @classmethod
    def unsafe_accept_anything(cls) -> TrustPolicy:
        """Return the policy that accepts every well-formed envelope, signed by whomever.

        For looking at documents, never for acting on them: anybody can write what it accepts.
        """
        policy = cls.model_construct(spec="acp-trust/1", keys=(), grants=())
        policy._accepts_anything = True  # noqa: SLF001 - a constructor
        return policy

    @property
    def accepts_anything(self) -> bool:
        """Whether this is the policy of `unsafe_accept_anything`."""
        return self._accepts_anything

    def to_bytes(self) -> bytes:
        """Return the policy's canonical JSON form."""
        members = self.model_dump(exclude_none=True)
        return canonicalize({name: value for name, value in members.items() if value != ()})

    def allows_adapter(self, distribution: str) -> bool:
        """Tell whether adapters of this distribution may be loaded; names compare as on PyPI."""
        return _normalized(distribution) in map(_normalized, self.adapters)

    def min_revision(self, issuer: str, uri: str) -> int:
        """Return the lowest acceptable revision of a document; 0 where the policy sets none."""
        return next(
            (one.min_revision for one in self.floors if (one.issuer, one.uri) == (issuer, uri)), 0
        )

    def public_key(self, keyid: str) -> PublicKey | None:
        """Return the policy's key of this id."""
        return self._public.get(keyid)

    def _judge_keys(self) -> list[Diagnostic]:
        findings = []
        for index, entry in enumerate(self.keys):
            path = ("keys", index)
            try:
                key = PublicKey.from_pem(entry.public_key)
            except KeyFileError as refusal:
                reason = refusal.diagnostics[0].message
                findings.append(_malformed(reason, *path, "public_key"))
                continue
            if key.keyid != entry.keyid:
                reason = f"the key's id is {key.keyid}, not {entry.keyid}"
                findings.append(_malformed(reason, *path, "keyid"))
            if key.keyid in self._public:
                findings.append(_malformed("the same key occurs twice", *path))
            self._public[key.keyid] = key
            moments = []
            for name in ("not_before", "not_after"):
                text = getattr(entry, name)
                try:
                    moments += [] if text is None else [_instant(text)]
                except ValueError:
                    findings.append(_malformed(f"{text} is not a moment in time", *path, name))
            if len(moments) > 1 and moments[0] >= moments[1]:
                reason = "not_before must be earlier than not_after"
                findings.append(_malformed(reason, *path, "not_after"))
        return findings

    def _judge_grants(self) -> list[Diagnostic]:
        findings = []
        known = {entry.keyid for entry in self.keys}
        for index, grant in enumerate(self.grants):
            for place, keyid in enumerate(grant.keyids):
                if keyid not in known:
                    reason = f"no key of this policy has the id {keyid}"
                    findings.append(_malformed(reason, "grants", index, "keyids", place))
            for place, payload_type in enumerate(grant.document_types):
                if payload_type not in PAYLOAD_TYPES:
                    allowed = ", ".join(sorted(PAYLOAD_TYPES))
                    reason = f"unknown document type {payload_type!r}; there are {allowed}"
                    findings.append(_malformed(reason, "grants", index, "document_types", place))
            if grant.threshold > len(set(grant.keyids)):
                reason = f"{grant.threshold} of {len(set(grant.keyids))} keys can never be reached"
                findings.append(_malformed(reason, "grants", index, "threshold"))
        return findings

    def _judge_floors(self) -> list[Diagnostic]:
        seen: set[tuple[str, str]] = set()
        findings = []
        for index, floor in enumerate(self.floors):
            if (floor.issuer, floor.uri) in seen:
                reason = "a second floor for the same issuer and uri"
                findings.append(_malformed(reason, "floors", index))
            seen.add((floor.issuer, floor.uri))
        return findings


@dataclass(frozen=True, slots=True)
class Verified:
    """A payload that a policy accepts.

    Attributes:
        payload: The exact bytes that were signed; keep and hash these.
        payload_type: What they are.
        issuer: Whose document it is, as the payload says and the policy allows.
        keyids: The distinct keys that count for it, in the policy's order.
        value: The JSON value of `payload`.
        diagnostics: Warnings; ENV-T6 where the policy is the one that trusts everybody.
    """

    payload: bytes = field(repr=False)
    payload_type: str
    issuer: str
    keyids: tuple[str, ...]
    value: JsonValue = field(repr=False, compare=False)
    diagnostics: tuple[Diagnostic, ...] = ()


def verify(
    envelope_bytes: bytes, policy: TrustPolicy, *, now: datetime, expected: Collection[str]
) -> Verified:
    """Return the payload of an envelope, if `policy` trusts it.

    Args:
        envelope_bytes: A DSSE envelope in JSON.
        policy: What is trusted.
        now: The moment to judge by, aware of its time zone.
        expected: Payload types that the caller can handle here.

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
    if policy.accepts_anything:
        value, issuer = _parse(envelope)
        warning = Diagnostic(
            "ENV-T6",
            Severity.WARNING,
            "",
            "accepted without checking any signature; anybody could have written this",
        )
        return Verified(
            envelope.payload, envelope.payload_type, issuer, (), value, diagnostics=(warning,)
        )
    signers = _signers(envelope, policy)
    value, issuer = _parse(envelope)
    counted = _authorize(envelope.payload_type, issuer, signers, policy, now)
    keyids = tuple(entry.keyid for entry in policy.keys if entry.keyid in counted)
    return Verified(envelope.payload, envelope.payload_type, issuer, keyids, value)


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


def _parse(envelope: Envelope) -> tuple[JsonValue, str]:
    """Return the payload's value and its issuer."""
    value = decode(envelope.payload)
    path = ("predicate", "issuer") if envelope.payload_type == RECEIPT else ("issuer",)
    found: JsonValue = value
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, str) or len(found) > _MAX_DNS_NAME or _ISSUER.fullmatch(found) is None:
        reason = "the issuer must be present, and a DNS name in lower case"
        raise TrustError.because("ENV-T3", reason, pointer(*path))
    return value, found


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


def _matches(pattern: str, issuer: str) -> bool:
    if pattern.startswith("*."):
        return issuer.endswith(pattern[1:])
    return issuer == pattern


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _normalized(distribution: str) -> str:
    """Return the name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _listed(keyids: Collection[str]) -> str:
    return "key " + ", ".join(sorted(keyids))


def _nothings(value: JsonValue, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of every null, empty array and empty object below `value` (ENV-S4)."""
    if value is None or value in ([], {}):
        yield path
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _nothings(member, *path, name)
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _nothings(element, *path, index)


def _malformed(reason: str, *path: str | int) -> Diagnostic:
    return Diagnostic("ENV-T5", Severity.ERROR, pointer(*path), reason)
