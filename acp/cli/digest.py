"""``acp digest``: print the identity of documents."""

from __future__ import annotations

from pathlib import Path

import click

from acp.cli.inputs import open_input
from acp.cli.options import FILE
from acp.cli.output import Command, Finding, Outcome, findings, one_line
from acp.diagnostics import Refused


@click.command(cls=Command, example="acp digest device.json")
@click.argument("paths", metavar="FILE...", type=FILE, nargs=-1, required=True)
def digest(paths: tuple[Path, ...]) -> Outcome:
    """Print the identity of each FILE: the SHA-256 of its canonical JSON.

    White space and the order of members make no difference. For an envelope it is the identity of
    the document inside; its signatures are not checked. Any strict JSON has an identity: use 'acp
    validate' to learn whether it is a document.
    """
    found: list[Finding] = []
    identities: list[dict[str, str]] = []
    for path in paths:
        try:
            identity = open_input(path).identity
        except Refused as refusal:
            found += findings(refusal, str(path))
        else:
            identities.append({"file": str(path), "digest": identity})
    lines = [one_line(f"{one['digest']}  {one['file']}") for one in identities]
    if len(paths) == 1:
        lines = [one["digest"] for one in identities]
    return Outcome(text="\n".join(lines), data={"documents": identities}, findings=found)
