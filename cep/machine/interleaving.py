"""One interleaving that goes wrong, for a person to read.

Small plans are explored, which gives a shortest one. Where a plan has too many states for that, a
few interleavings are enough to try: by the theorem of spec/semantics.md a plan can only go wrong
where two conflicting steps are not ordered, or in any sequence that agrees with happens-before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cep.machine.explorer import explore
from cep.machine.happens_before import HappensBefore
from cep.machine.machine import Event, Fault, Machine

if TYPE_CHECKING:
    from cep.v1.plan import Plan

LIMIT: Final = 20_000
MAX_STEPS: Final = 2_000
MAX_WORK: Final = 50_000_000
"""Accesses times buffers, and pairs of operands; a plan with more of either is not tried."""
MAX_CONTENTS: Final = 4_000_000
"""Contents of segments in all states that are kept while a plan is explored."""


@dataclass(frozen=True, slots=True)
class Interleaving:
    """A run that goes wrong.

    Attributes:
        events: What happens, in order: ``BEGIN(2) on 'right'``. A fault of a step is the last of
            them; with a deadlock, nothing can follow.
        fault: What is wrong then: the steps and the bytes.
    """

    events: tuple[str, ...]
    fault: str


def explain(plan: Plan, limit: int = LIMIT) -> Interleaving | None:
    """Return an interleaving of a plan that goes wrong.

    Args:
        plan: A plan whose references resolve.
        limit: Most states to explore for a shortest one.

    Returns:
        None if there is none, or the plan is too large to find one.

    Raises:
        ValueError: A reference does not resolve.
    """
    batches = 1
    if plan.stream is not None:
        # What can go wrong in a stream can go wrong in its first micro-batches.
        batches = min(plan.stream.microbatches, plan.stream.ring_depth + 1)
        stream = plan.stream.replace(microbatches=batches)
        plan = plan.replace(stream=stream)
    accesses = batches * sum(len(step.reads) + len(step.writes) for step in plan.steps)
    pairs = sum(len(step.reads) * len(step.writes) for step in plan.steps)
    steps, buffers = batches * len(plan.steps), batches * len(plan.buffers)
    if steps > MAX_STEPS or max(accesses * buffers, pairs) > MAX_WORK:
        return None
    machine = Machine(plan)
    room = MAX_CONTENTS // (len(machine.extents) + 1)
    tried = explore(machine, limit=min(limit, room))
    if tried.fault is not None:
        return _told(machine, tried.events, tried.fault)
    if tried.complete:
        return None
    for events in _suspects(machine):
        found = _replay(machine, events)
        if found is not None:
            return _told(machine, *found)
    return None


def _told(machine: Machine, events: tuple[Event, ...], fault: Fault) -> Interleaving:
    told = tuple(f"{event.kind}{machine.place(event.step)}" for event in events)
    return Interleaving(told, f"{fault.kind.value}: {fault.message}")


def _suspects(machine: Machine) -> Iterator[list[Event]]:
    """Yield interleavings of which one goes wrong if any does."""
    order = HappensBefore(machine)
    sequence = order.sequence()

    def lead(unit: int) -> int:
        return (machine.party[unit] or (unit,))[0]

    def in_turn(units: list[int]) -> list[Event]:
        firsts = [u for u in units if lead(u) == u]
        return [event for u in firsts for event in (Event("BEGIN", u), Event("END", u))]

    if not order.cyclic:
        for first, then in _unordered_conflicts(machine, order):
            needed = (order.earlier[first] | order.earlier[then]) & ~(1 << first | 1 << then)
            events = in_turn([i for i in sequence if needed >> i & 1])
            yield [*events, Event("BEGIN", lead(first)), Event("BEGIN", lead(then))]
        for unit in _stranded(machine):
            events = in_turn([u for u in sequence if order.earlier[unit] >> u & 1])
            yield [*events, Event("BEGIN", lead(unit)), Event("TRIP", lead(unit))]
    yield in_turn(sequence)


def _stranded(machine: Machine) -> Iterator[int]:
    """Yield the steps after whose trip nothing can follow."""
    for i, step in enumerate(machine.plan.steps if machine.plan.safety is not None else ()):
        overwrites = any(machine.plan.buffers[b].in_place_of is not None for b in step.writes)
        if machine.trip_fault(i) or (step.alternates and overwrites):
            yield i


def _unordered_conflicts(machine: Machine, order: HappensBefore) -> Iterator[tuple[int, int]]:
    for then in range(len(machine.bodies)):
        touched = machine.reads[then] | machine.writes[then]
        for first in range(then):
            if (
                machine.writes[first] & touched or machine.reads[first] & machine.writes[then]
            ) and not (order.before(first, then) or order.before(then, first)):
                yield first, then


def _replay(machine: Machine, events: list[Event]) -> tuple[tuple[Event, ...], Fault] | None:
    """Follow events as far as they can happen; return the fault they lead to and the way there."""
    state = machine.start()
    if isinstance(state, Fault):
        return (), state
    done: list[Event] = []
    for event in events:
        if event not in machine.events(state):
            continue
        after = machine.after(state, event)
        done.append(event)
        if isinstance(after, Fault):
            return tuple(done), after
        state = after
    if any(machine.events(state)):
        return None
    fault = machine.final_fault(state)
    return (tuple(done), fault) if fault else None
