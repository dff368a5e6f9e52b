"""Strict JSON in, canonical JSON out, and the digest that is a document's identity.

Invariants (normative text: spec/envelope.md):

* ``decode`` accepts exactly the I-JSON texts (RFC 8259 narrowed by RFC 7493) within `Limits`, and
  answers every other byte string with a `DecodeError`, in time and memory linear in its length.
* Size, depth and number of values are judged before anything is built or recursed into.
* ``decode(canonicalize(value)) == value`` for every value that ``canonicalize`` accepts, and
  ``canonicalize(decode(data))`` depends on nothing but the JSON value that `data` denotes.
* The canonical form is RFC 8785 (JCS). Documents additionally carry no floating point (ACP-U01);
  that is a rule about documents, so numbers with fractions pass here.

    >>> canonicalize(decode(b'{"b": 1, "a": [true]}'))
    b'{"a":[true],"b":1}'
"""

from __future__ import annotations

import gc
import hashlib
import json
import math
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import msgspec
import orjson
import rfc8785

from acp.diagnostics import DecodeError, pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"

MAX_INTEGER: Final = 2**53 - 1
"""Largest integer that every I-JSON receiver represents exactly (RFC 7493, section 2.2)."""

_MAX_PLAIN_DIGITS: Final = 1e21
"""ECMAScript, hence RFC 8785, writes integers below this without an exponent."""

_NONCHARACTERS: Final = re.compile(
    "[\ufdd0-\ufdef"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
    + "]"
)
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_SUSPECT_ESCAPE: Final = re.compile(rb"\\u(?:[dD][89a-fA-F]|[fF][dDfF])")
_SUSPECT_NUMBER: Final = re.compile(rb"[0-9]{16}|[0-9][eE]")
_FLAT: Final = 8
"""Levels of nesting that are taken away at once; few documents have more."""
_STEPS: Final = {ord("("): 1, ord(")"): -1}
_TO_PARENTHESES: Final = bytes.maketrans(b"[]{}", b"()()")
_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(b"[]{}"))
_NOT_QUOTED_STRUCTURE: Final = bytes(set(range(256)) - set(b'[]{}"'))
_LARGE_TREE: Final = 100_000


def _refused(literal: str) -> NoReturn:
    raise ValueError(literal)


_PLAIN: Final = msgspec.json.Decoder(float_hook=_refused)
_OPENERS: Final = (b"[", b"{")
_SORTED: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_SPLIT: Final = 8 * 1024 * 1024
"""Longest text that is cut at its quotes; people write no longer ones."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a JSON text may cost, judged before it is parsed.

    Attributes:
        max_bytes: Length of the text, in bytes.
        max_depth: Nesting of arrays and objects; a lone scalar has depth 0.
        max_values: Array elements and object members together, counted over the whole text.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_depth: int = 64
    max_values: int = 4_000_000


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a JSON text denotes.

    Attributes:
        value: The value.
        canonical: The text is the value's canonical form.
    """

    value: JsonValue
    canonical: bool


def decode(data: bytes, *, limits: Limits = Limits()) -> JsonValue:
    """Return the JSON value that `data` denotes.

    Raises:
        DecodeError: `data` is not a well-formed I-JSON text (ENV-J1), repeats a member name
            (ENV-J2), exceeds `limits` (ENV-J3), or holds a number that is not exact in every
            receiver (ENV-J4).
    """
    if len(data) > limits.max_bytes:
        reason = f"the text has {len(data)} bytes; at most {limits.max_bytes} are allowed"
        raise DecodeError.because("ENV-J3", reason)
    plain = _decode_plain(data, limits)
    return _decode_any(data, limits) if plain is None else plain.value


def read(data: bytes) -> Decoded:
    """Return the JSON value that `data` denotes, and whether it is written canonically.

    Raises:
        DecodeError: As `decode`.
    """
    if len(data) <= Limits().max_bytes and (plain := _decode_plain(data, Limits())) is not None:
        return plain
    value = decode(data)
    return Decoded(value, canonicalize(value) == data)


def is_modest(data: bytes) -> bool:
    """Tell whether a text is ASCII, and surely within `Limits` in its length and its values."""
    limits = Limits()
    return (
        len(data) <= limits.max_bytes
        and data.isascii()
        and data.count(b",") + data.count(b"[") + data.count(b"{") <= limits.max_values
    )


def _decode_plain(data: bytes, limits: Limits) -> Decoded | None:
    """Return the value of an array or object, or None if anything about its text is unusual.

    Every text that this takes is I-JSON and within `limits`. It is ASCII and without escapes, so
    that no string holds what is not a character, and all orders of names agree. It has no
    fractions, and the encoder refuses integers that are not exact. What the encoder writes has as
    many colons as the text only if no name was repeated, since a repeated one is lost with its own.
    """
    if data[:1] not in _OPENERS or b"\\" in data or not data.isascii():
        return None
    if not sys.get_int_max_str_digits():
        return None  # a million digits would take quadratic time
    structure = data.translate(None, _NOT_QUOTED_STRUCTURE).replace(b'""', b"")
    if b'"' in structure:  # a string holds a bracket
        if len(data) > _SPLIT:
            return None
        structure = b"".join(data.split(b'"')[::2]).translate(None, _NOT_STRUCTURE)
    values = data.count(b",") + structure.count(b"[") + structure.count(b"{")
    if values > limits.max_values or _too_nested(structure, limits):
        return None
    try:
        with collector_paused():
            value: JsonValue = _PLAIN.decode(data)
        written = orjson.dumps(value, option=_SORTED)
    except (msgspec.DecodeError, orjson.JSONEncodeError, ValueError):
        return None
    whole = written.count(b":") == data.count(b":")
    return Decoded(value, written == data) if whole else None


def _decode_any(data: bytes, limits: Limits) -> JsonValue:
    """Return the value of any I-JSON text, or say what is wrong with it."""
    skeleton = _without_strings(data, limits)
    _check_cost(skeleton, limits)
    text = _text(data)
    exact = _SUSPECT_NUMBER.search(skeleton) is not None
    del skeleton
    try:
        value: JsonValue = _parse(
            text,
            limits,
            object_pairs_hook=_object,
            parse_int=_integer if exact else None,
            parse_float=_fraction if exact else None,
            parse_constant=_constant,
        )
    except _DuplicateNameError:
        raise _duplicate(text, limits) from None
    if _SUSPECT_ESCAPE.search(data) or not text.isascii():
        _check_characters(value)
    return value


def canonicalize(value: object) -> bytes:
    """Return the RFC 8785 canonical form of a JSON value, in UTF-8.

    Objects are `dict` with `str` names, arrays are `list` or `tuple`.

    Raises:
        DecodeError: `value` is not a JSON value or holds a surrogate or noncharacter (ENV-J1),
            is nested too deeply or in itself (ENV-J3), or holds a number that is not finite, or
            an integer that is not exact in every receiver (ENV-J4).
    """
    if _survey(value):
        # This encoder is many times faster than the package, and exact where no name needs UTF-16
        # order and no number a float's shortest form.
        try:
            data = orjson.dumps(value, option=_SORTED)
        except orjson.JSONEncodeError:
            raise _bad_character(value) from None
        text = data.decode()
    else:
        try:
            data = rfc8785.dumps(value)  # type: ignore[arg-type]
        except (rfc8785.CanonicalizationError, UnicodeEncodeError):
            raise _bad_character(value) from None
        text = data.decode()
    if not text.isascii() and _NONCHARACTERS.search(text):
        raise _bad_character(value)
    return data


def canonicalize_message(value: object) -> bytes:
    """Return what `canonicalize` does, if `value` was decoded and is the JSON of a message.

    It holds no floats and no noncharacters, which nothing looks for again.
    """
    data = orjson.dumps(value, option=_SORTED)
    # The order of names outside ASCII, which vendor data may have, is that of UTF-16.
    return data if data.isascii() else canonicalize(value)


def digest(value: object) -> str:
    """Return the identity of a JSON value: the digest of its canonical form.

    Raises:
        DecodeError: As `canonicalize`.
    """
    return digest_bytes(canonicalize(value))


def digest_bytes(data: bytes) -> str:
    """Return ``sha256:`` and the 64 lower-case hexadecimal digits of the SHA-256 of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class _DuplicateNameError(Exception):
    """An object repeats a member name; where, is found by a second pass."""


class _Pairs(list[tuple[str, object]]):
    """The members of an object that repeats a name."""


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the cyclic collector from traversing, again and again, a tree under construction.

    Whatever is built holds no cycles, so that nothing waits for the collector. A large tree is not
    shown to it as young either, which would cost as much as a third of building it: everything
    that is alive is called old, and next looked at when all is.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            if gc.get_count()[0] > _LARGE_TREE and not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _without_strings(data: bytes, limits: Limits) -> bytes:
    """Return `data` without its strings: only structure, numbers and literals are left.

    Where the quotes of `data` don't pair up, the answer is meaningless, but then the parser
    refuses the text anyway.
    """
    unescaped = data.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in data else data
    if unescaped.count(b'"') > 4 * limits.max_values + 4:
        raise _too_many(limits)
    return b"".join(unescaped.split(b'"')[::2])


def _check_cost(skeleton: bytes, limits: Limits) -> None:
    """Refuse a text that is nested too deeply or holds too many values (ENV-J3)."""
    openers = skeleton.count(b"[") + skeleton.count(b"{")
    if skeleton.count(b",") + openers > limits.max_values:
        raise _too_many(limits)
    if _too_nested(skeleton, limits):
        raise _too_deep(limits)


def _too_nested(structure: bytes, limits: Limits) -> bool:
    """Tell whether the brackets of a text without strings are nested too deeply."""
    nesting, gone = structure.translate(_TO_PARENTHESES, _NOT_STRUCTURE), 0
    while gone < _FLAT and len(inner := nesting.replace(b"()", b"")) < len(nesting):
        nesting, gone = inner, gone + 1  # each round takes the innermost level away
    return max(accumulate(map(_STEPS.__getitem__, nesting)), default=0) + gone > limits.max_depth


def _too_deep(limits: Limits) -> DecodeError:
    reason = f"nested deeper than the {limits.max_depth} levels allowed, or within itself"
    return DecodeError.because("ENV-J3", reason)


def _too_many(limits: Limits) -> DecodeError:
    reason = f"more than the {limits.max_values} array elements and object members allowed"
    return DecodeError.because("ENV-J3", reason)


def _text(data: bytes) -> str:
    """Return `data` as text; only UTF-8 without a byte order mark passes (ENV-J1)."""
    if data.startswith(b"\xef\xbb\xbf"):
        raise DecodeError.because("ENV-J1", "starts with a byte order mark; remove it")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: {error.reason} at byte {error.start}"
        raise DecodeError.because("ENV-J1", reason) from None


def _parse(text: str, limits: Limits, **hooks: Callable[[Any], object] | None) -> Any:
    """Run the standard parser with our hooks, and its refusals turned into ours."""
    try:
        with collector_paused():
            return json.loads(text, **hooks)  # type: ignore[arg-type]
    except json.JSONDecodeError as error:
        reason = f"not a JSON text: {error.msg} (line {error.lineno}, column {error.colno})"
        raise DecodeError.because("ENV-J1", reason) from None
    except RecursionError:
        raise _too_deep(limits) from None


def _object(members: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    built = dict(members)
    if len(built) != len(members):
        raise _DuplicateNameError
    return built


def _integer(literal: str) -> int:
    # Length first: converting a million digits takes quadratic time.
    if len(literal) > len("-9007199254740991") or not -MAX_INTEGER <= int(literal) <= MAX_INTEGER:
        raise _inexact(_shown(literal))
    return int(literal)


def _fraction(literal: str) -> float:
    number = float(literal)
    if not _is_exact(number):
        raise _inexact(_shown(literal))
    return number


def _constant(literal: str) -> NoReturn:
    raise _inexact(literal)


def _is_exact(number: float) -> bool:
    """Tell whether a float is finite and, where JCS writes it as an integer, a safe one."""
    if not math.isfinite(number):
        return False
    return not (MAX_INTEGER < abs(number) < _MAX_PLAIN_DIGITS and number.is_integer())


def _shown(literal: str) -> str:
    kept = 24
    return literal if len(literal) <= kept else f"{literal[:kept]}… ({len(literal)} characters)"


def _inexact(found: str, path: str = "") -> DecodeError:
    reason = (
        f"number {found} is not finite, or an integer outside ±{MAX_INTEGER}; "
        "write larger integers as decimal strings"
    )
    return DecodeError.because("ENV-J4", reason, path)


def _duplicate(text: str, limits: Limits) -> DecodeError:
    """Return the refusal of a text known to repeat a member name, with the place."""

    def keep(members: list[tuple[str, object]]) -> object:
        built = dict(members)
        return built if len(built) == len(members) else _Pairs(members)

    for path, value in _walk(_parse(text, limits, object_pairs_hook=keep, parse_int=str)):
        if isinstance(value, _Pairs):
            seen: set[str] = set()
            for name, _ in value:
                if name in seen:
                    reason = f"member {_shown(name)!r} occurs twice in one object"
                    return DecodeError.because("ENV-J2", reason, pointer(*path, name))
                seen.add(name)
    return DecodeError.because("ENV-J2", "a member name occurs twice in one object")


def _walk(root: object) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Yield every value below `root`, parents first, with the path to it."""
    pending: list[tuple[tuple[str | int, ...], object]] = [((), root)]
    while pending:
        path, value = pending.pop()
        yield path, value
        if isinstance(value, dict):
            pending.extend(((*path, name), member) for name, member in value.items())
        elif isinstance(value, list | tuple) and not isinstance(value, _Pairs):
            pending.extend(((*path, index), element) for index, element in enumerate(value))


def _check_characters(value: object) -> None:
    for path, inner in _walk(value):
        texts = (inner,) if isinstance(inner, str) else inner if isinstance(inner, dict) else ()
        for text in texts:
            found = _SURROGATES.search(text) or _NONCHARACTERS.search(text)
            if found:
                reason = f"a string or member name holds U+{ord(found[0]):04X}, not a character"
                place = pointer(*path).encode("utf-8", "replace").decode()
                raise DecodeError.because("ENV-J1", reason, place)


def _bad_character(value: object) -> DecodeError:
    try:
        _check_characters(value)
    except DecodeError as refusal:
        return refusal
    return DecodeError.because("ENV-J1", "the value cannot be written as JSON")


def _survey(root: object) -> bool:
    """Refuse what is not I-JSON; tell whether the standard encoder writes the rest as JCS does."""
    limits = Limits()
    plain = True
    names: set[object] = set()
    level: list[Any] = [root]
    for _ in range(limits.max_depth + 1):
        inner: list[Any] = []
        for value in level:
            # Nearly all values are strings, of exactly this type: a comparison tells the fastest.
            kind = type(value)
            if kind is str or kind is bool or value is None:
                continue
            if kind is dict or isinstance(value, dict):
                names.update(value)
                inner.extend(value.values())
            elif kind is list or isinstance(value, list | tuple):
                inner.extend(value)
            elif not isinstance(value, str | bool):
                plain = _survey_number(value) and plain
        if not inner:
            return _survey_names(names) and plain
        if len(inner) > limits.max_values:
            raise _too_many(limits)
        level = inner
    raise _too_deep(limits)


def _survey_names(names: set[object]) -> bool:
    """Refuse names that are no strings; tell whether sorting by code point is what JCS does."""
    ascii_only = True
    for name in names:
        if not isinstance(name, str):
            reason = f"member names must be strings, found {type(name).__name__}"
            raise DecodeError.because("ENV-J1", reason)
        ascii_only = ascii_only and name.isascii()
    return ascii_only


def _survey_number(value: object) -> bool:
    """Refuse what is no I-JSON number; tell whether it is an integer."""
    if isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise _inexact(f"of {value.bit_length()} bits")
        return True
    if isinstance(value, float):
        if not _is_exact(value):
            raise _inexact(repr(value))
        return False
    reason = f"a {type(value).__name__} is not a JSON value"
    raise DecodeError.because("ENV-J1", reason)
