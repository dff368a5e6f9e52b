"""A visit of a registry: its metadata verified from the root down, and files as they are listed.

The client workflow of TUF is python-tuf's; around it are the first root, which only the user gives
(REG-R1, REG-R2), the form that registries have (REG-L1, REG-L3), and bounds (REG-D1).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tuf.ngclient import Updater, UpdaterConfig

from acp.distribution.listing import Entry, Listing, delegated_issuers, require_pinned
from acp.distribution.names import (
    MAX_DOCUMENT_BYTES,
    MAX_NEW_ROOTS,
    MAX_ROOT_BYTES,
    MAX_SNAPSHOT_BYTES,
    MAX_TARGETS_BYTES,
    MAX_TIMESTAMP_BYTES,
    RegistryError,
    status_path,
)
from acp.distribution.refusals import translated

if TYPE_CHECKING:
    from acp.distribution.state import Draft
    from acp.distribution.transport import Transport

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Visit:
    """A registry whose top-level metadata was verified just now.

    Attributes:
        draft: Where the client's memory of it is being changed.
        issuers: The issuers that it has a delegation for, in order.
        ends_trust: A status list revokes what was asked for. It is remembered, though nothing was
            obtained: offline use must not revive the document (REG-C1).
    """

    def __init__(self, draft: Draft, transport: Transport, root: bytes | None) -> None:
        """Verify the registry's root, timestamp, snapshot and targets.

        Raises:
            RegistryError: REG-R1, REG-R2, REG-L1, REG-L3, REG-M1 to REG-M5, REG-D1 to REG-D4.
        """
        self.draft = draft
        self.ends_trust = False
        self._transport = transport
        anchor = _anchor(draft, root)
        draft.write("anchor.json", anchor)
        config = UpdaterConfig(
            max_root_rotations=MAX_NEW_ROOTS,
            max_delegations=1,
            root_max_length=MAX_ROOT_BYTES,
            timestamp_max_length=MAX_TIMESTAMP_BYTES,
            snapshot_max_length=MAX_SNAPSHOT_BYTES,
            targets_max_length=MAX_TARGETS_BYTES,
        )
        transport.last = "the root that was given"
        with translated(transport):
            self._updater = Updater(
                str(draft.metadata),
                transport.base + "metadata/",
                target_base_url=transport.base + "targets/",
                fetcher=transport,
                config=config,
                bootstrap=anchor,
            )
            self._updater.refresh()
        _require_same_chain(draft, root)
        self.issuers = delegated_issuers(draft)
        require_pinned(draft, "targets")

    def listing(self, issuer: str) -> Listing:
        """Return what an issuer lists.

        Raises:
            RegistryError: REG-N2, the issuer has no delegation or has published nothing; REG-M6,
                it lists less than before; others as for the registry as a whole.
        """
        if issuer not in self.issuers:
            names = ", ".join(self.issuers[:8]) or "none"
            reason = f"the registry has no issuer {issuer}; it has {names}"
            raise RegistryError.because("REG-N2", reason)
        if not Listing.is_published(self.draft, issuer):
            reason = f"{issuer} has published nothing in this registry yet"
            raise RegistryError.because("REG-N2", reason)
        require_pinned(self.draft, issuer)
        with translated(self._transport):
            # Any path of the issuer makes the client of TUF verify the issuer's role.
            self._updater.get_targetinfo(status_path(issuer))
        found = Listing.read(self.draft, issuer)
        found.require_no_lower(self.draft.before, self.draft)
        return found

    def forget(self, issuer: str) -> None:
        """Take back what was learnt of an issuer: it was refused, and others may still be right."""
        for name in (f"metadata/{issuer}.json", f"documents/{status_path(issuer)}"):
            (self.draft.path / name).unlink(missing_ok=True)
            before = self.draft.before
            if before is not None and (before.path / name).exists():
                self.draft.write(name, before.read(name))

    def target(self, entry: Entry) -> tuple[bytes, bool]:
        """Return the content of a target, and whether it was downloaded for that.

        Raises:
            RegistryError: REG-M4, it is not what the issuer lists; REG-D1 to REG-D4.
        """
        with translated(self._transport):
            info = self._updater.get_targetinfo(entry.path)
            if info is None:
                raise RegistryError.because("REG-M5", f"{entry.path} is listed and not found")
            if set(info.hashes) != {"sha256"} or not _SHA256.fullmatch(info.hashes["sha256"]):
                reason = f"{entry.path} must be listed with its SHA-256 and no other hash"
                raise RegistryError.because("REG-L2", reason)
            if info.length > MAX_DOCUMENT_BYTES:
                reason = f"{entry.path} has {info.length} bytes; {MAX_DOCUMENT_BYTES} are allowed"
                raise RegistryError.because("REG-D1", reason)
            cached = self.draft.path / "documents" / entry.path
            if self._updater.find_cached_target(info, str(cached)):
                return cached.read_bytes(), False
            fresh = self.draft.path / "download"
            self._updater.download_target(info, str(fresh))
            data = fresh.read_bytes()
            fresh.unlink()
        return data, True

    def keep(self, entry: Entry, data: bytes) -> None:
        """Keep the content of a target that was accepted, for offline use."""
        self.draft.write(f"documents/{entry.path}", data)


def _anchor(draft: Draft, root: bytes | None) -> bytes:
    """Return the root that trust begins with."""
    if draft.before is not None:
        return draft.before.anchor
    if root is None:
        reason = (
            "nothing is known of this registry yet, and its first root is not taken from itself; "
            "get root.json from its operator in a way that you trust, and give it with --root"
        )
        raise RegistryError.because("REG-R1", reason)
    return root


def _require_same_chain(draft: Draft, root: bytes | None) -> None:
    """Check that a root which is given again is one of those that were followed."""
    if root is not None and root not in draft.roots().values():
        reason = (
            "the root that was given is none of those that this state follows; give the root that "
            "it began with, or none. If the registry was begun anew, remove the state's folder"
        )
        raise RegistryError.because("REG-R2", reason)
