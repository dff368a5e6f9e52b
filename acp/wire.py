"""What a protobuf text holds is judged before anything is built of it.

A byte of the binary encoding can become kilobytes of objects, and parsers keep fields that they
do not know. So the bytes are first walked through along the schema.

Invariant: bytes that pass are an encoding of the message, but for the UTF-8 of strings and the
contents of Struct; hold only fields that it has, each of its wire type, and no more than `LIMITS`.
The walk takes time linear in the number of fields, and memory for one path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.descriptor import FieldDescriptor

from acp.canonical import Limits
from acp.diagnostics import DecodeError, StructureError

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

LIMITS: Final = Limits(max_bytes=4 * 1024 * 1024, max_depth=100, max_values=200_000)
"""What a binary document may cost. Nesting counts messages, of which a Struct has two a level."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES: Final = {_FIXED64: 8, _FIXED32: 4}
_WIRE_TYPES: Final = {
    FieldDescriptor.TYPE_BYTES: _BYTES,
    FieldDescriptor.TYPE_DOUBLE: _FIXED64,
    FieldDescriptor.TYPE_MESSAGE: _BYTES,
    FieldDescriptor.TYPE_STRING: _BYTES,
}
"""Wire types of fields by their types; the others of the schema are integers of variable length."""
_MAX_VARINT: Final = 10


def check(data: bytes, message: Descriptor) -> None:
    """Walk through an encoding of `message`.

    Raises:
        DecodeError: It is malformed, or more than `LIMITS` (ENV-P1).
        StructureError: It has a field that the schema does not define (ENV-S2).
    """
    if len(data) > LIMITS.max_bytes:
        raise _refused(f"has {len(data)} bytes; at most {LIMITS.max_bytes} are allowed")
    _Walk(data).message(0, len(data), message, 1)


class _Walk:
    """A walk through one text."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._values = 0

    def message(self, at: int, end: int, message: Descriptor, depth: int) -> None:
        """Walk through a message in a part of the text."""
        if depth > LIMITS.max_depth:
            raise _refused(f"nested deeper than the {LIMITS.max_depth} messages allowed")
        known = message.fields_by_number
        while at < end:
            tag, at = self._varint(at, end)
            field = known.get(tag >> 3)
            if field is None:
                reason = f"{message.full_name} has no field number {tag >> 3}"
                raise StructureError.because("ENV-S2", reason)
            at = self._field(field, tag & 7, at, end, depth)

    def _field(self, field: FieldDescriptor, wire: int, at: int, end: int, depth: int) -> int:
        """Walk through one field, and return where the next one begins."""
        self._count(1)
        expected = _WIRE_TYPES.get(field.type, _VARINT)
        packed = wire == _BYTES and expected == _VARINT and field.is_repeated
        if wire != expected and not packed:
            reason = f"{field.full_name} has wire type {wire}; it should have {expected}"
            raise _refused(reason)
        if wire == _VARINT:
            return self._varint(at, end)[1]
        size = _SIZES.get(wire)
        if size is None:
            size, at = self._varint(at, end)
        if size > end - at:
            raise _refused(f"{field.full_name} ends beyond the end of what holds it")
        if packed:
            self._elements(at, at + size)
        elif field.message_type is not None:
            self.message(at, at + size, field.message_type, depth + 1)
        return at + size

    def _elements(self, at: int, end: int) -> None:
        """Walk through packed integers."""
        while at < end:
            self._count(1)
            at = self._varint(at, end)[1]

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """Return an integer, and where the next byte is."""
        value = 0
        for index, byte in enumerate(self._data[at : min(end, at + _MAX_VARINT)]):
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follow
                return value, at + index + 1
        raise _refused("an integer does not end")

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > LIMITS.max_values:
            raise _refused(f"more than the {LIMITS.max_values} fields and elements allowed")


def _refused(reason: str) -> DecodeError:
    return DecodeError.because("ENV-P1", reason)
