"""The messages between the runner and an implementation under test: JSON, one object a line.

The JSON Schemas in `conformance/schemas` are the authority; every message is checked against them
on its way out and on its way in. docs/conformance.md says what the operations mean.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

Json: TypeAlias = dict[str, Any]

PROTOCOL: Final = 1
SPEC: Final = "1"

MAX_LINE_BYTES: Final = 1024 * 1024
"""Longest answer, with its line feed."""

_SHOWN: Final = 200


class ProtocolError(Exception):
    """A message that is not what the schemas say."""


class ExtraMissingError(Exception):
    """The extra `conformance` of this distribution is not installed."""


@cache
def _validator(schema: str) -> Draft202012Validator:
    try:
        from jsonschema import Draft202012Validator
    except ModuleNotFoundError:
        reason = "this needs an optional part: pip install 'acp-cep[conformance]'"
        raise ExtraMissingError(reason) from None
    text = files("conformance").joinpath("schemas", f"{schema}.schema.json").read_text("utf-8")
    return Draft202012Validator(json.loads(text))


def check(schema: str, value: object) -> None:
    """Check a JSON value against one of the suite's schemas.

    Raises:
        ProtocolError: It doesn't fit; the message says where and why.
    """
    validator = _validator(schema)
    if validator.is_valid(value):
        return
    from jsonschema.exceptions import best_match

    error = best_match(validator.iter_errors(value))
    place = "".join(f"/{token}" for token in error.absolute_path) if error else ""
    reason = error.message if error else "not valid"
    raise ProtocolError(f"{schema}{place}: {shortened(reason)}")


def hello() -> Json:
    """Return the runner's first message."""
    return {"cmd": "hello", "protocol": PROTOCOL, "spec": SPEC}


def encode(request: Json) -> bytes:
    """Return a request as one line.

    Raises:
        ProtocolError: It isn't a request.
    """
    check("request", request)
    return json.dumps(request, separators=(",", ":")).encode("ascii") + b"\n"


def parse(line: bytes) -> Json:
    """Return the answer that a line holds.

    Raises:
        ProtocolError: The line is too long, or is no answer.
    """
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError(f"a line of more than {MAX_LINE_BYTES} bytes")
    try:
        answer: Any = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ProtocolError(f"not a line of JSON: {shortened(repr(line))}") from None
    check("answer", answer)
    return dict(answer)


def shortened(text: str) -> str:
    """Return the beginning of a text that an implementation chose."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def _refuse(literal: str) -> NoReturn:
    raise ValueError(literal)
