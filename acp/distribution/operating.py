"""What operators do with drafts: begin a registry, name keys and issuers, sign.

Rules: REG-P3 (thresholds), REG-P5 (keys and names), REG-L3 (delegations). What is complete is
published by `acp.distribution.publication`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, Targets

from acp.distribution.names import RegistryError, delegated_paths, is_issuer
from acp.distribution.repository import Repository, copied
from acp.distribution.signing import KeySigner, our_id, tuf_key

if TYPE_CHECKING:
    from acp.keys import PrivateKey, PublicKey

ONLINE: Final = ("snapshot", "timestamp")
TOP_LEVEL: Final = ("root", "targets", *ONLINE)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of a role.

    Attributes:
        keys: The keys.
        threshold: How many of them must sign.
    """

    keys: tuple[PublicKey, ...]
    threshold: int = 1

    def check(self, role: str) -> None:
        """Check that the threshold can be reached.

        Raises:
            RegistryError: REG-P5, it cannot, or a key is there twice.
        """
        distinct = len({key.keyid for key in self.keys})
        if distinct != len(self.keys):
            raise RegistryError.because("REG-P5", f"a key is given twice for {role}")
        if not 1 <= self.threshold <= distinct:
            reason = f"{role} has {distinct} keys, of which {self.threshold} can never sign"
            raise RegistryError.because("REG-P5", reason)


def begin(
    path: Path,
    roles: Mapping[str, KeySet],
    *,
    now: datetime,
    terms: Mapping[str, int] | None = None,
) -> Repository:
    """Begin a registry: drafts of root and targets, that wait for signatures.

    Args:
        path: Folder to make.
        roles: Keys of root, targets, snapshot and timestamp.
        now: The present.
        terms: Days for which roles are signed, where other than `repository.TERMS`.

    Raises:
        RegistryError: REG-P5, a key set or a term is unusable, or there is a registry already.
    """
    for name in TOP_LEVEL:
        roles[name].check(name)
    repository = Repository.create(path, terms or {})
    root = Root(expires=repository.expiry("root", now), consistent_snapshot=True)
    for name in TOP_LEVEL:
        _assign(root, name, roles[name])
    targets = Targets(
        expires=repository.expiry("targets", now), delegations=Delegations(keys={}, roles={})
    )
    with repository.locked():
        repository.write_draft("root", Metadata(root))
        repository.write_draft("targets", Metadata(targets))
    return repository


def rotate(
    repository: Repository,
    roles: Collection[str],
    *,
    now: datetime,
    add: Sequence[PublicKey] = (),
    remove: Collection[str] = (),
    threshold: int | None = None,
) -> None:
    """Draft a root in which top-level roles have other keys; without changes, one with a new term.

    Args:
        repository: Which registry.
        roles: Names of top-level roles.
        now: The present.
        add: Keys that they get.
        remove: Ids of keys that they lose, as `acp keygen` prints them.
        threshold: How many keys must sign; None leaves it.

    Raises:
        RegistryError: REG-P5, the keys that are left are unusable, or a key is not there.
    """
    with repository.locked():
        draft = _next(repository, "root", now)
        root: Root = draft.signed
        for name in roles:
            role = root.roles[name]
            have = {our_id(root.keys[keyid]): keyid for keyid in role.keyids}
            for keyid in remove:
                if keyid not in have:
                    names = ", ".join(have)
                    reason = f"{name} has no key {keyid}; it has {names}"
                    raise RegistryError.because("REG-P5", reason)
                root.revoke_key(have[keyid], name)
            for key in add:
                if key.keyid in have:
                    raise RegistryError.because("REG-P5", f"{name} has the key {key.keyid} already")
                root.add_key(tuf_key(key), name)
            role.threshold = role.threshold if threshold is None else threshold
            _require_reachable(name, len(role.keyids), role.threshold)
        repository.write_draft("root", draft)
        if "targets" in roles and (add or remove) and repository.latest("targets") is not None:
            # What the old keys have signed will not count any more.
            repository.write_draft("targets", _next(repository, "targets", now))


def renew(repository: Repository, name: str, *, now: datetime) -> None:
    """Draft a role as it is, with a new term."""
    with repository.locked():
        repository.write_draft(name, _next(repository, name, now))


def delegate(repository: Repository, issuer: str, keys: KeySet | None, *, now: datetime) -> None:
    """Draft the role targets with these keys for an issuer, or without the issuer for None.

    Raises:
        RegistryError: REG-P5, issuer or keys are unusable, or there is no delegation to take away.
    """
    if not is_issuer(issuer):
        reason = f"{issuer[:80]!r} is not a lower-case DNS name of two or more labels"
        raise RegistryError.because("REG-P5", reason)
    if keys is not None:
        keys.check(issuer)
    with repository.locked():
        draft = _next(repository, "targets", now)
        delegations = draft.signed.delegations
        if issuer in delegations.roles:
            for keyid in list(delegations.roles[issuer].keyids):
                draft.signed.revoke_key(keyid, issuer)
        elif keys is None:
            raise RegistryError.because("REG-P5", f"{issuer} has no delegation")
        if keys is None:
            del delegations.roles[issuer]
        else:
            delegations.roles[issuer] = DelegatedRole(
                issuer, [], keys.threshold, terminating=True, paths=delegated_paths(issuer)
            )
            for key in keys.keys:
                draft.signed.add_key(tuf_key(key), issuer)
        repository.write_draft("targets", draft)


def sign(repository: Repository, keys: Sequence[PrivateKey]) -> dict[str, list[str]]:
    """Sign every draft that one of the keys counts for.

    Returns:
        Ids of the keys that signed, by role.

    Raises:
        RegistryError: REG-P3, a key counts for no draft.
    """
    done: dict[str, list[str]] = {}
    with repository.locked():
        for name in repository.draft_names():
            draft = repository.draft(name)
            assert draft is not None  # noqa: S101 - it was listed under the lock
            counted = [
                key for key in keys if tuf_key(key.public).keyid in signers(repository, name)
            ]
            for key in counted:
                draft.metadata.sign(KeySigner(key), append=True)
            if counted:
                repository.write_draft(name, draft.metadata)
                done[name] = [key.public.keyid for key in counted]
    used = {keyid for keyids in done.values() for keyid in keyids}
    for key in keys:
        if key.public.keyid not in used:
            names = ", ".join(repository.draft_names()) or "none"
            reason = f"no draft waits for the key {key.public.keyid}; drafts are: {names}"
            raise RegistryError.because("REG-P3", reason)
    return done


def signers(repository: Repository, name: str) -> set[str]:
    """Return the ids, of TUF, of the keys whose signatures count for the draft of a role."""
    draft = repository.draft(name)
    if name == "root":
        before = repository.root()
        found = [one.signed for one in (draft, before) if one is not None]
        return {keyid for one in found for keyid in one.roles["root"].keyids}
    if name == "targets":
        root = repository.latest("root")
        return set() if root is None else set(root.signed.roles["targets"].keyids)
    targets = repository.latest("targets")
    roles = {} if targets is None else (targets.signed.delegations.roles or {})
    return set(roles[name].keyids) if name in roles else set()


def lacks(repository: Repository, name: str) -> str:
    """Return what the draft of a role lacks to be published; empty where it is complete."""
    draft = repository.draft(name)
    if draft is None:
        return "there is no draft"
    md = draft.metadata
    if name == "root":
        before = repository.root()
        previous = None if before is None else before.signed
        if previous is not None and md.signed.version != previous.version + 1:
            return f"its version is {md.signed.version} after {previous.version}"
        both = md.signed.get_root_verification_result(previous, md.signed_bytes, md.signatures)
        if both:
            return ""
        whose = {"the root before": both.first, "this root": both.second}
        if previous is None:
            del whose["the root before"]
        return " and ".join(
            f"{len(one.signed)} of {one.threshold} signatures by the keys of {name}"
            for name, one in whose.items()
            if not one
        )
    delegator = repository.latest("root" if name == "targets" else "targets")
    if delegator is None:
        return "no role delegates to it"
    try:
        result = delegator.signed.get_verification_result(name, md.signed_bytes, md.signatures)
    except ValueError:
        return "no role delegates to it"
    return "" if result else f"{len(result.signed)} of {result.threshold} signatures"


def is_signed_by_any(delegator: Targets, name: str, metadata: Metadata[Any]) -> bool:
    """Tell whether metadata has a valid signature of at least one of the keys of its role."""
    result = delegator.get_verification_result(name, metadata.signed_bytes, metadata.signatures)
    return bool(result.signed)


def _assign(root: Root, name: str, keys: KeySet) -> None:
    for key in keys.keys:
        root.add_key(tuf_key(key), name)
    root.roles[name].threshold = keys.threshold


def _require_reachable(name: str, count: int, threshold: int) -> None:
    if not 1 <= threshold <= count:
        reason = f"{name} would have {count} keys, of which {threshold} can never sign"
        raise RegistryError.because("REG-P5", reason)


def _next(repository: Repository, name: str, now: datetime) -> Metadata[Any]:
    """Return a role to change: what there is, one version on and without signatures."""
    published = repository.root() if name == "root" else repository.role(name)
    draft = repository.draft(name)
    held = draft or published
    if held is None:
        reason = f"there is neither a draft of {name} nor a published one"
        raise RegistryError.because("REG-P1", reason)
    changed = copied(held.metadata)
    changed.signatures.clear()
    changed.signed.version = 1 if published is None else published.signed.version + 1
    changed.signed.expires = repository.expiry(name, now)
    return changed


def describe_change(repository: Repository, name: str) -> list[str]:
    """Return in words what the draft of a role changes, for those who are to sign it."""
    draft = repository.draft(name)
    if draft is None:
        return []
    before = repository.root() if name == "root" else repository.role(name)
    describe: Callable[[Any], dict[str, str]] = _root_lines if name == "root" else _targets_lines
    old = {} if before is None else describe(before.signed)
    new = describe(draft.signed)
    lines = [f"version {draft.signed.version}, until {draft.signed.expires:%Y-%m-%dT%H:%M:%SZ}"]
    lines += [f"+ {text}" for key, text in new.items() if old.get(key) != text]
    lines += [f"- {text}" for key, text in old.items() if new.get(key) != text]
    return lines


def _root_lines(root: Root) -> dict[str, str]:
    return {
        name: f"{name}: {role.threshold} of {_ids(root.keys, role.keyids)}"
        for name, role in root.roles.items()
    }


def _targets_lines(targets: Targets) -> dict[str, str]:
    if targets.delegations is not None and targets.delegations.roles is not None:
        keys = targets.delegations.keys
        return {
            name: f"{name}: {role.threshold} of {_ids(keys, role.keyids)}"
            for name, role in targets.delegations.roles.items()
        }
    return {path: f"{path} {target.custom}" for path, target in targets.targets.items()}


def _ids(keys: Mapping[str, Any], keyids: Sequence[str]) -> str:
    return ", ".join(our_id(keys[keyid]) for keyid in keyids)
