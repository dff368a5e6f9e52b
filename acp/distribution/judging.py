"""Is it the document that was asked for, and may it be acted on: what a visit found is judged here.

Rules: REG-N2 and REG-N3 (what was asked for), REG-S1 and REG-S2 (status lists), and all those of
`acp.acceptance.accept`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from acp.acceptance import Accepted, BrokenRuleError, accept, accept_status_list
from acp.diagnostics import Diagnostic, Refused, Severity
from acp.distribution.listing import Entry, Listing
from acp.distribution.names import Reference, RegistryError, status_path
from acp.distribution.remembered import require_successor

if TYPE_CHECKING:
    from acp.distribution.visiting import Visit
    from acp.policy import TrustPolicy
    from acp.v1.status import StatusList

MAX_ASKED: Final = 64
"""Most issuers that are asked for a digest alone."""


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


class Judge:
    """Judges documents of a registry; what concerns an issuer, once for all of its documents."""

    def __init__(self, visit: Visit, reader: Reader) -> None:
        """Judge what is found on `visit` as `reader` does."""
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
