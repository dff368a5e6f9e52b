"""Writes YAML that `acp.yaml_text` reads: one member a line, and quotes where readers disagree.

Invariant: ``decode(encode(value)) == value``, or `encode` refuses; equal values with their members
in the same order are written alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from acp.yaml_text import AMBIGUOUS, LIMITS, NAMES, decode, refusal

if TYPE_CHECKING:
    from acp.canonical import JsonValue

_PLAIN: Final = re.compile(
    r"[A-Za-z_/(][A-Za-z0-9_/().;%=<>+*-]*(?::[A-Za-z0-9_/.][^\s:#,\[\]{}]*)?"
)
"""What is written without quotes."""


def encode(value: JsonValue) -> bytes:
    """Return `value` as YAML, in the order of its members.

    Raises:
        DecodeError: The text would be more than `decode` takes (ENV-Y1), or `value` has a fraction
            (ENV-Y3).
    """
    import yaml

    text: str = yaml.emit(
        _written(value),
        Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper),
        allow_unicode=True,
        width=2**31 - 1,
    )
    data = text.encode()
    decode(data)  # a text that nobody may read is not written
    return data


def is_plain(text: str) -> bool:
    """Say whether a text is written without quotes."""
    return bool(_PLAIN.fullmatch(text)) and not AMBIGUOUS.fullmatch(text)


def _written(value: JsonValue) -> Iterator[Any]:
    """Yield the events of a text."""
    import yaml

    yield yaml.StreamStartEvent()
    yield yaml.DocumentStartEvent(explicit=False)
    yield from _nested(value, 0)
    yield yaml.DocumentEndEvent(explicit=False)
    yield yaml.StreamEndEvent()


def _nested(value: JsonValue, depth: int) -> Iterator[Any]:
    """Yield the events of a value."""
    import yaml

    if depth > LIMITS.max_depth:
        reason = f"nested deeper than the {LIMITS.max_depth} levels allowed"
        raise refusal("ENV-Y1", reason)
    if isinstance(value, dict):
        yield yaml.MappingStartEvent(None, None, implicit=True, flow_style=not value)
        for name, member in value.items():
            yield _word(name) if name in NAMES else _scalar(name)
            yield from _nested(member, depth + 1)
        yield yaml.MappingEndEvent()
    elif isinstance(value, list):
        yield yaml.SequenceStartEvent(None, None, implicit=True, flow_style=not value)
        for element in value:
            yield from _nested(element, depth + 1)
        yield yaml.SequenceEndEvent()
    else:
        yield _scalar(value)


def _scalar(value: JsonValue) -> Any:
    """Return the event of a scalar."""
    import yaml

    if isinstance(value, float):
        raise refusal("ENV-Y3", f"a number with a fraction, {value}; documents have none")
    if not isinstance(value, str):
        return _word(json.dumps(value))
    if is_plain(value):
        return _word(value)
    return yaml.ScalarEvent(None, None, (False, True), value, style='"')


def _word(text: str) -> Any:
    """Return the event of a scalar without quotes."""
    import yaml

    return yaml.ScalarEvent(None, None, (True, False), text)
