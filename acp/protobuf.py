"""Documents in protobuf's binary encoding. The identity of a document stays that of its JSON form.

Importing this module loads protobuf; nothing else in `acp` does.
"""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

from google.protobuf import json_format, message, unknown_fields

from acp.canonical import Limits, collector_paused
from acp.diagnostics import DecodeError, StructureError
from acp.message import Message

M = TypeVar("M", bound=Message)


def to_binary(document: Message) -> bytes:
    """Return the binary encoding of `document`: equal documents give equal bytes."""
    with collector_paused():
        encoded = json_format.ParseDict(document.to_json(), _class_of(type(document))())
        return bytes(encoded.SerializeToString(deterministic=True))


def from_binary(data: bytes, kind: type[M]) -> M:
    """Return the document of type `kind` that `data` encodes.

    Raises:
        DecodeError: `data` is longer than a JSON text may be (ENV-J3).
        StructureError: `data` is no such message, or departs from the schema as `Message.from_json`
            says; unknown fields, unknown enum numbers and explicit zeros of enums are refused.
    """
    most = Limits().max_bytes
    if len(data) > most:
        raise DecodeError.because("ENV-J3", f"has {len(data)} bytes; at most {most} are allowed")
    try:
        decoded = _class_of(kind).FromString(data)
    except message.DecodeError:
        reason = f"the bytes are not a protobuf message {kind.PROTO_NAME}"
        raise StructureError.because("ENV-S3", reason) from None
    _refuse_unknown(decoded)
    try:
        with collector_paused():
            value = json_format.MessageToDict(decoded)
        if "extensions" in value:
            value["extensions"] = _integral(value["extensions"])
    except json_format.SerializeToJsonError as error:
        raise StructureError.because("ENV-S3", f"has no JSON form: {error}") from None
    return kind.from_json(value)


def _class_of(kind: type[Message]) -> Any:
    """Return protoc's class for a model; the two live in modules side by side."""
    return getattr(importlib.import_module(f"{kind.__module__}_pb2"), kind.__name__)


def _integral(value: Any) -> Any:
    """Return `value` with the doubles of ``Struct`` that are integers as integers again."""
    if isinstance(value, dict):
        return {name: _integral(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_integral(element) for element in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _refuse_unknown(root: Any) -> None:
    pending = [root]
    while pending:
        inner = pending.pop()
        unknown: Any = unknown_fields.UnknownFieldSet(inner)
        if len(unknown):
            number = unknown[0].field_number
            reason = f"{inner.DESCRIPTOR.full_name} has no field number {number}"
            raise StructureError.because("ENV-S2", reason)
        for field, value in inner.ListFields():
            if field.message_type is None:
                continue
            if field.message_type.GetOptions().map_entry:
                if field.message_type.fields_by_name["value"].message_type is not None:
                    pending.extend(value.values())
            elif hasattr(value, "DESCRIPTOR"):
                pending.append(value)
            else:
                pending.extend(value)
