"""Documents from a client's memory alone (REG-C3).

What was verified when it was fetched is verified again, from the root down: the state may have come
here on a stick. What is missing is news: metadata and status lists that are past their term are
used, and every answer says since when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, Root, Signed, Snapshot, Targets, Timestamp

from acp.acceptance import accept
from acp.diagnostics import Diagnostic, Severity
from acp.distribution.judging import (
    Fetched,
    Reader,
    granted,
    not_found,
    not_listed,
    require_listed,
    unchecked,
)
from acp.distribution.listing import Entry, Listing, judged_delegations
from acp.distribution.names import Reference, RegistryError, status_path
from acp.distribution.remembered import trusted_list
from acp.distribution.signing import require_distinct
from acp.distribution.state import Generation, State
from acp.v1.status import StatusList

if TYPE_CHECKING:
    from acp.distribution.client import Source
    from acp.policy import TrustPolicy

_ADVICE: Final = "fetch while online first"


def recall(references: Sequence[str], source: Source, reader: Reader) -> list[Fetched]:
    """Return documents that were fetched before, without any network. Nothing is changed.

    Where `source` has a root, trust begins with it: it must be one of those that the state follows.
    That is what makes a state trustworthy that came from somebody else.

    Raises:
        RegistryError: REG-C2, the state does not verify; REG-C3, something was never fetched;
            REG-N1 to REG-N3; REG-R2, the root is of another registry.
        Refused: As `acp.acceptance.accept`.
    """
    wanted = [Reference.parse(text) for text in references]
    while True:
        memory = State(source.state).current
        if memory is None:
            reason = f"{source.state} holds nothing that was fetched; {_ADVICE}"
            raise RegistryError.because("REG-C3", reason)
        try:
            chain = _Chain(memory, source.root, reader.now)
            return [_recalled(chain, one, reader) for one in wanted]
        except RegistryError:
            newer = State(source.state).current
            if newer is None or newer.path == memory.path:
                raise
        # Another client has replaced the memory while it was read: read the new one.


@dataclass(frozen=True, slots=True)
class _Role:
    """Verified metadata and the warning that it is past its term, if it is."""

    signed: Any
    warnings: tuple[Diagnostic, ...]


class _Chain:
    """The metadata of a memory, verified from the root down."""

    def __init__(self, memory: Generation, root: bytes | None, now: datetime) -> None:
        self.memory = memory
        self.issuers: tuple[str, ...] = ()
        self._now = now
        self._root = self._follow(root)
        timestamp = self._verified("timestamp", Timestamp, self._root).signed
        self._snapshot: Snapshot = self._verified(
            "snapshot", Snapshot, self._root, timestamp.snapshot_meta
        ).signed
        targets = self._verified("targets", Targets, self._root, self._meta("targets"))
        self._targets: Targets = targets.signed
        self.issuers = judged_delegations(self._targets)
        self.warnings = [
            warning
            for name, one in (
                ("root", self._root),
                ("timestamp", timestamp),
                ("snapshot", self._snapshot),
                ("targets", self._targets),
            )
            for warning in self._term(name, one)
        ]

    def listing(self, issuer: str) -> tuple[Targets, tuple[Diagnostic, ...]]:
        """Return the verified role of an issuer.

        Raises:
            RegistryError: REG-N2, it has none; REG-C3, it was never fetched; REG-C2.
        """
        if issuer not in self.issuers or f"{issuer}.json" not in self._snapshot.meta:
            raise RegistryError.because("REG-N2", f"the registry has nothing of {issuer}")
        if not self.holds(issuer):
            raise RegistryError.because("REG-C3", f"nothing of {issuer} was fetched; {_ADVICE}")
        role = self._verified(issuer, Targets, self._targets, self._meta(issuer))
        return role.signed, role.warnings

    def holds(self, issuer: str) -> bool:
        """Tell whether the role of an issuer was fetched."""
        return (self.memory.metadata / f"{issuer}.json").exists()

    def _follow(self, given: bytes | None) -> Root:
        """Return the newest root, each of which is signed by the one before and by itself."""
        roots = self.memory.roots()
        anchor = self.memory.anchor
        if given is not None and given not in roots.values():
            reason = "the root that was given is none of those that this state follows"
            raise RegistryError.because("REG-R2", reason)
        start = anchor if given is None else given
        current: Metadata[Root] = self._parsed("root", start, Root)
        self._require_signed("root", current, current.signed)
        while (data := roots.get(current.signed.version + 1)) is not None:
            following: Metadata[Root] = self._parsed("root", data, Root)
            self._require_signed("root", following, current.signed)
            self._require_signed("root", following, following.signed)
            if following.signed.version != current.signed.version + 1:
                raise self._damaged("root", "its version is not the next one")
            current = following
        for name, role in current.signed.roles.items():
            require_distinct(name, role.keyids, current.signed.keys)
        return current.signed

    def _verified(
        self, name: str, kind: type[Signed], delegator: Root | Targets, meta: Any = None
    ) -> _Role:
        data = self.memory.read(f"metadata/{name}.json")
        found: Metadata[Any] = self._parsed(name, data, kind)
        self._require_signed(name, found, delegator)
        warnings = self._term(name, found.signed)
        if meta is not None and name in self.issuers and found.signed.version < meta.version:
            # Since it was fetched, the registry was visited for another issuer.
            reason = (
                f"offline: what {name} lists is known in version {found.signed.version}, and there "
                f"was version {meta.version}; newer documents and revocations are not known here"
            )
            warnings.append(Diagnostic("REG-C3", Severity.WARNING, "", reason))
        elif meta is not None:
            try:
                meta.verify_length_and_hashes(data)
            except LengthOrHashMismatchError as error:
                raise self._damaged(name, str(error)) from None
            if found.signed.version != meta.version:
                raise self._damaged(name, "its version is not the one that is referred to")
        return _Role(found.signed, tuple(warnings))

    def _meta(self, name: str) -> Any:
        meta = self._snapshot.meta.get(f"{name}.json")
        if meta is None:
            raise self._damaged("snapshot", f"it does not list {name}")
        return meta

    def _parsed(self, name: str, data: bytes, kind: type[Signed]) -> Metadata[Any]:
        try:
            found: Metadata[Any] = Metadata.from_bytes(data)
        except RepositoryError as error:
            raise self._damaged(name, str(error)) from None
        if not isinstance(found.signed, kind):
            raise self._damaged(name, "it is metadata of another role")
        return found

    def _require_signed(self, name: str, found: Metadata[Any], delegator: Root | Targets) -> None:
        try:
            delegator.verify_delegate(name, found.signed_bytes, found.signatures)
        except (RepositoryError, ValueError) as error:
            raise self._damaged(name, str(error)) from None

    def _damaged(self, name: str, reason: str) -> RegistryError:
        said = f"{self.memory.metadata / name}.json does not verify: {reason}; fetch while online"
        return RegistryError.because("REG-C2", said)

    def _term(self, name: str, signed: Signed) -> list[Diagnostic]:
        if not signed.is_expired(self._now):
            return []
        since = f"{signed.expires:%Y-%m-%dT%H:%M:%SZ}"
        reason = (
            f"offline: {name} of the registry is out of term since {since}; newer documents and "
            "revocations since then are not known here"
        )
        return [Diagnostic("REG-C3", Severity.WARNING, "", reason)]


def _recalled(chain: _Chain, reference: Reference, reader: Reader) -> Fetched:
    issuer, entry, role, stale = _found(chain, reference, reader.policy)
    lists, unsure = _status(chain, issuer, role, reader)
    envelope = _content(chain, role, entry)
    accepted = accept(
        envelope,
        reader.policy,
        now=reader.now,
        status_lists=lists,
        understood=reader.understood,
    )
    require_listed(accepted, issuer, entry)
    warnings = (*accepted.warnings, *unsure, *chain.warnings, *stale)
    return Fetched(reference, accepted, envelope, warnings, downloaded=False)


def _found(
    chain: _Chain, reference: Reference, policy: TrustPolicy
) -> tuple[str, Entry, Targets, tuple[Diagnostic, ...]]:
    if reference.issuer:
        asked = [reference.issuer]
    else:
        asked = granted(filter(chain.holds, chain.issuers), policy)
    for issuer in asked:
        role, stale = chain.listing(issuer)
        entry = Listing.of(issuer, role).find(reference)
        if entry is not None:
            return issuer, entry, role, stale
    raise not_listed(reference) if reference.issuer else not_found(reference, asked)


def _content(chain: _Chain, role: Targets, entry: Entry) -> bytes:
    data = chain.memory.document(entry.path)
    if data is None:
        raise RegistryError.because("REG-C3", f"{entry.path} was never fetched; {_ADVICE}")
    target = role.targets[entry.path]
    if "sha256" not in target.hashes:
        raise RegistryError.because("REG-L2", f"{entry.path} is not listed by SHA-256")
    try:
        target.verify_length_and_hashes(data)
    except LengthOrHashMismatchError as error:
        reason = f"{entry.path} in the state is not the one that is listed: {error}; {_ADVICE}"
        raise RegistryError.because("REG-C2", reason) from None
    return data


def _status(
    chain: _Chain, issuer: str, role: Targets, reader: Reader
) -> tuple[tuple[StatusList, ...], tuple[Diagnostic, ...]]:
    if status_path(issuer) not in role.targets:
        return (), (unchecked(issuer, required=reader.require_status),)
    entry = Entry(status_path(issuer), "", StatusList.__name__)
    data = _content(chain, role, entry)
    found = trusted_list(data, reader.policy, reader.now)
    if found is None:
        reason = f"the status list of {issuer} in the state is not trusted under this policy"
        raise RegistryError.because("REG-C3", reason)
    if found.next_update <= f"{reader.now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}":
        reason = (
            f"offline: the status list of {issuer}, sequence {found.sequence}, was due to be "
            f"replaced at {found.next_update}; what was revoked since then is not known here"
        )
        return (found,), (Diagnostic("REG-C3", Severity.WARNING, "", reason),)
    return (found,), ()
