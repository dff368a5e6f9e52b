"""Streams: a plan for many micro-batches that overlap, made from a plan for one.

The steps stay as they are. What is added is back-pressure: a step that writes bytes waits until
every other queue is through with them in the micro-batch that had this copy of the arenas before.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from cep.v1.plan import Wait

if TYPE_CHECKING:
    from cep.v1.plan import Plan, Stream


def streamed(plan: Plan, stream: Stream | None) -> Plan:
    """Return a plan as a stream; as it is, if there is none.

    Args:
        plan: A plan whose steps wait for each other in the order in which it lists them, and in
            which nothing else lies where inputs and outputs do.
        stream: How many micro-batches there are, and how many copies of the arenas.
    """
    if stream is None:
        return plan
    steps = []
    for step, behind in zip(plan.steps, _behind(plan), strict=True):
        late = tuple(
            Wait(queue=queue, epoch=epoch, lag=stream.ring_depth)
            for queue, epoch in sorted(behind.items())
            if queue != step.queue and stream.microbatches > stream.ring_depth
        )
        steps.append(step.replace(waits=(*step.waits, *late)))
    features = tuple(sorted({*plan.features, "streams"}))
    return plan.replace(stream=stream, steps=tuple(steps), features=features)


def _behind(plan: Plan) -> list[dict[str, int]]:
    """Return, for each step, the last epoch of each queue that uses what it writes after it."""
    borders: dict[str, set[int]] = defaultdict(set)
    for buffer in plan.buffers:
        borders[buffer.arena] |= {buffer.offset, buffer.offset + buffer.size}
    pieces = {arena: list(pairwise(sorted(found))) for arena, found in borders.items()}
    covered = [
        [
            (b.arena, start)
            for start, end in pieces[b.arena]
            if b.offset <= start and end <= b.offset + b.size
        ]
        for b in plan.buffers
    ]
    reached: dict[str, int] = defaultdict(int)
    for step in plan.steps:
        reached[step.queue] += 1
    later: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    found: list[dict[str, int]] = []
    for step in reversed(plan.steps):
        needed: dict[str, int] = {}
        for index in step.writes:
            for piece in covered[index]:
                for queue, epoch in later[piece].items():
                    needed[queue] = max(epoch, needed.get(queue, 0))
        found.append(needed)
        for index in (*step.reads, *step.writes):
            for piece in covered[index]:
                later[piece].setdefault(step.queue, reached[step.queue])
        reached[step.queue] -= 1
    return found[::-1]
