"""The `cep` command line."""

from __future__ import annotations

import click

from acp.cli.output import DISTRIBUTION, LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "compile": ("cep.cli.compile:compile_", "Turn an exported model into a plan for devices."),
        "verify": ("cep.cli.verify:verify", "Prove a plan safe for the devices it names."),
        "sign": ("cep.cli.sign:sign", "Put a plan into a signed envelope."),
        "mutate": ("cep.cli.mutate:mutate", "Make faulty plans, to test a verifier with."),
        "show": ("cep.cli.show:show", "Print a plan for people."),
        "schema": ("cep.cli.schema:schema", "Print the JSON Schema of a kind of document."),
        "explain": ("cep.cli.explain:explain", "Print a rule, its reason and an example."),
        "report": ("cep.cli.report:report", "Write a run as one page of HTML."),
        "receipt": ("cep.cli.receipt:receipt", "Check receipts."),
    },
    entry_points="cep.commands",
    expected={
        "artifact": "Compile the regions of a plan ahead of time.",
        "run": "Verify a plan, run it, and sign a receipt.",
    },
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="See 'cep COMMAND --help' for an example of each.",
)
@click.version_option(package_name=DISTRIBUTION, prog_name="cep")
def main() -> None:
    """Turn models into plans that provably fit their devices, run them, and check what ran.

    Exit status: 0 fine, 1 invalid or failed, 2 wrong usage.
    """
