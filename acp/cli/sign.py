"""``acp sign``: put a valid document into a signed envelope."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from acp import dsse, files
from acp.cli.inputs import YAML, Input, open_input
from acp.cli.options import (
    FILE,
    key_option,
    load_private_key,
    now_option,
    output_option,
    passphrase_option,
    understand_option,
)
from acp.cli.output import Command, Finding, Outcome, about


@click.command(cls=Command, example="acp sign device.json --key vendor.pem -o device.dsse.json")
@click.argument("file", type=FILE)
@key_option
@passphrase_option
@output_option
@now_option
@understand_option
def sign(
    file: Path,
    key_files: tuple[Path, ...],
    passphrase_file: Path | None,
    output: Path,
    now: datetime,
    understood: tuple[str, ...],
) -> Outcome:
    """Validate FILE and put its exact bytes into a signed envelope.

    Of a FILE in YAML it is the canonical JSON that is signed. A document that breaks a rule is not
    signed; warnings do not hinder. Where FILE is an envelope, the signatures are added to those it
    has.
    """
    from acp import rules

    context = rules.Context(now=now, understood=frozenset(understood))
    opened = open_input(file)
    _check_output(opened, output)
    with about(file):
        kind = opened.kind
        diagnostics = opened.placed(rules.check(opened.document(), context))
    found = [Finding(diagnostic, str(file)) for diagnostic in diagnostics]
    if not Outcome(findings=found).ok:
        return Outcome(text="not signed", findings=found)
    keys = [load_private_key(path, passphrase_file) for path in key_files]
    envelope = dsse.sign(opened.payload, kind.PAYLOAD_TYPE, keys)
    if opened.envelope is not None:
        signatures = (*opened.envelope.signatures, *envelope.signatures)
        envelope = replace(envelope, signatures=signatures)
    files.write(output, envelope.to_bytes())
    keyids = [key.public.keyid for key in keys]
    return Outcome(
        text=f"wrote {output}: {kind.__name__} {opened.identity}\n"
        + "\n".join(f"signed with {keyid}" for keyid in keyids),
        data={
            "output": str(output),
            "kind": kind.__name__,
            "digest": opened.identity,
            "payload_type": kind.PAYLOAD_TYPE,
            "keyids": keyids,
        },
        findings=found,
    )


def _check_output(opened: Input, output: Path) -> None:
    """Keep what somebody wrote by hand from being replaced by an envelope.

    Raises:
        click.BadParameter: `output` is named like YAML, or is the document itself.
    """
    wrong = "an envelope is JSON" if output.suffix in YAML else ""
    both = output.exists() and Path(opened.file).exists()
    if opened.envelope is None and both and output.samefile(opened.file):
        wrong = "this would replace the document by its envelope"
    if wrong:
        reason = (
            f"{wrong}; name another file, such as {output.stem.removesuffix('.dsse')}.dsse.json"
        )
        raise click.BadParameter(reason, param_hint="-o")
