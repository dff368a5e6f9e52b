"""What verified metadata says: which issuers there are, and what each of them lists.

Rules: REG-L1 (lengths and hashes), REG-L2 (how documents are listed), REG-L3 (how issuers are
delegated to), REG-M6 (the latest revision does not go down).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from acp.distribution.names import (
    Reference,
    RegistryError,
    delegated_paths,
    is_issuer,
    status_path,
)
from acp.distribution.signing import require_distinct
from acp.documents import SIGNED
from acp.v1.status import StatusList

if TYPE_CHECKING:
    from acp.distribution.state import Generation

_NAME: Final = re.compile(r"([0-9a-f]{64})\.json")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,19}")
_KINDS: Final = frozenset(kind.__name__ for kind in SIGNED.values())


@dataclass(frozen=True, slots=True)
class Entry:
    """One document as its issuer lists it; nothing of it is believed before it was fetched.

    Attributes:
        path: Its target path.
        digest: Its identity; empty for the status list.
        kind: Name of its type.
        uri: Its name; empty for the status list.
        revision: Its revision; 0 for the status list.
    """

    path: str
    digest: str
    kind: str
    uri: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """What one issuer lists.

    Attributes:
        issuer: Who.
        entries: Its documents, without the status list.
        status: Its status list; None where it has none.
    """

    issuer: str
    entries: tuple[Entry, ...]
    status: Entry | None

    @classmethod
    def read(cls, memory: Generation, issuer: str) -> Self:
        """Return what the verified role of `issuer` lists.

        Raises:
            RegistryError: REG-C2, the metadata cannot be read; as `of`.
        """
        return cls.of(issuer, _targets(memory, issuer))

    @classmethod
    def of(cls, issuer: str, role: Targets) -> Self:
        """Return what a role lists.

        Raises:
            RegistryError: REG-L3, the role delegates; REG-L2, an entry is not that of a document.
        """
        if role.delegations is not None:
            raise RegistryError.because("REG-L3", f"the role of {issuer} delegates, and must not")
        entries, status = [], None
        seen: set[tuple[str, int]] = set()
        for path, target in role.targets.items():
            entry = _entry(issuer, path, target.custom)
            if not entry.digest:
                status = entry
                continue
            entries.append(entry)
            if (entry.uri, entry.revision) in seen:
                reason = f"{issuer} lists two documents as revision {entry.revision} of {entry.uri}"
                raise RegistryError.because("REG-L2", reason)
            seen.add((entry.uri, entry.revision))
        return cls(issuer, tuple(entries), status)

    @staticmethod
    def is_published(memory: Generation, issuer: str) -> bool:
        """Tell whether the snapshot has a version of the issuer's role.

        Raises:
            RegistryError: REG-C2, the snapshot cannot be read.
        """
        snapshot: Metadata[Snapshot] = _load(memory, "snapshot")
        return f"{issuer}.json" in snapshot.signed.meta

    def find(self, reference: Reference) -> Entry | None:
        """Return the entry that a reference asks for; None where there is none."""
        if reference.digest:
            return next((one for one in self.entries if one.digest == reference.digest), None)
        named = [one for one in self.entries if one.uri == reference.uri]
        if reference.revision is None:
            return max(named, key=lambda one: one.revision, default=None)
        return next((one for one in named if one.revision == reference.revision), None)

    @property
    def latest(self) -> dict[str, int]:
        """The highest revision of each uri."""
        found: dict[str, int] = {}
        for entry in self.entries:
            found[entry.uri] = max(entry.revision, found.get(entry.uri, 0))
        return found

    def require_no_lower(self, before: Generation | None, now: Generation) -> None:
        """Check that under no uri the highest revision went down since `before`.

        The memory ends with the keys: what they signed does not count once they are replaced.

        Raises:
            RegistryError: REG-M6, it did.
        """
        if before is None or not (before.metadata / f"{self.issuer}.json").exists():
            return
        old: Metadata[Targets] = _load(before, self.issuer)
        try:
            delegator = _targets(now, "targets")
            delegator.verify_delegate(self.issuer, old.signed_bytes, old.signatures)
        except RepositoryError:
            return
        new = self.latest
        for uri, revision in Listing.of(self.issuer, old.signed).latest.items():
            if new.get(uri, 0) < revision:
                latest = f"revision {new[uri]}" if uri in new else "none"
                reason = (
                    f"{self.issuer} listed revision {revision} of {uri}, and now {latest} as the "
                    "latest; old documents are being passed off as new ones: ask the issuer"
                )
                raise RegistryError.because("REG-M6", reason)


def delegated_issuers(memory: Generation) -> tuple[str, ...]:
    """Return the issuers that a registry has a delegation for, from its verified metadata.

    Raises:
        RegistryError: REG-L3, it delegates otherwise than issuer by issuer; REG-C2, the metadata
            cannot be read.
    """
    root: Metadata[Root] = _load(memory, "root")
    _judge_root(root.signed)
    return judged_delegations(_targets(memory, "targets"))


def require_pinned(memory: Generation, role: str) -> None:
    """Check that length and hash of a role are stated all the way down from the timestamp.

    Raises:
        RegistryError: REG-L1, they are not, or the registry is not one of consistent snapshots.
    """
    root: Metadata[Root] = _load(memory, "root")
    timestamp: Metadata[Timestamp] = _load(memory, "timestamp")
    snapshot: Metadata[Snapshot] = _load(memory, "snapshot")
    if not root.signed.consistent_snapshot:
        raise RegistryError.because("REG-L1", "consistent_snapshot of root is not true")
    for name, meta in (
        ("snapshot", timestamp.signed.snapshot_meta),
        (role, snapshot.signed.meta[f"{role}.json"]),
    ):
        if meta.length is None or set(meta.hashes or ()) != {"sha256"}:
            reason = f"{name} is referred to without its length, or not by SHA-256 alone"
            raise RegistryError.because("REG-L1", reason)


def is_sound_root(data: bytes) -> bool:
    """Tell whether a root that is signed as it should be has no key twice in a role (REG-L3)."""
    root: Metadata[Root] = Metadata.from_bytes(data)
    try:
        _judge_root(root.signed)
    except RegistryError:
        return False
    return True


def _judge_root(root: Root) -> None:
    for name, role in root.roles.items():
        require_distinct(name, role.keyids, root.keys)


def judged_delegations(targets: Targets) -> tuple[str, ...]:
    """Return the issuers that `targets` delegates to, in order.

    Raises:
        RegistryError: REG-L3, it has targets of its own, or delegates otherwise.
    """
    if targets.targets:
        raise RegistryError.because("REG-L3", "the role targets lists files of its own")
    delegations = targets.delegations
    if delegations is None:
        return ()
    if delegations.roles is None:
        raise RegistryError.because("REG-L3", "the role targets delegates by hash, not by issuer")
    for name, role in delegations.roles.items():
        if not is_issuer(name) or role.paths != delegated_paths(name) or not role.terminating:
            reason = (
                f"the delegation {name[:80]!r} must have the name of an issuer, the paths "
                "ISSUER/* alone, and be terminating"
            )
            raise RegistryError.because("REG-L3", reason)
        require_distinct(name, role.keyids, delegations.keys)
    return tuple(delegations.roles)


def _entry(issuer: str, path: str, custom: Any) -> Entry:
    members: Mapping[str, Any] = custom if isinstance(custom, Mapping) else {}
    folder, _, name = path.rpartition("/")
    kind = members.get("kind")
    if folder == issuer and isinstance(kind, str) and kind in _KINDS:
        if path == status_path(issuer) and kind == StatusList.__name__:
            return Entry(path, "", kind)
        match = _NAME.fullmatch(name)
        uri, revision = members.get("uri"), members.get("revision")
        if (
            match
            and isinstance(uri, str)
            and isinstance(revision, str)
            and _NUMBER.fullmatch(revision)
        ):
            return Entry(path, f"sha256:{match[1]}", kind, uri, int(revision))
    reason = f"{issuer} lists {path[:200]!r} otherwise than documents are listed"
    raise RegistryError.because("REG-L2", reason)


def _targets(memory: Generation, role: str) -> Targets:
    loaded: Metadata[Targets] = _load(memory, role)
    return loaded.signed


def _load(memory: Generation, role: str) -> Metadata[Any]:
    """Return metadata that the client of TUF has verified and kept."""
    try:
        return Metadata.from_bytes(memory.read(f"metadata/{role}.json"))
    except RepositoryError as error:
        reason = f"{memory.metadata / role}.json is damaged: {error}; remove the state"
        raise RegistryError.because("REG-C2", reason) from None
