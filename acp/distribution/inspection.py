"""How a registry stands: versions, terms, signatures, files, and what waits for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tuf.api.exceptions import RepositoryError

from acp.diagnostics import Diagnostic, Refused, Severity
from acp.distribution.listing import Listing, judged_delegations
from acp.distribution.operating import TOP_LEVEL, describe_change, lacks

if TYPE_CHECKING:
    from acp.distribution.repository import Held, Repository


@dataclass(frozen=True, slots=True)
class RoleState:
    """One role.

    Attributes:
        name: Which.
        version: Its published version; 0 where there is none.
        expires: Until when it is valid, RFC 3339; empty where it is not published.
        documents: How many documents it lists.
        draft: What its draft lacks before it can be published; None where there is no draft.
        changes: What its draft changes, in words.
    """

    name: str
    version: int
    expires: str
    documents: int
    draft: str | None
    changes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the members that ``--format json`` prints."""
        found: dict[str, object] = {
            "role": self.name,
            "version": self.version,
            "expires": self.expires,
            "documents": self.documents,
        }
        if self.draft is not None:
            found |= {"draft_lacks": self.draft, "draft_changes": list(self.changes)}
        return found


def inspect(
    repository: Repository, *, now: datetime, soon: timedelta
) -> tuple[list[RoleState], list[Diagnostic]]:
    """Return the state of every role, and what is or soon will be wrong.

    Raises:
        RegistryError: REG-P1, a file cannot be read.
    """
    roles = [_state(repository, name) for name in _names(repository)]
    return roles, list(_findings(repository, now, soon))


def _names(repository: Repository) -> list[str]:
    targets = repository.latest("targets")
    issuers = [] if targets is None else list(targets.signed.delegations.roles)
    return list(dict.fromkeys([*TOP_LEVEL, *issuers, *repository.draft_names()]))


def _held(repository: Repository, name: str) -> Held | None:
    match name:
        case "root":
            return repository.root()
        case "timestamp":
            return repository.timestamp()
        case "snapshot":
            return repository.snapshot()
        case _:
            return repository.role(name)


def _state(repository: Repository, name: str) -> RoleState:
    held = _held(repository, name)
    draft = None if repository.draft(name) is None else lacks(repository, name)
    return RoleState(
        name=name,
        version=0 if held is None else held.signed.version,
        expires="" if held is None else f"{held.signed.expires:%Y-%m-%dT%H:%M:%SZ}",
        documents=0 if held is None else len(getattr(held.signed, "targets", ())),
        draft=draft,
        changes=tuple(describe_change(repository, name)),
    )


def _findings(repository: Repository, now: datetime, soon: timedelta) -> Iterator[Diagnostic]:
    root, targets = repository.root(), repository.role("targets")
    timestamp, snapshot = repository.timestamp(), repository.snapshot()
    if root is None or timestamp is None or snapshot is None or targets is None:
        reason = "nothing is published yet: sign the drafts, and run `acp registry refresh`"
        yield Diagnostic("REG-P3", Severity.ERROR, "", reason)
        return
    top = {"root": root, "timestamp": timestamp, "snapshot": snapshot, "targets": targets}
    for name, held in top.items():
        yield from _judge(name, held, root.signed, now, soon)
    yield from _match("snapshot", timestamp.signed.snapshot_meta, snapshot)
    yield from _match("targets", snapshot.signed.meta["targets.json"], targets)
    try:
        issuers = judged_delegations(targets.signed)
    except Refused as refusal:
        yield from refusal.diagnostics
        return
    for issuer in issuers:
        role = repository.role(issuer)
        if role is None:
            continue
        yield from _judge(issuer, role, targets.signed, now, soon)
        yield from _match(issuer, snapshot.signed.meta[f"{issuer}.json"], role)
        try:
            Listing.of(issuer, role.signed)
        except Refused as refusal:
            yield from refusal.diagnostics
        for path, target in role.signed.targets.items():
            if repository.published_target(target) is None:
                reason = f"the file of {path} is missing or damaged; restore it from a backup"
                yield Diagnostic("REG-P1", Severity.ERROR, "", reason)


def _judge(
    name: str, held: Held, delegator: Any, now: datetime, soon: timedelta
) -> Iterator[Diagnostic]:
    try:
        delegator.verify_delegate(name, held.metadata.signed_bytes, held.metadata.signatures)
    except (RepositoryError, ValueError) as error:
        yield Diagnostic("REG-M1", Severity.ERROR, "", f"{name}: {error}; clients refuse it")
    until = f"{held.signed.expires:%Y-%m-%dT%H:%M:%SZ}"
    if held.signed.is_expired(now):
        reason = f"{name} is out of term since {until}; clients refuse it. {_remedy(name)}"
        yield Diagnostic("REG-M3", Severity.ERROR, "", reason)
    elif held.signed.is_expired(now + soon):
        reason = f"{name} is in force until {until} only. {_remedy(name)}"
        yield Diagnostic("REG-M3", Severity.WARNING, "", reason)


def _match(name: str, meta: Any, held: Held) -> Iterator[Diagnostic]:
    try:
        meta.verify_length_and_hashes(held.data)
    except RepositoryError as error:
        yield Diagnostic("REG-M4", Severity.ERROR, "", f"{name}: {error}; restore it from a backup")


def _remedy(name: str) -> str:
    if name in {"timestamp", "snapshot"}:
        return "Run `acp registry refresh`"
    if name in TOP_LEVEL:
        return f"Run `acp registry rotate --role {name}`, then sign and refresh"
    return f"{name} has to run `acp publish --renew {name}`"
