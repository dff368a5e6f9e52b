"""What issuers do: list documents in a registry, and revoke them.

Rules: REG-P4 (what may be listed), REG-S3 (status lists), REG-L2 (how). The result is a draft of
the issuer's role; whoever has the online key publishes it (`acp.distribution.publication`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tuf.api.metadata import Metadata, TargetFile, Targets

from acp import dsse
from acp.acceptance import Accepted, accept
from acp.canonical import canonicalize
from acp.diagnostics import FileRefusedError, Refused
from acp.distribution.listing import Listing
from acp.distribution.names import Reference, RegistryError, document_path, status_path
from acp.distribution.operating import is_signed_by_any, lacks
from acp.distribution.publication import Published, publish_drafts
from acp.distribution.remembered import trusted_list
from acp.distribution.repository import Held, Repository, copied
from acp.distribution.signing import KeySigner, tuf_key
from acp.v1.status import StatusEntry, StatusList

if TYPE_CHECKING:
    from acp.keys import PrivateKey
    from acp.policy import TrustPolicy

NEXT_UPDATE_DAYS: Final = 30
"""Days after which a status list is due to be replaced, unless its issuer says otherwise."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who lists documents, where, and with which keys.

    Attributes:
        repository: Which registry.
        policy: What readers are expected to trust: what it refuses is not listed.
        keys: Keys of the issuer's role in the registry.
        now: The moment to judge documents by.
        clock: The present, from which terms of metadata count.
        online: Keys of snapshot and timestamp; where there are none, the draft waits for whoever
            has them.
        understood: Names of critical extensions that the publisher understands.
    """

    repository: Repository
    policy: TrustPolicy
    keys: tuple[PrivateKey, ...]
    now: datetime
    clock: datetime
    online: tuple[PrivateKey, ...] = ()
    understood: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Listed:
    """What became of a publication.

    Attributes:
        paths: Target paths that were listed.
        waits_for: What the draft lacks before it can be published, by issuer; empty where nothing.
        published: What was published; None where no online key was given.
        issuers: Whose role was changed.
    """

    paths: tuple[str, ...]
    issuers: tuple[str, ...]
    waits_for: dict[str, str]
    published: Published | None


def publish(
    publisher: Publisher,
    envelopes: Sequence[bytes],
    *,
    names: Sequence[str] = (),
    issuers: Collection[str] = (),
) -> Listed:
    """List documents in a registry. All are listed, or none.

    Args:
        publisher: Who, and where.
        envelopes: Signed documents.
        names: What to call each of them in a refusal, if anything.
        issuers: Issuers whose role is signed anew also without a document.

    Raises:
        RegistryError: REG-P4, a document may not be listed; REG-S3, a status list may not follow
            the published one; REG-P3, an issuer has no delegation, or no key counts for it.
        Refused: A document is not acceptable under the publisher's policy.
        FileRefusedError: In place of these, where the document has a name.
    """
    with publisher.repository.locked():
        changes = {issuer: _Change(publisher, issuer) for issuer in issuers}
        for place, envelope in enumerate(envelopes):
            try:
                _add(publisher, changes, envelope)
            except Refused as refusal:
                if place >= len(names):
                    raise
                raise FileRefusedError(names[place], *refusal.diagnostics) from refusal
        return _finish(publisher, list(changes.values()))


def _add(publisher: Publisher, changes: dict[str, _Change], envelope: bytes) -> None:
    """List a document in the change of its issuer's role."""
    accepted = _accepted(publisher, envelope)
    if accepted.issuer not in changes:
        changes[accepted.issuer] = _Change(publisher, accepted.issuer)
    changes[accepted.issuer].add(accepted, envelope)


def revoke(
    publisher: Publisher,
    issuer: str,
    entries: Sequence[StatusEntry],
    signers: Sequence[PrivateKey],
    *,
    days: int = NEXT_UPDATE_DAYS,
) -> tuple[StatusList, Listed]:
    """Publish the next status list of an issuer, with more entries; without any, just a newer one.

    Args:
        publisher: Who, and where.
        issuer: Whose documents.
        entries: What is revoked, besides what was revoked before.
        signers: Keys to sign the list itself with, as documents are signed.
        days: Days after which the list is due to be replaced.

    Raises:
        RegistryError: As `publish`; REG-S3 where a document is revoked already.
        Refused: The list is not acceptable under the publisher's policy.
    """
    with publisher.repository.locked():
        change = _Change(publisher, issuer)
        before = change.status()
        old = () if before is None else before.entries
        known = {entry.digest for entry in old}
        for entry in entries:
            if entry.digest in known:
                raise RegistryError.because("REG-S3", f"{entry.digest} is revoked already")
            known.add(entry.digest)
        made = StatusList(
            spec="acp/1",
            issuer=issuer,
            sequence=1 if before is None else before.sequence + 1,
            issued_at=_written(publisher.now),
            next_update=_written(publisher.now + timedelta(days=days)),
            entries=(*old, *entries),
        )
        found = StatusList.from_json(made.to_json())
        payload = canonicalize(found.to_json())
        envelope = dsse.sign(payload, dsse.STATUS_LIST, signers).to_bytes()
        change.add(_accepted(publisher, envelope), envelope)
        return found, _finish(publisher, [change])


def resolve(repository: Repository, text: str) -> tuple[str, str]:
    """Return issuer and digest of a document that the registry lists, or is about to list.

    Raises:
        RegistryError: REG-N1, `text` is no reference; REG-N2, nobody lists the document.
    """
    reference = Reference.parse(text)
    targets = repository.latest("targets")
    issuers = () if targets is None else tuple(targets.signed.delegations.roles)
    for issuer in (reference.issuer,) if reference.issuer else issuers:
        held = repository.latest(issuer)
        entry = None if held is None else Listing.of(issuer, held.signed).find(reference)
        if entry is not None:
            return issuer, entry.digest
    if reference.issuer and reference.digest:
        # Also what was never published here can have been published elsewhere.
        return reference.issuer, reference.digest
    raise RegistryError.because("REG-N2", f"the registry does not list {text}")


class _Change:
    """The next version of an issuer's role, in the making."""

    def __init__(self, publisher: Publisher, issuer: str) -> None:
        repository = publisher.repository
        self.issuer = issuer
        self.files: list[tuple[TargetFile, bytes]] = []
        self._publisher = publisher
        self.keyids, held = _base(repository, issuer)
        published = repository.role(issuer)
        self.metadata: Metadata[Any] = (
            Metadata(Targets()) if held is None else copied(held.metadata)
        )
        self.metadata.signatures.clear()
        self.metadata.signed.version = 1 if published is None else published.signed.version + 1

    def add(self, accepted: Accepted, envelope: bytes) -> None:
        """List a document that came in an envelope."""
        document = accepted.document
        kind = type(document).__name__
        if isinstance(document, StatusList):
            path = status_path(self.issuer)
            self._require_next(document)
            custom = {"kind": kind, "sequence": str(document.sequence)}
        else:
            path = document_path(self.issuer, accepted.digest)
            uri, revision = getattr(document, "uri", ""), getattr(document, "revision", 0)
            self._require_above(accepted.digest, uri, revision)
            custom = {"kind": kind, "uri": uri, "revision": str(revision)}
        target = TargetFile.from_data(path, envelope, ["sha256"])
        target.unrecognized_fields = {"custom": custom}
        self.metadata.signed.targets[path] = target
        self.files.append((target, envelope))

    def status(self) -> StatusList | None:
        """Return the status list that is listed so far.

        Raises:
            RegistryError: REG-S3, the policy does not trust it, so that none can follow it.
        """
        target = self.metadata.signed.targets.get(status_path(self.issuer))
        data = None if target is None else self._publisher.repository.target(target)
        if target is None or data is None:
            return None
        found = trusted_list(data, self._publisher.policy, self._publisher.now)
        if found is None:
            reason = (
                f"the published status list of {self.issuer} is not trusted under this policy, so "
                "that no list can follow it"
            )
            raise RegistryError.because("REG-S3", reason)
        return found

    def _require_above(self, digest: str, uri: str, revision: int) -> None:
        """Check that a revision is above all that are listed, unless it is the same document."""
        listing = Listing.of(self.issuer, self.metadata.signed)
        for entry in listing.entries:
            if entry.uri == uri and entry.digest != digest and entry.revision >= revision:
                reason = (
                    f"{uri} is listed in revision {entry.revision} as {entry.digest}, and this is "
                    f"revision {revision}; give a changed document a higher revision"
                )
                raise RegistryError.because("REG-P4", reason)

    def _require_next(self, found: StatusList) -> None:
        """Check that a status list may follow the one that is listed."""
        before = self.status()
        if before is None:
            return
        lost = {one.digest for one in before.entries} - {one.digest for one in found.entries}
        if found.sequence <= before.sequence or lost:
            reason = (
                f"sequence {found.sequence} with {len(found.entries)} entries cannot follow "
                f"sequence {before.sequence} with {len(before.entries)}"
                + (f", of which it lacks {min(lost)}" if lost else "")
            )
            raise RegistryError.because("REG-S3", reason)


def _base(repository: Repository, issuer: str) -> tuple[frozenset[str], Held | None]:
    """Return the keys that count for an issuer, and what its next listing begins with.

    What the issuer signs next contains what lies there. So a draft counts only with a signature by
    the issuer's keys, those that are published where there are any.

    Raises:
        RegistryError: REG-P3, the issuer has no delegation.
    """
    found = [repository.role("targets"), repository.latest("targets")]
    delegating = [held.signed for held in found if held is not None]
    roles = delegating[-1].delegations.roles if delegating else {}
    if issuer not in roles:
        names = ", ".join(roles) or "none"
        reason = (
            f"the registry has no delegation for {issuer}, only for: {names}; the operator adds "
            "one with `acp registry delegate`"
        )
        raise RegistryError.because("REG-P3", reason)
    first = next(one for one in delegating if issuer in one.delegations.roles)
    draft = repository.draft(issuer)
    if draft is None or not is_signed_by_any(first, issuer, draft.metadata):
        draft = repository.role(issuer)
    return frozenset(roles[issuer].keyids), draft


def _accepted(publisher: Publisher, envelope: bytes) -> Accepted:
    """Return the document in an envelope, if readers will accept it."""

    def judged(*lists: StatusList) -> Accepted:
        return accept(
            envelope,
            publisher.policy,
            now=publisher.now,
            understood=publisher.understood,
            status_lists=lists,
        )

    accepted = judged()
    status = _Change(publisher, accepted.issuer).status()
    return accepted if status is None else judged(status)


def _finish(publisher: Publisher, changes: Sequence[_Change]) -> Listed:
    """Sign the drafts, write them with their files, and publish them where that can be done."""
    repository = publisher.repository
    for change in changes:
        ids = {tuf_key(key.public).keyid: key for key in publisher.keys}
        counted = [key for keyid, key in ids.items() if keyid in change.keyids]
        if not counted:
            given = ", ".join(key.public.keyid for key in publisher.keys) or "no key"
            reason = f"{given} does not count for {change.issuer} in this registry"
            raise RegistryError.because("REG-P3", reason)
        change.metadata.signed.expires = repository.expiry(change.issuer, publisher.clock)
        for key in counted:
            change.metadata.sign(KeySigner(key), append=True)
    for change in changes:
        for target, data in change.files:
            repository.put_target(target, data)
        repository.write_draft(change.issuer, change.metadata)
    published = None
    if publisher.online:
        published = publish_drafts(repository, publisher.online, now=publisher.clock)
    waits = {change.issuer: lacks(repository, change.issuer) for change in changes}
    return Listed(
        tuple(target.path for change in changes for target, _ in change.files),
        tuple(change.issuer for change in changes),
        {issuer: lack for issuer, lack in waits.items() if lack and published is None},
        published,
    )


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
