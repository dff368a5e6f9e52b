"""A stream as a plan that is run once: as many micro-batches as can meet, written out.

Every arena exists `ring_depth` times, and micro-batches take turns with the copies. What the caller
does, giving inputs and taking outputs, is written as steps of two more queues (spec/semantics.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cep.v1.plan import Step, Transfer, Wait

if TYPE_CHECKING:
    from cep.indexed import IndexedPlan
    from cep.v1.plan import Plan, Stream

GIVEN, TAKEN = "(inputs)", "(outputs)"
"""The caller's queues; no id is written so."""


def unrolled(s: IndexedPlan, stream: Stream) -> tuple[Plan, Callable[[int], str]]:
    """Return the plan of the first micro-batches, with every step, arena and buffer written out.

    With it comes what people call its steps. A micro-batch is a line of steps: one that gives its
    inputs, the plan's, one that takes its outputs. Queues that read inputs begin it when they are
    given, and inputs are given when these queues have ended the micro-batch before in the copy;
    likewise for outputs.
    """
    plan, depth = s.plan, stream.ring_depth
    width, lengths = len(plan.buffers), dict.fromkeys(s.queues, 0)
    for step in plan.steps:
        lengths[step.queue] += 1
    roles = {b: s.view.roles[buffer.value] for b, buffer in enumerate(plan.buffers)}
    given = {b for b in roles if roles[b] == "IN" and b not in s.written}
    taken = {b for b in roles if roles[b] == "OUT" and b in s.written}
    readers = {t.queue for t in plan.steps if not given.isdisjoint(t.reads)}
    writers = {t.queue for t in plan.steps if not taken.isdisjoint(t.writes)}
    steps: list[Step] = []

    def add(step: Step, m: int, due: Sequence[tuple[str, int]]) -> None:
        reads, writes = (tuple(b + m % depth * width for b in x) for x in (step.reads, step.writes))
        waits = tuple(Wait(queue=q, epoch=e) for q, e in due if e > 0)
        steps.append(step.replace(reads=reads, writes=writes, waits=waits))

    def ended(queues: set[str], m: int) -> list[tuple[str, int]]:
        return [(q, (m + 1) * lengths[q]) for q in sorted(queues)]

    body = Transfer()
    give = Step(queue=GIVEN, transfer=body, writes=tuple(sorted(given)))
    take = Step(queue=TAKEN, transfer=body, reads=tuple(sorted(taken)))
    for m in range(min(stream.microbatches, depth + 1)):
        add(give, m, ended(readers, m - depth))
        for i, step in enumerate(plan.steps):
            lags = [(w.queue, w.epoch, m - (w.lag or 0)) for w in step.waits]
            due = [(q, e + n * lengths[q]) for q, e, n in lags if n >= 0]
            due += [(GIVEN, m + 1)] if s.epochs[i] == 1 and step.queue in readers else []
            due += [(TAKEN, m - depth + 1)] if s.epochs[i] == 1 and step.queue in writers else []
            add(step, m, due)
        add(take, m, ended(writers, m))

    def told(index: int) -> str:
        m, step = divmod(index, len(plan.steps) + 2)
        names = {
            0: "the caller who gives inputs",
            len(plan.steps) + 1: "the caller who takes outputs",
        }
        return f"{names.get(step, f'step {step - 1}')} of micro-batch {m}"

    copies = [f"@{k}" for k in range(depth)]
    caller = [plan.queues[0].replace(id=q) for q in (GIVEN, TAKEN)]
    arenas = [a.replace(id=a.id + k) for k in copies for a in plan.arenas]
    places = [b.replace(arena=b.arena + k) for k in copies for b in plan.buffers]
    members = {"queues": (*plan.queues, *caller), "steps": tuple(steps)}
    members |= {"arenas": tuple(arenas), "buffers": tuple(places)}
    return plan.replace(**members), told
