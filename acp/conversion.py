"""Documents from one form to another: JSON, canonical JSON, YAML, and protobuf's binary encoding.

Invariants:

* All forms of a document have one identity. `write` reads back what it has made and refuses to give
  out anything else.
* What is written depends on the document alone: members come in the order of the schema, names that
  authors choose are sorted.
* Comments and signatures are no part of a document, and are not kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from acp import canonical, documents
from acp.diagnostics import DecodeError, StructureError

if TYPE_CHECKING:
    from acp.canonical import JsonValue
    from acp.message import Message


class Form(StrEnum):
    """How a document is written down."""

    JSON = "json"
    CANONICAL = "canonical"
    YAML = "yaml"
    PROTOBUF = "protobuf"


SUFFIXES: Final = {
    ".json": Form.JSON,
    ".yaml": Form.YAML,
    ".yml": Form.YAML,
    ".binpb": Form.PROTOBUF,
    ".pb": Form.PROTOBUF,
}
"""The forms that the ends of files' names stand for."""


def form_of(name: PurePath) -> Form | None:
    """Return the form that a file has by its name."""
    return SUFFIXES.get(name.suffix)


def read(data: bytes, form: Form, kinds: Sequence[type[Message]]) -> Message:
    """Return the document that `data` holds in a form.

    Args:
        data: A bare document.
        form: How it is written down.
        kinds: What it may be. JSON and YAML are told apart by their members; a binary document must
            fit exactly one.

    Raises:
        DecodeError: `data` is not in this form (ENV-J1 to ENV-J4, ENV-Y1 to ENV-Y3, ENV-P1).
        StructureError: It is no such document, or departs from the schema (ENV-S1 to ENV-S4,
            ACP-U01).
    """
    match form:
        case Form.PROTOBUF:
            return _from_binary(data, kinds)
        case Form.YAML:
            from acp import yaml_text

            data = canonical.canonicalize(yaml_text.decode(data))
    return documents.identify(canonical.decode(data), kinds).from_text(data)


def write(document: Message, form: Form) -> bytes:
    """Return a document in a form.

    Raises:
        DecodeError: The document is more than the form can hold (ENV-Y1, ENV-P1).
    """
    data = _written(document, form)
    if documents.digest(read(data, form, [type(document)])) != documents.digest(document):
        raise AssertionError(f"{form} lost a part of the document; please report this")
    return data


def _written(document: Message, form: Form) -> bytes:
    match form:
        case Form.CANONICAL:
            return canonical.canonicalize(document.to_json())
        case Form.JSON:
            text = json.dumps(_ordered(document), indent=2, ensure_ascii=False)
            return f"{text}\n".encode()
        case Form.YAML:
            from acp import yaml_emit

            return yaml_emit.encode(_ordered(document))
        case Form.PROTOBUF:
            from acp import protobuf

            return protobuf.to_binary(document)


def _ordered(document: Message) -> JsonValue:
    """Return the JSON of a document with names that authors choose in order."""
    text = canonical.canonicalize(document.to_json())
    return type(document).from_text(text).to_json()


def _from_binary(data: bytes, kinds: Sequence[type[Message]]) -> Message:
    from acp import protobuf

    fitting: list[Message] = []
    for kind in kinds:
        try:
            fitting.append(protobuf.from_binary(data, kind))
        except (DecodeError, StructureError):
            if len(kinds) == 1:
                raise
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(kind.__name__ for kind in kinds)
    reason = (
        f"the bytes fit {len(fitting)} of {names}, and do not say which they are; name the kind of "
        "document to learn what is wrong"
    )
    raise StructureError.because("ENV-S1", reason)
