"""A plan with the indices that its readers need: who runs what, in which line, reading which bytes.

What is here follows from the plan alone, and is computed on first use: references must resolve by
then, and every op must come after those it depends on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from cep.features import Path, named_artifacts
from cep.graph import Cutter, GraphView, graph_digest
from cep.opset.definition import DTYPE_BYTES

if TYPE_CHECKING:
    from cep.v1.plan import Arena, Plan, Queue, Wait


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
    def queue_of(self) -> list[str]:
        """Id of each step's queue."""
        return [step.queue for step in self.plan.steps]

    @cached_property
    def reads(self) -> list[tuple[int, ...]]:
        """Buffers that each step reads."""
        return [step.reads for step in self.plan.steps]

    @cached_property
    def writes(self) -> list[tuple[int, ...]]:
        """Buffers that each step writes."""
        return [step.writes for step in self.plan.steps]

    @cached_property
    def ops_of(self) -> list[tuple[int, ...]]:
        """Ops that each step computes, alone or jointly."""
        return [
            t.run.ops if t.run is not None else t.collective.ops if t.collective is not None else ()
            for t in self.plan.steps
        ]

    @cached_property
    def waits(self) -> list[Wait]:
        """All waits of all steps."""
        return list(chain.from_iterable([step.waits for step in self.plan.steps]))

    @cached_property
    def replaceable(self) -> list[int]:
        """Steps that have alternates."""
        return [i for i, step in enumerate(self.plan.steps) if step.alternates]

    @cached_property
    def values(self) -> list[str]:
        """Value of each buffer."""
        return [buffer.value for buffer in self.plan.buffers]

    @cached_property
    def lines(self) -> list[int]:
        """Number of each step's queue."""
        return [*map(self.queue_numbers.__getitem__, self.queue_of)]

    @cached_property
    def step_at(self) -> dict[str, list[int]]:
        """Indices of the steps of each queue; the n-th brings it to epoch n + 1."""
        found: dict[str, list[int]] = {queue: [] for queue in self.queues}
        for i, queue in enumerate(self.queue_of):
            found[queue].append(i)
        return found

    @cached_property
    def epochs(self) -> list[int]:
        """Epoch that each step brings its queue to, from 1."""
        found = [0] * len(self.plan.steps)
        for line in self.step_at.values():
            for epoch, i in enumerate(line, start=1):
                found[i] = epoch
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
        for i, joint in enumerate([step.collective for step in self.plan.steps]):
            if joint is not None:
                who = joint.group, self.queue_of[i]
                n = counts[who] = counts.get(who, 0) + 1
                met.setdefault((joint.group, n), []).append(i)
        return {key: tuple(members) for key, members in met.items()}

    @property
    def copies(self) -> int:
        """How often each arena exists."""
        return self.plan.stream.ring_depth if self.plan.stream is not None else 1

    def work(self, step: int) -> tuple[str, tuple[int, ...]]:
        """Return the member that lists the ops that a step computes, alone or jointly, and them."""
        joint = self.plan.steps[step].collective is not None
        return "collective" if joint else "run", self.ops_of[step]

    @cached_property
    def uses(self) -> list[int]:
        """A number for each op, the same for the same operation, types and attributes."""
        kind = {value: id(tensor) for value, tensor in self.view.types.items()}.__getitem__
        return _numbered(
            (target, id(attributes), len(inputs), *map(kind, inputs + outputs))
            for target, inputs, attributes, outputs in self.view.nodes
        )

    @cached_property
    def kinds(self) -> list[int]:
        """A number for each step, the same for the same uses of ops on the same arenas.

        Steps of a kind have their queue in common, too, and their link if they are transfers.
        """
        use, arena = self.uses.__getitem__, [place[0] for place in self.places].__getitem__
        steps = zip(self.plan.steps, self.ops_of, self.reads, self.writes, strict=True)
        return _numbered(
            (
                t.queue,
                "" if t.transfer is None else t.transfer.link,
                t.run is None,
                t.collective is None,
                len(reads),
                *map(use, ops),
                *map(arena, reads + writes),
            )
            for t, ops, reads, writes in steps
        )

    @cached_property
    def graph_digest(self) -> str:
        """Digest of the plan's graph."""
        return graph_digest(self.plan, self.view)

    @cached_property
    def regions(self) -> list[int]:
        """The step of each region; of a joint one its first member."""
        worked = [i for i, ops in enumerate(self.ops_of) if ops]
        return [i for i in worked if self.party[i][0] == i] if self.instances else worked

    @cached_property
    def cutter(self) -> Cutter:
        """Cuts regions out of the graph."""
        return Cutter.of(self.view)

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
    def taking_over(self) -> dict[int, int]:
        """Buffers that are in place of others, with those."""
        places = [buffer.in_place_of for buffer in self.plan.buffers]
        return {i: other for i, other in enumerate(places) if other is not None}

    @cached_property
    def edges(self) -> list[tuple[int, int]]:
        """Each op that reads what an op makes, with that."""
        makers, nodes = self.makers, enumerate(self.view.nodes)
        return [(op, makers[v]) for op, node in nodes for v in node.inputs if v in makers]

    @cached_property
    def spans(self) -> list[range]:
        """Numbers of the segments of each buffer; arenas are cut at every border of a buffer."""
        borders: dict[str, set[int]] = {}
        distinct = dict.fromkeys(self.places, range(0))
        for arena, start, end in distinct:
            borders.setdefault(arena, set()).update((start, end))
        numbers: dict[tuple[str, int], int] = {}
        for arena, found in borders.items():
            for border in sorted(found):
                numbers[arena, border] = len(numbers)
        for arena, start, end in distinct:
            distinct[arena, start, end] = range(numbers[arena, start], numbers[arena, end])
        return [distinct[place] for place in self.places]

    @cached_property
    def written(self) -> frozenset[int]:
        """Buffers that some step writes."""
        return frozenset(chain.from_iterable(self.writes))

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


def _numbered(keys: Iterable[object]) -> list[int]:
    """Return a number for each key, the same for equal keys."""
    numbers = dict[object, int]()
    return [numbers.setdefault(key, len(numbers)) for key in keys]


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
