"""All interleavings of a plan, tried one transition at a time.

Nothing is clever here, on purpose: no partial orders, no symmetry. States are visited breadth
first and each once, so the first fault that is found is one with the fewest events before it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cep.machine.machine import Event, Fault, Machine, State

if TYPE_CHECKING:
    from cep.v1.plan import Plan

LIMIT: Final = 100_000
"""States that are visited before the explorer gives up, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What came of trying all interleavings.

    Attributes:
        fault: What goes wrong; None if nothing was found.
        events: A shortest way there.
        states: How many different states were visited.
        complete: Every interleaving was covered, or a fault was found.
    """

    fault: Fault | None
    events: tuple[Event, ...]
    states: int
    complete: bool

    @property
    def safe(self) -> bool:
        """All interleavings finish without a fault, with the outputs in their places."""
        return self.complete and self.fault is None


def explore(plan: Plan | Machine, *, limit: int = LIMIT) -> Exploration:
    """Try all interleavings of a plan.

    Args:
        plan: A plan whose references resolve, or its machine.
        limit: Most states to visit, which bounds time and memory.

    Raises:
        ValueError: A reference does not resolve.
    """
    machine = plan if isinstance(plan, Machine) else Machine(plan)
    start = machine.start()
    if isinstance(start, Fault):
        return Exploration(start, (), 0, complete=True)
    came: dict[State, tuple[State, Event] | None] = {start: None}
    pending = deque([start])
    while pending:
        state = pending.popleft()
        moved = False
        for event in machine.events(state):
            moved = True
            after = machine.after(state, event)
            if isinstance(after, Fault):
                return Exploration(after, (*_way(came, state), event), len(came), complete=True)
            if after not in came:
                if len(came) >= limit:
                    return Exploration(None, (), len(came), complete=False)
                came[after] = state, event
                pending.append(after)
        if not moved and (fault := machine.final_fault(state)):
            return Exploration(fault, _way(came, state), len(came), complete=True)
    return Exploration(None, (), len(came), complete=True)


def _way(came: dict[State, tuple[State, Event] | None], state: State) -> tuple[Event, ...]:
    events = []
    while (last := came[state]) is not None:
        state, event = last
        events.append(event)
    return tuple(reversed(events))
