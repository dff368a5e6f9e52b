"""What a field of a document may hold, as annotations that pydantic compiles to native validators.

A field is judged in two ways. From JSON, there is one form only (spec/envelope.md): 64-bit integers
are decimal strings, bytes are base64, and what is absent is neither null nor empty. From Python, a
model is made of ints, bytes, tuples, dicts and None. No annotation here calls
back into Python for each element, but those that are rare: `Base64`, `NotEmpty`, `JsonObject` and
`exactly_one`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, JsonValue, model_validator
from pydantic_core import PydanticCustomError, core_schema

T = TypeVar("T")

MANY: Final = 4096
"""Most elements of an array or entries of a map where the schema names no other limit."""

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Largest integer that ``google.protobuf.Struct`` and every I-JSON reader hold exactly."""


@dataclass(frozen=True, slots=True)
class String:
    """A string of limited length that matches a pattern."""

    min_length: int = 1
    max_length: int = 2048
    pattern: str | None = None

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return the native validator."""
        return core_schema.str_schema(
            min_length=self.min_length, max_length=self.max_length, pattern=self.pattern
        )


@dataclass(frozen=True, slots=True)
class Integer32:
    """An integer that JSON writes as a number."""

    lowest: int
    highest: int

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return the native validator."""
        return core_schema.int_schema(ge=self.lowest, le=self.highest)


@dataclass(frozen=True, slots=True)
class Integer64:
    """An integer that JSON writes as a canonical decimal string."""

    lowest: int
    highest: int

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return the native validator."""
        sign = "-?" if self.lowest < 0 else ""
        text = core_schema.str_schema(pattern=f"^(?:0|{sign}[1-9][0-9]{{0,19}})$")
        number = core_schema.int_schema(strict=False, ge=self.lowest, le=self.highest)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.custom_error_schema(
                core_schema.chain_schema([text, number]),
                custom_error_type="decimal_string",
                custom_error_message="a decimal string from {lowest} to {highest}",
                custom_error_context={"lowest": str(self.lowest), "highest": str(self.highest)},
            ),
            python_schema=core_schema.int_schema(ge=self.lowest, le=self.highest),
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )


@dataclass(frozen=True, slots=True)
class Base64:
    """Bytes that JSON writes in base64 (RFC 4648, section 4) with padding.

    Attributes:
        max_length: Most characters of the base64 text.
    """

    max_length: int

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return a validator that keeps no two spellings of the same bytes."""
        text = core_schema.str_schema(min_length=1, max_length=self.max_length)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(_from_base64, text),
            python_schema=core_schema.bytes_schema(
                min_length=1, max_length=self.max_length // 4 * 3
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(
                _to_base64, when_used="json", return_schema=core_schema.str_schema()
            ),
        )


@dataclass(frozen=True, slots=True)
class Items:
    """How many elements a tuple may have. In JSON, an array that would be empty is absent."""

    fewest: int = 0
    most: int = MANY

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return a native validator of tuples from Python and of non-empty arrays from JSON."""
        schema: Any = {**handler(source), "max_length": self.most}
        # The errors of a long array would cost far more memory than the array: its first is enough.
        schema["fail_fast"] = self.most > MANY
        return core_schema.json_or_python_schema(
            json_schema=schema | {"min_length": max(self.fewest, 1)},
            python_schema=schema | {"min_length": self.fewest},
        )


@dataclass(frozen=True, slots=True)
class Entries:
    """How many entries a map may have. In JSON, an object that would be empty is absent."""

    fewest: int = 0
    most: int = MANY

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return a native validator of dicts from Python and of non-empty objects from JSON."""
        schema: Any = {**handler(source), "max_length": self.most}
        return core_schema.json_or_python_schema(
            json_schema=schema | {"min_length": max(self.fewest, 1)},
            python_schema=schema | {"min_length": self.fewest},
        )


@dataclass(frozen=True, slots=True)
class NotNull:
    """None in Python stands for a member that is absent from JSON, where null is refused."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return a native validator."""
        nullable: Any = handler(source)
        return core_schema.json_or_python_schema(
            json_schema=nullable["schema"], python_schema=nullable
        )


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """A message with at least one member present, since an empty one may as well be absent."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return a validator that looks once at the whole message."""
        return core_schema.no_info_after_validator_function(_not_empty, handler(source))


def exactly_one(oneof: str, *names: str) -> Any:
    """Return a validator for a model of which exactly one of the fields `names` must be present."""
    values: Callable[[Any], tuple[Any, ...]] = attrgetter(*names)
    absent = len(names) - 1

    def check(model: T) -> T:
        if values(model).count(None) != absent:
            found = [
                name for name, value in zip(names, values(model), strict=True) if value is not None
            ]
            context = {"oneof": oneof, "names": names, "found": found}
            raise PydanticCustomError("exactly_one", "exactly one member of {oneof}", context)
        return model

    return model_validator(mode="after")(check)


def _not_empty(message: BaseModel) -> BaseModel:
    if not message.model_dump(exclude_defaults=True):
        raise PydanticCustomError("empty", "an object with members")
    return message


def _from_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or _to_base64(data) != text:
        raise PydanticCustomError("base64", "base64 with padding (RFC 4648, section 4)")
    return data


def _to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _without_floats(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse numbers that are not integers which every reader holds exactly."""
    pending: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while pending:
        path, inner = pending.pop()
        if isinstance(inner, dict):
            pending.extend(((*path, name), member) for name, member in inner.items())
        elif isinstance(inner, list):
            pending.extend(((*path, index), element) for index, element in enumerate(inner))
        elif isinstance(inner, float) or (
            isinstance(inner, int) and not -MAX_SAFE_INTEGER <= inner <= MAX_SAFE_INTEGER
        ):
            raise PydanticCustomError("inexact_number", "no float", {"below": path, "found": inner})
    return value


@dataclass(frozen=True, slots=True)
class _WithoutFloats:
    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(_without_floats, handler(source))


# Names in CamelCase, which no field has: inside a class body a field hides what is outside.
Bool: TypeAlias = bool
Uint32: TypeAlias = Annotated[int, Integer32(0, 2**32 - 1)]
PositiveUint32: TypeAlias = Annotated[int, Integer32(1, 2**32 - 1)]
Int64: TypeAlias = Annotated[int, Integer64(-(2**63), 2**63 - 1)]
Uint64: TypeAlias = Annotated[int, Integer64(0, 2**64 - 1)]
PositiveUint64: TypeAlias = Annotated[int, Integer64(1, 2**64 - 1)]
JsonObject: TypeAlias = Annotated[dict[str, JsonValue], _WithoutFloats()]
Maybe: TypeAlias = Annotated[T | None, NotNull()]
