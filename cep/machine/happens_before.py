"""Happens-before as bit sets: for each unit, the set of units that have ended when it begins.

The verifier keeps vector clocks instead, and orders the steps first. The two are tested against
each other.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from cep.machine.machine import Machine

if TYPE_CHECKING:
    from cep.v1.plan import Plan


class HappensBefore:
    """The least relation that contains line order and needs, is transitive, and joins collectives.

    Takes one bit for each pair of units. What waits for an epoch that never comes, or for a member
    that never comes, is not held back here.

    Attributes:
        earlier: For each unit the set of those that happen before it, unit i as bit i.
    """

    def __init__(self, plan: Plan | Machine) -> None:
        machine = plan if isinstance(plan, Machine) else Machine(plan)
        direct = _direct(machine)
        together = [
            sum(1 << m for m in members) or 1 << unit for unit, members in enumerate(machine.party)
        ]
        self.earlier = [0] * len(direct)
        changed = True
        while changed:
            changed = False
            for unit, members in enumerate(machine.party):
                bits = self.earlier[unit]
                for member in members or (unit,):
                    for other in direct[member]:
                        bits |= self.earlier[other] | together[other]
                changed |= bits != self.earlier[unit]
                self.earlier[unit] = bits

    def before(self, first: int, then: int) -> bool:
        """Say whether unit `first` has ended whenever unit `then` begins."""
        return bool(self.earlier[then] >> first & 1)

    @property
    def cyclic(self) -> bool:
        """Some unit would have to end before it begins."""
        return any(self.before(i, i) for i in range(len(self.earlier)))

    def sequence(self) -> list[int]:
        """Return all units, each after those that happen before it; only without a cycle."""
        return sorted(range(len(self.earlier)), key=lambda i: (self.earlier[i].bit_count(), i))


def _direct(machine: Machine) -> list[list[int]]:
    """Return by unit what must end right before it can begin."""
    direct: list[list[int]] = [[] for _ in machine.bodies]
    for line in machine.lines:
        for earlier, later in pairwise(line):
            direct[later].append(earlier)
    for unit, needed in enumerate(machine.needs):
        for number, epoch in needed:
            direct[unit] += machine.lines[number][epoch - 1 : epoch]
    return direct
