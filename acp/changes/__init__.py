"""What a new document claims more, less or otherwise than an old one of the same kind.

Things are paired by their names, never by their place, and values are compared by what they mean:
more operations per second are better, more nanoseconds are worse.

    >>> from acp.changes import Verdict, compare
    >>> from acp.v1.status import StatusList
    >>> fixed = {"spec": "acp/1", "issuer": "example.com", "sequence": 1,
    ...          "issued_at": "2026-01-01T00:00:00Z", "next_update": "2026-02-01T00:00:00Z"}
    >>> compare(StatusList(**fixed), StatusList(**fixed))
    ()

A plan that was verified with the old descriptor may no longer hold where something is worse; what
is better or other refuses no plan, but one that names the old descriptor's digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from acp.changes.change import Act, Change, Verdict
from acp.changes.operations import operations
from acp.changes.walk import Spot, walk
from acp.v1.capability import CapabilityDescriptor

if TYPE_CHECKING:
    from acp.message import Message

__all__ = ["Act", "Change", "Verdict", "compare"]


def compare(old: Message, new: Message) -> tuple[Change, ...]:
    """Return the changes from one document to another: worse, then better, then other ones.

    Members about the document itself, such as its revision and its term, are left out.

    Raises:
        ValueError: They are of different kinds.
    """
    if type(old) is not type(new):
        raise ValueError(f"a {type(old).__name__} and a {type(new).__name__} do not compare")
    before: dict[str, Any] = old.to_json()
    after: dict[str, Any] = new.to_json()
    found: list[Change] = []
    if isinstance(old, CapabilityDescriptor) and isinstance(new, CapabilityDescriptor):
        for value in (before, after):
            _say_defaults(value)
            value.pop("ops")
        found += operations(old, new)
        found += _queues(before, after)
    found += walk(before, after, Spot())
    return tuple(sorted(found, key=lambda one: list(Verdict).index(one.verdict)))


def _say_defaults(value: dict[str, Any]) -> None:
    """State what absence means: all of a memory can be used, and every rate is exposed."""
    for memory in value["memories"]:
        total = int(memory["capacity_bytes_per_instance"]) * memory["instances"]
        memory.setdefault("usable_bytes", str(total))
    for engine in value["engines"]:
        for rate in engine.get("rates", ()):
            rate.setdefault("exposed", True)


def _queues(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    """Yield what became of the queues; of a kind that is not listed there is one."""
    old, new = (
        {one["kind"]: one["max"] for one in value.pop("queues", ())} for value in (before, after)
    )
    for kind in dict.fromkeys((*old, *new)):
        was, is_ = old.get(kind, 1), new.get(kind, 1)
        if was != is_:
            verdict = Verdict.BETTER if is_ > was else Verdict.WORSE
            place = f"queues[{kind}].max"
            yield Change(verdict, Act.CHANGED, place, "/queues", f"{was} → {is_}")
