"""The trust policy: the document in which an operator says whom to believe about what.

Invariants (normative text: spec/envelope.md):

* A policy that exists is consistent: key ids are the digests of their keys, grants name keys of
  the policy, and every threshold can be reached.
* A key may sign a type of document for an issuer only where one grant names all three.
* The policy that trusts everybody can't be written down; only a program can make it, by a name
  that nobody uses by accident.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
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
from acp.diagnostics import Diagnostic, KeyFileError, Severity, TrustError, pointer
from acp.dsse import PAYLOAD_TYPES
from acp.keys import PublicKey

_DNS_NAME: Final = (
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_ISSUER: Final = re.compile(_DNS_NAME)
_MAX_DNS_NAME: Final = 253

_POLICY_LIMITS: Final = Limits(max_bytes=1024 * 1024, max_depth=8, max_values=100_000)
_MAX_KEYS: Final = 256

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


class StatusFloor(_Part):
    """The oldest status list of an issuer that is still accepted (anti-rollback).

    Attributes:
        issuer: Who issues the list.
        min_sequence: Its lowest acceptable sequence number.
    """

    issuer: DnsName
    min_sequence: Annotated[int, Field(ge=0, le=MAX_INTEGER)]


class TrustPolicy(_Part):
    """What an operator trusts; a document of its own, and as secret as it is writable.

    Attributes:
        spec: Name and version of this form.
        keys: The keys that the grants name.
        grants: Who may sign what; one satisfied grant suffices.
        adapters: Distributions whose adapters the runtime may load; none where empty.
        floors: Revisions below which documents are refused.
        status_floors: Sequence numbers below which status lists are refused.

    Raises:
        TrustError: ENV-T5, on construction, where the parts contradict each other.
    """

    spec: Literal["acp-trust/1"]
    keys: Annotated[tuple[TrustedKey, ...], Field(strict=False, min_length=1, max_length=_MAX_KEYS)]
    grants: Annotated[tuple[Grant, ...], Field(strict=False, min_length=1)]
    adapters: Annotated[tuple[DistributionName, ...], Field(strict=False)] = ()
    floors: Annotated[tuple[Floor, ...], Field(strict=False)] = ()
    status_floors: Annotated[tuple[StatusFloor, ...], Field(strict=False)] = ()

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

    def min_sequence(self, issuer: str) -> int:
        """Return the lowest acceptable sequence of a status list; 0 where the policy sets none."""
        return next((one.min_sequence for one in self.status_floors if one.issuer == issuer), 0)

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
        issuers: set[str] = set()
        for index, one in enumerate(self.status_floors):
            if one.issuer in issuers:
                reason = "a second floor for this issuer"
                findings.append(_malformed(reason, "status_floors", index))
            issuers.add(one.issuer)
        return findings


def is_dns_name(text: object) -> bool:
    """Tell whether `text` is a DNS name in lower case, without wildcard and trailing dot."""
    return (
        isinstance(text, str) and len(text) <= _MAX_DNS_NAME and _ISSUER.fullmatch(text) is not None
    )


def _matches(pattern: str, issuer: str) -> bool:
    if pattern.startswith("*."):
        return issuer.endswith(pattern[1:])
    return issuer == pattern


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _normalized(distribution: str) -> str:
    """Return the name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


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
