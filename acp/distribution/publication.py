"""From drafts to what is served: all that is complete, in the order that keeps readers consistent.

Rules: REG-P1 (order), REG-P3 (thresholds), REG-P4 (files), REG-M2 (nothing disappears). First come
files that nothing refers to, then, once they are on the disk, a new root, and the timestamp last. A
crash leaves drafts and files without references; the next refresh goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from acp.canonical import decode
from acp.diagnostics import Diagnostic, Refused, Severity
from acp.distribution.listing import Listing, judged_delegations
from acp.distribution.names import (
    MAX_DOCUMENT_BYTES,
    MAX_ROOT_BYTES,
    MAX_SNAPSHOT_BYTES,
    MAX_TARGETS_BYTES,
    MAX_TIMESTAMP_BYTES,
    METADATA_LIMITS,
    RegistryError,
)
from acp.distribution.operating import ONLINE, lacks
from acp.distribution.repository import Held, Repository
from acp.distribution.signing import KeySigner, our_id, require_distinct, tuf_key

if TYPE_CHECKING:
    from acp.keys import PrivateKey

_MOST_BYTES: Final = {
    "root": MAX_ROOT_BYTES,
    "snapshot": MAX_SNAPSHOT_BYTES,
    "timestamp": MAX_TIMESTAMP_BYTES,
}


@dataclass(slots=True)
class Published:
    """What a refresh did.

    Attributes:
        files: Metadata that was written, in this order.
        findings: What is in the way of the rest.
    """

    files: list[str] = field(default_factory=list)
    findings: list[Diagnostic] = field(default_factory=list)


def refresh(repository: Repository, keys: Sequence[PrivateKey], *, now: datetime) -> Published:
    """Publish all drafts that are complete, and sign snapshot and timestamp anew.

    What cannot be published is told of, and does not keep the rest from being published.

    Args:
        repository: Which registry.
        keys: Keys of snapshot and timestamp.
        now: The present.

    Raises:
        RegistryError: REG-P3, root or targets were never signed, or the keys are not those of
            snapshot and timestamp.
    """
    with repository.locked():
        return publish_drafts(repository, keys, now=now)


def publish_drafts(
    repository: Repository, keys: Sequence[PrivateKey], *, now: datetime
) -> Published:
    """Do what `refresh` does, for a caller that holds the registry."""
    done = Published()
    root = _ready_root(repository, done)
    targets = _ready_targets(repository, root.signed, done)
    signers_of = {name: _online_signers(root.signed, name, keys) for name in ONLINE}
    roles = {"targets": targets}
    for issuer in judged_delegations(targets.signed):
        ready = _ready_issuer(repository, targets.signed, issuer, done)
        if ready is not None:
            roles[issuer] = ready
    snapshot = _next_snapshot(repository, root.signed, roles, signers_of["snapshot"], now)
    timestamp = _next_timestamp(repository, snapshot, signers_of["timestamp"], now)
    for name, held in {"root": root, "snapshot": snapshot, "timestamp": timestamp, **roles}.items():
        _require_readable(name, held.data)
    # Nothing refers to these until the timestamp is there.
    for name, held in roles.items():
        _write(repository, done, name, held.signed.version, held.data)
    _write(repository, done, "snapshot", snapshot.signed.version, snapshot.data)
    repository.settle()
    _write(repository, done, "root", root.signed.version, root.data)
    _write(repository, done, "timestamp", None, timestamp.data)
    repository.settle()
    for name, held in {"root": root, **roles}.items():
        draft = repository.draft(name)
        if draft is not None and draft.data == held.data:
            repository.drop_draft(name)
    return done


def _ready_root(repository: Repository, done: Published) -> Held:
    draft = repository.draft("root")
    if draft is not None:
        missing = lacks(repository, "root")
        if not missing:
            for name, role in draft.signed.roles.items():
                require_distinct(name, role.keyids, draft.signed.keys)
            return draft
        _tell(done, "root", missing)
    published = repository.root()
    if published is None:
        reason = f"root was never published: {done.findings[-1].message}"
        raise RegistryError.because("REG-P3", reason)
    return published


def _ready_targets(repository: Repository, root: Root, done: Published) -> Held:
    draft = repository.draft("targets")
    if draft is not None:
        if _verifies(root, "targets", draft.metadata):
            judged_delegations(draft.signed)
            return draft
        _tell(done, "targets", lacks(repository, "targets"))
    published = repository.role("targets")
    if published is None:
        reason = f"targets was never published: {done.findings[-1].message}"
        raise RegistryError.because("REG-P3", reason)
    if not _verifies(root, "targets", published.metadata):
        reason = (
            "targets is not signed by the keys that the new root names; sign a draft of it first: "
            "`acp registry rotate --role targets` and `acp registry sign`"
        )
        raise RegistryError.because("REG-P3", reason)
    return published


def _ready_issuer(
    repository: Repository, targets: Targets, issuer: str, done: Published
) -> Held | None:
    published = repository.role(issuer)
    draft = repository.draft(issuer)
    if draft is not None:
        try:
            _judge_issuer(repository, targets, issuer, draft, published)
        except Refused as refusal:
            _tell(done, issuer, refusal.diagnostics[0].message)
        else:
            for target in draft.signed.targets.values():
                repository.publish_target(target)
            return draft
    if published is not None and not _verifies(targets, issuer, published.metadata):
        reason = (
            f"what {issuer} published is not signed by the keys that it has now, so that clients "
            f"refuse it; {issuer} has to run `acp publish` with the new key"
        )
        done.findings.append(Diagnostic("REG-P3", Severity.ERROR, "", reason))
    return published


def _judge_issuer(
    repository: Repository, targets: Targets, issuer: str, draft: Held, published: Held | None
) -> None:
    """Check that the draft of an issuer's role may be published.

    Raises:
        RegistryError: REG-P3, it is not signed; REG-P1, it is not the next version; REG-P4, a file
            is missing; REG-L2 and REG-L3, it is no listing.
    """
    if not _verifies(targets, issuer, draft.metadata):
        raise RegistryError.because("REG-P3", lacks(repository, issuer))
    before = 0 if published is None else published.signed.version
    if draft.signed.version <= before:
        reason = f"its version is {draft.signed.version}, and {before} is published"
        raise RegistryError.because("REG-P1", reason)
    Listing.of(issuer, draft.signed)
    for path, target in draft.signed.targets.items():
        if set(target.hashes) != {"sha256"} or target.length > MAX_DOCUMENT_BYTES:
            raise RegistryError.because("REG-L2", f"{path} is not listed by SHA-256, or too large")
        if repository.target(target) is None:
            raise RegistryError.because("REG-P4", f"the file of {path} is missing or another one")


def _verifies(delegator: Root | Targets, name: str, metadata: Metadata[Any]) -> bool:
    try:
        delegator.verify_delegate(name, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError):
        return False
    return True


def _online_signers(root: Root, name: str, keys: Sequence[PrivateKey]) -> list[KeySigner]:
    role = root.roles[name]
    found = [KeySigner(key) for key in keys if tuf_key(key.public).keyid in role.keyids]
    if len(found) < role.threshold:
        wanted = ", ".join(our_id(root.keys[keyid]) for keyid in role.keyids)
        reason = f"{name} needs {role.threshold} of the keys {wanted}; {len(found)} of them given"
        raise RegistryError.because("REG-P3", reason)
    return found


def _next_snapshot(
    repository: Repository,
    root: Root,
    roles: Mapping[str, Held],
    keys: Sequence[KeySigner],
    now: datetime,
) -> Held:
    before = repository.snapshot()
    old: dict[str, MetaFile] = {} if before is None else dict(before.signed.meta)
    # A role that was listed stays listed, so that nobody can make one disappear (REG-M2).
    meta = old | {f"{name}.json": _meta(held) for name, held in roles.items()}
    expires = repository.expiry("snapshot", now)
    if before is not None and before.signed.meta == meta:
        lasts = before.signed.expires - now > (expires - now) / 2
        if lasts and _verifies(root, "snapshot", before.metadata):
            return before
    version = 1 if before is None else before.signed.version + 1
    snapshot = Snapshot(version=version, expires=expires, meta=meta)
    return _signed(snapshot, keys)


def _next_timestamp(
    repository: Repository, snapshot: Held, keys: Sequence[KeySigner], now: datetime
) -> Held:
    before = repository.timestamp()
    version = 1 if before is None else before.signed.version + 1
    timestamp = Timestamp(version=version, expires=repository.expiry("timestamp", now))
    timestamp.snapshot_meta = _meta(snapshot)
    return _signed(timestamp, keys)


def _meta(held: Held) -> MetaFile:
    return MetaFile.from_data(held.signed.version, held.data, ["sha256"])


def _signed(signed: Snapshot | Timestamp, keys: Sequence[KeySigner]) -> Held:
    metadata: Metadata[Any] = Metadata(signed)
    for signer in keys:
        metadata.sign(signer, append=True)
    return Held(metadata, metadata.to_bytes())


def _write(
    repository: Repository, done: Published, name: str, version: int | None, data: bytes
) -> None:
    """Write a metadata file, unless these bytes are published already."""
    file = f"{name}.json" if version is None else f"{version}.{name}.json"
    path = repository.public / "metadata" / file
    if not path.exists() or path.read_bytes() != data:
        repository.publish(name, version, data)
        done.files.append(file)


def _tell(done: Published, name: str, missing: str) -> None:
    reason = f"the draft of {name} is not published: {missing}"
    done.findings.append(Diagnostic("REG-P3", Severity.WARNING, "", reason))


def _require_readable(name: str, data: bytes) -> None:
    """Check that clients read this metadata, which they do up to some size.

    Raises:
        RegistryError: REG-P4, they do not.
    """
    most = _MOST_BYTES.get(name, MAX_TARGETS_BYTES)
    try:
        decode(data, limits=METADATA_LIMITS)
    except Refused as refusal:
        reason = f"{name}: {refusal.diagnostics[0].message}"
        raise RegistryError.because("REG-P4", reason) from None
    if len(data) > most:
        reason = f"{name} has {len(data)} bytes, and clients read {most}"
        raise RegistryError.because("REG-P4", reason)
