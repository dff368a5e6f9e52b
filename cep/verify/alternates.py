"""Alternates: could another device do a step in its place?

An alternate touches the same buffers at the same place of the order. So all that is said of order
and memory holds for it as it does for the step, and what is left to check is the device. Rules
about the device of a step are functions of the step and a queue, which are asked here once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from cep.verify.capability import claimed_on, suited_to
from cep.verify.order import reached_from, seen_from
from cep.verify.rules import Finding, rule
from cep.verify.subject import MAX_ALTERNATES
from cep.verify.types import determinism

if TYPE_CHECKING:
    from cep.verify.subject import Subject

Carries: TypeAlias = "Callable[[Subject, int, str], Iterator[Finding]]"
"""Finds why the device of a queue cannot carry out a step."""

RUNS: Final[dict[str, Carries]] = {
    "CEP-C2": claimed_on,
    "CEP-C4": suited_to,
    "CEP-O6": seen_from,
}
COPIES: Final[dict[str, Carries]] = {"CEP-C4": suited_to, "CEP-O5": reached_from}


@rule("CEP-C6", stage=4)
def fallbacks(s: Subject) -> Iterator[Finding]:
    """Each alternate could carry out its step: what is asked of the step's device holds for it."""
    if s.alternates is None:
        message = f"alternates have more than {MAX_ALTERNATES} ops, reads and writes; name fewer"
        yield Finding(("steps",), message)
    for i, k in s.alternates or ():
        step, path = s.plan.steps[i], ("steps", i, "alternates", k)
        queue, slot = step.alternates[k].queue, s.device_of(i, k)
        if step.run is None and step.transfer is None:
            yield Finding(path, "only steps that run or transfer have alternates")
            continue
        if slot in (s.device_of(i), *(s.device_of(i, other) for other in range(k))):
            yield Finding(path, f"{slot!r} is to do the step already; name another device")
            continue
        for code, check in (RUNS if step.run else COPIES).items():
            for finding in check(s, i, queue):
                yield Finding(path, f"{finding.message} ({code})")
        for target in sorted(_other_bits(s, i, slot)):
            yield Finding(path, f"nobody claims that {target} gives the same bits on {slot!r}")


def _other_bits(s: Subject, i: int, slot: str) -> set[str]:
    """Return the operations that may give other bits on another device, where that matters."""
    run, own = s.plan.steps[i].run, s.device_of(i)
    if run is None or not s.plan.constraints.deterministic:
        return set()
    alike = s.by_slot.get(own) is s.by_slot.get(slot)
    enough = {"CROSS_MODEL", "SAME_MODEL"} if alike else {"CROSS_MODEL"}
    return {
        target
        for target in {s.view.nodes[op].target for op in run.ops}
        if (determinism(s, own, target) | determinism(s, slot, target)) - enough
    }
