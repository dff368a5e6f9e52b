"""The plan under judgement, with the indices that several rules need.

Everything here is derived from the plan, or from what the caller vouches for: policy, clock,
descriptors, weights. Properties that need resolved references are computed on first use, by rules
of later stages only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cep.graph import Cut, Cutter, GraphView, graph_digest
from cep.opset.definition import DTYPE_BYTES
from cep.rewrite import KIND, Replay, replay
from cep.verify.binding import Binding, bind

if TYPE_CHECKING:
    from acp.policy import TrustPolicy
    from acp.v1.capability import CapabilityDescriptor, Memory, OperationVariant
    from acp.v1.status import StatusList
    from acp.v1.system import SystemDescriptor
    from cep.rewrite import Recompute
    from cep.store import Store
    from cep.v1.graph import Graph
    from cep.v1.plan import Arena, Plan, Queue

MAX_ALTERNATES: Final = 1_000_000
"""Most ops, reads and writes of alternates together, and alternates, that are checked."""
INT64_MAX: Final = 2**63 - 1
MAX_SYMBOL: Final = 2**48


@dataclass
class Subject:
    """A plan and what it is judged against.

    Attributes:
        plan: The plan.
        view: What it computes, parsed.
        policy: Whom the caller trusts.
        now: The moment to judge by.
        descriptors: Verified descriptors by digest.
        refused: Why a descriptor that the plan names is not believed, by digest.
        systems: Verified system descriptors.
        plan_digest: Identity of the plan.
        status_lists: Revocations, already verified.
        refused_systems: Why a system descriptor that was given is not believed.
        store: Weights; None if they are not at hand.
        source: The source graph, where the caller has it apart from the plan.
        asked: Digests of the descriptors that the caller wants slots to stand for.
        recompute: Computes folded constants again; None if nothing at hand can.
        order: Steps in an order that agrees with happens-before (CEP-O1 finds it).
        clocks: How far each queue has come when a step begins, its own epoch included.
        told: Names a step for people.
    """

    plan: Plan
    view: GraphView
    policy: TrustPolicy
    now: datetime
    descriptors: Mapping[str, CapabilityDescriptor]
    refused: Mapping[str, str]
    systems: Sequence[SystemDescriptor] = ()
    plan_digest: str = ""
    status_lists: Sequence[StatusList] = ()
    refused_systems: Sequence[str] = ()
    store: Store | None = None
    source: Graph | None = None
    asked: Mapping[str, str] = field(default_factory=dict)
    recompute: Recompute | None = None
    order: list[int] = field(default_factory=list)
    clocks: list[tuple[int, ...]] = field(default_factory=list)
    told: Callable[[int], str] = "step {}".format

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
    def replay(self) -> Replay | None:
        """What the plan's log of rewrites leads to; None where it has none."""
        logs = (entry for entry in self.plan.evidence if entry.kind == KIND)
        log = next(logs, None)
        return None if log is None else replay(log, self.plan, self.view)

    @cached_property
    def regions(self) -> dict[int, Cut]:
        """The cut of each region, by index of its step; of a joint one by its first member."""
        cutter = Cutter.of(self.view)
        firsts = {members[0]: self.work(members[0])[1] for members in self.party}
        return {i: cutter.cut(ops) for i, ops in sorted(firsts.items()) if ops}

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

    def device_of(self, step: int, alternate: int | None = None) -> str:
        """Return the slot of the device that carries out a step, or is an alternate for it."""
        body = self.plan.steps[step]
        queue = body.queue if alternate is None else body.alternates[alternate].queue
        return self.queues[queue].device

    @cached_property
    def binding(self) -> Binding:
        """What each slot stands for."""
        return bind(self.plan, self.descriptors, self.refused, self.asked)

    @cached_property
    def by_slot(self) -> dict[str, CapabilityDescriptor]:
        """Verified descriptors by slot."""
        named = self.binding.digests.items()
        return {slot: self.descriptors[d] for slot, d in named if d in self.descriptors}

    @cached_property
    def claims(self) -> dict[str, dict[str, Sequence[OperationVariant]]]:
        """Claimed variants of operations by slot."""
        return {slot: {c.op: c.variants for c in d.ops} for slot, d in self.by_slot.items()}

    @cached_property
    def alternates(self) -> list[tuple[int, int]] | None:
        """Step and index of each alternate; None if they are too many to check (CEP-C6)."""
        work = sum(
            len(t.alternates)
            * (1 + len(t.reads) + len(t.writes) + (len(t.run.ops) if t.run else 0))
            for t in self.plan.steps
            if t.alternates
        )
        if work > MAX_ALTERNATES:
            return None
        return [(i, k) for i, t in enumerate(self.plan.steps) for k in range(len(t.alternates))]

    @cached_property
    def visible(self) -> dict[str, frozenset[str]]:
        """Names of what each slot's device sees without a transfer."""
        return {
            slot: frozenset(self.domain(slot, memory) for memory in descriptor.memories)
            for slot, descriptor in self.by_slot.items()
        }

    @cached_property
    def domains(self) -> dict[str, str | None]:
        """Name of what shares each arena's memory; None where no descriptor has that memory."""
        found: dict[str, str | None] = {}
        for arena in self.plan.arenas:
            memory = self.memory(arena.device, arena.memory)
            found[arena.id] = self.domain(arena.device, memory) if memory else None
        return found

    @cached_property
    def seen_by(self) -> dict[str | None, frozenset[str]]:
        """Digests of the descriptors of the devices that see each domain."""
        seeing: dict[str | None, set[str]] = {domain: set() for domain in self.domains.values()}
        for device in self.plan.devices:
            for domain in self.visible.get(device.slot, frozenset()) & seeing.keys():
                seeing[domain].add(self.binding.digests[device.slot])
        return {domain: frozenset(digests) for domain, digests in seeing.items()}

    @cached_property
    def links(self) -> dict[str, list[tuple[str, str, int, int]]]:
        """By link, in each direction it carries: descriptors at both ends, rate and latency."""
        found: dict[str, list[tuple[str, str, int, int]]] = {}
        for system in self.systems:
            nodes = {node.id: node.descriptor_digest for node in system.nodes}
            for link in system.links:
                a, b = nodes.get(link.a.node), nodes.get(link.b.node)
                if a and b:
                    ways, latency = found.setdefault(link.id, []), link.latency_ns or 0
                    there, back = link.a_to_b_bytes_per_s, link.b_to_a_bytes_per_s
                    ways += [(a, b, there, latency)] if there else []
                    ways += [(b, a, back, latency)] if back else []
        return found

    def memory(self, slot: str, name: str) -> Memory | None:
        """Return a memory of a slot's descriptor."""
        descriptor = self.by_slot.get(slot)
        found = [m for m in descriptor.memories if m.id == name] if descriptor else []
        return found[0] if found else None

    def domain(self, slot: str, memory: Memory) -> str:
        """Return the name of what shares a memory: its coherence domain, or the memory alone."""
        if memory.coherence_domain is not None:
            return f"={memory.coherence_domain}"  # no slot begins so
        return f"{slot}/{memory.id}"

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

    def before(self, first: int, then: int) -> bool:
        """Say whether step `first` has ended whenever step `then` begins (happens-before)."""
        ended = self.clocks[then][self.lines[first]] >= self.epochs[first]
        return ended and self.party[first] is not self.party[then]
