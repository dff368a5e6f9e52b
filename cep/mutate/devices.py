"""Mutations of what a plan asks of its devices: predicates and queues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cep.mutate.change import Change, Document, Family, Surroundings

FAMILY: Final = Family()
_MORE: Final = 9
"""Queues that are added at once; more than any device of the tests can have."""


def _predicates(plan: Document) -> Iterator[tuple[int, str]]:
    for i, device in enumerate(plan["devices"]):
        if "predicate" in device:
            yield i, device["predicate"]


@FAMILY.meant_for("CEP-C1")
def _predicate_narrowed(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Demand of a device what none has."""
    for i, predicate in _predicates(plan):
        for more in ("1 == 2", 'subject.model == ""', "memories[nothing].level == 1"):
            yield Change(("devices", i, "predicate"), f"{predicate} and {more}")


@FAMILY.meant_for("CEP-C1")
def _predicate_widened(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Demand of a device what every one has."""
    for i, _predicate in _predicates(plan):
        for less in ("1 == 1", 'spec == "acp/1"'):
            yield Change(("devices", i, "predicate"), less)


@FAMILY.meant_for("CEP-C1")
def _predicate_spoilt(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Demand of a device what is no condition."""
    for i, predicate in _predicates(plan):
        for spoilt in (f"{predicate} and", f"({predicate})", predicate.replace("=", "~")):
            yield Change(("devices", i, "predicate"), spoilt)


@FAMILY.meant_for("CEP-C4")
def _queues_added(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give a device more queues than it has."""
    for device in plan["devices"]:
        for kind in ("COMPUTE", "COPY"):
            more = [
                {"id": f"more-{n}", "device": device["slot"], "kind": kind} for n in range(_MORE)
            ]
            yield Change(("queues",), [*plan["queues"], *more])


@FAMILY.meant_for("CEP-C4")
def _queue_kind(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Let a queue compute that copies, or the other way round."""
    for i, queue in enumerate(plan["queues"]):
        other = "COPY" if queue["kind"] == "COMPUTE" else "COMPUTE"
        yield Change(("queues", i, "kind"), other)
