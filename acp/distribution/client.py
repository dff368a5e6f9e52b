"""From a reference to a document that may be acted on.

The order of checks is that of spec/registry.md: TUF from the root down, the issuer's status list,
the document under the trust policy, and that it is what was asked for. All references of a call
succeed together, or nothing changes::

    source = Source("https://registry.example/acp", state=Path("state"), root=root)
    reader = Reader(TrustPolicy.load("policy.json"), now=datetime.now(UTC))
    [found] = fetch(["example.com/https://example.com/chips/one@7"], source, reader)
    found.accepted.document
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuf.ngclient import Updater, UpdaterConfig

from acp.acceptance import Accepted, BrokenRuleError, accept, accept_status_list
from acp.diagnostics import Diagnostic, Refused, Severity
from acp.distribution.listing import (
    Entry,
    Listing,
    delegated_issuers,
    is_sound_root,
    require_pinned,
)
from acp.distribution.names import (
    MAX_DOCUMENT_BYTES,
    MAX_NEW_ROOTS,
    MAX_ROOT_BYTES,
    MAX_SNAPSHOT_BYTES,
    MAX_TARGETS_BYTES,
    MAX_TIMESTAMP_BYTES,
    Reference,
    RegistryError,
    status_path,
)
from acp.distribution.refusals import translated
from acp.distribution.remembered import require_successor
from acp.distribution.state import Draft, State
from acp.distribution.transport import Patience, RedirectError, Transport, open_transport

if TYPE_CHECKING:
    from acp.policy import TrustPolicy
    from acp.v1.status import StatusList

LOCK_WAIT_S: Final = 30.0
MAX_ASKED: Final = 64
"""Most issuers that are asked for a digest alone."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document that was fetched and passed every check.

    Attributes:
        reference: What was asked for.
        accepted: The document, and what is known of it.
        envelope: The envelope as the registry has it.
        warnings: What was found that does not refuse it.
        downloaded: It was read from the registry just now, and not from the cache.
    """

    reference: Reference
    accepted: Accepted
    envelope: bytes = field(repr=False)
    warnings: tuple[Diagnostic, ...] = ()
    downloaded: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """A registry, as one client knows it.

    Attributes:
        address: Where it is served, or the folder with its files.
        state: Folder of what this client remembers of it.
        root: Root metadata from a trustworthy source; needed until there is a state.
        patience: How long downloads may take.
        transport: What to download with, in place of what `address` asks for.
        progress: Is told of each piece: of which file, and how many bytes of it there are.
    """

    address: str
    state: Path
    root: bytes | None = field(default=None, repr=False)
    patience: Patience = field(default_factory=Patience)
    transport: Transport | None = None
    progress: Callable[[str, int], None] | None = None

    def open(self) -> Transport:
        """Return what to download with.

        Raises:
            RegistryError: REG-D3, the address is none that registries have.
        """
        if self.transport is not None:
            return self.transport
        try:
            found = open_transport(self.address, self.patience)
        except RedirectError as error:
            raise RegistryError.because("REG-D3", str(error)) from None
        found.progress = self.progress
        return found


@dataclass(frozen=True, slots=True)
class Reader:
    """Who judges documents, and how.

    Attributes:
        policy: Whose documents are believed.
        now: The moment to judge documents by, aware of its time zone. Metadata of a registry is
            judged by the system's clock, but offline by this one.
        understood: Names of critical extensions that the reader understands.
        require_status: Refuse documents of issuers without a status list (REG-S2).
    """

    policy: TrustPolicy
    now: datetime
    understood: frozenset[str] = frozenset()
    require_status: bool = False


def fetch(references: Sequence[str], source: Source, reader: Reader) -> list[Fetched]:
    """Return documents of a registry, which REG-N1 says how to ask for.

    Raises:
        RegistryError: A rule of spec/registry.md is broken (codes ``REG-…``).
        Refused: A document or status list is refused, as `acp.acceptance.accept` does.
    """
    wanted = [Reference.parse(text) for text in references]
    with _visiting(source) as visit:
        judge = _Judge(visit, reader)
        return [judge.document(one) for one in wanted]


def listed(issuer: str, source: Source) -> list[Entry]:
    """Return what an issuer lists, by name. Its documents are neither fetched nor judged.

    Raises:
        RegistryError: As `fetch`.
    """
    with _visiting(source) as visit:
        entries = visit.listing(issuer).entries
        return sorted(entries, key=lambda one: (one.uri, one.revision))


@contextmanager
def _visiting(source: Source) -> Iterator[Visit]:
    """Give a visit of a registry, and remember what was seen if it ends well."""
    transport = source.open()
    with State(source.state).changing(max(LOCK_WAIT_S, source.patience.total_s)) as draft:
        visit = None
        try:
            visit = Visit(draft, transport, source.root)
            yield visit
        except Refused:
            if visit is not None and visit.ends_trust:
                draft.commit()
            else:
                draft.restart(is_sound_root)
            raise
        draft.commit()


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


class _Judge:
    """Judges documents of a registry; what concerns an issuer, once for all of its documents."""

    def __init__(self, visit: Visit, reader: Reader) -> None:
        self._visit = visit
        self._reader = reader
        self._status: dict[str, tuple[tuple[StatusList, ...], tuple[Diagnostic, ...]]] = {}

    def document(self, reference: Reference) -> Fetched:
        """Return the document that a reference asks for.

        A digest alone is tried with every issuer that lists it, so that none can keep another's
        document from being found.
        """
        if reference.issuer:
            entry = self._visit.listing(reference.issuer).find(reference)
            if entry is None:
                raise not_listed(reference)
            return self._judged(reference, reference.issuer, entry)
        troubles: list[Refused] = []
        asked = granted(self._visit.issuers, self._reader.policy)
        for issuer in asked:
            try:
                if not Listing.is_published(self._visit.draft, issuer):
                    continue
                entry = self._visit.listing(issuer).find(reference)
                if entry is not None:
                    return self._judged(reference, issuer, entry)
            except Refused as refusal:
                troubles.append(refusal)
                if not self._visit.ends_trust:
                    self._visit.forget(issuer)
        if troubles:
            raise troubles[0]
        raise not_found(reference, asked)

    def _judged(self, reference: Reference, issuer: str, entry: Entry) -> Fetched:
        lists, warnings = self._status_of(issuer)
        envelope, downloaded = self._visit.target(entry)
        try:
            accepted = accept(
                envelope,
                self._reader.policy,
                now=self._reader.now,
                status_lists=lists,
                understood=self._reader.understood,
            )
        except BrokenRuleError:
            revoked = {one.digest for found in lists for one in found.entries}
            self._visit.ends_trust = self._visit.ends_trust or entry.digest in revoked
            raise
        require_listed(accepted, issuer, entry)
        if downloaded:
            self._visit.keep(entry, envelope)
        return Fetched(
            reference, accepted, envelope, (*accepted.warnings, *warnings), downloaded=downloaded
        )

    def _status_of(self, issuer: str) -> tuple[tuple[StatusList, ...], tuple[Diagnostic, ...]]:
        if issuer not in self._status:
            self._status[issuer] = self._judge_status(issuer)
        return self._status[issuer]

    def _judge_status(self, issuer: str) -> tuple[tuple[StatusList, ...], tuple[Diagnostic, ...]]:
        entry = self._visit.listing(issuer).status
        path = status_path(issuer)
        before = self._visit.draft.before
        remembered = None if before is None else before.document(path)
        new = None if entry is None else self._visit.target(entry)[0]
        require_successor(new, remembered, issuer, self._reader.policy, self._reader.now)
        if entry is None or new is None:
            return (), (unchecked(issuer, required=self._reader.require_status),)
        found = accept_status_list(new, self._reader.policy, now=self._reader.now)
        if found.issuer != issuer:
            reason = f"{path} is a status list of {found.issuer}"
            raise RegistryError.because("REG-N3", reason)
        self._visit.keep(entry, new)
        return (found,), ()


def not_listed(reference: Reference) -> RegistryError:
    """Return the refusal of a reference to what its issuer does not list (REG-N2)."""
    advice = f"see what there is with `acp fetch --list {reference.issuer}`"
    reason = f"{reference.issuer} does not list {reference.text}; {advice}"
    return RegistryError.because("REG-N2", reason)


def not_found(reference: Reference, asked: Sequence[str]) -> RegistryError:
    """Return the refusal of a digest that none of the issuers lists (REG-N2)."""
    names = ", ".join(asked[:8]) or "nobody, since the trust policy has a grant for none of them"
    advice = f"; no more than {MAX_ASKED} are asked: name the issuer" * (len(asked) == MAX_ASKED)
    reason = f"no issuer lists {reference.text}; asked was {names}{advice}"
    return RegistryError.because("REG-N2", reason)


def require_listed(accepted: Accepted, issuer: str, entry: Entry) -> None:
    """Check that a document is what its issuer lists.

    Raises:
        RegistryError: REG-N3, it is another one.
    """
    document = accepted.document
    is_so = {
        "issuer": accepted.issuer,
        "digest": accepted.digest,
        "kind": type(document).__name__,
        "uri": getattr(document, "uri", ""),
        "revision": getattr(document, "revision", 0),
    }
    listed_so = {
        "issuer": issuer,
        "digest": entry.digest,
        "kind": entry.kind,
        "uri": entry.uri,
        "revision": entry.revision,
    }
    wrong = [name for name in is_so if is_so[name] != listed_so[name]]
    if wrong:
        said = "; ".join(f"{name} is {is_so[name]}, listed {listed_so[name]}" for name in wrong)
        raise RegistryError.because("REG-N3", f"{entry.path} is not what it is listed as: {said}")


def unchecked(issuer: str, *, required: bool) -> Diagnostic:
    """Return the warning that revocation was not checked, or raise it where it must be.

    Raises:
        RegistryError: REG-S2, it must be checked.
    """
    reason = f"revocation was not checked: {issuer} has no status list in the registry"
    if required:
        raise RegistryError.because("REG-S2", f"{reason}, and one is required")
    return Diagnostic("REG-S2", Severity.WARNING, "", reason)


def granted(issuers: Iterable[str], policy: TrustPolicy) -> list[str]:
    """Return the issuers, not too many, of whom the policy has a grant about any document."""
    found = [
        issuer
        for issuer in issuers
        if policy.accepts_anything
        or any(
            grant.covers(kind, issuer) for grant in policy.grants for kind in grant.document_types
        )
    ]
    return found[:MAX_ASKED]


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
