"""What the emitters need to know of the protos, and the house rules that the protos must keep.

House rules: every singular field outside a oneof is ``optional``, so that presence is exact; the
JSON name of a field is the name the proto gives it, except in the messages whose names other
standards fix; every message, field, enum and value has a comment; the zero of an enum is
``…UNSPECIFIED``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from schemas.generate.formats import FORMATS

FOREIGN_NAMES = frozenset(
    {
        "acp.v1.Envelope",
        "acp.v1.Signature",
        "cep.v1.ResourceDescriptor",
        "cep.v1.Statement",
    }
)
"""Messages whose member names DSSE and in-toto fix."""

ENVELOPE = "acp.v1.Envelope"
"""Travels on its own without being a payload, so it has a JSON Schema but no payload type."""

DEFAULT_MAX_ITEMS = 4096
DEFAULT_MAX_LENGTH = 2048
STRUCT = "google.protobuf.Struct"

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    _Field.TYPE_BOOL: "bool",
    _Field.TYPE_BYTES: "bytes",
    _Field.TYPE_INT64: "int64",
    _Field.TYPE_STRING: "string",
    _Field.TYPE_UINT32: "uint32",
    _Field.TYPE_UINT64: "uint64",
}
_MESSAGE_TYPE, _ENUM_TYPE, _FIELD, _NESTED_ENUM, _VALUE = 4, 5, 2, 4, 2


class SchemaError(Exception):
    """The protos break a house rule."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    Attributes:
        name: Name in the proto and in Python.
        json_name: Name in JSON.
        kind: A scalar type, ``enum``, ``message``, ``struct`` or ``map``.
        type_name: Full name of the enum or message.
        value: The values of a map.
        repeated: The field is a list.
        oneof: The oneof that the field is a member of.
        comment: What the field means.
        required: The member must be present; a list or map must not be empty.
        format: Name of a string format; of the keys where the field is a map.
        minimum: Smallest integer, where it is not the smallest of the type.
        min_items: Fewest elements.
        max_items: Most elements or entries.
        max_length: Most characters of a string; of the base64 text where the field is bytes.
        registry: Registry of the known tokens.
    """

    name: str
    json_name: str
    kind: str
    comment: str
    type_name: str = ""
    value: Field | None = None
    repeated: bool = False
    oneof: str = ""
    required: bool = False
    format: str = ""
    minimum: int | None = None
    min_items: int = 0
    max_items: int = DEFAULT_MAX_ITEMS
    max_length: int = DEFAULT_MAX_LENGTH
    registry: str = ""


@dataclass(frozen=True, slots=True)
class Enum:
    """A closed set of names, without the unspecified zero."""

    name: str
    full_name: str
    comment: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One message, and what makes it a document if it is one."""

    name: str
    full_name: str
    comment: str
    fields: tuple[Field, ...]
    oneofs: tuple[tuple[str, tuple[Field, ...]], ...]
    enums: tuple[Enum, ...]
    payload_type: str
    summary: str

    @property
    def may_be_empty(self) -> bool:
        """Tell whether a message without any field is valid."""
        return not self.oneofs and not any(field.required for field in self.fields)

    @property
    def is_document(self) -> bool:
        """Tell whether the message travels on its own."""
        return bool(self.payload_type) or self.full_name == ENVELOPE


@dataclass(frozen=True, slots=True)
class File:
    """One proto file: ``acp/v1/status.proto``, its comment, and its messages in order."""

    path: str
    comment: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """All files that define messages of ours."""

    files: tuple[File, ...]

    def messages(self) -> Iterator[Message]:
        """Yield every message."""
        for file in self.files:
            yield from file.messages

    def empty_says_nothing(self, field: Field) -> bool:
        """Tell whether an empty message in the field would say no more than an absent one."""
        optional = not (field.required or field.repeated or field.oneof)
        return field.kind == "message" and optional and self.message(field.type_name).may_be_empty

    def message(self, full_name: str) -> Message:
        """Return the message called `full_name`."""
        return next(message for message in self.messages() if message.full_name == full_name)

    def enum(self, full_name: str) -> Enum:
        """Return the enum called `full_name`."""
        enums = (enum for message in self.messages() for enum in message.enums)
        return next(enum for enum in enums if enum.full_name == full_name)


def describe(compiled: descriptor_pb2.FileDescriptorSet) -> Schema:
    """Return what the emitters need to know.

    Raises:
        SchemaError: A house rule is broken.
    """
    options = _Options(compiled)
    files = (
        _file(proto, options)
        for proto in compiled.file
        if not proto.name.startswith("google/") and proto.name != "acp/v1/options.proto"
    )
    return Schema(tuple(sorted(files, key=lambda file: file.path)))


class _Options:
    """Reads our options, which generic descriptors carry as unknown fields."""

    def __init__(self, compiled: descriptor_pb2.FileDescriptorSet) -> None:
        pool = descriptor_pool.DescriptorPool()
        for proto in compiled.file:
            pool.AddSerializedFile(proto.SerializeToString())
        find = pool.FindMessageTypeByName
        self._field = message_factory.GetMessageClass(find("google.protobuf.FieldOptions"))
        self._message = message_factory.GetMessageClass(find("google.protobuf.MessageOptions"))
        for name in ("acp.v1.FieldRules", "acp.v1.DocumentRules"):
            message_factory.GetMessageClass(find(name))
        self._rules = pool.FindExtensionByName("acp.v1.rules")
        self._document = pool.FindExtensionByName("acp.v1.document")

    def rules(self, field: descriptor_pb2.FieldDescriptorProto) -> Any:
        return self._field.FromString(field.options.SerializeToString()).Extensions[self._rules]

    def document(self, message: descriptor_pb2.DescriptorProto) -> Any:
        parsed = self._message.FromString(message.options.SerializeToString())
        return parsed.Extensions[self._document]


class _Comments:
    """Comments of one file, by path into its descriptor."""

    def __init__(self, proto: descriptor_pb2.FileDescriptorProto) -> None:
        self._file = proto.name
        self._by_path = {
            tuple(place.path): place.leading_comments for place in proto.source_code_info.location
        }
        syntax = [place for place in proto.source_code_info.location if tuple(place.path) == (12,)]
        self.of_file = _tidy(syntax[0].leading_comments) if syntax else ""

    def at(self, name: str, *path: int) -> str:
        comment = _tidy(self._by_path.get(path, ""))
        if not comment:
            raise SchemaError(f"{self._file}: {name} has no comment")
        return comment


def _tidy(comment: str) -> str:
    """Return paragraphs of a comment, each on one line, separated by one empty line."""
    paragraphs = "\n".join(line.strip() for line in comment.strip().splitlines()).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _file(proto: descriptor_pb2.FileDescriptorProto, options: _Options) -> File:
    comments = _Comments(proto)
    messages = tuple(
        _message(proto.package, message, comments, (_MESSAGE_TYPE, index), options)
        for index, message in enumerate(proto.message_type)
    )
    if proto.enum_type:
        raise SchemaError(f"{proto.name}: nest enums in the message that uses them")
    return File(proto.name, comments.of_file, messages)


def _message(
    package: str,
    proto: descriptor_pb2.DescriptorProto,
    comments: _Comments,
    path: tuple[int, ...],
    options: _Options,
) -> Message:
    full_name = f"{package}.{proto.name}"
    entries = {nested.name: nested for nested in proto.nested_type}
    if not all(nested.options.map_entry for nested in proto.nested_type):
        raise SchemaError(f"{full_name}: nest enums only")
    fields = tuple(
        _field(
            full_name,
            proto,
            field,
            entries,
            comments.at(f"{full_name}.{field.name}", *path, _FIELD, index),
            options,
        )
        for index, field in enumerate(proto.field)
    )
    oneofs = dict.fromkeys(field.oneof for field in fields if field.oneof)
    document = options.document(proto)
    return Message(
        name=proto.name,
        full_name=full_name,
        comment=comments.at(full_name, *path),
        fields=fields,
        oneofs=tuple(
            (name, tuple(field for field in fields if field.oneof == name)) for name in oneofs
        ),
        enums=tuple(
            _enum(full_name, enum, comments, (*path, _NESTED_ENUM, index))
            for index, enum in enumerate(proto.enum_type)
        ),
        payload_type=document.payload_type,
        summary=document.summary,
    )


def _field(
    owner: str,
    message: descriptor_pb2.DescriptorProto,
    proto: descriptor_pb2.FieldDescriptorProto,
    entries: dict[str, descriptor_pb2.DescriptorProto],
    comment: str,
    options: _Options,
) -> Field:
    name = f"{owner}.{proto.name}"
    rules = options.rules(proto)
    if proto.json_name != proto.name and owner not in FOREIGN_NAMES:
        raise SchemaError(f'{name}: pin the JSON name, [json_name = "{proto.name}"]')
    if rules.format and rules.format not in FORMATS:
        raise SchemaError(f"{name}: no format is called {rules.format!r}")
    repeated = proto.label == _Field.LABEL_REPEATED
    in_oneof = proto.HasField("oneof_index") and not proto.proto3_optional
    if not (repeated or in_oneof or proto.proto3_optional):
        raise SchemaError(f"{name}: write `optional`, so that presence is exact")
    kind, type_name = _kind(name, proto)
    value = None
    entry = entries.get(proto.type_name.rpartition(".")[2]) if kind == "message" else None
    if entry is not None:
        key, item = entry.field
        if key.type != _Field.TYPE_STRING:
            raise SchemaError(f"{name}: keys of maps are strings")
        item_kind, item_type = _kind(name, item)
        value = Field(item.name, item.name, item_kind, "", item_type)
        kind, type_name, repeated = "map", "", False
    limit = FORMATS[rules.format].max_length if rules.format else DEFAULT_MAX_LENGTH
    return Field(
        name=proto.name,
        json_name=proto.json_name,
        kind=kind,
        comment=comment,
        type_name=type_name,
        value=value,
        repeated=repeated,
        oneof=message.oneof_decl[proto.oneof_index].name if in_oneof else "",
        required=rules.required,
        format=rules.format,
        minimum=rules.minimum or None,
        min_items=max(rules.min_items, int(rules.required)) if repeated or kind == "map" else 0,
        max_items=rules.max_items or DEFAULT_MAX_ITEMS,
        max_length=rules.max_length or limit,
        registry=rules.registry,
    )


def _kind(name: str, proto: descriptor_pb2.FieldDescriptorProto) -> tuple[str, str]:
    type_name = proto.type_name.removeprefix(".")
    if proto.type == _Field.TYPE_ENUM:
        return "enum", type_name
    if proto.type == _Field.TYPE_MESSAGE:
        return ("struct", "") if type_name == STRUCT else ("message", type_name)
    if proto.type not in _SCALARS:
        raise SchemaError(f"{name}: type {proto.type} is not used in documents")
    return _SCALARS[proto.type], ""


def _enum(
    owner: str,
    proto: descriptor_pb2.EnumDescriptorProto,
    comments: _Comments,
    path: tuple[int, ...],
) -> Enum:
    full_name = f"{owner}.{proto.name}"
    zero, *others = proto.value
    if zero.number != 0 or not zero.name.endswith("_UNSPECIFIED"):
        raise SchemaError(f"{full_name}: the first value is the zero, …_UNSPECIFIED")
    values = tuple(
        (value.name, comments.at(f"{full_name}.{value.name}", *path, _VALUE, index))
        for index, value in enumerate(others, start=1)
    )
    return Enum(proto.name, full_name, comments.at(full_name, *path), values)
