"""Rules of family R: does every run that goes wrong end well?

A guard stops a step that takes too long, crosses a limit of its device, or makes what is not a
number: it trips. The machine of spec/semantics.md has a transition for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cep.opset.definition import FLOATS
from cep.sight import room_of
from cep.verify.constraints import estimates, expected
from cep.verify.memory import kept
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
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
    times: dict[int, list[int]] = {}
    for i, path, p99 in estimates(s, "p99_ns"):
        times.setdefault(i, []).append(p99 or 0)
        if not p99:
            yield Finding(path, "the watchdog has no estimate.p99_ns to go by")
    if deadline is None or not all(map(all, times.values())):
        return
    took, timing = expected(s)
    batches = s.plan.stream.microbatches if s.plan.stream else 1
    for i, (own, *others) in times.items():
        bites = -(-own * share // MILLION)
        late = bites + (max(others, default=0) if safety.on_trip == "ALTERNATE" else 0)
        through = timing.through(i, took[i] + max(0, late - max(own, *others, 0)))
        whole = timing.whole * (batches - 1) + through
        if whole > deadline:
            message = f"trips after {bites} ns; the run takes {whole} ns then, promised {deadline}"
            yield Finding(("steps", i), message)


@rule("CEP-R2", stage=4)
def trips_end(s: Subject) -> Iterator[Finding]:
    """After every trip it is said what comes next, and an alternate finds what the step had."""
    safety = s.plan.safety
    if safety is not None and safety.on_trip is None:
        yield Finding(("safety",), "on_trip is not stated: say what follows a trip")
    guarded = safety is not None and safety.on_trip == "ALTERNATE"
    for i in range(len(s.plan.steps)) if guarded else s.replaceable:
        step = s.plan.steps[i]
        for j, write in enumerate(step.writes if step.alternates else ()):
            if s.plan.buffers[write].in_place_of is not None:
                message = "an alternate needs what the step has read, but this takes its place"
                yield Finding(("steps", i, "writes", j), message)
        if safety is not None and safety.on_trip == "ALTERNATE" and not step.alternates:
            made = {s.view.types[s.plan.buffers[b].value].dtype for b in step.writes}
            numbers = safety.nan_guard and not step.transfer and made & FLOATS
            if safety.watchdog_ppm is not None or safety.limits or numbers:
                yield Finding(("steps", i), "a guard can stop the step, which has no alternate")


@rule("CEP-R3", stage=4)
def limits_cover(s: Subject) -> Iterator[Finding]:
    """Each quantity that is limited is limited once on every device, where it can be crossed."""
    limits = s.plan.safety.limits if s.plan.safety else ()
    use = kept(s) if limits else {}
    counts = Counter((limit.quantity, limit.device) for limit in limits)
    for i, limit in enumerate(limits):
        path, slot = ("safety", "limits", i), limit.device
        if limit.quantity not in QUANTITIES:
            message = f"{limit.quantity!r} is none of {', '.join(QUANTITIES)}"
            yield Finding((*path, "quantity"), message)
        if counts[limit.quantity, slot] > 1:
            yield Finding(path, f"{limit.quantity} of {slot!r} is limited twice")
        most = _most(s, slot, limit.quantity)
        if most is not None and limit.max > most:
            message = f"{slot!r} never has more than {most}: the limit guards nothing"
            yield Finding((*path, "max"), message)
        if limit.quantity == "memory_bytes" and limit.max < use[slot]:
            message = f"the plan keeps {use[slot]} bytes on {slot!r}: every run would trip"
            yield Finding((*path, "max"), message)
    for quantity in sorted({limit.quantity for limit in limits}):
        for device in s.plan.devices:
            if not counts[quantity, device.slot]:
                message = f"{quantity} of {device.slot!r} is not limited, that of others is"
                yield Finding(("safety", "limits"), message)


def _most(s: Subject, slot: str, quantity: str) -> int | None:
    """Return what a device never exceeds, by its descriptor; None if that says nothing."""
    main, power = s.sight.main_memory(slot), s.by_slot[slot].power
    if quantity == "memory_bytes":
        return room_of(main) if main else None
    member = {"power_mw": "cap_max_mw", "temperature_mdegc": "throttle_mdegc"}.get(quantity)
    return getattr(power, member, None) if member else None
