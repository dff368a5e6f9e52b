"""What a client remembers of one registry, changed as a whole or not at all (REG-C1, REG-C2).

A state is a folder with the generations that it went through; ``current`` is a link to the one that
counts, and is replaced in one step::

    lock
    current -> 00000007
    00000007/anchor.json                    the root that the user gave
    00000007/metadata/timestamp.json …      what the client of TUF keeps
    00000007/documents/example.com/HEX.json envelopes as they were fetched

A change is prepared in a copy, which costs links and no bytes, and becomes the next generation.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from acp.distribution.names import RegistryError

_POLL_S: Final = 0.05


class State:
    """The folder of one client's memory of one registry.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        """Use the folder `path`, which need not exist yet."""
        self.path = path

    @property
    def current(self) -> Generation | None:
        """The generation that counts; None where nothing has been fetched yet."""
        link = self.path / "current"
        return Generation(self.path / link.readlink()) if link.is_symlink() else None

    @contextmanager
    def changing(self, wait_s: float) -> Iterator[Draft]:
        """Hold the state alone, and give a draft of its next generation.

        What is not committed leaves nothing behind.

        Raises:
            RegistryError: REG-C2, another client holds the state for longer than `wait_s`, or the
                folder cannot be used.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / "lock").open("a") as lock:
                take_lock(lock.fileno(), wait_s, f"another client is using {self.path}", "REG-C2")
                self._clear()
                draft = Draft(self)
                try:
                    yield draft
                finally:
                    draft.discard()
        except OSError as error:
            reason = f"the state in {self.path} cannot be used: {error.strerror or error}"
            raise RegistryError.because("REG-C2", reason) from error

    def _clear(self) -> None:
        """Remove what a client left that was killed."""
        kept = {"lock", "current"} | ({self.current.path.name} if self.current else set())
        for entry in self.path.iterdir():
            if entry.name not in kept:
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()


class Generation:
    """One complete memory; read only.

    Attributes:
        path: Its folder.
        metadata: Folder of what the client of TUF keeps.
    """

    def __init__(self, path: Path) -> None:
        """Read the folder `path`."""
        self.path = path
        self.metadata = path / "metadata"

    @property
    def anchor(self) -> bytes:
        """The root that the user gave.

        Raises:
            RegistryError: REG-C2, it cannot be read.
        """
        return self.read("anchor.json")

    def roots(self) -> dict[int, bytes]:
        """Return the verified roots by version.

        Raises:
            RegistryError: REG-C2, one cannot be read.
        """
        found = {}
        for path in (self.metadata / "root_history").glob("*.root.json"):
            number = path.name.removesuffix(".root.json")
            if number.isdecimal():
                found[int(number)] = self.read(f"metadata/root_history/{path.name}")
        return found

    def document(self, target_path: str) -> bytes | None:
        """Return a document as it was fetched; None where it was not.

        Raises:
            RegistryError: REG-C2, it cannot be read.
        """
        name = f"documents/{target_path}"
        return self.read(name) if (self.path / name).exists() else None

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            RegistryError: REG-C2, it cannot be read.
        """
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            reason = (
                f"{self.path / name}: {error.strerror}; the state is damaged: remove its folder, "
                "and fetch again with --root"
            )
            raise RegistryError.because("REG-C2", reason) from None


class Draft(Generation):
    """A generation in the making, which nobody else sees.

    Attributes:
        before: The generation that it changes; None for the first.
    """

    def __init__(self, state: State) -> None:
        """Copy the current generation of `state`."""
        self._state = state
        self.before = state.current
        super().__init__(Path(tempfile.mkdtemp(prefix="draft-", dir=state.path)))
        self._copy()

    def write(self, name: str, data: bytes) -> None:
        """Write a file, as a new one: the old one may be shared with the generation before."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def restart(self, is_sound: Callable[[bytes], bool]) -> None:
        """Take everything back but the roots, which are kept because they were verified (REG-C1).

        Nothing changes where no new root was found, or none that `is_sound`.
        """
        if self.before is None:
            return
        old = self.before.roots()
        new = {number: data for number, data in self.roots().items() if number not in old}
        if not new or not all(map(is_sound, new.values())):
            return
        shutil.rmtree(self.path)
        self.path.mkdir(mode=0o700)
        self._copy()
        for number, data in new.items():
            self.write(f"metadata/root_history/{number}.root.json", data)
        self.commit()

    def commit(self) -> None:
        """Make this the generation that counts, durably, in one step, if anything has changed."""
        if self.before is not None and _same(self.path, self.before.path):
            return
        count = int(self.before.path.name) + 1 if self.before else 1
        final = self._state.path / f"{count:08d}"
        _persist(self.path)
        self.path.rename(final)
        link = self._state.path / "current.new"
        link.symlink_to(final.name)
        link.rename(self._state.path / "current")
        _persist_folder(self._state.path)
        self.path, self.metadata = final, final / "metadata"
        if self.before:
            shutil.rmtree(self.before.path, ignore_errors=True)

    def discard(self) -> None:
        """Remove what was not committed."""
        if self.path.name.startswith("draft-"):
            shutil.rmtree(self.path, ignore_errors=True)

    def _copy(self) -> None:
        if self.before is None:
            self.metadata.mkdir()
            return
        with suppress(FileNotFoundError):
            shutil.copytree(
                self.before.path,
                self.path,
                symlinks=True,
                dirs_exist_ok=True,
                copy_function=_shared,
            )


def _shared(source: str, target: str) -> object:
    """Link a file, or copy it where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        return shutil.copy2(source, target)
    return target


def _same(one: Path, other: Path) -> bool:
    """Tell whether two folders have the same content; files that they share are not read."""
    names = _names(one)
    return names == _names(other) and all(
        os.path.samestat((one / name).lstat(), (other / name).lstat())
        or _meaning(one / name) == _meaning(other / name)
        for name in names
    )


def _names(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return {str(path.relative_to(folder)) for path in found}


def _meaning(path: Path) -> bytes | str:
    return str(path.readlink()) if path.is_symlink() else path.read_bytes()


def take_lock(descriptor: int, wait_s: float, trouble: str, code: str) -> None:
    """Lock an open file for this process alone; the lock ends when the file is closed.

    Raises:
        RegistryError: Another process holds it for longer than `wait_s`.
    """
    ends = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends:
                reason = f"{trouble}, for {wait_s:g} s by now; try again"
                raise RegistryError.because(code, reason) from None
            time.sleep(_POLL_S)
        else:
            return


def _persist(folder: Path) -> None:
    """Bring all that is new below `folder` to the disk; what is shared is there already."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.lstat().st_nlink == 1 and not path.is_symlink():
                _persist_folder(path)
        _persist_folder(Path(parent))


def _persist_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
