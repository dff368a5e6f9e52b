"""Rules of family K: does the plan keep what it promises of time, energy and place?

What steps take is the planner's estimate. Whether it comes true is not for a verifier to say: only
whether the estimates add up, and whether descriptors allow them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias

from cep.timing import Timing
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
    from cep.v1.plan import Step
    from cep.verify.subject import Subject

SECOND: int = 1_000_000_000
Member: TypeAlias = Literal["p99_ns", "femtojoules"]


@rule("CEP-K1", stage=4)
def deadline(s: Subject) -> Iterator[Finding]:
    """Estimates are possible, and the longest path of their p99 is within the deadline."""
    limit = s.plan.constraints.deadline_ns
    if limit is None:
        return
    wrong = False
    for i, path, p99 in estimates(s, "p99_ns"):
        least = _least_ns(s, s.plan.steps[i])
        if not p99 or p99 < least:
            wrong = True
            what = f"{p99} ns, which no link allows" if p99 else "not stated"
            message = (
                f"p99_ns is {what}: a deadline needs it of each step, here at least {max(1, least)}"
            )
            yield Finding(path, message)
    if wrong:
        return
    _, timing = expected(s)
    whole = timing.whole * (s.plan.stream.microbatches if s.plan.stream else 1)
    if whole > limit:
        message = f"the schedule takes {whole} ns by the p99 of its steps; promised are {limit}"
        yield Finding(("constraints", "deadline_ns"), message)


def expected(s: Subject) -> tuple[list[int], Timing]:
    """Return the most that each step takes by its p99, and the times of a run that follow."""
    took, silicon = [0] * len(s.plan.steps), _silicon(s)
    for i, _, p99 in estimates(s, "p99_ns"):
        took[i] = max(took[i], p99 or 0)
    took = [max(took[i] for i in members) for members in s.party]
    needs = [silicon[s.device_of(i)] if step.run else () for i, step in enumerate(s.plan.steps)]
    return took, Timing.of(s, took, s.order, needs)


@rule("CEP-K2", stage=4)
def energy(s: Subject) -> Iterator[Finding]:
    """The steps' energies, and those of what takes their places, add up to what is promised."""
    limit = s.plan.constraints.energy_fj
    if limit is None:
        return
    used, spare = ([0] * len(s.plan.steps) for _ in range(2))
    for i, path, energy_fj in estimates(s, "femtojoules"):
        own = path == ("steps", i)
        (used if own else spare)[i] = max((used if own else spare)[i], energy_fj or 0)
        if energy_fj is None:
            yield Finding(path, "femtojoules are not stated: a limit of energy needs them of each")
    whole = (sum(used) + sum(spare)) * (s.plan.stream.microbatches if s.plan.stream else 1)
    if whole > limit:
        message = f"the steps take {whole} fJ together; promised are {limit}"
        yield Finding(("constraints", "energy_fj"), message)


def estimates(
    s: Subject, member: Member
) -> Iterator[tuple[int, tuple[str | int, ...], int | None]]:
    """Yield a number of each estimate, of steps and alternates: the step, the place, the number."""
    for i, step in enumerate(s.plan.steps):
        yield i, ("steps", i), getattr(step.estimate, member, None)
        for k, other in enumerate(step.alternates):
            yield i, ("steps", i, "alternates", k), getattr(other.estimate, member, None)


def _least_ns(s: Subject, step: Step) -> int:
    """Return the least time that a step can take: that of its link at the largest sizes."""
    if step.transfer is None or len(step.reads) != 1 or len(step.writes) != 1:
        return 0
    source, target = (s.plan.buffers[b] for b in (step.reads[0], step.writes[0]))
    sources, targets = (s.sight.seen_by[s.sight.domains[b.arena]] for b in (source, target))
    size = s.largest_bytes(source.value)
    return min(
        (
            latency - -size * SECOND // rate
            for a, b, rate, latency in s.sight.links.get(step.transfer.link or "", ())
            if a in sources and b in targets
        ),
        default=0,
    )


def _silicon(s: Subject) -> dict[str, set[object]]:
    """Return the silicon of each slot: its own, and contention groups that all its nodes name."""
    groups: dict[str, set[object]] = {}
    for n, system in enumerate(s.systems):
        named: dict[str, set[str | None]] = {}
        for node in system.nodes:
            named.setdefault(node.descriptor_digest, set()).add(node.contention_group)
        for digest, names in named.items():
            if len(names) == 1 and None not in names:
                groups.setdefault(digest, set()).add((n, *names))
    return {slot: {slot, *groups.get(digest, ())} for slot, digest in s.binding.digests.items()}


@rule("CEP-K4", stage=4)
def locality(s: Subject) -> Iterator[Finding]:
    """Every node that a device can be bound to is in the places that data must not leave."""
    wanted = set(s.plan.constraints.locality_labels)
    missing: dict[str, list[str]] = {}
    for node in (node for system in s.systems for node in system.nodes) if wanted else ():
        lacking = missing.setdefault(node.descriptor_digest, [])
        labels = ", ".join(sorted(wanted.difference(node.labels)))
        lacking += [f"node {node.id!r} does not carry {labels}"] if labels else []
    for i, device in enumerate(s.plan.devices if wanted else ()):
        unknown = ["no system descriptor that is believed has a node with its descriptor"]
        for why in missing.get(s.binding.digests[device.slot], unknown)[:1]:
            yield Finding(("devices", i), f"{device.slot!r} may be elsewhere: {why}")
