"""Proofs that a mutant still means what the original means.

A change of one place need not change the meaning: a wait may be implied by others, two steps may
not care which comes first, an arena may be larger than it must be. Such a mutant is rightly
accepted. The proof is made without the verifier's code, by other means: happens-before as a set of
ancestors a step, kept in the bits of an integer, and every pair of accesses compared with every
other. That is quadratic, and simple enough to be believed.

What is proven: the same operations on the same values; the same regions with the same operands,
each once; each read preceded, in every interleaving, by the same last write of exactly its buffer;
outputs intact; no place, link or device that the original does not use in the same way, or that the
descriptors do not make equal to one that it uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

from acp.canonical import canonicalize, digest
from cep.expr import Range, parse
from cep.mutate.written_out import written_out
from cep.opset.definition import DTYPE_BYTES

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor, Memory
    from acp.v1.system import SystemDescriptor
    from cep.mutate.change import Document

SAME = (
    "spec", "uri", "revision", "issuer", "issued_at", "not_before", "expires_at", "features",
    "source", "opsets", "symbols", "values", "constants", "inputs", "outputs", "devices", "stream",
    "safety", "artifacts", "evidence", "provenance",
)  # fmt: skip


class _Unproven(Exception):
    """Equivalence is not shown; the message says where the proof ends."""


def unproven(
    original: Document,
    mutant: Document,
    descriptors: Mapping[str, CapabilityDescriptor],
    systems: Sequence[SystemDescriptor] = (),
) -> str:
    """Say why a mutant is not shown to mean what an accepted plan means; empty if it is.

    Args:
        original: The plan, which the verifier accepts.
        mutant: The plan after a change, well formed.
        descriptors: Verified descriptors by slot.
        systems: Verified system descriptors, which say where links lead.
    """
    old, new = (_Schedule(plan, descriptors) for plan in (original, mutant))
    try:
        _Proof(old, new, systems).check()
    except _Unproven as reason:
        return str(reason)
    return ""


def ancestors(plan: Document) -> list[int] | None:
    """Return, for each step, the set of the steps that end before it begins, as bits.

    None if happens-before has a cycle or a wait is for an epoch that never comes.
    """
    steps = plan["steps"]
    direct = _direct(plan)
    if direct is None:
        return None
    together = [1 << i for i in range(len(steps))]
    for members in instances(plan):
        shared = [before for i in members for before in direct[i]]
        for i in members:
            direct[i] = shared
            together[i] = sum(1 << j for j in members)
    found: list[int | None] = [None] * len(steps)
    waiting = set(range(len(steps)))
    while waiting:
        ready = [i for i in waiting if all(found[before] is not None for before in direct[i])]
        if not ready:
            return None
        for i in ready:
            bits = 0
            for before in direct[i]:
                bits |= (found[before] or 0) | together[before]
            found[i] = bits
        waiting.difference_update(ready)
    return [bits or 0 for bits in found]


def _direct(plan: Document) -> list[list[int]] | None:
    """Return, for each step, what must end right before it; None if some of it never comes."""
    at: dict[tuple[str, int], int] = {}
    count: dict[str, int] = {}
    direct: list[list[tuple[str, int]]] = []
    for i, step in enumerate(plan["steps"]):
        queue = step["queue"]
        count[queue] = epoch = count.get(queue, 0) + 1
        at[queue, epoch] = i
        direct.append([(queue, epoch - 1)] if epoch > 1 else [])
        direct[i] += [(w["queue"], w["epoch"]) for w in step.get("waits", []) if "lag" not in w]
    if any(event not in at for events in direct for event in events):
        return None
    return [[at[event] for event in events] for events in direct]


def instances(plan: Document) -> list[list[int]]:
    """Return the steps that carry out a collective together, for each time it is carried out."""
    taken: dict[tuple[str, str], int] = {}
    met: dict[tuple[str, int], list[int]] = {}
    for i, step in enumerate(plan["steps"]):
        if "collective" in step:
            key = step["collective"]["group"], step["queue"]
            taken[key] = taken.get(key, 0) + 1
            met.setdefault((key[0], taken[key]), []).append(i)
    return list(met.values())


@dataclass
class _Schedule:
    """A plan as the proof sees it."""

    plan: Document
    descriptors: Mapping[str, CapabilityDescriptor]

    @cached_property
    def before(self) -> list[int]:
        found = ancestors(self.plan)
        if found is None:
            raise _Unproven("happens-before has a cycle")
        return found

    @property
    def copies(self) -> int:
        return int(self.plan.get("stream", {}).get("ring_depth", 1))

    @cached_property
    def arenas(self) -> dict[str, Any]:
        return {a["id"]: a for a in self.plan["arenas"]}

    @cached_property
    def values(self) -> dict[str, Any]:
        return {v["id"]: v for v in self.plan["values"]}

    @cached_property
    def spans(self) -> list[tuple[str, int, int]]:
        return [
            (b["arena"], int(b["offset"]), int(b["offset"]) + int(b["size"]))
            for b in self.plan["buffers"]
        ]

    @cached_property
    def writes(self) -> list[tuple[int, int]]:
        """Every write, as step and buffer."""
        steps = enumerate(self.plan["steps"])
        return [(i, b) for i, step in steps for b in step.get("writes", [])]

    def value(self, buffer: int) -> str:
        return str(self.plan["buffers"][buffer]["value"])

    def role(self, buffer: int) -> str:
        return str(self.values[self.value(buffer)]["role"])

    def overlap(self, one: int, two: int) -> bool:
        a, b = self.spans[one], self.spans[two]
        return one == two or (a[0] == b[0] and max(a[1], b[1]) < min(a[2], b[2]))

    def precedes(self, first: int, then: int) -> bool:
        return bool(self.before[then] >> first & 1)

    def device(self, step: Document) -> str:
        return next(str(q["device"]) for q in self.plan["queues"] if q["id"] == step["queue"])

    def operations(self, step: Document) -> tuple[bytes, ...]:
        return tuple(canonicalize(self.plan["ops"][op]) for op in step["run"]["ops"])

    def operands(self, step: Document) -> tuple[list[str], list[str]]:
        """Return the values that a region reads, constants aside, and those that it writes.

        Their order in the step means nothing: a buffer says which value it holds (CEP-S3).
        """
        reads = [self.value(b) for b in step.get("reads", []) if self.role(b) != "CONST"]
        return sorted(reads), sorted(self.value(b) for b in step.get("writes", []))

    def regions(self) -> Iterator[tuple[Document, frozenset[bytes]]]:
        for step in self.plan["steps"]:
            if "run" in step:
                yield step, frozenset(self.operations(step))

    def memory(self, arena: str) -> tuple[Memory, str]:
        """Return the memory that an arena is in, and the name of what shares it."""
        home = self.arenas[arena]
        descriptor = self.descriptors.get(home["device"])
        for memory in descriptor.memories if descriptor else ():
            if memory.id == home["memory"]:
                return memory, memory.coherence_domain or f"{home['device']}/{memory.id}"
        raise _Unproven(f"the memory of arena {arena!r} is not described")

    def sees(self, device: str, arena: str) -> bool:
        memory, _ = self.memory(arena)
        descriptor = self.descriptors.get(device)
        own = descriptor.memories if descriptor else ()
        shared = {m.coherence_domain for m in own} - {None}
        return self.arenas[arena]["device"] == device or memory.coherence_domain in shared


@dataclass
class _Proof:
    """The proof that `new` means what `old` means."""

    old: _Schedule
    new: _Schedule
    systems: Sequence[SystemDescriptor] = ()

    def check(self) -> None:
        """Run the proof.

        Raises:
            _Unproven: It does not go through.
        """
        self._same_graph()
        self._promises()
        self._layout()
        self._queues()
        self._alternates()
        self._regions()
        self._transfers()
        self._collectives()
        self.accesses()
        self._outputs()
        if "stream" in self.new.plan:
            old, new = (_Schedule(written_out(s.plan), s.descriptors) for s in (self.old, self.new))
            _Proof(old, new).accesses()

    def _collectives(self) -> None:
        def told(schedule: _Schedule) -> list[tuple[Any, ...]]:
            steps, ops = schedule.plan["steps"], schedule.plan["ops"]
            bodies = [(n, steps[i]) for n, m in enumerate(instances(schedule.plan)) for i in m]
            return sorted(
                (
                    n,
                    step["collective"]["kind"],
                    sorted(canonicalize(ops[op]) for op in step["collective"].get("ops", [])),
                    schedule.device(step),
                    schedule.operands(step),
                )
                for n, step in bodies
            )

        if told(self.old) != told(self.new):
            raise _Unproven("a collective differs")
        for members in instances(self.new.plan):
            for i in members:
                step = self.new.plan["steps"][i]
                here = self.new.device(step)
                for buffer in (*step.get("reads", []), *step.get("writes", [])):
                    if not self.new.sees(here, self.new.spans[buffer][0]):
                        raise _Unproven(f"{here!r} does not see what it takes part with")

    def _same_graph(self) -> None:
        old, new = self.old.plan, self.new.plan
        for member in SAME:
            if old.get(member) != new.get(member):
                raise _Unproven(f"{member} differs")
        if sorted(map(canonicalize, old["ops"])) != sorted(map(canonicalize, new["ops"])):
            raise _Unproven("other operations are computed")

    def _promises(self) -> None:
        old, new = dict(self.old.plan["constraints"]), dict(self.new.plan["constraints"])
        if new.pop("deterministic", False) and not old.pop("deterministic", False):
            for step, _ in self.new.regions():
                if step.get("alternates"):
                    raise _Unproven("an alternate may give other bits")
                self._deterministic(step)
        if old != new:
            raise _Unproven("constraints differ")

    def _deterministic(self, step: Document) -> None:
        descriptor = self.new.descriptors.get(self.new.device(step))
        claims = {c.op: c.variants for c in descriptor.ops} if descriptor else {}
        for op in step["run"]["ops"]:
            target = self.new.plan["ops"][op]["target"]
            variants = claims.get(target, ())
            claimed = [v.numerics.determinism if v.numerics else None for v in variants]
            if not claimed or any(c in (None, "NONE") for c in claimed):
                raise _Unproven(f"no claim that {target} is deterministic")

    def _layout(self) -> None:
        new = self.new
        highest = {
            s["name"]: Range(int(s["min"]), int(s["max"]), int(s.get("divisor", 1)))
            for s in new.plan.get("symbols", [])
        }
        for index, (name, start, end) in enumerate(new.spans):
            arena, value = new.arenas[name], new.values[new.value(index)]
            width = needed = DTYPE_BYTES[value["dtype"]]
            for dim in value.get("shape", []):
                needed *= parse(dim).bounds(highest)[1]
            aligned = int(arena["alignment_bytes"])
            fits = end - start >= needed and end <= int(arena["bytes"])
            if not fits or start % aligned or aligned % width or aligned & (aligned - 1):
                raise _Unproven(f"buffer {index} does not lie in its arena as it must")
        self._capacity()

    def _capacity(self) -> None:
        new = self.new
        weights = self._weights()
        use: dict[str, int] = {}
        room: dict[str, int] = {}
        for name, arena in new.arenas.items():
            memory, shared = new.memory(name)
            use[shared] = use.get(shared, 0) + int(arena["bytes"]) * new.copies
            least = memory.usable_bytes or memory.instances * memory.capacity_bytes_per_instance
            room[shared] = min(least, room.get(shared, least))
        copies = len(new.plan["devices"])
        if any(use[d] + copies * weights > room[d] - room[d] // 16 for d in use):
            raise _Unproven("the arenas may not fit")
        for promise in new.plan["constraints"].get("peak_bytes", []):
            own = [a for a in new.arenas.values() if a["device"] == promise["device"]]
            total = sum(int(a["bytes"]) for a in own) * new.copies
            if total + self._weights(promise["device"]) > int(promise["bytes"]):
                raise _Unproven("more memory is used than is promised")

    def _weights(self, device: str | None = None) -> int:
        """Return the bytes of all constants, or of those that a device's regions read."""
        new = self.new
        read = {
            value
            for step, _ in new.regions()
            for queue in (step["queue"], *(a["queue"] for a in step.get("alternates", [])))
            if device in (None, new.device({"queue": queue}))
            for op in step["run"]["ops"]
            for value in new.plan["ops"][op].get("inputs", [])
        }
        return sum(
            DTYPE_BYTES[v["dtype"]] * prod(map(int, v.get("shape", [])))
            for v in new.plan["values"]
            if v["role"] == "CONST" and (device is None or v["id"] in read)
        )

    def _queues(self) -> None:
        """Check that each step is in a queue that can do it, and that there can be so many."""
        new = self.new
        kinds = {q["id"]: q["kind"] for q in new.plan["queues"]}
        for step in new.plan["steps"]:
            if kinds[step["queue"]] not in ("COMPUTE", *(["COPY"] if "transfer" in step else [])):
                raise _Unproven("a step is in a queue for something else")
        counts = Counter((q["device"], q["kind"]) for q in new.plan["queues"])
        for (device, kind), count in counts.items():
            most = {one.kind: one.max for one in new.descriptors[device].queues}
            if count > most.get(kind, 1):
                raise _Unproven(f"{device!r} may not have so many queues")

    def _alternates(self) -> None:
        """Check that what can take the place of a step could do so, as the step itself."""
        steps = [s.plan["steps"] for s in (self.old, self.new)]
        old, new = (sum(not t.get("alternates") for t in one) for one in steps)
        if "safety" in self.old.plan and new > old:
            raise _Unproven("a step has lost its alternates")
        for step in self.new.plan["steps"]:
            devices = [self.new.device(step)]
            for alternate in step.get("alternates", []):
                self._alternate(step | {"queue": alternate["queue"]}, devices)
                devices.append(self.new.device(step | {"queue": alternate["queue"]}))

    def _alternate(self, step: Document, devices: list[str]) -> None:
        """Check that a step could be done in another queue, apart from the devices that do it."""
        new = self.new
        places = [*step.get("reads", []), *step.get("writes", [])]
        if new.device(step) in devices:
            raise _Unproven("a device is its own alternate")
        if any("in_place_of" in new.plan["buffers"][b] for b in step.get("writes", [])):
            raise _Unproven("an alternate may not find what it needs")
        if "run" in step:
            self._region(step, devices[0])
        elif not any(new.sees(new.device(step), new.spans[b][0]) for b in places):
            raise _Unproven("an alternate is at neither end of a copy")
        kinds = {q["id"]: q["kind"] for q in new.plan["queues"]}
        if kinds[step["queue"]] != "COMPUTE":
            raise _Unproven("an alternate is in a queue for something else")

    def _regions(self) -> None:
        known = {
            region: (self.old.operands(step), self.old.device(step), step["run"].get("artifact"))
            for step, region in self.old.regions()
        }
        for step, region in self.new.regions():
            if region not in known:
                raise _Unproven("a region differs, or runs twice")
            operands, device, artifact = known.pop(region)
            if self.new.operands(step) != operands or step["run"].get("artifact") != artifact:
                raise _Unproven("the operands of a region differ")
            self._region(step, device)
        if known:
            raise _Unproven("a region does not run")

    def _region(self, step: Document, device: str) -> None:
        ops = [self.new.plan["ops"][op] for op in step["run"]["ops"]]
        made_later = {v for op in ops for v in op["outputs"]}
        for op in ops:
            if made_later & set(op.get("inputs", [])):
                raise _Unproven("an operation comes before one that it depends on")
            made_later -= set(op["outputs"])
        here = self.new.device(step)
        if not {device, here} <= self.new.descriptors.keys():
            raise _Unproven(f"{device!r} or {here!r} is not described")
        claims = [{c.op: c.variants for c in self.new.descriptors[d].ops} for d in (device, here)]
        if here != device and any(
            claims[0].get(op["target"]) != claims[1].get(op["target"]) for op in ops
        ):
            raise _Unproven(f"{here!r} need not be able to do what {device!r} can")
        for buffer in (*step.get("reads", []), *step.get("writes", [])):
            if not self.new.sees(here, self.new.spans[buffer][0]):
                raise _Unproven(f"{here!r} does not see an operand")

    def _transfers(self) -> None:
        def copies(schedule: _Schedule) -> Iterator[tuple[str | None, str, str]]:
            for step in schedule.plan["steps"]:
                if "transfer" in step:
                    reads, writes = step.get("reads", []), step.get("writes", [])
                    if len(reads) != 1 or len(writes) != 1:
                        raise _Unproven("a transfer has other than two ends")
                    if schedule.value(reads[0]) != schedule.value(writes[0]):
                        raise _Unproven("a transfer changes the value")
                    source, target = (
                        schedule.memory(schedule.spans[b][0])[1] for b in reads + writes
                    )
                    ends = [schedule.spans[b][0] for b in reads + writes]
                    if not any(schedule.sees(schedule.device(step), end) for end in ends):
                        raise _Unproven("a copy is made by a device that is at neither end")
                    yield step["transfer"].get("link"), source, target

        known = set(copies(self.old))
        for link, source, target in copies(self.new):
            ways = known if link is None else known | set(self._ways(link))
            if (link, source, target) not in ways and (link is not None or source != target):
                raise _Unproven("a copy takes another way")

    def _ways(self, link: str) -> Iterator[tuple[str, str, str]]:
        """Yield the memories between which a link carries data."""
        held: dict[str, set[str]] = {}
        slots = {slot: digest(one.to_json()) for slot, one in self.new.descriptors.items()}
        for name, arena in self.new.arenas.items():
            held.setdefault(slots[arena["device"]], set()).add(self.new.memory(name)[1])
        for system in self.systems:
            ends = {node.id: held.get(node.descriptor_digest or "", set()) for node in system.nodes}
            for one in system.links:
                here, there = ends.get(one.a.node, set()), ends.get(one.b.node, set())
                if one.id == link and one.a_to_b_bytes_per_s:
                    yield from ((link, a, b) for a in here for b in there)
                if one.id == link and one.b_to_a_bytes_per_s:
                    yield from ((link, b, a) for a in here for b in there)

    def accesses(self) -> None:
        """Prove that each read finds what it should, in every interleaving."""
        new = self.new
        written = {b for _, b in new.writes}
        initial = [
            b for b in range(len(new.spans)) if b not in written and new.role(b) in ("IN", "CONST")
        ]
        for n, one in enumerate(initial):
            if any(new.overlap(one, two) for two in initial[n + 1 :]):
                raise _Unproven("what is there from the start overlaps")
        for n, (step, buffer) in enumerate(new.writes):
            if new.role(buffer) == "CONST" or any(
                new.role(b) == "CONST" and new.overlap(b, buffer) for b in initial
            ):
                raise _Unproven("a constant is overwritten")
            for other, place in new.writes[n + 1 :]:
                if new.overlap(buffer, place) and not self._ordered(step, other):
                    raise _Unproven(f"steps {step} and {other} write the same bytes")
        for i, step in enumerate(new.plan["steps"]):
            for buffer in step.get("reads", []):
                self._read(i, buffer, initial)

    def _ordered(self, one: int, two: int) -> bool:
        return self.new.precedes(one, two) or self.new.precedes(two, one)

    def _read(self, step: int, buffer: int, initial: list[int]) -> None:
        new = self.new
        past = []
        for other, place in new.writes:
            if not new.overlap(buffer, place):
                continue
            if other == step:
                self._in_place(buffer, place)
            elif not self._ordered(other, step):
                raise _Unproven(f"step {other} writes what step {step} reads, unordered")
            elif new.precedes(other, step):
                past.append((other, place))
        if not past:
            if buffer not in initial:
                raise _Unproven(f"step {step} reads what is not there")
            return
        last, place = next(
            (w, b) for w, b in past if all(w == o or new.precedes(o, w) for o, _ in past)
        )
        if place != buffer or sum(w == last for w, _ in past) > 1:
            raise _Unproven(f"step {step} reads what step {last} has overwritten")

    def _in_place(self, read: int, write: int) -> None:
        def pair(schedule: _Schedule) -> tuple[str, str, bool]:
            same = schedule.spans[read][:2] == schedule.spans[write][:2]
            return schedule.value(read), schedule.value(write), same

        both = (self.old, self.new)
        if any(s.plan["buffers"][write].get("in_place_of") != read for s in both) or (
            pair(self.old) != pair(self.new)
        ):
            raise _Unproven("a step overwrites what it reads")

    def _outputs(self) -> None:
        new = self.new
        for binding in new.plan["outputs"]:
            made = [(s, b) for s, b in new.writes if new.value(b) == binding["value"]]
            if not made:
                raise _Unproven("an output is not made")
            for step, buffer in made:
                for other, place in new.writes:
                    if (
                        place != buffer
                        and new.overlap(place, buffer)
                        and not new.precedes(other, step)
                    ):
                        raise _Unproven("an output is overwritten")
