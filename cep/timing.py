"""Longest paths over happens-before: how long a run takes, if each step takes as long as is said.

A step begins when the steps that must end before it have ended. So a run takes as long as the
longest chain of steps, each of which happens right before the next, or has its turn right before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from cep.indexed import IndexedPlan


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of a run, counted from its start.

    Attributes:
        begins: By step, when it begins: the longest path that leads to it.
        rest: By step, the longest path that follows when it has ended.
        whole: The longest path of all, which is how long the run takes.
    """

    begins: Sequence[int]
    rest: Sequence[int]
    whole: int

    @classmethod
    def of(
        cls,
        s: IndexedPlan,
        took: Sequence[int],
        order: Sequence[int],
        needs: Sequence[Iterable[object]] = (),
    ) -> Self:
        """Return the times where each step takes as long as `took` says.

        Args:
            s: The plan.
            took: By step, how long it takes; more than nothing, where there are `needs`.
            order: All steps, in an order that agrees with happens-before.
            needs: By step, what it needs for itself. Steps that need one thing take turns, in the
                order in which they would begin if they did not need it.
        """
        before = [s.predecessors(i) for i in range(len(took))]
        times = cls._along(s, took, before, order)
        if not needs:
            return times
        turns = sorted(range(len(took)), key=lambda i: (times.begins[i], i))
        last: dict[object, int] = {}
        for i in turns:
            before[i] += {last[one] for one in needs[i] if one in last}
            last.update(dict.fromkeys(needs[i], i))
        return cls._along(s, took, before, turns)

    @classmethod
    def _along(
        cls,
        s: IndexedPlan,
        took: Sequence[int],
        before: Sequence[Sequence[int]],
        order: Sequence[int],
    ) -> Self:
        begins, rest = [0] * len(took), [0] * len(took)
        for i in order:
            begins[i] = max((begins[b] + took[b] for b in before[i]), default=0)
        for i in reversed(order):
            for b in before[i]:
                rest[b] = max(rest[b], took[i] + rest[i])
        rest = [max(rest[i] for i in members) for members in s.party]
        return cls(begins, rest, max(map(sum, zip(begins, took, strict=True)), default=0))

    def through(self, step: int, took: int) -> int:
        """Return the longest path through a step, if that takes `took` instead."""
        return self.begins[step] + took + self.rest[step]
