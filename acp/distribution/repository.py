"""The operator's folder of a registry: what is published, and what is in preparation.

::

    lock
    registry.json            for how many days each role is signed
    drafts/ROLE.json         the next version of a role, until enough keys have signed it
    drafts/targets/…         files that drafts refer to
    public/metadata/…        what is served
    public/targets/…

A role is changed by writing a draft, signing it, and publishing it. Drafts are what makes
thresholds and offline keys possible, and what a crash leaves behind.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Signed, Snapshot, Targets, Timestamp

from acp import files
from acp.canonical import Limits, canonicalize, decode
from acp.diagnostics import DecodeError
from acp.distribution.names import RegistryError, stored_path
from acp.distribution.state import take_lock

if TYPE_CHECKING:
    from tuf.api.metadata import TargetFile

LOCK_WAIT_S: Final = 30.0
TERMS: Final[Mapping[str, int]] = {
    "root": 365,
    "targets": 365,
    "issuer": 180,
    "snapshot": 30,
    "timestamp": 7,
}
"""Days for which metadata is signed, unless the registry says otherwise."""

_MOST_DAYS: Final = 3650
_SPEC: Final = "acp-registry/1"


@dataclass(frozen=True, slots=True)
class Held:
    """Metadata with the exact bytes that it is made of.

    Attributes:
        metadata: What it says.
        data: Its bytes, which lengths and hashes are of.
    """

    metadata: Metadata[Any]
    data: bytes

    @property
    def signed(self) -> Any:
        """What is signed."""
        return self.metadata.signed


class Repository:
    """The folder of a registry.

    Attributes:
        path: The folder.
        public: What is served.
        drafts: What is in preparation.
    """

    def __init__(self, path: Path) -> None:
        """Use the folder `path`."""
        self.path = path
        self.public = path / "public"
        self.drafts = path / "drafts"

    @classmethod
    def create(cls, path: Path, terms: Mapping[str, int]) -> Self:
        """Make the folder of a new registry.

        Raises:
            RegistryError: REG-P5, there is one already, or a term is none.
            FileRefusedError: ENV-F2, it cannot be written.
        """
        found = cls(path)
        if (path / "registry.json").exists():
            raise RegistryError.because("REG-P5", f"{path} is a registry already")
        chosen = dict(TERMS) | dict(terms)
        for name, days in chosen.items():
            if name not in TERMS or not 1 <= days <= _MOST_DAYS:
                reason = f"{name} cannot be signed for {days} days; allowed are 1 to {_MOST_DAYS}"
                raise RegistryError.because("REG-P5", reason)
        for folder in (found.drafts, found.public / "metadata", found.public / "targets"):
            folder.mkdir(parents=True, exist_ok=True)
        files.write(path / "registry.json", canonicalize({"spec": _SPEC, "days": chosen}) + b"\n")
        return found

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the registry in a folder.

        Raises:
            RegistryError: REG-P5, there is none.
        """
        found = cls(path)
        found._settings()
        return found

    @contextmanager
    def locked(self, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """Hold the registry against other publishers (REG-P2).

        Raises:
            RegistryError: REG-P2, another publisher holds it for longer than `wait_s`.
        """
        path = self.path / "lock"
        try:
            lock = path.open("a")
        except OSError as error:
            raise RegistryError.because("REG-P2", f"{path}: {error.strerror}") from None
        with lock:
            trouble = f"another publisher is changing {self.path}"
            take_lock(lock.fileno(), wait_s, trouble, "REG-P2")
            yield

    # What is published

    def root(self) -> Held | None:
        """Return the newest published root."""
        versions = self._versions("root")
        return self._published("root", max(versions)) if versions else None

    def timestamp(self) -> Held | None:
        """Return the published timestamp."""
        return self._load(self.public / "metadata" / "timestamp.json", Timestamp)

    def snapshot(self) -> Held | None:
        """Return the snapshot that the timestamp names."""
        timestamp = self.timestamp()
        if timestamp is None:
            return None
        return self._published("snapshot", timestamp.signed.snapshot_meta.version)

    def role(self, name: str) -> Held | None:
        """Return the version of targets or of an issuer's role that the snapshot names."""
        snapshot = self.snapshot()
        meta = None if snapshot is None else snapshot.signed.meta.get(f"{name}.json")
        return None if meta is None else self._published(name, meta.version)

    # What is in preparation

    def draft(self, name: str) -> Held | None:
        """Return the draft of a role."""
        kind = Root if name == "root" else Targets
        return self._load(self.drafts / f"{name}.json", kind)

    def draft_names(self) -> list[str]:
        """Return the roles that have drafts, root and targets first."""
        found = {path.name.removesuffix(".json") for path in self.drafts.glob("*.json")}
        return sorted(found, key=lambda name: (name != "root", name != "targets", name))

    def latest(self, name: str) -> Held | None:
        """Return the draft of a role, or what is published of it where there is no draft."""
        published = self.root() if name == "root" else self.role(name)
        return self.draft(name) or published

    def write_draft(self, name: str, metadata: Metadata[Any]) -> None:
        """Write the draft of a role."""
        files.write(self.drafts / f"{name}.json", metadata.to_bytes())

    def drop_draft(self, name: str) -> None:
        """Remove the draft of a role."""
        (self.drafts / f"{name}.json").unlink(missing_ok=True)

    # Files

    def put_target(self, target: TargetFile, data: bytes) -> None:
        """Write the file of a target for a draft that refers to it."""
        path = self.drafts / "targets" / stored_path(target.path, target.hashes["sha256"])
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, data)

    def target(self, target: TargetFile) -> bytes | None:
        """Return the file of a target, published or not; None where it is not there, or wrong."""
        return self.published_target(target) or _file(self.drafts, target)

    def published_target(self, target: TargetFile) -> bytes | None:
        """Return the published file of a target; None where it is not there, or wrong."""
        return _file(self.public, target)

    def publish_target(self, target: TargetFile) -> None:
        """Make the file of a target public."""
        name = stored_path(target.path, target.hashes["sha256"])
        final = self.public / "targets" / name
        data = self.target(target)
        if data is None:
            reason = f"{name} is missing, or not what the draft lists"
            raise RegistryError.because("REG-P4", reason)
        if not final.exists() or final.read_bytes() != data:
            final.parent.mkdir(parents=True, exist_ok=True)
            files.write(final, data)
        (self.drafts / "targets" / name).unlink(missing_ok=True)

    def publish(self, name: str, version: int | None, data: bytes) -> None:
        """Write a metadata file, under its version where it has one in its name."""
        prefix = "" if version is None else f"{version}."
        files.write(self.public / "metadata" / f"{prefix}{name}.json", data)

    def settle(self) -> None:
        """Bring everything written so far to the disk, before what refers to it is written."""
        for parent, _, _ in os.walk(self.public):
            descriptor = os.open(parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def expiry(self, name: str, now: datetime) -> datetime:
        """Return until when a role that is signed now is valid."""
        days: dict[str, int] = self._settings()["days"]
        kind = name if name in TERMS else "issuer"
        return now.replace(microsecond=0) + timedelta(days=days[kind])

    def _settings(self) -> Any:
        path = self.path / "registry.json"
        try:
            found = decode(path.read_bytes(), limits=Limits(64 * 1024, 4, 1000))
        except FileNotFoundError:
            reason = f"{self.path} is no registry; `acp registry init` makes one"
            raise RegistryError.because("REG-P5", reason) from None
        except (OSError, DecodeError) as error:
            raise RegistryError.because("REG-P5", f"{path}: {error}") from None
        days = found.get("days") if isinstance(found, dict) and found.get("spec") == _SPEC else None
        good = (
            isinstance(days, dict)
            and days.keys() == TERMS.keys()
            and all(isinstance(one, int) and 1 <= one <= _MOST_DAYS for one in days.values())
        )
        if not good:
            names = ", ".join(TERMS)
            reason = f'{path} must have "spec": "{_SPEC}" and "days", each from 1 on, of {names}'
            raise RegistryError.because("REG-P5", reason)
        return found

    def _versions(self, name: str) -> list[int]:
        found = (self.public / "metadata").glob(f"*.{name}.json")
        numbers = [path.name.removesuffix(f".{name}.json") for path in found]
        return [int(number) for number in numbers if number.isdecimal()]

    def _published(self, name: str, version: int) -> Held:
        kinds: dict[str, type[Signed]] = {"root": Root, "snapshot": Snapshot}
        path = self.public / "metadata" / f"{version}.{name}.json"
        found = self._load(path, kinds.get(name, Targets))
        if found is None:
            reason = f"{path} is missing, though it is referred to; restore it from a backup"
            raise RegistryError.because("REG-P1", reason)
        return found

    @staticmethod
    def _load(path: Path, kind: type[Signed]) -> Held | None:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RegistryError.because("REG-P1", f"{path}: {error.strerror}") from None
        try:
            found: Metadata[Any] = Metadata.from_bytes(data)
        except RepositoryError as error:
            raise RegistryError.because("REG-P1", f"{path}: {error}") from None
        if not isinstance(found.signed, kind):
            reason = f"{path} is metadata of type {found.signed.type}, not {kind.type}"
            raise RegistryError.because("REG-P1", reason)
        return Held(found, data)


def _file(folder: Path, target: TargetFile) -> bytes | None:
    path = folder / "targets" / stored_path(target.path, target.hashes.get("sha256", ""))
    try:
        data = path.read_bytes()
        target.verify_length_and_hashes(data)
    except (OSError, RepositoryError):
        return None
    return data


def copied(metadata: Metadata[Any]) -> Metadata[Any]:
    """Return metadata that can be changed without changing the original."""
    return Metadata.from_dict(json.loads(metadata.to_bytes()))
