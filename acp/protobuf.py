"""Documents in protobuf's binary encoding. The identity of a document stays that of its JSON form.

Importing this module loads protobuf; nothing else in `acp` does.
"""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

from google.protobuf import json_format, message

from acp import wire
from acp.canonical import MAX_INTEGER, canonicalize, collector_paused
from acp.diagnostics import DecodeError
from acp.message import Message

M = TypeVar("M", bound=Message)


def to_binary(document: Message) -> bytes:
    """Return the binary encoding of `document`: equal documents give equal bytes.

    Raises:
        DecodeError: It would be more than `from_binary` takes (ENV-P1).
    """
    kind = _class_of(type(document))
    with collector_paused():
        try:
            encoded = json_format.ParseDict(document.to_json(), kind())
        except json_format.ParseError as error:
            raise DecodeError.because("ENV-P1", f"has no binary form: {error}") from None
        data = bytes(encoded.SerializeToString(deterministic=True))
    wire.check(data, kind.DESCRIPTOR)
    return data


def from_binary(data: bytes, kind: type[M]) -> M:
    """Return the document of type `kind` that `data` encodes.

    Raises:
        DecodeError: `data` is no such message, or too much of one (ENV-P1), or stands for what JSON
            cannot say (ENV-J1 to ENV-J4).
        StructureError: It departs from the schema as `Message.from_json` says; unknown fields,
            unknown enum numbers and explicit zeros of enums are refused.
    """
    known = _class_of(kind)
    wire.check(data, known.DESCRIPTOR)
    try:
        with collector_paused():
            value = json_format.MessageToDict(known.FromString(data))
    except message.DecodeError:
        reason = f"the bytes are not a protobuf message {kind.PROTO_NAME}"
        raise DecodeError.because("ENV-P1", reason) from None
    except json_format.SerializeToJsonError as error:
        raise DecodeError.because("ENV-P1", f"has no JSON form: {error}") from None
    if "extensions" in value:
        value["extensions"] = _integral(value["extensions"])
    return kind.from_text(canonicalize(value))


def _class_of(kind: type[Message]) -> Any:
    """Return protoc's class for a model; the two live in modules side by side."""
    return getattr(importlib.import_module(f"{kind.__module__}_pb2"), kind.__name__)


def _integral(value: Any) -> Any:
    """Return `value` with the doubles of ``Struct`` that are exact integers as integers again."""
    if isinstance(value, dict):
        return {name: _integral(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_integral(element) for element in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_INTEGER:
        return int(value)
    return value
