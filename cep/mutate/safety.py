"""Mutations of alternates, and of what is watched while a plan runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cep.mutate.change import REMOVED, Change, Document, Family, Surroundings
from cep.mutate.identity import NOTHING

FAMILY: Final = Family()


@FAMILY.meant_for("CEP-C6", "CEP-I6", "CEP-M8")
def _alternate_redirected(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Let another device be the alternate, or the step's own."""
    queues = [queue["id"] for queue in plan["queues"]]
    for i, step in enumerate(plan["steps"]):
        for k, alternate in enumerate(step.get("alternates", [])):
            for queue in (*queues, NOTHING):
                if queue != alternate["queue"]:
                    yield Change(("steps", i, "alternates", k, "queue"), queue)


@FAMILY.meant_for("CEP-C6")
def _alternate_repeated(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Name an alternate twice."""
    for i, step in enumerate(plan["steps"]):
        listed = step.get("alternates", [])
        for one in listed:
            yield Change(("steps", i, "alternates"), [*listed, one])


@FAMILY.meant_for("CEP-R2")
def _alternates_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Leave a step that can be stopped without an alternate."""
    safety = plan.get("safety", {})
    for i, step in enumerate(plan["steps"] if safety.get("on_trip") == "ALTERNATE" else ()):
        if "alternates" in step and ("watchdog_ppm" in safety or "limits" in safety):
            yield Change(("steps", i, "alternates"), REMOVED)


@FAMILY.meant_for("CEP-R2")
def _nothing_follows(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Do not say what follows a trip."""
    if "on_trip" in plan.get("safety", {}):
        yield Change(("safety", "on_trip"), REMOVED)


@FAMILY.meant_for("CEP-R1")
def _watchdog_bites_early(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Stop steps that take no longer than they are expected to."""
    if "watchdog_ppm" in plan.get("safety", {}):
        for share in (0, 1, 999_999, 1_000_000):
            yield Change(("safety", "watchdog_ppm"), str(share))


@FAMILY.meant_for("CEP-R1")
def _watchdog_bites_late(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Stop steps only when the deadline has passed."""
    if "watchdog_ppm" in plan.get("safety", {}) and "deadline_ns" in plan["constraints"]:
        for share in (2**53, 2**64 - 1):
            yield Change(("safety", "watchdog_ppm"), str(share))


@FAMILY.meant_for("CEP-R1", "CEP-K1")
def _slowest_unsaid(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Do not say what a step or an alternate takes at the most, or that it takes nothing."""
    for i, step in enumerate(plan["steps"] if "watchdog_ppm" in plan.get("safety", {}) else ()):
        count = len(step.get("alternates", []))
        for way in (("steps", i), *(("steps", i, "alternates", k) for k in range(count))):
            yield Change((*way, "estimate", "p99_ns"), REMOVED)
            yield Change((*way, "estimate", "p99_ns"), "0")
            yield Change((*way, "estimate"), REMOVED)


@FAMILY.meant_for("CEP-R3")
def _limit_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Watch all devices but one."""
    limits = plan.get("safety", {}).get("limits", [])
    for i in range(len(limits) if len(limits) > 1 else 0):
        yield Change(("safety", "limits"), [*limits[:i], *limits[i + 1 :]])


@FAMILY.meant_for("CEP-R3", "CEP-I6")
def _limit_redirected(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Let a limit be about another device, or about none."""
    for i, limit in enumerate(plan.get("safety", {}).get("limits", [])):
        for slot in (*(device["slot"] for device in plan["devices"]), NOTHING):
            if slot != limit["device"]:
                yield Change(("safety", "limits", i, "device"), slot)


@FAMILY.meant_for("CEP-R3")
def _limit_of_nothing(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Limit what nobody can measure."""
    for i in range(len(plan.get("safety", {}).get("limits", []))):
        yield Change(("safety", "limits", i, "quantity"), NOTHING)


@FAMILY.meant_for("CEP-R3")
def _limit_out_of_reach(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Limit memory to more than there is, or to less than the plan keeps."""
    keeping = {arena["device"] for arena in plan["arenas"]}
    for i, limit in enumerate(plan.get("safety", {}).get("limits", [])):
        if limit["quantity"] == "memory_bytes":
            for most in (*((0, 1) if limit["device"] in keeping else ()), 2**63, 2**64 - 1):
                yield Change(("safety", "limits", i, "max"), str(most))


@FAMILY.meant_for("CEP-I4")
def _shadowed(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Ask for steps to be computed twice."""
    if "safety" in plan:
        yield Change(("safety", "shadow_ppm"), 1000)
