"""``acp validate``: check documents against schema and rules."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from acp import documents
from acp.cli.beside import Companions, companion_options, not_given
from acp.cli.hints import unregistered_tokens
from acp.cli.inputs import expand, open_input
from acp.cli.options import FILE, now_option, understand_option
from acp.cli.output import Command, Finding, Outcome, findings, one_line, progress
from acp.diagnostics import Refused


@click.command(
    cls=Command,
    example=(
        "acp validate device.json\n"
        "acp validate descriptors/\n"
        "acp validate system.json --with descriptors/\n"
        "acp validate device.json --with records/ --reference all"
    ),
)
@click.argument("paths", metavar="FILE...", type=FILE, nargs=-1, required=True)
@companion_options
@now_option
@understand_option
def validate(
    paths: tuple[Path, ...],
    others: tuple[Path, ...],
    references: tuple[Path, ...],
    now: datetime,
    understood: tuple[str, ...],
) -> Outcome:
    """Check documents of any kind against schema and rules.

    A FILE may be a document in JSON or, by its name, in YAML, an envelope with one inside, a folder
    of them, or - for standard input, which is JSON. Signatures are not checked: that is 'acp
    verify'.

    What a document says of others is judged by those that --with gives: ports of a system's nodes,
    slices by the whole, claims by measurement records.

    A token that no registry has is allowed, and a warning VAL-A1, since it is most often a slip.
    """
    from acp import rules

    inputs = expand(paths, yaml=True)
    beside = Companions()
    if others or references:
        from acp.cli.companions import unsigned

        beside = unsigned(others, references, now=now, understood=understood, told=set(inputs))
    context = rules.Context(
        now=now,
        status_lists=beside.status_lists,
        understood=frozenset(understood),
        held=beside.held,
    )
    found: list[Finding] = list(beside.findings)
    lines: list[str] = []
    judged: list[dict[str, object]] = []
    for path in progress(inputs, "files"):
        try:
            opened = open_input(path)
            kind = opened.kind.__name__
            document = opened.document()
            broken = (*rules.check(document, context), *unregistered_tokens(document))
            diagnostics = opened.placed(broken)
        except Refused as refusal:
            found += findings(refusal, str(path))
            judged.append({"file": str(path), "ok": False})
            continue
        one = Outcome(findings=[Finding(diagnostic, str(path)) for diagnostic in diagnostics])
        found += one.findings
        identity = documents.identity(opened.value)
        entry: dict[str, object] = {"ok": one.ok, "kind": kind, "digest": identity}
        if opened.envelope is not None:
            entry["signatures_checked"] = False
        remark, members = not_given(document, beside.held)
        entry |= members
        judged.append({"file": str(path), **entry})
        if one.ok:
            lines.append(one_line(f"{path}: ok: {kind} {identity}{opened.caveat}"))
            lines += [f"  {remark}"] if remark else []
    if len(judged) > 1:
        good = sum(entry["ok"] is True for entry in judged)
        lines.append(f"{good} of {len(judged)} documents are valid")
    return Outcome(text="\n".join(lines), data={"documents": judged}, findings=found)
