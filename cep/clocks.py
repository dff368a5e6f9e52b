"""Happens-before: which steps have certainly ended when a step begins.

It is the transitive closure of two relations: a step comes after the one before it in its queue,
and after the steps whose epochs it waits for. It is kept as one vector clock a step: how far each
queue has certainly come when the step begins, its own epoch included. The members of a collective
begin and end together, so that they share a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cep.indexed import IndexedPlan


def clocks(s: IndexedPlan) -> tuple[Sequence[int], list[Sequence[int]]]:
    """Return the steps that can be put in order, in order, and the clock of each step."""
    found = None if s.instances else _as_listed(s)
    return _as_they_come(s) if found is None else (range(len(found)), found)


def _as_listed(s: IndexedPlan) -> list[Sequence[int]] | None:
    """Return the clocks of a plan that lists each step after all that it waits for, else None."""
    found: list[Sequence[int]] = []
    latest: list[list[int]] = [[0] * len(s.queues) for _ in s.queues]
    numbers, step_at = s.queue_numbers, s.step_at
    for step, number, epoch in zip(s.plan.steps, s.lines, s.epochs, strict=True):
        clock = latest[number]
        for wait in step.waits:
            line = step_at[wait.queue]
            # What is known to have ended has nothing new to say.
            if clock[numbers[wait.queue]] < wait.epoch <= len(line) and wait.lag is None:
                awaited = line[wait.epoch - 1]
                if awaited >= len(found):
                    return None
                both = zip(clock, found[awaited], strict=True)
                clock = [a if a > b else b for a, b in both]  # noqa: FURB136 - thrice as fast
        clock = clock.copy()
        clock[number] = epoch
        latest[number] = clock
        found.append(clock)
    return found


def _as_they_come(s: IndexedPlan) -> tuple[list[int], list[Sequence[int]]]:
    """Return what `clocks` does, for any plan.

    Steps are taken as they come. What comes too early is held until the step that it waits for has
    a clock; what is taken out of `before` has been waited for.
    """
    before = {members[0]: s.predecessors(members[0]) for members in s.party}
    found: list[Sequence[int]] = [()] * len(s.plan.steps)
    start: Sequence[int] = (0,) * len(s.queues)
    begun: dict[int, Sequence[int]] = {}
    held: dict[int, list[int]] = {}
    order: list[int] = []
    for first in before:
        ready = [first]
        while ready:
            i = ready.pop()
            left, clock = before[i], begun.pop(i, start)
            while left and (reached := found[left[-1]]):
                clock = reached if clock is start else tuple(map(max, clock, reached))
                left.pop()
            if left:
                begun[i] = clock
                held.setdefault(left[-1], []).append(i)
                continue
            ended = list(clock)
            for member in s.party[i]:
                ended[s.lines[member]] = s.epochs[member]
            for member in s.party[i]:
                found[member] = ended
                order.append(member)
            if i in held:
                ready += held.pop(i)
    return order, found


def cycle_of(s: IndexedPlan, stuck: Sequence[int]) -> list[int]:
    """Return a cycle among steps that cannot be put in order, each followed by one it waits for."""
    inside = set(stuck)
    path: list[int] = []
    seen: dict[int, int] = {}
    at = stuck[0]
    while at not in seen:
        seen[at] = len(path)
        path.append(at)
        at = next(b for b in s.predecessors(at) if b in inside)
    return [*path[seen[at] :], at]
