"""Happens-before as bit sets: for each step, the set of steps that have ended when it begins.

The verifier keeps vector clocks instead, and orders the steps first. The two are tested against
each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cep.v1.plan import Plan


class HappensBefore:
    """The least relation that contains queue order and waits, and is transitive.

    Takes one bit for each pair of steps. Waits for epochs that never come add nothing.

    Attributes:
        earlier: For each step the set of those that happen before it, step i as bit i.
    """

    def __init__(self, plan: Plan) -> None:
        lines: dict[str, list[int]] = {queue.id: [] for queue in plan.queues}
        direct: list[list[int]] = []
        for i, step in enumerate(plan.steps):
            direct.append(lines[step.queue][-1:])
            lines[step.queue].append(i)
        for i, step in enumerate(plan.steps):
            for wait in step.waits:
                direct[i] += lines[wait.queue][wait.epoch - 1 : wait.epoch]
        self.earlier = [0] * len(plan.steps)
        changed = True
        while changed:
            changed = False
            for i, before in enumerate(direct):
                bits = self.earlier[i]
                for other in before:
                    bits |= self.earlier[other] | 1 << other
                changed |= bits != self.earlier[i]
                self.earlier[i] = bits

    def before(self, first: int, then: int) -> bool:
        """Say whether step `first` has ended whenever step `then` begins."""
        return bool(self.earlier[then] >> first & 1)

    @property
    def cyclic(self) -> bool:
        """Some step would have to end before it begins."""
        return any(self.before(i, i) for i in range(len(self.earlier)))

    def sequence(self) -> list[int]:
        """Return all steps, each after those that happen before it; only without a cycle."""
        return sorted(range(len(self.earlier)), key=lambda i: (self.earlier[i].bit_count(), i))
