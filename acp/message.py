"""The base of every generated model: one JSON form in, the same JSON form out.

Invariants (normative text: spec/envelope.md):

* ``M.from_json(value).to_json() == value`` for every value that ``from_json`` accepts.
* A refusal names every problem found, up to `MAX_DIAGNOSTICS`, each with the place and the fix.

Codes: ENV-S1 a member is missing, ENV-S2 a member is unknown, ENV-S3 a value has the wrong type or
is out of range, ENV-S4 a null, or an empty array or map, where absence says the same. In ACP
documents ACP-U01 stands for ENV-S3 where a number is a float, or stands in a 64-bit field.
"""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from acp.canonical import collector_paused
from acp.diagnostics import Diagnostic, Severity, StructureError, pointer
from acp.v1.formats import HINTS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from acp.canonical import JsonValue

MAX_DIAGNOSTICS: Final = 100
"""Most problems that one refusal names."""

_SHOWN: Final = 60

_ALLOWED: Final = {
    "base64": "base64 with padding (RFC 4648, section 4)",
    "bool_type": "true or false",
    "decimal_string": "a decimal string from {lowest} to {highest}",
    "dict_type": "an object",
    "greater_than_equal": "a number of at least {ge}",
    "int_type": "an integer",
    "less_than_equal": "a number of at most {le}",
    "literal_error": "{expected}",
    "model_type": "an object",
    "string_too_long": "a string of at most {max_length} characters",
    "string_too_short": "a string of at least {min_length} character",
    "string_type": "a string",
    "too_long": "at most {max_length} elements",
    "too_short": "at least {min_length} elements",
    "tuple_type": "an array",
}
"""What is allowed where pydantic reports this type of error."""


class Message(BaseModel):
    """One message of schemas/proto: immutable, closed, and exact in both encodings.

    Attributes:
        PROTO_NAME: Full name of the message in schemas/proto.
        PAYLOAD_TYPE: DSSE payload type, where the message is a document that is signed.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        defer_build=True,
        validate_by_name=True,
        validate_by_alias=True,
        protected_namespaces=(),
    )

    PROTO_NAME: ClassVar[str] = ""
    PAYLOAD_TYPE: ClassVar[str] = ""

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        """Return the message that a decoded JSON value stands for.

        Raises:
            StructureError: The value is not the one JSON form of such a message.
        """
        try:
            with collector_paused():
                text = json.dumps(value, allow_nan=False)
        except (RecursionError, TypeError, ValueError) as error:
            raise StructureError.because("ENV-S3", f"not a JSON value: {error}") from None
        return cls.from_text(text)

    @classmethod
    def from_text(cls, text: str | bytes) -> Self:
        """Return the message that a JSON text stands for.

        The text must have passed `acp.canonical.decode`, which alone judges its encoding.

        Raises:
            StructureError: The text is not the one JSON form of such a message.
        """
        try:
            with collector_paused():
                return cls.model_validate_json(text, by_alias=True, by_name=False)
        except ValidationError as error:
            raise StructureError(*_diagnostics(cls, error)) from None

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values for some members, which nothing judges."""
        return self.model_copy(update=changes)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the one JSON form of the message."""
        with collector_paused():
            return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _diagnostics(kind: type[Message], error: ValidationError) -> list[Diagnostic]:
    number = "ACP-U01" if kind.PROTO_NAME.startswith("acp.") else "ENV-S3"
    # An array of which no element is valid is reported as too short as well.
    found = [
        details
        for details in error.errors(include_url=False)
        if details["type"] != "too_short" or not details["input"]
    ]
    diagnostics = [_diagnostic(kind, details, number) for details in found[:MAX_DIAGNOSTICS]]
    if len(found) > MAX_DIAGNOSTICS:
        rest = f"and {len(found) - MAX_DIAGNOSTICS} more problems; fix these first"
        diagnostics[-1] = Diagnostic("ENV-S3", Severity.ERROR, "", rest)
    return diagnostics


def _diagnostic(kind: type[Message], error: ErrorDetails, number: str) -> Diagnostic:
    """Return one problem in our words."""
    at = tuple(token for token in error["loc"] if token != "[key]")  # noqa: S105
    context: dict[str, Any] = error.get("ctx") or {}
    found = error["input"]
    code = "ENV-S3"
    match error["type"]:
        case "missing":
            code, message = "ENV-S1", "the member is missing and required; add it"
        case "extra_forbidden":
            code, message = "ENV-S2", _unknown(kind, at)
        case "exactly_one":
            code, message = _choice(context)
        case "json_invalid":
            message = f"{error['msg']}; judge the text with `acp.canonical.decode` first"
        case "inexact_number":
            code, at, found = number, (*at, *context["below"]), context["found"]
            message = (
                f"found the number {_show(found)}, allowed are integers within ±(2^53 - 1); "
                "write other numbers as strings"
            )
        case _ if found is None:
            code, message = "ENV-S4", "found null; leave the member out to say that it is absent"
        case "too_short" | "empty" if not found:
            code, message = "ENV-S4", f"found {_show(found)}; leave the member out instead"
        case _ if isinstance(found, float):
            code = number
            message = f"found the float {_show(found)}, {_allowed(error, context)}"
        case "decimal_string" if isinstance(found, int) and not isinstance(found, bool):
            code = number
            message = f'found the number {_show(found)}; write the decimal string "{_show(found)}"'
        case _:
            message = f"found {_show(found)}, {_allowed(error, context)}"
    return Diagnostic(code, Severity.ERROR, pointer(*at), message)


def _choice(context: dict[str, Any]) -> tuple[str, str]:
    """Return code and message of a oneof with no member, or with several."""
    names = " or ".join(f"`{name}`" for name in context["names"])
    if context["found"]:
        return "ENV-S3", f"found {_and(context['found'])}, allowed is exactly one of {names}"
    return "ENV-S1", f"none of {names} is present; add exactly one"


def _allowed(error: ErrorDetails, context: dict[str, Any]) -> str:
    kind = error["type"]
    if kind == "string_pattern_mismatch":
        return f"allowed is {HINTS[context['pattern']]}"
    return f"allowed is {_ALLOWED.get(kind, error['msg']).format(**context)}"


def _unknown(kind: type[Message], at: tuple[int | str, ...]) -> str:
    """Return what to say of a member that is not in the schema."""
    owner = _kind_at(kind, at[:-1])
    names = sorted(field.alias or name for name, field in owner.model_fields.items())
    close = difflib.get_close_matches(str(at[-1])[:_SHOWN], names, n=1)
    advice = f"did you mean `{close[0]}`?" if close else f"allowed are {_and(names)}"
    return f"{owner.__name__} has no member {_show(at[-1])}; {advice}"


def _kind_at(kind: type[Message], path: tuple[int | str, ...]) -> type[Message]:
    """Return the type of the message at `path` below a message of type `kind`."""
    for token in path:
        for name, field in kind.model_fields.items():
            if token == (field.alias or name):
                kind = _message_in(field.annotation) or kind
                break
    return kind


def _message_in(annotation: Any) -> type[Message] | None:
    """Return the type of message that an annotation is about, if it is about one."""
    if isinstance(annotation, type) and issubclass(annotation, Message):
        return annotation
    return next(filter(None, map(_message_in, get_args(annotation))), None)


def _and(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _show(value: object) -> str:
    """Return a value as JSON, or what it is where it is long."""
    if isinstance(value, list) and value:
        return f"an array of {len(value)}"
    if isinstance(value, dict) and value:
        return f"an object of {len(value)}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"
