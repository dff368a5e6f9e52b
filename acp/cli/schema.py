"""``acp schema`` and ``cep schema``: print the JSON Schema of a kind of document."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files as resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from acp import files
from acp.cli.options import FILE
from acp.cli.output import Command, Outcome, one_line

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_END = ".schema.json"
_ELSEWHERE = {
    "acp": "; plans, graphs and receipts: see 'cep schema'",
    "cep": "; what devices can do: see 'acp schema'",
}


def command(package: str, example: str) -> click.Command:
    """Return the command that prints the schemas of one package."""

    @click.command(
        "schema",
        cls=Command,
        example=f"{package} schema\n{package} schema {example} -o {example}{_END}",
    )
    @click.argument("kind", required=False)
    @click.option("-o", "--output", type=FILE, help="File to write; is replaced as a whole.")
    def schema(kind: str | None, output: Path | None) -> Outcome:
        """Print the JSON Schema of a KIND of document, or list the kinds.

        Editors check, complete and explain what you write by it: see docs/editors.md.
        """
        known = _schemas(package)
        if kind is None:
            if output is not None:
                raise click.UsageError("say which KIND to write")
            listed = {name: json.loads(file.read_bytes()) for name, file in known.items()}
            lines = [f"{name:<24} {_first(one)}" for name, one in listed.items()]
            kinds = [{"kind": name, "id": one["$id"]} for name, one in listed.items()]
            return Outcome(text="\n".join(lines), data={"kinds": kinds})
        if kind not in known:
            reason = f"there is no kind {kind!r}; there are {', '.join(known)}{_ELSEWHERE[package]}"
            raise click.UsageError(reason)
        data = known[kind].read_bytes()
        if output is None:
            return Outcome(text=data.decode().rstrip(), data={"schema": json.loads(data)})
        files.write(output, data)
        return Outcome(text=one_line(f"wrote {output}"), data={"output": str(output)})

    return schema


def _first(schema: dict[str, str]) -> str:
    """Return the first paragraph of what a schema says of its documents."""
    return schema["description"].partition("\n\n")[0]


@cache
def _schemas(package: str) -> dict[str, Traversable]:
    """Return the files of the schemas by the names of the kinds."""
    folder = resources(package).joinpath("schemas")
    return {
        file.name.removeprefix(f"{package}.v1.").removesuffix(_END): file
        for file in sorted(folder.iterdir(), key=lambda one: one.name)
    }


schema = command("acp", "capability-descriptor")
