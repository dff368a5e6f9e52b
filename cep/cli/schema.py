"""``cep schema``: print the JSON Schema of a kind of document."""

from __future__ import annotations

from acp.cli.schema import command

schema = command("cep", "plan")
