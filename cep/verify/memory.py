"""Rules of family M: does every read see what it should, whatever the timing?

An arena is cut at every border of a buffer into segments. In an order of the steps that agrees with
happens-before, each segment remembers who wrote it last and who has read it since. Two accesses to
a segment, one of them a write, must be ordered; it is enough to look at neighbours, since
happens-before is transitive. So one walk decides M3, M4, M5, M6 and M7.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from cep.opset import PREFIX
from cep.opset.definition import DTYPE_BYTES
from cep.opset.pointwise import POINTWISE
from cep.verify.rules import MAX_FINDINGS, Finding, once, rule

if TYPE_CHECKING:
    from cep.graph import Node
    from cep.verify.subject import Subject

NOTHING: Final = -1
MAX_PAIRS: Final = 8_000_000
MAX_VISITS: Final = 20_000_000
IN_PLACE: Final = frozenset(PREFIX + name for name in POINTWISE.operations)
RESERVE: Final = 16
"""One part in 16 of a memory is left to the device's own software."""


@rule("CEP-M1", stage=4)
def in_bounds(s: Subject) -> Iterator[Finding]:
    """Buffers lie inside their arena, aligned, and hold their value at its largest."""
    for i, arena in enumerate(s.plan.arenas):
        if arena.alignment_bytes & (arena.alignment_bytes - 1):
            message = f"{arena.alignment_bytes} is not a power of two"
            yield Finding(("arenas", i, "alignment_bytes"), message)
        if s.sight.memory(arena.device, arena.memory) is None:
            message = f"the descriptor of {arena.device!r} has no memory {arena.memory!r}"
            yield Finding(("arenas", i, "memory"), message)
    types = s.view.types
    kinds = zip(s.places, [id(types[value]) for value in s.values], strict=True)
    yield from once(kinds, partial(_placed, s))


def _placed(s: Subject, i: int) -> Iterator[Finding]:
    buffer = s.plan.buffers[i]
    arena, needed = s.arenas[buffer.arena], s.largest_bytes(buffer.value)
    if buffer.size < needed:
        message = f"{buffer.value!r} needs up to {needed} bytes; the buffer has {buffer.size}"
        yield Finding(("buffers", i, "size"), message)
    if buffer.offset + buffer.size > arena.bytes:
        message = f"ends at {buffer.offset + buffer.size}; the arena ends at {arena.bytes}"
        yield Finding(("buffers", i, "offset"), message)
    width = DTYPE_BYTES[s.view.types[buffer.value].dtype]
    if arena.alignment_bytes % width:
        message = f"elements of {width} bytes need an arena that is aligned like them"
        yield Finding(("buffers", i, "arena"), message)
    if buffer.offset % arena.alignment_bytes:
        message = f"{buffer.offset} is not a multiple of {arena.alignment_bytes}"
        yield Finding(("buffers", i, "offset"), message)


@rule("CEP-M2", stage=4)
def in_place(s: Subject) -> Iterator[Finding]:
    """A step overwrites what it reads only where that is declared and harmless."""
    pairs, places, taking_over = 0, s.places, s.taking_over
    for i, (reads, writes) in enumerate(zip(s.reads, s.writes, strict=True)):
        pairs += len(reads) * len(writes)
        if pairs > MAX_PAIRS:
            message = f"more than {MAX_PAIRS} pairs of operands; their overlaps cannot be checked"
            yield Finding(("steps", i), message)
            return
        users = {} if taking_over.keys().isdisjoint(writes) else _users(s, i)
        for j, write in enumerate(writes):
            arena, start, end = places[write]
            apart = write not in taking_over
            for read in reads:
                other, first, last = places[read]
                if start < last and first < end and arena == other:
                    apart = False
            if not apart:
                yield from _overlapped(s, i, j, users)


def _overlapped(s: Subject, i: int, j: int, users: dict[str, list[Node]]) -> Iterator[Finding]:
    write, overlapped = s.writes[i][j], set()
    target, (arena, start, end) = s.plan.buffers[write], s.places[write]
    for read in s.reads[i]:
        other, first, last = s.places[read]
        if other == arena and max(start, first) < min(end, last):
            overlapped.add(read)
    for read in sorted(overlapped - {target.in_place_of}):
        message = (
            f"{target.value!r} overlaps {s.values[read]!r}, which the step "
            "reads, and does not declare in_place_of"
        )
        yield Finding(("steps", i, "writes", j), message)
    if target.in_place_of is None:
        return
    if target.in_place_of not in overlapped:
        message = f"step {i} does not read the bytes of buffer {target.in_place_of}"
        yield Finding(("buffers", write, "in_place_of"), message)
    elif problem := _harm(s, i, target.in_place_of, write, users):
        yield Finding(("buffers", write, "in_place_of"), problem)


def _users(s: Subject, step: int) -> dict[str, list[Node]]:
    """Return the ops of a step's region by the values that they read."""
    found: dict[str, list[Node]] = {}
    run = s.plan.steps[step].run
    for node in (s.view.nodes[op] for op in (run.ops if run else ())):
        for value in dict.fromkeys(node.inputs):
            found.setdefault(value, []).append(node)
    return found


def _harm(s: Subject, step: int, read: int, write: int, users: dict[str, list[Node]]) -> str:
    old, new = s.plan.buffers[read], s.plan.buffers[write]
    if old.offset != new.offset:
        return "starts elsewhere than the buffer it takes over"
    if s.view.types[old.value] != s.view.types[new.value]:
        return f"{new.value!r} and {old.value!r} have different types"
    joint = s.plan.steps[step].collective
    if joint is not None and joint.kind == "ALL_REDUCE":
        return ""
    found = users.get(old.value, [])
    if len(found) != 1 or found[0].target not in IN_PLACE or found[0].outputs != (new.value,):
        return (
            f"{old.value!r} must be read by one pointwise op only, the one that makes {new.value!r}"
        )
    return ""


class _Walk:
    """The walk over all accesses, in an order that agrees with happens-before.

    Of each segment, it is known which buffer it `holds`, and who has `met` there: who wrote that,
    and who has read it since. Instead of a step, that can be START, which ends before all others.
    Of each buffer, it is known who `defined` it last; NEVER, who does not end, if nobody did.
    """

    def __init__(self, s: Subject) -> None:
        self.s = s
        self.start, never = len(s.plan.steps), len(s.plan.steps) + 1
        self.lines, self.epochs = [*s.lines, 0, 0], [*s.epochs, 0, sys.maxsize]
        self.party = [*s.party, (), ()]
        self.defined = [never] * len(s.plan.buffers)
        self.spans = s.spans
        self.holds = [NOTHING] * max([span.stop for span in self.spans], default=0)
        self.met = [[self.start] for _ in self.holds]
        stored = s.view.constants
        self.constants = {i for i, v in enumerate(s.values) if v in stored} if stored else set()
        self.found: dict[str, list[Finding]] = {f"CEP-M{n}": [] for n in (3, 4, 5, 6, 7)}
        sizes = [len(span) for span in self.spans]
        if sum(map(sizes.__getitem__, chain.from_iterable(chain(s.reads, s.writes)))) > MAX_VISITS:
            message = "the buffers overlap in too many pieces for their accesses to be checked"
            self._note("CEP-M3", ("buffers",), message)
        else:
            self._begin()
            self._run()
            self._end()

    def _begin(self) -> None:
        s = self.s
        given = {binding.value for binding in s.plan.inputs} | s.view.constants.keys()
        for index in [i for i, value in enumerate(s.values) if value in given]:
            if index in s.written:
                continue
            for at in self.spans[index]:  # a conflict must cost nothing more
                if self.holds[at] != NOTHING:
                    message = f"overlaps {self._held(at)!r}, which is there from the start too"
                    self._note("CEP-M3", ("buffers", index), message)
                    break
                self.holds[at] = index
            self.defined[index] = self.start

    def _run(self) -> None:  # noqa: C901 - calls for each access would take longer than all else
        """Let each step read, then write; explain what is wrong apart."""
        s, lines, epochs, party = self.s, self.lines, self.epochs, self.party
        spans, holds, met, defined = self.spans, self.holds, self.met, self.defined
        clocks, reads, writes, constants = s.clocks, s.reads, s.writes, self.constants
        for step in s.order:
            clock, mine = clocks[step], party[step]
            for j, index in enumerate(reads[step]):
                maker = defined[index]
                sound = clock[lines[maker]] >= epochs[maker] and party[maker] is not mine
                for at in spans[index]:
                    met[at].append(step)
                    if holds[at] != index:
                        sound = False
                if not sound:
                    self._explain_read(step, index, ("steps", step, "reads", j))
            for j, index in enumerate(writes[step]):
                sound = index not in constants
                for at in spans[index]:
                    if holds[at] in constants or met[at][0] == step:
                        sound = False
                    for other in met[at]:
                        if clock[lines[other]] < epochs[other] or party[other] is mine:
                            sound = sound and other == step
                if not sound:
                    self._explain_write(step, index, ("steps", step, "writes", j))
                for at in spans[index]:
                    holds[at], met[at] = index, [step]
                defined[index] = step

    def _ordered(self, first: int, then: int) -> bool:
        ended = self.s.clocks[then][self.lines[first]] >= self.epochs[first]
        return ended and self.party[first] is not self.party[then]

    def _explain_read(self, step: int, index: int, path: tuple[str | int, ...]) -> None:
        value, maker = self.s.values[index], self.defined[index]
        if maker > self.start:
            self._note("CEP-M4", path, f"{value!r} is read before anything has put it there")
        elif not self._ordered(maker, step):
            message = f"{self._told(maker)} puts {value!r} there, but need not have ended by then"
            self._note("CEP-M4", path, message)
        told = maker > self.start
        for at in self.spans[index]:
            writer = self.met[at][0]
            if self.holds[at] != index and not told:
                message = f"{self._told(writer)} has overwritten {value!r} with {self._held(at)!r}"
                self._note("CEP-M5", path, message)
                told = True
            if not self._ordered(writer, step) and writer != step:
                self._race(step, writer, "reads", "writes", path)

    def _explain_write(self, step: int, index: int, path: tuple[str | int, ...]) -> None:
        if index in self.constants:
            message = f"{self.s.values[index]!r} is a constant; nothing may write it"
            self._note("CEP-M7", path, message)
        for at in self.spans[index]:
            writer, *readers = self.met[at]
            if writer == self.start and self.holds[at] in self.constants:
                self._note("CEP-M7", path, f"overwrites the constant {self._held(at)!r}")
            if not self._ordered(writer, step):
                self._race(step, writer, "writes", "writes", path)
            for reader in readers:
                if not self._ordered(reader, step) and reader != step:
                    self._race(step, reader, "writes", "reads", path)
                    break

    def _held(self, at: int) -> str:
        return self.s.values[self.holds[at]]

    def _told(self, step: int) -> str:
        return self.s.told(step) if step < self.start else "what is there from the start"

    def _race(
        self, step: int, other: int, does: str, did: str, path: tuple[str | int, ...]
    ) -> None:
        did_it = f"{self._told(other)} {did}"
        message = f"{self._told(step)} {does} bytes that {did_it}, and nothing orders the two"
        self._note("CEP-M3", path, message)

    def _note(self, code: str, path: tuple[str | int, ...], message: str) -> None:
        finding, found = Finding(path, message), self.found[code]
        if len(found) < MAX_FINDINGS and finding not in found[-1:]:
            found.append(finding)

    def _end(self) -> None:
        s, results = self.s, {binding.value for binding in self.s.plan.outputs}
        found = [i for i, value in enumerate(s.values) if value in results]
        left = [i for i in found if self.defined[i] <= self.start]
        values = {s.values[i] for i in left}
        for i, binding in enumerate(s.plan.outputs):
            if binding.value not in values:
                message = f"{binding.value!r} is an output, but no step leaves it in a buffer"
                self._note("CEP-M4", ("outputs", i), message)
        for index in left:
            for at in self.spans[index]:
                if self.holds[at] != index:
                    message = (
                        f"{self._told(self.met[at][0])} overwrites the output "
                        f"{s.values[index]!r} with {self._held(at)!r}"
                    )
                    self._note("CEP-M6", ("buffers", index), message)
                    break


def _walk(s: Subject) -> _Walk:
    walk = s.__dict__.get("_memory_walk")
    if not isinstance(walk, _Walk):
        walk = s.__dict__["_memory_walk"] = _Walk(s)
    return walk


@rule("CEP-M3", stage=5)
def no_races(s: Subject) -> Iterator[Finding]:
    """Two accesses to the same bytes, one of them a write, are ordered."""
    yield from _walk(s).found["CEP-M3"]


@rule("CEP-M4", stage=5)
def defined_before_use(s: Subject) -> Iterator[Finding]:
    """A value is in its buffer before it is read, and outputs are there at the end."""
    yield from _walk(s).found["CEP-M4"]


@rule("CEP-M5", stage=5)
def not_overwritten(s: Subject) -> Iterator[Finding]:
    """Nothing overwrites a value between its definition and its use."""
    yield from _walk(s).found["CEP-M5"]


@rule("CEP-M6", stage=5)
def outputs_kept(s: Subject) -> Iterator[Finding]:
    """Nothing overwrites an output."""
    yield from _walk(s).found["CEP-M6"]


@rule("CEP-M7", stage=5)
def constants_kept(s: Subject) -> Iterator[Finding]:
    """Nothing writes a constant."""
    yield from _walk(s).found["CEP-M7"]


@rule("CEP-M8", stage=4)
def fits(s: Subject) -> Iterator[Finding]:
    """Arenas and weights fit each memory, less a reserve, and what the plan promises."""
    use, shared = kept(s), dict[str, int]()
    for slot, held in _held(s).items():
        domain = s.sight.main_domain(slot)
        shared[domain] = shared.get(domain, 0) + held
    for arena in s.plan.arenas:
        found = s.sight.memory(arena.device, arena.memory)
        if found is not None:
            domain = s.sight.domain(arena.device, found)
            shared[domain] = shared.get(domain, 0) + arena.bytes * s.copies
    rooms = s.sight.rooms
    for domain, needed in sorted(shared.items()):
        room = rooms.get(domain, 0)
        if needed > room - room // RESERVE:
            message = (
                f"memory {domain!r} must hold {needed} bytes, but has {room} of which "
                f"{room // RESERVE} are reserved"
            )
            yield Finding(("arenas",), message)
    for i, promise in enumerate(s.plan.constraints.peak_bytes):
        if use[promise.device] > promise.bytes:
            found_bytes = use[promise.device]
            message = f"promises {promise.bytes} bytes on {promise.device!r}; uses {found_bytes}"
            yield Finding(("constraints", "peak_bytes", i, "bytes"), message)


def kept(s: Subject) -> dict[str, int]:
    """Return the bytes that a plan keeps on each device: its arenas and its weights."""
    use = _held(s)
    for arena in s.plan.arenas:
        use[arena.device] += arena.bytes * s.copies
    return use


def _held(s: Subject) -> dict[str, int]:
    """Return the bytes of weights that each device keeps, each weight once a device."""
    weights: dict[str, set[str]] = {d.slot: set() for d in s.plan.devices}
    known, nodes = s.view.constants, s.view.nodes
    for i in s.regions if known else ():
        read = {v for op in s.ops_of[i] for v in nodes[op].inputs if v in known}
        for member in s.party[i] if read else ():
            weights[s.device_of(member)] |= read
        for k in range(len(s.plan.steps[i].alternates) if s.alternates else 0):
            weights[s.device_of(i, k)] |= read
    return {slot: sum(map(s.largest_bytes, held)) for slot, held in weights.items()}
