"""A plan with the indices that its readers need: who runs what, in which line, reading which bytes.

What is here follows from the plan alone, and is computed on first use: references must resolve by
then, and every op must come after those it depends on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cep.features import Path, named_artifacts
from cep.graph import Cut, Cutter, GraphView, graph_digest
from cep.opset.definition import DTYPE_BYTES

if TYPE_CHECKING:
    from cep.v1.plan import Arena, Plan, Queue


@dataclass
class IndexedPlan:
    """A plan, indexed.

    Attributes:
        plan: The plan.
        view: What it computes, parsed.
    """

    plan: Plan
    view: GraphView

    @cached_property
    def arenas(self) -> dict[str, Arena]:
        """Arenas by id."""
        return {a.id: a for a in self.plan.arenas}

    @cached_property
    def queues(self) -> dict[str, Queue]:
        """Queues by id."""
        return {q.id: q for q in self.plan.queues}

    @cached_property
    def queue_numbers(self) -> dict[str, int]:
        """Position of each queue, by id."""
        return {q.id: i for i, q in enumerate(self.plan.queues)}

    @cached_property
    def epochs(self) -> list[int]:
        """Epoch that each step brings its queue to, from 1."""
        counts = dict.fromkeys(self.queues, 0)
        found = []
        for step in self.plan.steps:
            counts[step.queue] += 1
            found.append(counts[step.queue])
        return found

    @cached_property
    def lines(self) -> list[int]:
        """Number of each step's queue."""
        return [self.queue_numbers[step.queue] for step in self.plan.steps]

    @cached_property
    def step_at(self) -> dict[str, list[int]]:
        """Indices of the steps of each queue; the n-th brings it to epoch n + 1."""
        found: dict[str, list[int]] = {queue: [] for queue in self.queues}
        for i, step in enumerate(self.plan.steps):
            found[step.queue].append(i)
        return found

    @cached_property
    def party(self) -> list[tuple[int, ...]]:
        """By step, the steps that begin and end together: those of one instance of a collective."""
        found: list[tuple[int, ...]] = [(i,) for i in range(len(self.plan.steps))]
        for members in self.instances.values():
            for i in members:
                found[i] = members
        return found

    @cached_property
    def instances(self) -> dict[tuple[str, int], tuple[int, ...]]:
        """The n-th COLLECTIVE steps of the queues of a group, by group and n from 1."""
        counts: dict[tuple[str, str], int] = {}
        met: dict[tuple[str, int], list[int]] = {}
        for i, step in enumerate(self.plan.steps):
            if step.collective is not None:
                group = step.collective.group
                n = counts[group, step.queue] = counts.get((group, step.queue), 0) + 1
                met.setdefault((group, n), []).append(i)
        return {key: tuple(members) for key, members in met.items()}

    @property
    def copies(self) -> int:
        """How often each arena exists."""
        return self.plan.stream.ring_depth if self.plan.stream is not None else 1

    def work(self, step: int) -> tuple[str, tuple[int, ...]]:
        """Return the member that lists the ops that a step computes, alone or jointly, and them."""
        return self._work[step]

    @cached_property
    def _work(self) -> list[tuple[str, tuple[int, ...]]]:
        none: tuple[str, tuple[int, ...]] = ("run", ())
        return [
            ("run", t.run.ops)
            if t.run is not None
            else none
            if t.collective is None
            else ("collective", t.collective.ops)
            for t in self.plan.steps
        ]

    @cached_property
    def uses(self) -> list[int]:
        """A number for each op, the same for the same operation, types and attributes."""
        types, numbers = self.view.types, dict[object, int]()
        return [
            numbers.setdefault(
                (
                    node.target,
                    id(node.attributes),
                    *[id(types[v]) for v in node.inputs],
                    None,
                    *[id(types[v]) for v in node.outputs],
                ),
                len(numbers),
            )
            for node in self.view.nodes
        ]

    @cached_property
    def graph_digest(self) -> str:
        """Digest of the plan's graph."""
        return graph_digest(self.plan, self.view)

    @cached_property
    def regions(self) -> dict[int, Cut]:
        """The cut of each region, by index of its step; of a joint one by its first member."""
        cutter = Cutter.of(self.view)
        return {
            i: cutter.cut(ops)
            for i, (members, (_, ops)) in enumerate(zip(self.party, self._work, strict=True))
            if ops and members[0] == i
        }

    @cached_property
    def named_artifacts(self) -> list[tuple[int, Path, str, str]]:
        """Which steps name artifacts: step, place, digest, and the queue it is loaded for."""
        return named_artifacts(self.plan)

    @cached_property
    def makers(self) -> Mapping[str, int]:
        """Index of the op that makes each value."""
        return self.view.producers()

    @cached_property
    def places(self) -> list[tuple[str, int, int]]:
        """Arena, first byte and end of each buffer."""
        return [(b.arena, b.offset, b.offset + b.size) for b in self.plan.buffers]

    @cached_property
    def readers(self) -> Mapping[str, Sequence[int]]:
        """Indices of the ops that read each value."""
        return self.view.consumers()

    @cached_property
    def written(self) -> frozenset[int]:
        """Buffers that some step writes."""
        return frozenset(b for step in self.plan.steps for b in step.writes)

    def predecessors(self, step: int) -> list[int]:
        """Return the steps that must end right before a step can begin, of each party the first."""
        found: list[int] = []
        for member in self.party[step]:
            body, epoch = self.plan.steps[member], self.epochs[member]
            if epoch > 1:
                found.append(self.party[self.step_at[body.queue][epoch - 2]][0])
            for wait in body.waits:
                line = self.step_at[wait.queue]
                if wait.epoch <= len(line) and wait.lag is None:
                    found.append(self.party[line[wait.epoch - 1]][0])
        return found

    def device_of(self, step: int, alternate: int | None = None) -> str:
        """Return the slot of the device that carries out a step, or is an alternate for it."""
        body = self.plan.steps[step]
        queue = body.queue if alternate is None else body.alternates[alternate].queue
        return self.queues[queue].device

    def largest_bytes(self, value: str) -> int:
        """Return the bytes of a value at the symbols' largest sizes."""
        tensor = self.view.types[value]
        found = self._largest.get(id(tensor))
        if found is None:
            found = DTYPE_BYTES[tensor.dtype]
            for dim in tensor.shape:
                found *= max(0, dim.bounds(self.view.ranges)[1])
            self._largest[id(tensor)] = found
        return found

    @cached_property
    def _largest(self) -> dict[int, int]:
        return {}


def cyclic(needs: dict[int, set[int]]) -> set[int]:
    """Return the nodes on cycles, and on paths between them."""
    stuck = _unplaceable(needs)
    backwards: dict[int, set[int]] = {i: set() for i in stuck}
    for i in stuck:
        for other in needs[i] & stuck:
            backwards[other].add(i)
    return _unplaceable(backwards)


def _unplaceable(needs: dict[int, set[int]]) -> set[int]:
    """Return the nodes that no order can place after all that they need."""
    needed_by: dict[int, list[int]] = {i: [] for i in needs}
    missing = {i: len(before) for i, before in needs.items()}
    for i, before in needs.items():
        for other in before:
            needed_by[other].append(i)
    ready = [i for i, count in missing.items() if not count]
    while ready:
        done = ready.pop()
        del missing[done]
        for i in needed_by[done]:
            missing[i] -= 1
            if not missing[i]:
                ready.append(i)
    return set(missing)
