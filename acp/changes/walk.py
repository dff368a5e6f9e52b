"""Two JSON values member by member: objects by name, entries of lists by their keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from acp.changes.change import Act, Change, Verdict
from acp.changes.directions import (
    GIVEN_UP,
    LISTS,
    OF_THE_DOCUMENT,
    ORDERED,
    Direction,
    Keyed,
    Place,
    direction,
)
from acp.diagnostics import pointer
from acp.quantities import scaled, shown

if TYPE_CHECKING:
    from acp.canonical import JsonValue

_ABSENT: Final = None
_EXTENSIONS: Final = "extensions"
_SHOWN: Final = 72
_HUNDRED: Final = 100


class Spot(NamedTuple):
    """Where the walk is.

    Attributes:
        place: Names of members, without the keys of lists.
        words: The same with keys, as `Change.place` is written.
        old: Steps into the old document.
        new: Steps into the new document.
    """

    place: Place = ()
    words: str = ""
    old: tuple[str | int, ...] = ()
    new: tuple[str | int, ...] = ()

    def member(self, name: str) -> Spot:
        """Return the place of a member."""
        words = f"{self.words}.{name}" if self.words else name
        return Spot((*self.place, name), words, (*self.old, name), (*self.new, name))

    def entry(self, key: str, old: int, new: int) -> Spot:
        """Return the place of an entry of a list."""
        return Spot(self.place, f"{self.words}[{key}]", (*self.old, old), (*self.new, new))

    def change(self, verdict: Verdict, act: Act, message: str = "") -> Change:
        """Return a change here."""
        path = self.old if act is Act.REMOVED else self.new
        return Change(verdict, act, self.words, pointer(*path), message)


def walk(old: JsonValue, new: JsonValue, spot: Spot) -> Iterator[Change]:
    """Yield the changes from one value to another, of which both may be absent."""
    if old == new:
        return
    if spot.place[:1] == (_EXTENSIONS,) and len(spot.place) > 1:
        act = Act.ADDED if old is None else Act.REMOVED if new is None else Act.CHANGED
        yield spot.change(Verdict.OTHER, act)
    elif isinstance(old, dict) or isinstance(new, dict):
        yield from _members(_object(old), _object(new), spot)
    elif spot.place in LISTS:
        yield from _entries(_list(old), _list(new), spot, LISTS[spot.place])
    else:
        yield _value(old, new, spot)


def _members(
    old: Mapping[str, JsonValue], new: Mapping[str, JsonValue], spot: Spot
) -> Iterator[Change]:
    for name in dict.fromkeys((*old, *new)):
        if spot.place or name not in OF_THE_DOCUMENT:
            yield from walk(old.get(name), new.get(name), spot.member(name))


def paired(
    old: Sequence[JsonValue], new: Sequence[JsonValue], keyed: Keyed
) -> Iterator[tuple[str, int | None, int | None]]:
    """Yield the key of each entry with its index in both lists, or None where it is not in one."""
    before, after = _indices(old, keyed), _indices(new, keyed)
    for key in dict.fromkeys((*before, *after)):
        yield key[0], before.get(key), after.get(key)


def _indices(entries: Sequence[JsonValue], keyed: Keyed) -> dict[tuple[str, int], int]:
    """Return the index of each entry by its key, and by how many before it have the same."""
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], int] = {}
    for index, entry in enumerate(entries):
        held = _object(entry)
        parts = {name: _text(held.get(name)) for name in keyed.members}
        words = keyed.form.format(**parts).replace(" + -", "").replace(" -", "").strip()
        found[words, seen[words]] = index
        seen[words] += 1
    return found


def _entries(
    old: Sequence[JsonValue], new: Sequence[JsonValue], spot: Spot, keyed: Keyed
) -> Iterator[Change]:
    for key, before, after in paired(old, new, keyed):
        here = spot.entry(key, before or 0, after or 0)
        if before is None or after is None:
            act = Act.ADDED if before is None else Act.REMOVED
            entry = new[after] if after is not None else old[before or 0]
            yield here.change(_of_presence(keyed.matters, act), act, _summary(entry, keyed))
        else:
            yield from walk(old[before], new[after], here)


def _of_presence(matters: bool | None, act: Act) -> Verdict:  # noqa: FBT001 - a table's value
    if matters is None:
        return Verdict.OTHER
    return Verdict.BETTER if matters is (act is Act.ADDED) else Verdict.WORSE


def _value(old: JsonValue, new: JsonValue, spot: Spot) -> Change:
    """Return the change of a value that is no object, nor a list of them."""
    way = direction(spot.place)
    act = Act.ADDED if old is _ABSENT else Act.REMOVED if new is _ABSENT else Act.CHANGED
    if way in (Direction.MORE_ENTRIES, Direction.FEWER_ENTRIES):
        return _of_lists(_list(old), _list(new), spot, way)
    message = f"{_told(old, spot)} → {_told(new, spot)}{_percent(old, new)}"
    return spot.change(_verdict(old, new, spot, way), act, message)


def _verdict(old: JsonValue, new: JsonValue, spot: Spot, way: Direction) -> Verdict:
    if spot.place in GIVEN_UP:
        return Verdict.BETTER if old is _ABSENT else Verdict.WORSE
    if spot.place in ORDERED and old is not None and new is not None:
        ranks = ORDERED[spot.place]
        return Verdict.BETTER if ranks.index(str(old)) < ranks.index(str(new)) else Verdict.WORSE
    if way is Direction.TRUE:
        return Verdict.WORSE if new is False else Verdict.BETTER
    if way is Direction.NEITHER or spot.place in ORDERED:
        return Verdict.OTHER
    if isinstance(old, bool) or isinstance(new, bool):
        return Verdict.BETTER if new is True else Verdict.WORSE if old is True else Verdict.OTHER
    if old is _ABSENT or new is _ABSENT:
        claims_more = (old is _ABSENT) is not (way is Direction.DIVISOR)
        return Verdict.BETTER if claims_more else Verdict.WORSE
    before, after = _number(old), _number(new)
    if way is Direction.DIVISOR:
        return Verdict.BETTER if after and before % after == 0 else Verdict.WORSE
    return Verdict.BETTER if (after > before) is (way is Direction.UP) else Verdict.WORSE


def _of_lists(
    old: Sequence[JsonValue], new: Sequence[JsonValue], spot: Spot, way: Direction
) -> Change:
    """Return the change of a list of texts; one that is absent stands for all engines, or none."""
    is_reach = spot.place == ("memories", "engines")
    lost = [str(one) for one in old if one not in new]
    gained = [str(one) for one in new if one not in old]
    more = bool(gained) and not lost
    less = bool(lost)
    if is_reach and (not old or not new):
        more, less = not new, not old
    if way is Direction.FEWER_ENTRIES:
        more, less = less and not gained, bool(gained)
    words = [f"without {', '.join(lost)}"] if lost else []
    words += [f"now with {', '.join(gained)}"] if gained else []
    verdict = Verdict.WORSE if less else Verdict.BETTER if more else Verdict.OTHER
    return spot.change(verdict, Act.CHANGED, "; ".join(words) or "in another order")


def _percent(old: JsonValue, new: JsonValue) -> str:
    """Return by how much a quantity changed, in words."""
    before, after = _number(old), _number(new)
    if not before or new is _ABSENT or isinstance(old, bool):
        return ""
    sign = "+" if after > before else "−"
    return f" ({sign}{scaled(abs(after - before) * _HUNDRED, before)} %)"


def _number(value: JsonValue) -> int:
    """Return an integer, also one that is written as a text; 0 for anything else."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() else 0
    return value if isinstance(value, int) else 0


def _told(value: JsonValue, spot: Spot) -> str:
    if value is _ABSENT:
        return "not stated"
    number = isinstance(value, int) and not isinstance(value, bool)
    if number or (isinstance(value, str) and value.isascii() and value.isdigit()):
        return shown(_number(value), spot.place[-1])
    return _text(value)


def _summary(entry: JsonValue, keyed: Keyed) -> str:
    """Return what is told of an entry that is new or gone: its quantities."""
    held = _object(entry)
    facts = [
        f"{name} {shown(_number(value), name)}"
        for name, value in held.items()
        if name not in keyed.members
        and (isinstance(value, int | str) and _number(value))
        and direction(("", name)) is not Direction.NEITHER
    ]
    return ", ".join(facts)


def _text(value: Any) -> str:
    """Return a value as it is told, cut where it is long."""
    if value is None:
        return "-"
    if isinstance(value, list):
        text = ", ".join(map(_text, value)) or "-"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _object(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> Sequence[JsonValue]:
    return value if isinstance(value, list) else ()
