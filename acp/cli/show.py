"""``acp show``: print a document for people."""

from __future__ import annotations

from pathlib import Path

import click

from acp.cli.inputs import open_input
from acp.cli.options import FILE
from acp.cli.output import Command, Outcome, about


@click.command(cls=Command, example="acp show device.dsse.json")
@click.argument("file", type=FILE)
def show(file: Path) -> Outcome:
    """Print the document in FILE in words: whose it is, rates, memories, ops, and sources.

    Looks inside an envelope without checking signatures, and checks no rules: what you read may be
    forged, expired or inconsistent. Use 'acp verify'.
    """
    from acp.cli.card import card

    opened = open_input(file)
    with about(file):
        document = opened.document()
    kind = type(document).__name__
    lines = [f"{kind} {opened.identity}{opened.caveat}", card(document)]
    data: dict[str, object] = {"kind": kind, "digest": opened.identity, "document": opened.value}
    if opened.envelope is not None:
        keyids = [one.keyid for one in opened.envelope.signatures if one.keyid]
        lines += [f"  claims to be signed with {keyid}" for keyid in keyids]
        data |= {"claimed_keyids": keyids, "signatures_checked": False}
    return Outcome(text="\n".join(lines), data=data)
