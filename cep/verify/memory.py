"""Rules of family M: does every read see what it should, whatever the timing?

An arena is cut at every border of a buffer into segments. In an order of the steps that agrees with
happens-before, each segment remembers who wrote it last and who has read it since. Two accesses to
a segment, one of them a write, must be ordered; it is enough to look at neighbours, since
happens-before is transitive. So one walk decides M3, M4, M5, M6 and M7.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cep.opset import PREFIX
from cep.opset.definition import DTYPE_BYTES
from cep.opset.pointwise import POINTWISE
from cep.verify.rules import MAX_FINDINGS, Finding, rule

if TYPE_CHECKING:
    from cep.graph import Node
    from cep.verify.subject import Subject

NOBODY: Final = -2
START: Final = -1
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
    for i, buffer in enumerate(s.plan.buffers):
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
    pairs = 0
    taking_over = {i for i, b in enumerate(s.plan.buffers) if b.in_place_of is not None}
    for i, step in enumerate(s.plan.steps):
        pairs += len(step.reads) * len(step.writes)
        if pairs > MAX_PAIRS:
            message = f"more than {MAX_PAIRS} pairs of operands; their overlaps cannot be checked"
            yield Finding(("steps", i), message)
            return
        users = {} if taking_over.isdisjoint(step.writes) else _users(s, i)
        for j, write in enumerate(step.writes):
            overlapped = _overlapped(s, write, step.reads)
            if not overlapped and write not in taking_over:
                continue
            target = s.plan.buffers[write]
            for read in sorted(overlapped - {target.in_place_of}):
                message = (
                    f"{target.value!r} overlaps {s.plan.buffers[read].value!r}, which the step "
                    "reads, and does not declare in_place_of"
                )
                yield Finding(("steps", i, "writes", j), message)
            if target.in_place_of is None:
                continue
            if target.in_place_of not in overlapped:
                message = f"step {i} does not read the bytes of buffer {target.in_place_of}"
                yield Finding(("buffers", write, "in_place_of"), message)
            elif problem := _harm(s, i, target.in_place_of, write, users):
                yield Finding(("buffers", write, "in_place_of"), problem)


def _overlapped(s: Subject, write: int, reads: Sequence[int]) -> set[int]:
    """Return the buffers that share bytes with one that is written."""
    found, (arena, start, end) = set(), s.places[write]
    for read in reads:
        other, first, last = s.places[read]
        if other == arena and max(start, first) < min(end, last):
            found.add(read)
    return found


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


@dataclass(slots=True)
class _Segment:
    writer: int = NOBODY
    buffer: int = -1
    readers: list[int] = field(default_factory=list)


class _Walk:
    """The walk over all accesses, in an order that agrees with happens-before."""

    def __init__(self, s: Subject) -> None:
        self.s = s
        self.defined: dict[int, int] = {}
        self.held = [b.value for b in s.plan.buffers]
        borders: dict[str, set[int]] = {a: set() for a in s.arenas}
        for arena, start, end in set(s.places):
            borders[arena].update((start, end))
        at = {a: {offset: n for n, offset in enumerate(sorted(b))} for a, b in borders.items()}
        segments = {a: [_Segment() for _ in found] for a, found in borders.items()}
        self.spans = [(segments[a], at[a][start], at[a][end]) for a, start, end in s.places]
        self.found: dict[str, list[Finding]] = {f"CEP-M{n}": [] for n in (3, 4, 5, 6, 7)}
        if self._visits() > MAX_VISITS:
            message = "the buffers overlap in too many pieces for their accesses to be checked"
            self._note("CEP-M3", ("buffers",), message)
        else:
            self._run()

    def _visits(self) -> int:
        sizes = [last - first for _, first, last in self.spans]
        return sum([sizes[b] for t in self.s.plan.steps for b in (*t.reads, *t.writes)])

    def _covered(self, index: int) -> list[_Segment]:
        segments, first, last = self.spans[index]
        return segments[first:last]

    def _run(self) -> None:
        s = self.s
        for index, buffer in enumerate(s.plan.buffers):
            if s.view.roles[buffer.value] in ("IN", "CONST") and index not in s.written:
                self._begin(index)
        for step in s.order:
            body = s.plan.steps[step]
            for j, index in enumerate(body.reads):
                self._read(step, index, ("steps", step, "reads", j))
            for j, index in enumerate(body.writes):
                self._write(step, index, ("steps", step, "writes", j))
        self._end()

    def _begin(self, index: int) -> None:
        segments, first, last = self.spans[index]
        for at in range(first, last):  # no slice: a conflict must cost nothing more
            segment = segments[at]
            if segment.writer != NOBODY:
                other = self.s.plan.buffers[segment.buffer].value
                message = f"overlaps {other!r}, which is there from the start too"
                self._note("CEP-M3", ("buffers", index), message)
                break
            segment.writer, segment.buffer = START, index
        self.defined[index] = START

    def _ordered(self, first: int, then: int) -> bool:
        return first < 0 or self.s.before(first, then)

    def _read(self, step: int, index: int, path: tuple[str | int, ...]) -> None:
        value = self.held[index]
        maker = self.defined.get(index)
        after = maker is not None and self._ordered(maker, step)
        if maker is None:
            self._note("CEP-M4", path, f"{value!r} is read before anything has put it there")
        elif not after:
            message = f"{self.s.told(maker)} puts {value!r} there, but need not have ended by then"
            self._note("CEP-M4", path, message)
        told = False
        for segment in self._covered(index):
            if after and segment.buffer == index and segment.writer == maker:
                segment.readers.append(step)
                continue
            if maker is not None and segment.buffer != index and not told:
                other = self.held[segment.buffer]
                culprit = self.s.told(segment.writer)
                message = f"{culprit} has overwritten {value!r} with {other!r}"
                self._note("CEP-M5", path, message)
                told = True
            if not self._ordered(segment.writer, step) and segment.writer != step:
                self._race(step, segment.writer, "reads", "writes", path)
            segment.readers.append(step)

    def _write(self, step: int, index: int, path: tuple[str | int, ...]) -> None:
        s = self.s
        if self.held[index] in s.view.constants:
            self._note("CEP-M7", path, f"{self.held[index]!r} is a constant; nothing may write it")
        for segment in self._covered(index):
            if segment.writer == START and self._value(segment) in s.view.constants:
                self._note("CEP-M7", path, f"overwrites the constant {self._value(segment)!r}")
            if not self._ordered(segment.writer, step):
                self._race(step, segment.writer, "writes", "writes", path)
            for reader in segment.readers:
                if not s.before(reader, step) and reader != step:
                    self._race(step, reader, "writes", "reads", path)
                    break
            segment.writer, segment.buffer, segment.readers = step, index, []
        self.defined[index] = step

    def _value(self, segment: _Segment) -> str:
        return self.held[segment.buffer]

    def _race(
        self, step: int, other: int, does: str, did: str, path: tuple[str | int, ...]
    ) -> None:
        told = self.s.told
        message = f"{told(step)} {does} bytes that {told(other)} {did}, and nothing orders the two"
        self._note("CEP-M3", path, message)

    def _note(self, code: str, path: tuple[str | int, ...], message: str) -> None:
        finding, found = Finding(path, message), self.found[code]
        if len(found) < MAX_FINDINGS and finding not in found[-1:]:
            found.append(finding)

    def _end(self) -> None:
        s = self.s
        held = {b.value: i for i, b in enumerate(s.plan.buffers) if i in self.defined}
        for i, binding in enumerate(s.plan.outputs):
            if binding.value not in held:
                message = f"{binding.value!r} is an output, but no step leaves it in a buffer"
                self._note("CEP-M4", ("outputs", i), message)
        for index, buffer in enumerate(s.plan.buffers):
            if s.view.roles[buffer.value] != "OUT" or index not in self.defined:
                continue
            for segment in self._covered(index):
                if segment.buffer != index:
                    message = (
                        f"{s.told(segment.writer)} overwrites the output {buffer.value!r} with "
                        f"{self._value(segment)!r}"
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
    for i, region in s.regions.items():
        for member in s.party[i] if region.constants else ():
            weights[s.device_of(member)] |= set(region.constants)
    for i, k in s.alternates or ():
        if i in s.regions:
            weights[s.device_of(i, k)] |= set(s.regions[i].constants)
    return {slot: sum(map(s.largest_bytes, held)) for slot, held in weights.items()}
