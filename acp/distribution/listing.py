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
        for path, target in role.targets.items():
            entry = _entry(issuer, path, target.custom)
            if entry.digest:
                entries.append(entry)
            else:
                status = entry
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

    def require_no_lower(self, uri: str, before: Generation | None) -> None:
        """Check that the highest revision of `uri` did not go down since `before`.

        Raises:
            RegistryError: REG-M6, it did.
        """
        if before is None or not (before.metadata / f"{self.issuer}.json").exists():
            return
        reference = Reference(uri, issuer=self.issuer, uri=uri)
        old = Listing.read(before, self.issuer).find(reference)
        new = self.find(reference)
        if old is not None and (new is None or new.revision < old.revision):
            now = "nothing" if new is None else f"revision {new.revision}"
            reason = (
                f"{self.issuer} listed revision {old.revision} of {uri}, and now lists {now} as "
                f"the latest; ask the issuer, or name a revision: {self.issuer}/{uri}@N"
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
