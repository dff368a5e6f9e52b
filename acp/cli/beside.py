"""Documents beside those that a command judges: the options ``--with`` and ``--reference``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import click

from acp.cli.options import FILE, together
from acp.holdings import Holdings, missing

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from acp.cli.output import Finding
    from acp.message import Message
    from acp.v1.status import StatusList

_SHOWN: Final = 100


def complete_file_or_reference(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the reference descriptors whose names begin so, and have the shell complete files."""
    from click.shell_completion import CompletionItem

    from acp.cli.descriptors import complete_reference

    found = complete_reference(context, parameter, incomplete) if incomplete else []
    return [*found, CompletionItem(incomplete, type="file")]


companion_options = together(
    click.option(
        "--with",
        "others",
        type=FILE,
        multiple=True,
        metavar="FILE",
        shell_complete=complete_file_or_reference,
        help=(
            "Judge by this document too, or by those in this folder: descriptors of a system's "
            "nodes, the whole of a slice, measurement records, status lists. Where there is no "
            "such file: a name of 'acp show --reference', or all. Can be repeated."
        ),
    ),
    click.option(
        "--reference",
        "references",
        type=FILE,
        multiple=True,
        metavar="FILE",
        shell_complete=complete_file_or_reference,
        help=(
            "Warn where a descriptor differs from this one, or one in this folder, for the same "
            "product. Where there is no such file: a name of 'acp show --reference', or all. Can "
            "be repeated."
        ),
    ),
)


class Companions(NamedTuple):
    """What became of the companions.

    Attributes:
        held: The accepted ones that rules look at.
        status_lists: The accepted status lists.
        findings: What is wrong with the others.
    """

    held: Holdings = Holdings()
    status_lists: tuple[StatusList, ...] = ()
    findings: tuple[Finding, ...] = ()


def not_given(document: Message, held: Holdings) -> tuple[str, dict[str, object]]:
    """Return what to say of documents that a document names and that were not looked at.

    Returns:
        A remark for people, and members for ``--format json``; both empty where nothing is missing.
    """
    names = missing(document, held)
    if not names:
        return "", {}
    noun = "document" if len(names) == 1 else "documents"
    remark = f"not looked at: {len(names)} {noun} that it names (give them by --with)"
    return remark, {"not_given": list(names[:_SHOWN])}
