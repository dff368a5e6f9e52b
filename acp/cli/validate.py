"""``acp validate``: check documents against schema and rules."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from acp.cli.inputs import expand, open_input
from acp.cli.options import FILE, now_option, understand_option
from acp.cli.output import Command, Finding, Outcome, findings, one_line, progress
from acp.diagnostics import Refused


@click.command(cls=Command, example="acp validate device.json\nacp validate descriptors/")
@click.argument("paths", metavar="FILE...", type=FILE, nargs=-1, required=True)
@now_option
@understand_option
def validate(paths: tuple[Path, ...], now: datetime, understood: tuple[str, ...]) -> Outcome:
    """Check documents of any kind against schema and rules.

    A FILE may be a document, an envelope with one inside, a folder of them, or - for standard
    input. Signatures are not checked: that is 'acp verify'.
    """
    from acp import rules

    context = rules.Context(now=now, understood=frozenset(understood))
    found: list[Finding] = []
    lines: list[str] = []
    judged: list[dict[str, object]] = []
    for path in progress(expand(paths), "files"):
        try:
            opened = open_input(path)
            kind = opened.kind.__name__
            diagnostics = rules.check(opened.document(), context)
        except Refused as refusal:
            found += findings(refusal, str(path))
            judged.append({"file": str(path), "ok": False})
            continue
        one = Outcome(findings=[Finding(diagnostic, str(path)) for diagnostic in diagnostics])
        found += one.findings
        identity = opened.identity
        entry: dict[str, object] = {"ok": one.ok, "kind": kind, "digest": identity}
        if opened.envelope is not None:
            entry["signatures_checked"] = False
        judged.append({"file": str(path), **entry})
        if one.ok:
            lines.append(one_line(f"{path}: ok: {kind} {identity}{opened.caveat}"))
    if len(judged) > 1:
        good = sum(entry["ok"] is True for entry in judged)
        lines.append(f"{good} of {len(judged)} documents are valid")
    return Outcome(text="\n".join(lines), data={"documents": judged}, findings=found)
