"""The facts of a plan's page, computed from the plan alone.

The plan need not have been verified: an order with cycles, buffers that overlap or run over the end
of their arena are drawn as they are written.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cep.graph import GraphView
from cep.report.view import Lifetime, Sizes, StepRow, lifetimes, resolve, step_rows

if TYPE_CHECKING:
    from cep.v1.plan import Device, Plan


@dataclass(frozen=True, slots=True)
class WaitRow:
    """A wait of one step for another.

    Attributes:
        step: Step that waits.
        source: Step that brings the queue to the epoch; None if there is none.
        queue: The queue.
        epoch: The epoch.
        lag: In how many micro-batches before; of those, `source` is None.
    """

    step: int
    source: int | None
    queue: str
    epoch: int
    lag: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """Everything that the page shows.

    Attributes:
        plan: The plan.
        plan_digest: Its identity.
        caveat: What its reader did not check.
        devices: Devices in the plan's order.
        queues: Queues with their devices, those of one device together.
        steps: Steps in the plan's order.
        waits: All waits.
        sequence: The steps in an order that agrees with happens-before, as far as there is one.
        levels: By step, how many steps must have ended one after the other before it can begin.
        lives: While buffers are needed, in positions of `sequence`.
        weight_bytes: Bytes of all constants.
        path_ns: Predicted length of a run, in nanoseconds: the longest path through the steps.
    """

    plan: Plan
    plan_digest: str
    caveat: str
    devices: tuple[Device, ...]
    queues: tuple[tuple[str, str], ...]
    steps: tuple[StepRow, ...]
    waits: tuple[WaitRow, ...]
    sequence: tuple[int, ...]
    levels: tuple[int, ...]
    lives: tuple[Lifetime, ...]
    weight_bytes: int
    path_ns: int


def plan_view(plan: Plan, plan_digest: str, caveat: str = "") -> PlanView:
    """Return the facts of a plan.

    Raises:
        Refused: The plan refers to what it does not have (CEP-I6), or its graph cannot be read.
    """
    resolve(plan)
    graph = GraphView.of(plan)
    nbytes = Sizes(graph, {name: span.max for name, span in graph.ranges.items()})
    waits = _waits(plan)
    before = _predecessors(plan, waits)
    sequence = _sequence(before)
    levels, path_ns = _levels(plan, before, sequence)
    slots = [device.slot for device in plan.devices]
    queues = sorted(((q.id, q.device) for q in plan.queues), key=lambda one: slots.index(one[1]))
    return PlanView(
        plan=plan,
        plan_digest=plan_digest,
        caveat=caveat,
        devices=tuple(plan.devices),
        queues=tuple(queues),
        steps=step_rows(plan),
        waits=waits,
        sequence=sequence,
        levels=levels,
        lives=tuple(lifetimes(plan, sequence)),
        weight_bytes=sum(nbytes(constant.value) for constant in plan.constants),
        path_ns=path_ns,
    )


def _waits(plan: Plan) -> tuple[WaitRow, ...]:
    reached: dict[str, int] = {}
    at: dict[tuple[str, int], int] = {}
    for index, step in enumerate(plan.steps):
        reached[step.queue] = reached.get(step.queue, 0) + 1
        at[step.queue, reached[step.queue]] = index
    return tuple(
        WaitRow(
            index,
            None if wait.lag else at.get((wait.queue, wait.epoch)),
            wait.queue,
            wait.epoch,
            wait.lag or 0,
        )
        for index, step in enumerate(plan.steps)
        for wait in step.waits
    )


def _predecessors(plan: Plan, waits: tuple[WaitRow, ...]) -> list[set[int]]:
    before: list[set[int]] = [set() for _ in plan.steps]
    latest: dict[str, int] = {}
    for index, step in enumerate(plan.steps):
        if step.queue in latest:
            before[index].add(latest[step.queue])
        latest[step.queue] = index
    for wait in waits:
        if wait.source is not None:
            before[wait.step].add(wait.source)
    for members in _instances(plan):
        needed = set[int]().union(*(before[member] for member in members))
        for member in members:
            before[member] = needed
    return before


def _instances(plan: Plan) -> list[list[int]]:
    """Return the steps that carry out a collective together."""
    counts: dict[tuple[str, str], int] = {}
    met: dict[tuple[str, int], list[int]] = {}
    for index, step in enumerate(plan.steps):
        if step.collective is not None:
            key = step.collective.group, step.queue
            counts[key] = counts.get(key, 0) + 1
            met.setdefault((key[0], counts[key]), []).append(index)
    return list(met.values())


def _sequence(before: list[set[int]]) -> tuple[int, ...]:
    """Return the steps in order, the earliest in the plan first; then those on or behind cycles."""
    after: list[list[int]] = [[] for _ in before]
    missing = [len(found) for found in before]
    for step, found in enumerate(before):
        for other in found:
            after[other].append(step)
    ready = [step for step, count in enumerate(missing) if not count]
    sequence = []
    while ready:
        step = heapq.heappop(ready)
        sequence.append(step)
        for other in after[step]:
            missing[other] -= 1
            if not missing[other]:
                heapq.heappush(ready, other)
    stuck = sorted(set(range(len(before))) - set(sequence))
    return (*sequence, *stuck)


def _levels(
    plan: Plan, before: list[set[int]], sequence: tuple[int, ...]
) -> tuple[tuple[int, ...], int]:
    levels: dict[int, int] = {}
    ends: dict[int, int] = {}
    for step in sequence:
        known = [other for other in before[step] if other in levels]
        estimate = plan.steps[step].estimate
        levels[step] = max((levels[other] + 1 for other in known), default=0)
        begin = max((ends[other] for other in known), default=0)
        ends[step] = begin + (estimate.p50_ns if estimate else 0)
    return tuple(levels[step] for step in range(len(before))), max(ends.values(), default=0)
