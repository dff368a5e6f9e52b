"""Rules of family R: does every run that goes wrong end well?

A guard stops a step that takes too long, crosses a limit of its device, or makes what is not a
number: it trips. The machine of spec/semantics.md has a transition for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cep.verify.constraints import expected
from cep.verify.memory import kept, main_memory, room_of
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
    from cep.v1.plan import Estimate
    from cep.verify.subject import Subject

MILLION: Final = 1_000_000
QUANTITIES: Final = ("memory_bytes", "power_mw", "temperature_mdegc")


@rule("CEP-R1", stage=4)
def watchdogs(s: Subject) -> Iterator[Finding]:
    """A watchdog bites after what is expected, and early enough for the deadline."""
    safety, deadline = s.plan.safety, s.plan.constraints.deadline_ns
    share = safety.watchdog_ppm if safety else None
    if safety is None or share is None:
        return
    if share <= MILLION:
        message = f"{share} is not more than {MILLION}: a step that takes its p99 would trip"
        yield Finding(("safety", "watchdog_ppm"), message)
    silent = False
    for i, step in enumerate(s.plan.steps):
        for path, estimate in (
            (("steps", i), step.estimate),
            *((("steps", i, "alternates", k), a.estimate) for k, a in enumerate(step.alternates)),
        ):
            if not _p99(estimate):
                silent = True
                yield Finding(path, "the watchdog has no estimate.p99_ns to go by")
    if silent or deadline is None:
        return
    took, timing = expected(s)
    batches = s.plan.stream.microbatches if s.plan.stream else 1
    for i, step in enumerate(s.plan.steps):
        own, other = (
            _p99(step.estimate),
            max((_p99(a.estimate) for a in step.alternates), default=0),
        )
        bites = -(-own * share // MILLION)
        late = bites - max(own, other) + (other if safety.on_trip == "ALTERNATE" else 0)
        whole = timing.whole * (batches - 1) + timing.through(i, max(took[i], took[i] + late))
        if whole > deadline:
            message = f"trips after {bites} ns; the run takes {whole} ns then, promised {deadline}"
            yield Finding(("steps", i), message)


def _p99(estimate: Estimate | None) -> int:
    return estimate.p99_ns or 0 if estimate else 0


@rule("CEP-R2", stage=4)
def trips_end(s: Subject) -> Iterator[Finding]:
    """After every trip it is said what comes next, and an alternate finds what the step had."""
    safety = s.plan.safety
    if safety is not None and safety.on_trip is None:
        yield Finding(("safety",), "on_trip is not stated: say what follows a trip")
    for i, step in enumerate(s.plan.steps):
        for j, write in enumerate(step.writes if step.alternates else ()):
            if s.plan.buffers[write].in_place_of is not None:
                message = "an alternate needs what the step has read, but this takes its place"
                yield Finding(("steps", i, "writes", j), message)
        if safety is not None and safety.on_trip == "ALTERNATE" and not step.alternates:
            guard = _guard(s, i)
            if guard:
                message = f"{guard} can stop the step, which has no alternate"
                yield Finding(("steps", i), message)


def _guard(s: Subject, i: int) -> str:
    """Return what can stop a step, if anything."""
    safety, step = s.plan.safety, s.plan.steps[i]
    if safety is None:
        return ""
    if safety.watchdog_ppm is not None or safety.limits:
        return "the watchdog" if safety.watchdog_ppm is not None else "a limit"
    results = [s.view.types[s.plan.buffers[b].value].dtype for b in step.writes]
    makes_floats = step.transfer is None and any(d.startswith(("f", "bf")) for d in results)
    return "nan_guard" if safety.nan_guard and makes_floats else ""


@rule("CEP-R3", stage=4)
def limits_cover(s: Subject) -> Iterator[Finding]:
    """Each quantity that is limited is limited on every device, where it can be crossed."""
    limits = s.plan.safety.limits if s.plan.safety else ()
    use = kept(s) if limits else {}
    seen: dict[str, set[str]] = {}
    for i, limit in enumerate(limits):
        path = ("safety", "limits", i)
        if limit.quantity not in QUANTITIES:
            message = f"{limit.quantity!r} is none of {', '.join(QUANTITIES)}"
            yield Finding((*path, "quantity"), message)
            continue
        if limit.device in seen.setdefault(limit.quantity, set()):
            yield Finding(path, f"{limit.quantity} of {limit.device!r} is limited twice")
        seen[limit.quantity].add(limit.device)
        most = _most(s, limit.device, limit.quantity)
        if most is not None and limit.max > most:
            message = f"{limit.device!r} never has more than {most}: the limit guards nothing"
            yield Finding((*path, "max"), message)
        if limit.quantity == "memory_bytes" and limit.max < use[limit.device]:
            message = f"the plan keeps {use[limit.device]} bytes on {limit.device!r}: trips at once"
            yield Finding((*path, "max"), message)
    for quantity, slots in seen.items():
        for device in s.plan.devices:
            if device.slot not in slots:
                message = f"{quantity} of {device.slot!r} is not limited, that of others is"
                yield Finding(("safety", "limits"), message)


def _most(s: Subject, slot: str, quantity: str) -> int | None:
    """Return what a device never exceeds, by its descriptor; None if that says nothing."""
    main, descriptor = main_memory(s, slot), s.by_slot.get(slot)
    if quantity == "memory_bytes":
        return room_of(main) if main else None
    power = descriptor.power if descriptor else None
    if power is None:
        return None
    return power.cap_max_mw if quantity == "power_mw" else power.throttle_mdegc
