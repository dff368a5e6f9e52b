"""``acp convert``: write a document in another form."""

from __future__ import annotations

from pathlib import Path

import click

from acp import documents, files
from acp.cli.inputs import open_input
from acp.cli.kinds import KINDS
from acp.cli.options import FILE
from acp.cli.output import Command, Outcome, about, one_line
from acp.conversion import SUFFIXES, Form, form_of, read, write

FORMS = click.Choice([str(form) for form in Form])


@click.command(
    cls=Command,
    example=(
        "acp convert device.json device.yaml\n"
        "acp convert device.yaml device.binpb\n"
        "acp convert device.binpb device.json --to canonical"
    ),
)
@click.argument("source", metavar="IN", type=FILE)
@click.argument("target", metavar="OUT", type=FILE)
@click.option("--from", "given", type=FORMS, help="Form of IN. [default: by its name]")
@click.option("--to", "wanted", type=FORMS, help="Form of OUT. [default: by its name]")
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    help="What a binary IN is, which does not say so itself. [default: the one kind that fits]",
)
def convert(
    source: Path, target: Path, given: str | None, wanted: str | None, kind: str | None
) -> Outcome:
    """Write the document IN as OUT: JSON, canonical JSON, YAML or protobuf's binary encoding.

    The document stays the same, and so does its identity. Comments are lost, and the signatures of
    an envelope, which are not checked. Of the rules only those of structure are checked: use 'acp
    validate' for the others. The form of a file follows from its name: .json, .yaml, .yml, .binpb
    or .pb.
    """
    before = _form(source, given, "--from")
    after = _form(target, wanted, "--to")
    signed = False
    with about(source):
        if before is Form.PROTOBUF:
            kinds = [KINDS[kind]] if kind else list(KINDS.values())
            document = read(files.read(source), before, kinds)
        else:
            opened = open_input(source, yaml=before is Form.YAML)
            document, signed = opened.document(), opened.envelope is not None
    with about(target):
        data = write(document, after)
    files.write(target, data)
    identity = documents.digest(document)
    name = type(document).__name__
    dropped = "; the signatures of the envelope are not in it, nor checked" if signed else ""
    return Outcome(
        text=one_line(f"wrote {target}: {name} {identity}, {len(data)} bytes{dropped}"),
        data={
            "output": str(target),
            "kind": name,
            "digest": identity,
            "from": str(before),
            "to": str(after),
            "signatures_dropped": signed,
        },
    )


def _form(path: Path, named: str | None, option: str) -> Form:
    if named is not None:
        return Form(named)
    found = Form.JSON if path == files.DASH else form_of(path)
    if found is None:
        known = ", ".join(SUFFIXES)
        raise click.UsageError(f"the name {path} ends with none of {known}; say {option}")
    return found
