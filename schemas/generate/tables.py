"""Fill the field tables of the specification, between ``<!-- fields:NAME -->`` markers."""

from __future__ import annotations

import re

from schemas.generate.description import (
    DEFAULT_MAX_ITEMS,
    DEFAULT_MAX_LENGTH,
    Field,
    Message,
    Schema,
    SchemaError,
)
from schemas.generate.formats import FORMATS

_TABLE = re.compile(r"(<!-- fields:([A-Za-z0-9_.]+) -->\n).*?(<!-- /fields -->)", re.DOTALL)


def fill_tables(text: str, schema: Schema) -> str:
    """Return the Markdown `text` with a table of fields between each pair of markers.

    Raises:
        SchemaError: A marker names no message.
    """
    known = {message.full_name: message for message in schema.messages()}

    def table(found: re.Match[str]) -> str:
        message = known.get(found[2])
        if message is None:
            raise SchemaError(f"the specification has a table of {found[2]}, which is no message")
        return f"{found[1]}{_table(message, schema)}{found[3]}"

    return _TABLE.sub(table, text)


def _table(message: Message, schema: Schema) -> str:
    rows = ["| Member | Type | | Meaning |", "|---|---|---|---|"]
    for field in message.fields:
        presence = "R" if field.required else f"one `{field.oneof}`" if field.oneof else ""
        cells = (f"`{field.json_name}`", _type(field, schema), presence, _meaning(field, schema))
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def _type(field: Field, schema: Schema) -> str:
    if field.kind == "map" and field.value is not None:
        keys = field.format or "string"
        return f"map of {keys} to {_type(field.value, schema)}"
    name = field.kind
    if field.kind == "message":
        name = field.type_name.rpartition(".")[2]
    elif field.kind == "enum":
        name = " · ".join(f"`{value}`" for value, _ in schema.enum(field.type_name).values)
    elif field.kind == "struct":
        name = "object"
    elif field.format:
        constant = FORMATS[field.format].constant
        name = f"`{constant}`" if constant else field.format
    return f"list of {name}" if field.repeated else name


def _meaning(field: Field, schema: Schema) -> str:
    sentences = [field.comment.replace("\n\n", " ")]
    if field.kind == "enum":
        values = schema.enum(field.type_name).values
        sentences += [f"`{value}`: {comment}" for value, comment in values]
    if field.minimum is not None:
        sentences.append(f"At least {field.minimum}.")
    if (field.repeated or field.kind == "map") and field.max_items != DEFAULT_MAX_ITEMS:
        sentences.append(f"At most {field.max_items} entries.")
    plain = field.kind in {"bytes", "string"} and not field.format
    if plain and field.max_length != DEFAULT_MAX_LENGTH:
        unit = "characters of base64" if field.kind == "bytes" else "characters"
        sentences.append(f"At most {field.max_length} {unit}.")
    if field.registry:
        sentences.append(f"Registry: `{field.registry}`.")
    return " ".join(sentences)
