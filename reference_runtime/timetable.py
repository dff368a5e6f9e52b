"""Which work of a run follows which, for plans with collectives and streams too.

Work is numbered: step i of n, in micro-batch m, is m·n + i. In a stream the caller's work follows:
what gives the inputs of each micro-batch, then what takes the outputs of each. A plan that is no
stream has one micro-batch, and the caller's work is not on the timetable.

The members of a collective begin and end together. Here the first of them does the work of all: it
waits for whatever any of them waits for, and the others wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reference_runtime.adapter import UnsupportedError
from reference_runtime.execution import Schedule

if TYPE_CHECKING:
    from cep.v1.plan import Plan

MOST_WORK: Final = 1_000_000
"""Most steps of all micro-batches together that this runtime keeps in its timetable."""


def parties(plan: Plan) -> dict[int, tuple[int, ...]]:
    """Return by step the members of its instance of a collective, in the plan's order."""
    counts: dict[tuple[str, str], int] = {}
    met: dict[tuple[str, int], list[int]] = {}
    for index, step in enumerate(plan.steps):
        if step.collective is not None:
            key = step.collective.group, step.queue
            counts[key] = counts.get(key, 0) + 1
            met.setdefault((key[0], counts[key]), []).append(index)
    return {index: tuple(members) for members in met.values() for index in members}


def timetable(plan: Plan) -> Schedule:
    """Return the schedule of all work of a run.

    Raises:
        UnsupportedError: There is too much of it (RUN-A3).
    """
    stream, count = plan.stream, len(plan.steps)
    batches = stream.microbatches if stream is not None else 1
    if batches * count > MOST_WORK:
        reason = (
            f"{batches} micro-batches of {count} steps are more than {MOST_WORK} steps; "
            "compile fewer micro-batches and run the plan more often"
        )
        raise UnsupportedError.because("RUN-A3", reason, "/stream/microbatches")
    queue_of = [0] * count
    lengths = [0] * len(plan.queues)
    epochs: list[int] = []
    numbers = {queue.id: number for number, queue in enumerate(plan.queues)}
    for index, step in enumerate(plan.steps):
        queue_of[index] = numbers[step.queue]
        lengths[queue_of[index]] += 1
        epochs.append(lengths[queue_of[index]])
    due = [[(numbers[w.queue], w.epoch, w.lag or 0) for w in step.waits] for step in plan.steps]
    waits = [
        [(q, e + (m - lag) * lengths[q]) for q, e, lag in needed if m >= lag]
        for m in range(batches)
        for needed in due
    ]
    attended = _caller(plan, batches, stream.ring_depth, lengths, waits) if stream else []
    for index, members in parties(plan).items():
        first = members[0]
        for m in range(batches if index != first else 0):
            own, work = m * count + index, m * count + first
            begun = epochs[index] - 1 + m * lengths[queue_of[index]]
            waits[work] += [(queue_of[index], begun), *waits[own]]
            waits[own] = [(queue_of[first], epochs[first] + m * lengths[queue_of[first]])]
    waits += attended
    queue_of *= batches
    if stream is not None:
        queue_of += [len(lengths)] * batches + [len(lengths) + 1] * batches
    return Schedule.of(
        queues=len(lengths) + (2 if stream is not None else 0),
        queue_of=queue_of,
        waits=[[(q, e) for q, e in needed if e > 0] for needed in waits],
    )


def _caller(
    plan: Plan, batches: int, depth: int, lengths: list[int], waits: list[list[tuple[int, int]]]
) -> list[list[tuple[int, int]]]:
    """Return what the caller's work waits for; let steps wait for it as section 9.5 says."""
    roles = {value.id: value.role for value in plan.values}
    written = {buffer for step in plan.steps for buffer in step.writes}
    held = [(roles[b.value], index in written) for index, b in enumerate(plan.buffers)]
    heads: dict[int, int] = {}
    users: list[set[int]] = [set(), set()]
    numbers = {queue.id: number for number, queue in enumerate(plan.queues)}
    for index, step in enumerate(plan.steps):
        queue = numbers[step.queue]
        heads.setdefault(queue, index)
        if any(held[b] == ("IN", False) for b in step.reads):
            users[0].add(queue)
        if any(held[b] == ("OUT", True) for b in step.writes):
            users[1].add(queue)
    for m in range(batches):
        for side, behind in ((0, 0), (1, depth)):
            for queue in users[side]:
                waits[m * len(plan.steps) + heads[queue]].append(
                    (len(lengths) + side, m - behind + 1)
                )
    return [
        [(queue, (m - behind + 1) * lengths[queue]) for queue in sorted(users[side])]
        for side, behind in ((0, depth), (1, 0))
        for m in range(batches)
    ]
