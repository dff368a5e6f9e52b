"""What a finding of the verifier is about, in terms of the plan: steps, bytes, values, waits.

A verdict is a code and a place. Whoever has to mend the plan wants to see both sides of a race, the
whole of a cycle, or the types that an operation was given. All of it is derived again from the plan
alone; nothing here decides anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from acp.diagnostics import Diagnostic
    from cep.v1.plan import Plan

MOST_OPPONENTS: Final = 4
"""Steps that are named at most for one place."""
_MOST_OPS: Final = 6
_MOST_IN_CYCLE: Final = 24


def explain_finding(plan: Plan, finding: Diagnostic) -> tuple[str, ...]:
    """Return what is known of the place that a finding is about, in lines.

    Args:
        plan: A plan whose references resolve (CEP-I6), as they do wherever one of the codes below
            is found.
        finding: What the verifier found. Empty if there is nothing to add to its message.
    """
    tell = _TELLERS.get(finding.code)
    place = tuple(int(t) if t.isdecimal() else t for t in finding.path.split("/")[1:])
    return tuple(tell(_Steps(plan), place)) if tell is not None else ()


def same_places(findings: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return one finding for each code and place, in order."""
    return list({(f.code, f.path): f for f in reversed(list(findings))}.values())[::-1]


_Place = tuple[str | int, ...]


@dataclass(frozen=True)
class _Access:
    """One step's use of one buffer."""

    step: int
    buffer: int
    writes: bool


class _Steps:
    """The steps of a plan, with what orders them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.device = {queue.id: queue.device for queue in plan.queues}
        self.epochs: list[int] = []
        self.at: dict[tuple[str, int], int] = {}
        reached = dict.fromkeys(self.device, 0)
        for index, step in enumerate(plan.steps):
            reached[step.queue] += 1
            self.epochs.append(reached[step.queue])
            self.at[step.queue, reached[step.queue]] = index

    def predecessors(self, step: int) -> Iterator[tuple[int, str]]:
        """Yield the steps that must end right before a step can begin, and why."""
        for member in self.together(step):
            queue, epoch = self.plan.steps[member].queue, self.epochs[member]
            whose = "it" if member == step else f"step {member}, which begins together with it,"
            if epoch > 1:
                reason = f"which comes before {whose} in queue {queue!r}"
                yield from ((s, reason) for s in self.together(self.at[queue, epoch - 1]))
            for wait in self.plan.steps[member].waits:
                if (wait.queue, wait.epoch) in self.at and wait.lag is None:
                    reason = f"since {whose} waits for epoch {wait.epoch} of queue {wait.queue!r}"
                    last = self.at[wait.queue, wait.epoch]
                    yield from ((s, reason) for s in self.together(last))

    def together(self, step: int) -> tuple[int, ...]:
        """Return the steps that begin and end together with a step, itself included."""
        return self.joined.get(step, (step,))

    @cached_property
    def joined(self) -> dict[int, tuple[int, ...]]:
        """By step of a collective, the members of its instance."""
        counts: dict[tuple[str, str], int] = {}
        met: dict[tuple[str, int], list[int]] = {}
        for index, step in enumerate(self.plan.steps):
            if step.collective is not None:
                key = step.collective.group, step.queue
                counts[key] = counts.get(key, 0) + 1
                met.setdefault((key[0], counts[key]), []).append(index)
        return {i: tuple(members) for members in met.values() for i in members}

    def earlier(self, step: int) -> set[int]:
        """Return all steps that have ended whenever a step begins (happens-before)."""
        found: set[int] = set()
        ahead = [step]
        while ahead:
            for before, _ in self.predecessors(ahead.pop()):
                if before not in found:
                    found.add(before)
                    ahead.append(before)
        return found

    @cached_property
    def accesses(self) -> list[_Access]:
        """Every use of a buffer, in the order of the steps."""
        return [
            _Access(index, buffer, writes)
            for index, step in enumerate(self.plan.steps)
            for buffers, writes in ((step.reads, False), (step.writes, True))
            for buffer in buffers
        ]

    def common(self, left: int, right: int) -> tuple[int, int] | None:
        """Return the first byte and the end of what two buffers share."""
        a, b = self.plan.buffers[left], self.plan.buffers[right]
        begin, end = max(a.offset, b.offset), min(a.offset + a.size, b.offset + b.size)
        return (begin, end) if a.arena == b.arena and begin < end else None

    def named(self, step: int) -> str:
        """Return which step it is and what it does."""
        one = self.plan.steps[step]
        if one.run is not None:
            ops = [self.plan.ops[i].target.partition(":")[2] for i in one.run.ops]
            more = f" and {len(ops) - _MOST_OPS} more" if len(ops) > _MOST_OPS else ""
            what = f"run {', '.join(ops[:_MOST_OPS])}{more}"
        elif one.transfer is not None:
            link = f" over {one.transfer.link!r}" if one.transfer.link else ""
            what = f"transfer{link}"
        else:
            joint = one.collective
            what = "call" if joint is None else f"{joint.kind} in group {joint.group!r}"
        return f"step {step} (queue {one.queue!r} of {self.device[one.queue]!r}: {what})"

    def use(self, access: _Access) -> str:
        """Return what a step does with which bytes."""
        buffer = self.plan.buffers[access.buffer]
        return (
            f"{self.named(access.step)} {'writes' if access.writes else 'reads'} "
            f"{buffer.value!r} {_to(access)} {_bytes(buffer.offset, buffer.offset + buffer.size)} "
            f"of arena {buffer.arena!r}"
        )


def _to(access: _Access) -> str:
    return "to" if access.writes else "from"


def _bytes(begin: int, end: int) -> str:
    return f"bytes {begin} to {end - 1}"


def _accessed(steps: _Steps, place: _Place) -> _Access | None:
    match place:
        case ("steps", int(step), "reads" | "writes" as member, int(position)):
            one = steps.plan.steps[step]
            buffers = one.reads if member == "reads" else one.writes
            return _Access(step, buffers[position], member == "writes")
    return None


def _race(steps: _Steps, place: _Place) -> Iterator[str]:
    """Tell who uses the same bytes at the same time (CEP-M3)."""
    mine = _accessed(steps, place)
    if mine is None:
        return
    yield steps.use(mine)
    before = steps.earlier(mine.step)
    rivals = [
        other
        for other in steps.accesses
        if (mine.writes or other.writes)
        and other != mine
        and other.step not in before
        and steps.common(mine.buffer, other.buffer)
        and (other.step != mine.step or (mine.writes and other.writes))
        and (other.step == mine.step or mine.step not in steps.earlier(other.step))
    ]
    for other in rivals[:MOST_OPPONENTS]:
        begin, end = steps.common(mine.buffer, other.buffer) or (0, 0)
        arena = steps.plan.buffers[mine.buffer].arena
        yield steps.use(other)
        yield f"both use {_bytes(begin, end)} of arena {arena!r}: {end - begin} bytes"
        if other.step == mine.step:
            yield "one step writes them twice; give the buffers places of their own"
            continue
        queue, epoch = steps.plan.steps[other.step].queue, steps.epochs[other.step]
        yield (
            f"nothing orders the two, so that either can come first. If step {other.step} is to "
            f"be first, let step {mine.step} wait for epoch {epoch} of queue {queue!r}"
        )
    yield from _more(rivals)


def _more(found: list[_Access]) -> Iterator[str]:
    if len(found) > MOST_OPPONENTS:
        yield f"and {len(found) - MOST_OPPONENTS} more uses like these"


def _relation(steps: _Steps, other: int, step: int, before: set[int]) -> str:
    """Return when another step runs, seen from a step."""
    if other in before:
        return f"has ended before step {step} begins"
    if other == step:
        return "is the same step"
    if step in steps.earlier(other):
        return f"begins only after step {step} has ended"
    queue, epoch = steps.plan.steps[other].queue, steps.epochs[other]
    return (
        f"is not ordered with step {step}, which does not wait for epoch {epoch} of queue {queue!r}"
    )


def _undefined(steps: _Steps, place: _Place) -> Iterator[str]:
    """Tell who puts a value where it is read, and when (CEP-M4)."""
    mine = _accessed(steps, place)
    if mine is None:
        return
    yield steps.use(mine)
    makers = [a for a in steps.accesses if a.writes and a.buffer == mine.buffer]
    if not makers:
        value = steps.plan.buffers[mine.buffer].value
        yield f"no step writes buffer {mine.buffer}"
        for other in steps.accesses:
            if other.writes and steps.plan.buffers[other.buffer].value == value:
                yield f"elsewhere, {steps.use(other)}"
    before = steps.earlier(mine.step)
    for maker in makers[:MOST_OPPONENTS]:
        yield f"{steps.use(maker)}; it {_relation(steps, maker.step, mine.step, before)}"
    yield from _more(makers)


def _overwritten(steps: _Steps, place: _Place) -> Iterator[str]:
    """Tell who else writes bytes that are read later (CEP-M5)."""
    mine = _accessed(steps, place)
    if mine is None:
        return
    yield steps.use(mine)
    before = steps.earlier(mine.step)
    writers = [
        a
        for a in steps.accesses
        if a.writes and steps.common(mine.buffer, a.buffer) and a.step != mine.step
    ]
    for writer in writers[:MOST_OPPONENTS]:
        begin, end = steps.common(mine.buffer, writer.buffer) or (0, 0)
        shared = "" if writer.buffer == mine.buffer else f", {_bytes(begin, end)} in common"
        yield f"{steps.use(writer)}{shared}; it {_relation(steps, writer.step, mine.step, before)}"
    yield from _more(writers)


def _lost(steps: _Steps, place: _Place) -> Iterator[str]:
    """Tell who writes the bytes of an output (CEP-M6)."""
    match place:
        case ("buffers", int(index)):
            writers = [a for a in steps.accesses if a.writes and steps.common(index, a.buffer)]
            yield from map(steps.use, writers[:MOST_OPPONENTS])
            yield from _more(writers)


def _cycle(steps: _Steps, _: _Place) -> Iterator[str]:
    """Tell which steps wait for each other (CEP-O1)."""
    before = {i: dict(steps.predecessors(i)) for i in range(len(steps.plan.steps))}
    after: dict[int, list[int]] = {i: [] for i in before}
    missing = {i: len(found) for i, found in before.items()}
    for step, found in before.items():
        for other in found:
            after[other].append(step)
    ready = [i for i, count in missing.items() if not count]
    while ready:
        step = ready.pop()
        del missing[step]
        for other in after[step]:
            missing[other] -= 1
            if not missing[other]:
                ready.append(other)
    path: dict[int, str] = {}
    at = min(missing, default=None)
    while at is not None and at not in path:
        follow, why = next((o, w) for o, w in before[at].items() if o in missing)
        path[at] = f"{steps.named(at)} cannot begin before step {follow} has ended, {why}"
        at = follow
    lines = list(path.values())[list(path).index(at) :] if at is not None else []
    yield from lines[:_MOST_IN_CYCLE]
    if len(lines) > _MOST_IN_CYCLE:
        yield f"and so on over {len(lines) - _MOST_IN_CYCLE} more steps, back to step {at}"


def _types(steps: _Steps, place: _Place) -> Iterator[str]:
    """Tell what an operation was given and what is declared of its results (CEP-T3)."""
    match place:
        case ("ops", int(index), *_):
            plan, op = steps.plan, steps.plan.ops[index]
            types = {v.id: f"{v.dtype}[{', '.join(v.shape)}]" for v in plan.values}
            for noun, values in (("operand", op.inputs), ("declared result", op.outputs)):
                yield from (f"{noun} {v!r}: {types.get(v, 'undeclared')}" for v in values)


def _collective(steps: _Steps, place: _Place) -> Iterator[str]:
    """Tell who takes part in a collective, and with what (CEP-O3)."""
    match place:
        case ("steps", int(index), *_):
            for member in steps.together(index):
                yield steps.named(member)
                yield from (steps.use(a) for a in steps.accesses if a.step == member)
            group = getattr(steps.plan.steps[index].collective, "group", None)
            count = Counter(
                t.queue for t in steps.plan.steps if t.collective and t.collective.group == group
            )
            yield from (f"queue {q!r} takes part {n} times" for q, n in count.items())


_TELLERS: Final[dict[str, Callable[[_Steps, _Place], Iterator[str]]]] = {
    "CEP-M3": _race,
    "CEP-M4": _undefined,
    "CEP-M5": _overwritten,
    "CEP-M6": _lost,
    "CEP-O1": _cycle,
    "CEP-O3": _collective,
    "CEP-T3": _types,
}
