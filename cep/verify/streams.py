"""Rule CEP-O4: micro-batches that are under way at once don't get in each other's way.

Every arena exists `ring_depth` times, and micro-batches take turns with the copies. So a step can
only meet steps of its own micro-batch and of those a multiple of `ring_depth` away, and of the
latter it is enough to look at the nearest (spec/semantics.md): `ring_depth` + 1 micro-batches are
written out, with what the caller does as steps of two more queues, and judged like any plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cep.v1.plan import Step, Stream, Transfer, Wait
from cep.verify import memory, order
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
    from cep.verify.subject import Subject

MAX_UNROLLED: Final = 2_000_000
"""Most steps, accesses, waits, buffers and arenas of the micro-batches that are written out."""
GIVEN, TAKEN = "(inputs)", "(outputs)"
"""The caller's queues; no id is written so."""
AGAIN: Final = (
    order.deadlock_free, order.epochs_exist, memory.no_races, memory.defined_before_use,
    memory.not_overwritten, memory.outputs_kept, memory.constants_kept,
)  # fmt: skip


@rule("CEP-O4", stage=6)
def streams(s: Subject) -> Iterator[Finding]:
    """Steps of different micro-batches that share bytes are ordered."""
    stream, steps = s.plan.stream, s.plan.steps
    if stream is None:
        lags = ((i, j) for i, t in enumerate(steps) for j, w in enumerate(t.waits) if w.lag)
        for i, j in lags:
            message = "a lag counts micro-batches, and the plan is no stream"
            yield Finding(("steps", i, "waits", j, "lag"), message)
        return
    if stream.ring_depth > stream.microbatches:
        message = f"{stream.ring_depth} copies for {stream.microbatches} micro-batches"
        yield Finding(("stream", "ring_depth"), message)
        return
    parts = sum(3 + len(t.reads) + len(t.writes) + len(t.waits) for t in steps)
    parts += len(s.plan.buffers) + len(s.plan.arenas)
    if parts * min(stream.microbatches, stream.ring_depth + 1) > MAX_UNROLLED:
        message = f"written out, the plan has more than {MAX_UNROLLED} parts; use fewer copies"
        yield Finding(("stream", "ring_depth"), message)
        return
    judged = _unrolled(s, stream)
    found = next(filter(None, (list(check(judged)) for check in AGAIN)), [])
    for path, message in {_origin(s, f.path): f.message for f in reversed(found)}.items():
        yield Finding(path, f"in a stream, {message}")


def _origin(s: Subject, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Return the place in the plan that a place in the unrolled plan was made from."""
    match path:
        case ("steps", int(index), *rest):
            step = index % (len(s.plan.steps) + 2) - 1
            return ("steps", step, *rest) if 0 <= step < len(s.plan.steps) else ("stream",)
        case ("buffers", int(index), *rest):
            return ("buffers", index % len(s.plan.buffers), *rest)
    return path


def _unrolled(s: Subject, stream: Stream) -> Subject:
    """Return the plan of the first micro-batches, with every step, arena and buffer written out.

    A micro-batch is a line of steps: one that gives its inputs, the plan's, one that takes its
    outputs. Queues that read inputs begin it when they are given, and inputs are given when these
    queues have ended the micro-batch before in the copy; likewise for outputs.
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
        waits = tuple(Wait.model_construct(queue=q, epoch=e) for q, e in due if e > 0)
        steps.append(step.model_copy(update={"reads": reads, "writes": writes, "waits": waits}))

    def ended(queues: set[str], m: int) -> list[tuple[str, int]]:
        return [(q, (m + 1) * lengths[q]) for q in sorted(queues)]

    body = Transfer()
    give = Step.model_construct(queue=GIVEN, transfer=body, writes=tuple(sorted(given)))
    take = Step.model_construct(queue=TAKEN, transfer=body, reads=tuple(sorted(taken)))
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
    caller = [plan.queues[0].model_copy(update={"id": q}) for q in (GIVEN, TAKEN)]
    arenas = [a.model_copy(update={"id": a.id + k}) for k in copies for a in plan.arenas]
    places = [b.model_copy(update={"arena": b.arena + k}) for k in copies for b in plan.buffers]
    members = {"queues": (*plan.queues, *caller), "steps": tuple(steps)}
    members |= {"arenas": tuple(arenas), "buffers": tuple(places)}
    return replace(s, plan=plan.model_copy(update=members), order=[], clocks=[], told=told)
