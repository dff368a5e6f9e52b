"""Reading and writing files for the command lines: whole, bounded, atomic, with typed refusals.

Invariants:

* No more than the limit is ever read, whatever the file claims to be; ``-`` is standard input.
* A file is written to a temporary neighbour and renamed, so that a reader sees the old content or
  the new one and never a part, also after a crash.
* What fails is ENV-F1 (cannot be read) or ENV-F2 (cannot be written), about the file's name.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

from acp.canonical import Limits
from acp.diagnostics import Diagnostic, FileRefusedError, Severity

MAX_BYTES: Final = Limits().max_bytes
"""As much as `acp.canonical.decode` takes."""

DASH: Final = Path("-")
"""What the user writes for standard input. Standard output is kept for a command's answer."""


def read(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a file, or of standard input for ``-``.

    Raises:
        FileRefusedError: It cannot be read, or has more than `max_bytes` (ENV-F1).
    """
    try:
        if path == DASH:
            data = sys.stdin.buffer.read(max_bytes + 1)
        else:
            with path.open("rb") as file:
                data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise _refused("ENV-F1", path, "cannot be read", error) from error
    if len(data) > max_bytes:
        reason = f"has more than the {max_bytes} bytes allowed"
        raise FileRefusedError(str(path), Diagnostic("ENV-F1", Severity.ERROR, "", reason))
    return data


def write(path: Path, data: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
    """Write a file atomically, and durably.

    Args:
        path: Where to. A device or pipe is written to directly, a symbolic link is followed.
        data: The whole content.
        mode: Permissions of the file, before the process's umask.
        replace: Whether a file that exists may be replaced.

    Raises:
        FileRefusedError: It cannot be written, is ``-``, or exists and `replace` is false (ENV-F2).
    """
    if path == DASH:
        reason = "standard output is kept for the command's answer; name a file"
        raise FileRefusedError(str(path), Diagnostic("ENV-F2", Severity.ERROR, "", reason))
    try:
        if _is_special(path):
            path.write_bytes(data)
        else:
            _write_renamed(path, data, mode, replace=replace)
    except (OSError, ValueError) as error:
        raise _refused("ENV-F2", path, "cannot be written", error) from error


def _is_special(path: Path) -> bool:
    """Tell whether `path` exists and is neither a file nor a directory."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not stat.S_ISREG(kind) and not stat.S_ISDIR(kind)


def _write_renamed(path: Path, data: bytes, mode: int, *, replace: bool) -> None:
    target = path.resolve()
    if target.is_dir():
        raise IsADirectoryError(None, "is a directory")
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:64]}.", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode & ~_umask())
            os.fsync(file.fileno())
        if replace:
            temporary.replace(target)
        else:
            # Unlike a test followed by a rename, a link fails if somebody else was faster.
            target.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """Return the process's file mode mask, which the system only tells when it is changed."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _refused(code: str, path: Path, failure: str, error: Exception) -> FileRefusedError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    message = f"{failure}: {reason}"
    return FileRefusedError(str(path), Diagnostic(code, Severity.ERROR, "", message))
