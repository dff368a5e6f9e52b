"""Capability descriptors as commands take them: files, and folders of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from acp.cli.inputs import expand, open_input
from acp.cli.output import about
from acp.diagnostics import Diagnostic, FileRefusedError, Refused, Severity
from acp.v1.capability import CapabilityDescriptor

if TYPE_CHECKING:
    from acp.cli.inputs import Input


class Named(NamedTuple):
    """A descriptor and where it was found.

    Attributes:
        file: Name of the file as the user gave it.
        digest: Its identity.
        document: The descriptor; its structure was judged, its rules and signatures were not.
        caveat: What people must know about its signatures.
    """

    file: str
    digest: str
    document: CapabilityDescriptor
    caveat: str


def descriptors(paths: tuple[Path, ...]) -> list[Named]:
    """Return the descriptors in some files and folders; other documents in a folder are passed by.

    Raises:
        FileRefusedError: A file cannot be read or is malformed; one that was named holds another
            document; or there is no descriptor at all (ENV-F1).
    """
    found = list(_found(paths))
    if not found:
        reason = "there is no capability descriptor here"
        raise FileRefusedError(str(paths[0]), Diagnostic("ENV-F1", Severity.ERROR, "", reason))
    return found


def one_descriptor(path: Path) -> Named:
    """Return the descriptor in a file.

    Raises:
        FileRefusedError: The file cannot be read, is malformed, or holds another document.
    """
    return _named(open_input(path))


def _found(paths: tuple[Path, ...]) -> Iterator[Named]:
    for path in paths:
        in_folder = path.is_dir()
        for file in expand((path,)):
            opened = open_input(file)
            if not in_folder or _is_descriptor(opened):
                yield _named(opened)


def _is_descriptor(opened: Input) -> bool:
    try:
        return opened.kind is CapabilityDescriptor
    except Refused:
        return False


def _named(opened: Input) -> Named:
    with about(opened.file):
        document = opened.document()
        if not isinstance(document, CapabilityDescriptor):
            kind = type(document).__name__
            raise Refused.because("ENV-S3", f"this is a {kind}; a CapabilityDescriptor is expected")
    return Named(opened.file, opened.identity, document, opened.caveat)
