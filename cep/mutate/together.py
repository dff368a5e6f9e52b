"""Mutations of what several steps, or several micro-batches, do together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cep.mutate.change import REMOVED, Change, Document, Family, Surroundings

FAMILY: Final = Family()
KINDS: Final = ("ALL_REDUCE", "ALL_GATHER", "REDUCE_SCATTER", "BROADCAST", "ALL_TO_ALL")


def _members(plan: Document) -> Iterator[tuple[int, dict[str, Any]]]:
    for i, step in enumerate(plan["steps"]):
        if "collective" in step:
            yield i, step["collective"]


@FAMILY.meant_for("CEP-O3")
def _collective_kind(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Let one member do something else."""
    for i, body in _members(plan):
        for kind in KINDS:
            if kind != body["kind"]:
                yield Change(("steps", i, "collective", "kind"), kind)


@FAMILY.meant_for("CEP-O3", "CEP-S1", "CEP-S4", "CEP-I6")
def _collective_ops(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Let one member list other operations."""
    for i, body in _members(plan):
        ops = body.get("ops", [])
        for op in range(len(plan["ops"]) + 1):
            yield Change(("steps", i, "collective", "ops"), [*ops, op])
        for j in range(len(ops)):
            yield Change(("steps", i, "collective", "ops"), [*ops[:j], *ops[j + 1 :]])


@FAMILY.meant_for("CEP-O3", "CEP-S1")
def _collective_group(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Let one member be of another group."""
    groups = {body["group"] for _, body in _members(plan)}
    for i, body in _members(plan):
        for group in sorted({*groups, "nobody"} - {body["group"]}):
            yield Change(("steps", i, "collective", "group"), group)


@FAMILY.meant_for("CEP-O1", "CEP-O4", "CEP-M3", "CEP-M4", "CEP-M5")
def _lag(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Wait for another micro-batch."""
    for i, step in enumerate(plan["steps"]):
        for j, wait in enumerate(step.get("waits", [])):
            if "lag" in wait:
                yield Change(("steps", i, "waits", j, "lag"), REMOVED)
            if "stream" in plan:
                for lag in {1, 2, 3, 1000} - {wait.get("lag")}:
                    yield Change(("steps", i, "waits", j, "lag"), lag)


@FAMILY.meant_for("CEP-O4", "CEP-M8", "CEP-I4")
def _copies(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Have more copies of the arenas than micro-batches, or micro-batches without copies."""
    if "stream" in plan:
        count = plan["stream"]["microbatches"]
        for more in (1, 1000):
            yield Change(("stream", "ring_depth"), count + more)
        yield Change(("stream",), REMOVED)


@FAMILY.meant_for("CEP-I4")
def _stream_added(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Run a plan for several micro-batches that was not made for it."""
    if "stream" not in plan:
        yield Change(("stream",), {"microbatches": 2, "ring_depth": 1})
