"""What a field of a document may hold, as annotations that msgspec compiles to a native decoder.

In JSON there is one form only (spec/envelope.md): 64-bit integers are decimal strings, bytes are
base64, and what is absent is neither null nor empty. In Python, messages are made of ints, bytes,
tuples, dicts and None. Here stands what a decoder is told; `acp.members` reads the same annotations
for whoever else must know them.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, TypeVar

from msgspec import Meta

T = TypeVar("T")

MANY: Final = 4096
"""Most elements of an array or entries of a map where the schema names no other limit."""

_MAX_DIGITS: Final = 20


def String(  # noqa: N802 - it reads as a type in annotations
    min_length: int = 1, max_length: int = 2048, pattern: str | None = None
) -> Meta:
    """Return the mark of a string of limited length.

    The decoder leaves the pattern to `acp.message`, which looks at each different string once.
    """
    extra = {"pattern": pattern} if pattern else None
    return Meta(min_length=min_length, max_length=max_length, extra=extra)


def Items(fewest: int = 0, most: int = MANY) -> Meta:  # noqa: N802 - as `String`
    """Return the mark of an array. In JSON, one that would be empty is absent."""
    return Meta(min_length=max(fewest, 1), max_length=most)


Entries = Items
"""Return the mark of a map. In JSON, one that would be empty is absent."""


def NotEmpty() -> Meta:  # noqa: N802 - as `String`
    """Return the mark of a message with a member at least; an empty one may as well be absent."""
    return Meta(extra={"not_empty": True})


class _Spelled(type):
    """The type of fields that JSON spells as strings, and Python holds as `holds`."""

    holds: type

    def __instancecheck__(cls, instance: object) -> bool:
        """Tell the decoder that what a field's `read` returned is right."""
        return type(instance) is cls.holds


class Whole64(metaclass=_Spelled):
    """An integer that JSON writes as a canonical decimal string."""

    holds = int
    lowest = 0
    highest = 2**64 - 1

    @classmethod
    def read(cls, text: object) -> int:
        """Return the integer that a string spells.

        Raises:
            ValueError: It spells none within the limits, or in another way.
        """
        if type(text) is str and len(text) <= _MAX_DIGITS:
            number = int(text)
            if cls.lowest <= number <= cls.highest and str(number) == text:
                return number
        raise ValueError(text)

    write = staticmethod(str)


class _Positive64(Whole64):
    lowest = 1


class _Signed64(Whole64):
    lowest = -(2**63)
    highest = 2**63 - 1


class Blob(metaclass=_Spelled):
    """Bytes that JSON writes in base64 (RFC 4648, section 4) with padding, in one spelling.

    Attributes:
        longest: Most characters of the base64 text.
    """

    holds = bytes
    longest = 0

    @classmethod
    def read(cls, text: object) -> bytes:
        """Return the bytes that a string spells.

        Raises:
            ValueError: It spells none, too many, or in another way.
        """
        if type(text) is str and 0 < len(text) <= cls.longest:
            try:
                data = base64.b64decode(text, validate=True)
            except binascii.Error:
                data = b""
            if cls.write(data) == text:
                return data
        raise ValueError("no base64")

    @staticmethod
    def write(data: bytes) -> str:
        """Return the one spelling of `data`."""
        return base64.b64encode(data).decode("ascii")


def blob(longest: int) -> Any:
    """Return the type of bytes whose base64 text has at most `longest` characters."""
    return type("Blob", (Blob,), {"longest": longest})


# Names in CamelCase, which no field has: inside a class body a field hides what is outside.
Bool: TypeAlias = bool
Maybe: TypeAlias = T | None
Uint32: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
PositiveUint32: TypeAlias = Annotated[int, Meta(ge=1, le=2**32 - 1)]
JsonObject: TypeAlias = Annotated[dict[str, Any], Meta(extra={"json": True})]
if TYPE_CHECKING:
    Int64: TypeAlias = int
    Uint64: TypeAlias = int
    PositiveUint64: TypeAlias = int
else:
    Int64, Uint64, PositiveUint64 = _Signed64, Whole64, _Positive64
