"""The `acp` command line. `acp.cli.output` and `acp.files` serve the `cep` one too."""

from __future__ import annotations

import click

from acp.cli.output import DISTRIBUTION, LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "init": ("acp.cli.init:init", "Begin a descriptor: commented YAML to go on from."),
        "validate": ("acp.cli.validate:validate", "Check documents against schema and rules."),
        "sign": ("acp.cli.sign:sign", "Put a valid document into a signed envelope."),
        "verify": ("acp.cli.verify:verify", "Check signature, trust, schema and rules."),
        "convert": ("acp.cli.convert:convert", "Write a document as JSON, YAML or protobuf."),
        "digest": ("acp.cli.digest:digest", "Print the identity of documents."),
        "show": ("acp.cli.show:show", "Print a document for people."),
        "publish": ("acp.cli.publish:publish", "List signed documents in a registry."),
        "fetch": ("acp.cli.fetch:fetch", "Obtain documents from a registry, verified."),
        "revoke": ("acp.cli.revoke:revoke", "Take published documents back."),
        "registry": ("acp.cli.registry:registry", "Begin and keep a registry."),
        "diff": ("acp.cli.diff:diff", "Say what a new document claims more or less."),
        "match": ("acp.cli.match:match", "Ask descriptors what their devices can do."),
        "schema": ("acp.cli.schema:schema", "Print the JSON Schema of a kind of document."),
        "explain": ("acp.cli.explain:explain", "Print a rule, its reason and an example."),
        "keygen": ("acp.cli.keygen:keygen", "Make a key pair."),
        "policy": ("acp.cli.policy:policy", "Make and read trust policies."),
    },
    entry_points="acp.commands",
    expected={
        "measure": "Measure a device at length, and hold claims against it.",
        "probe": "Find, describe and briefly measure the devices of this machine.",
    },
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="See 'acp COMMAND --help' for an example of each.",
)
@click.version_option(package_name=DISTRIBUTION, prog_name="acp")
def main() -> None:
    """Say what a device can do, check what others say, and know who said it.

    Exit status: 0 fine, 1 invalid or failed, 2 wrong usage.
    """
