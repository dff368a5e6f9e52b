r"""YAML, in which people write documents: the part of it that every parser reads alike.

Invariants (normative text: spec/envelope.md, section YAML):

* ``decode`` takes a text of ENV-Y1 to ENV-Y3 and answers every other with a `DecodeError` that
  names line and column, in time and memory linear in its length: the parser is asked for one event
  after the other, and nothing is built of one that is refused.
* What it returns satisfies ENV-J1 to ENV-J4, and means the same under YAML 1.1 and 1.2.

    >>> decode(b'engines:\n- {id: tensor, count: 528}  # per die')
    {'engines': [{'id': 'tensor', 'count': 528}]}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from acp.canonical import MAX_INTEGER, Limits, canonicalize
from acp.diagnostics import DecodeError, Diagnostic, Place, Severity, pointer

if TYPE_CHECKING:
    from acp.canonical import JsonValue

LIMITS: Final = Limits(max_bytes=4 * 1024 * 1024, max_depth=64, max_values=200_000)
"""What a YAML text may cost; people write these."""

_CONSTANTS: Final[Mapping[str, bool | None]] = {"null": None, "true": True, "false": False}
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]*")
_FRACTION: Final = re.compile(r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?")
AMBIGUOUS: Final = re.compile(
    r"[-+.~=<0-9].*|(?:y|yes|n|no|on|off|true|false|null)?", re.IGNORECASE | re.DOTALL
)
"""Unquoted texts of which some version of YAML makes a number, a date, a flag or nothing."""

NAMES: Final = ("y", "n")
"""Names of members that stand without quotes all the same: no parser makes flags of names."""

_DIRECTIVE: Final = re.compile(r"^%", re.MULTILINE)
_HEADER: Final = re.compile(r"[|>][-+1-9]*#")
"""A block text whose comment is not set off, which libyaml takes though no version of YAML does."""

_DISPUTED: Final = re.compile("[\t\x85\u2028\u2029\ufeff]")
"""Characters that end a line, or are white space, in some versions of YAML only."""

_MAX_DIGITS: Final = len(str(-MAX_INTEGER))
_SHOWN: Final = 40


def decode(data: bytes) -> JsonValue:
    """Return the JSON value that the YAML text `data` stands for.

    Raises:
        DecodeError: `data` is not one document of YAML within `LIMITS` (ENV-Y1), uses more of YAML
            than documents need (ENV-Y2), holds a scalar that readers disagree about (ENV-Y3), or
            stands for what is not I-JSON (ENV-J1 to ENV-J4).
    """
    value: JsonValue = _compose(_text(data)).value
    canonicalize(value)  # refuses characters that JSON may not hold
    return value


def places(data: bytes, paths: Iterable[str]) -> dict[str, Place]:
    """Return where values of a text that `decode` takes begin, by JSON Pointer.

    Where a pointer leads nowhere, as to a member that is missing, it is the place of the innermost
    value on the way.
    """
    root = _compose(_text(data)).spot
    found: dict[str, Place] = {}
    for path in paths:
        spot = root
        for token in path.split("/")[1:]:
            below = spot.inner.get(token.replace("~1", "/").replace("~0", "~"))
            if below is None:
                break
            spot = below
        found[path] = spot.place
    return found


@dataclass(slots=True)
class _Spot:
    """Where a value begins, and the values within it by name or index."""

    place: Place
    inner: dict[str, _Spot] = field(default_factory=dict)


@dataclass(slots=True)
class _Open:
    """An object or array whose end has not come yet.

    Attributes:
        value: What has come of it.
        spot: Where that is.
        token: Name or index of what comes next; None where the name of a member does.
    """

    value: dict[str, Any] | list[Any]
    spot: _Spot
    token: str | None


class _Composer:
    """Makes a value of the events of a parser."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.documents = 0
        self.value: Any = None
        self.spot = _Spot(Place(1, 1))
        self._open: list[_Open] = []
        self._values = 0

    def _refused(self, code: str, reason: str, event: Any) -> DecodeError:
        """Return the refusal of an event."""
        path = pointer(*(one.token for one in self._open if one.token is not None))
        return refusal(code, reason, _place(event.start_mark), path)

    def take(self, event: Any) -> None:
        """Take the next event."""
        match type(event).__name__:
            case "ScalarEvent":
                self._check_bare(event)
                self._scalar(event)
            case "MappingStartEvent":
                self._check_bare(event)
                self._begin(event, {})
            case "SequenceStartEvent":
                self._check_bare(event)
                self._begin(event, [])
            case "MappingEndEvent" | "SequenceEndEvent":
                self._open.pop()
                self._go_on()
            case "AliasEvent":
                reason = "an alias (*) is not allowed; write the value, or quote the text"
                raise self._refused("ENV-Y2", reason, event)
            case "DocumentStartEvent":
                self.documents += 1
                if self.documents > 1:
                    reason = "a second document begins; write each into a file of its own"
                    raise self._refused("ENV-Y1", reason, event)

    def _check_bare(self, event: Any) -> None:
        """Refuse what may stand in front of a value: an anchor or a tag."""
        if event.anchor is not None:
            reason = "an anchor (&) is not allowed; write the value where it is needed"
            raise self._refused("ENV-Y2", reason, event)
        if event.tag is not None:
            raise self._refused("ENV-Y2", "a tag (!) is not allowed; leave it out", event)
        if _HEADER.match(self._text, event.start_mark.index):
            raise self._refused("ENV-Y1", "a space is missing in front of the comment", event)

    def _begin(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        """Take the begin of an object or array."""
        if self._expects_name:
            raise self._refused("ENV-Y2", "a name must be a text, not a list or a map", event)
        if len(self._open) == LIMITS.max_depth:
            reason = f"nested deeper than the {LIMITS.max_depth} levels allowed"
            raise self._refused("ENV-Y1", reason, event)
        spot = self._put(event, value)
        self._open.append(_Open(value, spot, None if isinstance(value, dict) else "0"))

    def _scalar(self, event: Any) -> None:
        """Take a scalar."""
        value = event.value if event.style else self._plain(event)
        if not self._expects_name:
            self._put(event, value)
            self._go_on()
        elif not isinstance(value, str):
            reason = f"the name {_shown(event.value)} is not a text; put it in double quotes"
            raise self._refused("ENV-Y2", reason, event)
        else:
            again = value in self._open[-1].value
            self._open[-1].token = value
            if again:
                reason = f"{_shown(value)} occurs twice in one object"
                raise self._refused("ENV-J2", reason, event)

    @property
    def _expects_name(self) -> bool:
        return bool(self._open) and self._open[-1].token is None

    def _put(self, event: Any, value: Any) -> _Spot:
        """Put a value where it belongs."""
        self._values += 1
        if self._values > LIMITS.max_values + 1:
            reason = f"more than the {LIMITS.max_values} elements and members allowed"
            raise self._refused("ENV-Y1", reason, event)
        spot = _Spot(_place(event.start_mark))
        if not self._open:
            self.value, self.spot = value, spot
            return spot
        holder = self._open[-1]
        if isinstance(holder.value, list):
            holder.value.append(value)
        else:
            holder.value[holder.token or ""] = value
        holder.spot.inner[holder.token or ""] = spot
        return spot

    def _go_on(self) -> None:
        """Be done with a value."""
        if self._open:
            holder = self._open[-1]
            holder.token = str(len(holder.value)) if isinstance(holder.value, list) else None

    def _plain(self, event: Any) -> str | int | bool | None:
        """Return what a scalar without quotes stands for."""
        text: str = event.value
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INTEGER.fullmatch(text):
            if len(text) > _MAX_DIGITS or abs(int(text)) > MAX_INTEGER:
                reason = (
                    f"the integer {_shown(text)} is outside ±{MAX_INTEGER}; "
                    "put larger integers in double quotes"
                )
                raise self._refused("ENV-J4", reason, event)
            return int(text)
        if not text:
            reason = 'there is no value; write one, "" for an empty text, or leave the member out'
            raise self._refused("ENV-Y3", reason, event)
        if _FRACTION.fullmatch(text):
            reason = (
                f"found {_shown(text)}, allowed are integers; write a whole number in the unit "
                "that the member's name ends with, or a text in double quotes"
            )
            raise self._refused("ENV-Y3", reason, event)
        if AMBIGUOUS.fullmatch(text) and not (self._expects_name and text in NAMES):
            reason = (
                f"readers of YAML disagree about {_shown(text)}: a text, a number, a date or a "
                "flag? For a text put it in double quotes"
            )
            raise self._refused("ENV-Y3", reason, event)
        return text


def _compose(text: str) -> _Composer:
    import yaml

    composer = _Composer(text)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        raise _malformed(error) from None
    except yaml.YAMLError as error:
        reason = str(error).partition("\n")[0]
        raise refusal("ENV-Y1", f"is not YAML: {reason}") from None
    if not composer.documents:
        raise refusal("ENV-Y1", "there is nothing but comments and white space")
    return composer


def _text(data: bytes) -> str:
    """Return `data` as text, if the parser may see it."""
    if len(data) > LIMITS.max_bytes:
        reason = f"the text has {len(data)} bytes; at most {LIMITS.max_bytes} are allowed"
        raise refusal("ENV-Y1", reason, None)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: {error.reason} at byte {error.start}"
        raise refusal("ENV-Y1", reason) from None
    if found := _DIRECTIVE.search(text):
        raise refusal("ENV-Y2", "a directive (%) is not allowed; remove it", _at(text, found))
    if found := _DISPUTED.search(text):
        reason = (
            f"readers of YAML disagree about the character U+{ord(found[0]):04X}; indent with "
            f'spaces, and write "\\u{ord(found[0]):04x}" within a text in double quotes'
        )
        raise refusal("ENV-Y1", reason, _at(text, found))
    return text


def _malformed(error: Any) -> DecodeError:
    """Return the refusal of what a parser of YAML does not understand."""
    said = ": ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    reason = (
        f"is not YAML: {said}; indent with spaces, and put a text in double quotes if it holds "
        "': ' or ' #', or begins with another character than a letter"
    )
    return refusal("ENV-Y1", reason, _place(mark) if mark else None)


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _at(text: str, found: re.Match[str]) -> Place:
    before = text[: found.start()]
    return Place(before.count("\n") + 1, len(before) - before.rfind("\n"))


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}… ({len(text)} characters)"


def refusal(code: str, reason: str, place: Place | None = None, path: str = "") -> DecodeError:
    """Return the refusal of a text for one reason."""
    return DecodeError(Diagnostic(code, Severity.ERROR, path, reason, place))
