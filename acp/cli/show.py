"""``acp show``: print a document for people."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from acp.cli.descriptors import complete_reference, reference_input
from acp.cli.inputs import Input, open_input
from acp.cli.options import FILE
from acp.cli.output import Command, Outcome, about

_LIST: Final = ""
"""What ``--reference`` is without a name."""


@click.command(
    cls=Command,
    example=(
        "acp show device.dsse.json\nacp show --reference\nacp show --reference nvidia/h100-sxm"
    ),
)
@click.argument("file", type=FILE, required=False)
@click.option(
    "--reference",
    is_flag=False,
    flag_value=_LIST,
    metavar="[NAME]",
    shell_complete=complete_reference,
    help="Show the reference descriptor NAME in place of a file; without NAME, list them.",
)
def show(file: Path | None, reference: str | None) -> Outcome:
    """Print the document in FILE in words: whose it is, rates, memories, ops, and sources.

    Looks inside an envelope without checking signatures, and checks no rules: what you read may be
    forged, expired or inconsistent. Use 'acp verify'.
    """
    if (file is None) == (reference is None):
        raise click.UsageError("Give either FILE or --reference [NAME].")
    if reference == _LIST:
        return _references()
    if file is not None:
        return _card(open_input(file))
    return _card(reference_input(str(reference)))


def _references() -> Outcome:
    """Return the list of reference descriptors."""
    from acp import reference
    from acp.documents import digest

    rows: list[dict[str, str]] = []
    for name in (*reference.names(), *reference.slices()):
        descriptor = reference.load(name)
        subject = descriptor.subject
        rows.append(
            {
                "name": name,
                "vendor": subject.vendor,
                "model": subject.model,
                "device_class": subject.device_class,
                "digest": digest(descriptor),
            }
        )
    table = [(row["name"], row["device_class"], row["model"]) for row in rows]
    systems: list[dict[str, object]] = []
    for name in reference.systems():
        system = reference.load_system(name)
        systems.append({"name": name, "nodes": len(system.nodes), "digest": digest(system)})
        table.append((name, "system", f"{len(system.nodes)} nodes"))
    names, classes = (max(len(row[column]) for row in table) for column in (0, 1))
    lines = [f"{name:<{names}}  {kind:<{classes}}  {words}" for name, kind, words in table]
    return Outcome(text="\n".join(lines), data={"references": rows, "systems": systems})


def _card(opened: Input) -> Outcome:
    """Return a document in words."""
    from acp.cli.cards import card

    with about(opened.file):
        document = opened.document()
    kind = type(document).__name__
    lines = [f"{kind} {opened.identity}{opened.caveat}", card(document)]
    data: dict[str, object] = {"kind": kind, "digest": opened.identity, "document": opened.value}
    if opened.envelope is not None:
        keyids = [one.keyid for one in opened.envelope.signatures if one.keyid]
        lines += [f"  claims to be signed with {keyid}" for keyid in keyids]
        data |= {"claimed_keyids": keyids, "signatures_checked": False}
    return Outcome(text="\n".join(lines), data=data)
