"""``cep sign``: put a plan into a signed envelope."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from acp import canonical, documents, dsse, files
from acp.cli.inputs import open_input
from acp.cli.options import key_option, load_private_key, output_option, passphrase_option
from acp.cli.output import Command, Outcome, about
from acp.diagnostics import Refused
from cep.cli.inputs import plan_argument


@click.command(cls=Command, example="cep sign plan.json --key planner.pem -o plan.dsse.json")
@plan_argument
@key_option
@passphrase_option
@output_option
def sign(
    plan_file: Path,
    key_files: tuple[Path, ...],
    passphrase_file: Path | None,
    output: Path,
) -> Outcome:
    """Put the exact bytes of PLAN into a signed envelope.

    Whether the plan is safe is not asked here: run 'cep verify --unsigned' first. Where PLAN is an
    envelope, the signatures are added to those it has.
    """
    from cep.graph import GraphView
    from cep.v1.graph import Graph
    from cep.v1.plan import Plan

    opened = open_input(plan_file)
    with about(plan_file):
        if opened.envelope is not None and opened.envelope.payload_type != dsse.PLAN:
            reason = f"found payload type {opened.envelope.payload_type!r}, not {dsse.PLAN}"
            raise Refused.because("ENV-E3", reason, "/payloadType")
        GraphView.of(documents.load(opened.payload, Plan, (Graph,)))
        if canonical.canonicalize(opened.value) != opened.payload:
            raise Refused.because(
                "CEP-I3",
                "the plan is not written in canonical JSON (RFC 8785); write it as 'cep compile' "
                "does",
            )
    keys = [load_private_key(path, passphrase_file) for path in key_files]
    envelope = dsse.sign(opened.payload, dsse.PLAN, keys)
    if opened.envelope is not None:
        signatures = (*opened.envelope.signatures, *envelope.signatures)
        envelope = replace(envelope, signatures=signatures)
    files.write(output, envelope.to_bytes())
    keyids = [key.public.keyid for key in keys]
    lines = [f"wrote {output}: plan {opened.identity}", *(f"signed with {k}" for k in keyids)]
    return Outcome(
        text="\n".join(lines),
        data={"output": str(output), "digest": opened.identity, "keyids": keyids},
    )
