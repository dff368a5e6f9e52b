"""Capability descriptors as commands take them: files, folders of them, reference descriptors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import click
from click.shell_completion import CompletionItem

from acp.canonical import decode
from acp.cli.inputs import Input, expand, open_input
from acp.cli.output import about
from acp.diagnostics import Diagnostic, FileRefusedError, Refused, Severity
from acp.v1.capability import CapabilityDescriptor

ALL: Final = "all"
"""What stands for every reference descriptor."""


def complete_reference(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the names of reference descriptors that begin so, with the vendor or without."""
    from acp import reference

    begun = incomplete.lower()
    known = (*reference.names(), *reference.slices(), *reference.systems())
    full = [name for name in known if name.startswith(begun)]
    models = [name.partition("/")[2] for name in known]
    return [CompletionItem(one) for one in full or models if one.startswith(begun)]


references_option = click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_reference,
    help="A reference descriptor, or all. 'acp show --reference' lists them. Can be repeated.",
)


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


def descriptors(paths: tuple[Path, ...], references: tuple[str, ...] = ()) -> list[Named]:
    """Return reference descriptors, and those in some files and folders.

    Other documents in a folder are passed by.

    Raises:
        click.BadParameter: There is no such reference descriptor.
        FileRefusedError: A file cannot be read or is malformed; one that was named holds another
            document; or there is no descriptor at all (ENV-F1).
    """
    found = [*_found(paths), *map(_named, _references(references))]
    if not found:
        reason = "there is no capability descriptor here"
        raise FileRefusedError(str(paths[0]), Diagnostic("ENV-F1", Severity.ERROR, "", reason))
    return found


def reference_input(name: str) -> Input:
    """Return a reference descriptor.

    Raises:
        click.BadParameter: There is none of this name.
    """
    from acp import reference

    try:
        full = reference.find(name)
    except reference.UnknownReferenceError as unknown:
        raise click.BadParameter(
            f"{unknown} ('acp show --reference' lists them)", param_hint="--reference"
        ) from None
    data = reference.read(full)
    return Input(f"reference {full}", data, decode(data), None)


def _references(wanted: tuple[str, ...]) -> Iterator[Input]:
    if ALL in wanted:
        from acp import reference

        wanted = reference.names()
    return map(reference_input, wanted)


def _found(paths: tuple[Path, ...]) -> Iterator[Named]:
    for path in paths:
        in_folder = path.is_dir()
        for file in expand((path,), yaml=True):
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
