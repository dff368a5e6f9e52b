"""Rule CEP-O4: micro-batches that are under way at once don't get in each other's way.

Every arena exists `ring_depth` times, and micro-batches take turns with the copies. So a step can
only meet steps of its own micro-batch and of those a multiple of `ring_depth` away, and of the
latter it is enough to look at the nearest (spec/semantics.md): `ring_depth` + 1 micro-batches are
written out, with what the caller does as steps of two more queues, and judged like any plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cep.unrolled import unrolled
from cep.verify import memory, order
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
    from cep.verify.subject import Subject

MAX_UNROLLED: Final = 500_000
"""Most steps, accesses, waits, buffers and arenas of the micro-batches that are written out."""
AGAIN: Final = (
    order.deadlock_free, order.epochs_exist, memory.no_races, memory.defined_before_use,
    memory.not_overwritten, memory.outputs_kept, memory.constants_kept,
)  # fmt: skip


@rule("CEP-O4", stage=6)
def streams(s: Subject) -> Iterator[Finding]:
    """Steps of different micro-batches that share bytes are ordered."""
    stream, steps = s.plan.stream, s.plan.steps
    if stream is None:
        lagging = enumerate(steps if [wait for wait in s.waits if wait.lag] else ())
        lags = ((i, j) for i, t in lagging for j, w in enumerate(t.waits) if w.lag)
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
    plan, told = unrolled(s, stream)
    judged = replace(s, plan=plan, order=(), clocks=(), told=told)
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
