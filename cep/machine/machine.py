"""States, transitions and faults of the abstract machine, named as in spec/semantics.md.

Memory is cut wherever a buffer begins or ends. The bytes of such a *segment* always share their
content, so a state holds one content a segment: nothing, the writes of a step in flight, or the
buffer whose value was put there last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cep.opset import PREFIX
from cep.opset.pointwise import POINTWISE

if TYPE_CHECKING:
    from cep.v1.plan import Plan

NOTHING: Final = -1
"""Content ⊥. The content busy(t) is -2 - t, and any other is the index of a buffer."""
POINTWISE_TARGETS: Final = frozenset(PREFIX + name for name in POINTWISE.operations)


class State(NamedTuple):
    """What has happened so far.

    Attributes:
        ended: Epoch of each queue, in the plan's order: how many of its steps have ended.
        flying: Steps that have begun and not ended.
        memory: Content of each segment.
    """

    ended: tuple[int, ...]
    flying: frozenset[int]
    memory: tuple[int, ...]


class Event(NamedTuple):
    """A transition: a step begins or ends."""

    kind: Literal["BEGIN", "END"]
    step: int


class Kind(StrEnum):
    """What goes wrong."""

    RACE = "a race"
    WRONG_CONTENT = "a read of something else"
    IN_PLACE = "a step that overwrites what it reads or writes"
    CONSTANT = "a constant that is overwritten"
    START = "two things in one place at the start"
    OUTPUT = "an output that is not there at the end"
    STUCK = "a deadlock"


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes of an arena, `end` excluded."""

    arena: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"bytes {self.start} to {self.end - 1} of arena {self.arena!r}"


@dataclass(frozen=True, slots=True)
class Fault:
    """A run that goes wrong.

    Attributes:
        kind: How.
        message: The same in words, with steps and bytes.
        step: The step that faults, by index; None at the start and at the end.
        other: The step that it meets.
        extent: The bytes, where it is about bytes.
    """

    kind: Kind
    message: str
    step: int | None = None
    other: int | None = None
    extent: Extent | None = None


class Machine:
    """The transitions of one plan.

    Args:
        plan: A plan whose references resolve: queues, buffers, arenas, values and ops exist.

    Raises:
        ValueError: A reference does not resolve.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        try:
            self._index()
        except (KeyError, IndexError) as error:
            raise ValueError(f"the plan refers to something it does not have: {error}") from None

    def _index(self) -> None:
        plan = self.plan
        self.numbers = {queue.id: n for n, queue in enumerate(plan.queues)}
        self.lines: list[list[int]] = [[] for _ in plan.queues]
        for i, step in enumerate(plan.steps):
            self.lines[self.numbers[step.queue]].append(i)
        self.waits = [[(self.numbers[w.queue], w.epoch) for w in s.waits] for s in plan.steps]
        self.values = {value.id: value for value in plan.values}
        self.extents: list[Extent] = []
        borders: dict[str, set[int]] = {arena.id: set() for arena in plan.arenas}
        for buffer in plan.buffers:
            borders[buffer.arena] |= {buffer.offset, buffer.offset + buffer.size}
        first = {}
        for arena, found in borders.items():
            for start, end in pairwise(sorted(found)):
                first[arena, start] = len(self.extents)
                self.extents.append(Extent(arena, start, end))
            first[arena, max(found, default=0)] = len(self.extents)
        self.places = [
            range(first[b.arena, b.offset], first[b.arena, b.offset + b.size]) for b in plan.buffers
        ]
        self.roles = [self.values[b.value].role for b in plan.buffers]
        self.reads = [self._bits(step.reads) for step in plan.steps]
        self.writes = [self._bits(step.writes) for step in plan.steps]
        self.ops = [[plan.ops[op] for op in s.run.ops] if s.run else [] for s in plan.steps]
        self.written = {b for step in plan.steps for b in step.writes}
        self.own = [self._own_fault(i) for i in range(len(plan.steps))]

    def _bits(self, buffers: tuple[int, ...]) -> int:
        bits = 0
        for buffer in buffers:
            for segment in self.places[buffer]:
                bits |= 1 << segment
        return bits

    # --- Before the first step (START) ---------------------------------------------------

    def start(self) -> State | Fault:
        """Return the state before the first step: inputs and constants are there."""
        memory = [NOTHING] * len(self.extents)
        for index, role in enumerate(self.roles):
            if role not in ("IN", "CONST") or index in self.written:
                continue
            for segment in self.places[index]:
                if memory[segment] != NOTHING:
                    both = f"{self._value(memory[segment])} and {self._value(index)}"
                    extent = self.extents[segment]
                    return Fault(Kind.START, f"{both} are both in {extent}", extent=extent)
                memory[segment] = index
        return State((0,) * len(self.lines), frozenset(), tuple(memory))

    # --- Transitions (BEGIN and END) ----------------------------------------------------

    def events(self, state: State) -> Iterator[Event]:
        """Yield what can happen next."""
        for line, ended in zip(self.lines, state.ended, strict=True):
            if ended < len(line):
                step = line[ended]
                if step in state.flying:
                    yield Event("END", step)
                elif all(state.ended[queue] >= epoch for queue, epoch in self.waits[step]):
                    yield Event("BEGIN", step)

    def after(self, state: State, event: Event) -> State | Fault:
        """Return the state after an event that can happen, or the fault it is."""
        step = event.step
        if event.kind == "END":
            return self._end(state, step)
        fault = self.own[step] or self._race(state, step) or self._wrong_content(state, step)
        if fault is None:
            fault = self._constant(state, step)
        if fault is not None:
            return fault
        memory = list(state.memory)
        for buffer in self.plan.steps[step].writes:
            for segment in self.places[buffer]:
                memory[segment] = -2 - step
        return State(state.ended, state.flying | {step}, tuple(memory))

    def _end(self, state: State, step: int) -> State:
        memory = list(state.memory)
        for buffer in self.plan.steps[step].writes:
            for segment in self.places[buffer]:
                memory[segment] = buffer
        ended = list(state.ended)
        ended[self.numbers[self.plan.steps[step].queue]] += 1
        return State(tuple(ended), state.flying - {step}, tuple(memory))

    # --- Faults of BEGIN, in the order of its list -------------------------------------------

    def _race(self, state: State, step: int) -> Fault | None:
        for other in sorted(state.flying):
            for does, mine, did, theirs in (
                ("writes", self.writes[step], "writing", self.writes[other]),
                ("writes", self.writes[step], "reading", self.reads[other]),
                ("reads", self.reads[step], "writing", self.writes[other]),
            ):
                if mine & theirs:
                    extent = self._extent(mine & theirs)
                    message = f"step {step} {does} {extent} while step {other} is {did} them"
                    return Fault(Kind.RACE, message, step, other, extent)
        return None

    def _wrong_content(self, state: State, step: int) -> Fault | None:
        for buffer in self.plan.steps[step].reads:
            for segment in self.places[buffer]:
                found, extent = state.memory[segment], self.extents[segment]
                if found == buffer:
                    continue
                other = self._writer(buffer if found == NOTHING else found)
                message = (
                    f"step {step} reads {self._value(buffer)} in {extent}, but finds "
                    f"{self._content(found)}"
                )
                if other is not None:
                    message += (
                        f"; step {other} has not put it there yet"
                        if found == NOTHING
                        else f" of step {other}"
                    )
                return Fault(Kind.WRONG_CONTENT, message, step, other, extent)
        return None

    def _writer(self, buffer: int) -> int | None:
        """Return the step that writes a buffer, if just one does."""
        found = [i for i, step in enumerate(self.plan.steps) if buffer in step.writes]
        return found[0] if len(found) == 1 else None

    def _constant(self, state: State, step: int) -> Fault | None:
        for buffer in self.plan.steps[step].writes:
            for segment in self.places[buffer]:
                held = state.memory[segment]
                if self.roles[buffer] == "CONST" or (held >= 0 and self.roles[held] == "CONST"):
                    extent = self.extents[segment]
                    message = f"step {step} writes {extent}, where a constant is"
                    return Fault(Kind.CONSTANT, message, step, extent=extent)
        return None

    def _own_fault(self, step: int) -> Fault | None:
        """Return how a step is in its own way, whatever the others do."""
        body, seen = self.plan.steps[step], 0
        for write in body.writes:
            bits = self._bits((write,))
            if bits & seen:
                extent = self._extent(bits & seen)
                return Fault(
                    Kind.IN_PLACE, f"step {step} writes {extent} twice", step, step, extent
                )
            seen |= bits
            for read in body.reads:
                common = bits & self._bits((read,))
                if common and not self._takes_over(step, read, write):
                    extent = self._extent(common)
                    message = f"step {step} overwrites {extent} while it reads them"
                    return Fault(Kind.IN_PLACE, message, step, step, extent)
        return None

    def _takes_over(self, step: int, read: int, write: int) -> bool:
        """Say whether each element is read for the last time before it is overwritten."""
        old, new = self.plan.buffers[read], self.plan.buffers[write]
        of, to = self.values[old.value], self.values[new.value]
        if new.in_place_of != read or old.offset != new.offset:
            return False
        if (of.dtype, of.shape) != (to.dtype, to.shape):
            return False
        users = [op for op in self.ops[step] if old.value in op.inputs]
        return (
            len(users) == 1
            and users[0].target in POINTWISE_TARGETS
            and users[0].outputs == (new.value,)
        )

    # --- When nothing can move (STUCK and DONE) -----------------------------------------

    def final_fault(self, state: State) -> Fault | None:
        """Return what is wrong with a state in which nothing can happen, if anything is."""
        held_up = [
            line[ended]
            for line, ended in zip(self.lines, state.ended, strict=True)
            if ended < len(line)
        ]
        if held_up:
            message = "nothing can move: " + "; ".join(self._waiting(state, i) for i in held_up)
            other = held_up[1] if len(held_up) > 1 else None
            return Fault(Kind.STUCK, message, held_up[0], other)
        kept = {self.plan.buffers[b].value for b in self.written}
        for binding in self.plan.outputs:
            if binding.value not in kept:
                return Fault(Kind.OUTPUT, f"no step puts the output {binding.value!r} anywhere")
        for index in sorted(self.written):
            for segment in self.places[index] if self.roles[index] == "OUT" else ():
                if state.memory[segment] != index:
                    extent = self.extents[segment]
                    found = self._content(state.memory[segment])
                    message = f"the output {self._value(index)} is in {extent} no more, but {found}"
                    return Fault(Kind.OUTPUT, message, extent=extent)
        return None

    def _waiting(self, state: State, step: int) -> str:
        missing = [
            f"epoch {epoch} of queue {self.plan.queues[queue].id!r}, which is at "
            f"{state.ended[queue]} of {len(self.lines[queue])}"
            for queue, epoch in self.waits[step]
            if state.ended[queue] < epoch
        ]
        return f"step {step} waits for " + " and ".join(missing)

    # --- Words --------------------------------------------------------------------------------

    def _value(self, buffer: int) -> str:
        return f"{self.plan.buffers[buffer].value!r} (buffer {buffer})"

    def _content(self, content: int) -> str:
        return "nothing" if content == NOTHING else self._value(content)

    def _extent(self, bits: int) -> Extent:
        """Return the first run of bytes of a set of segments."""
        first = last = (bits & -bits).bit_length() - 1
        while bits >> (last + 1) & 1 and self.extents[last].end == self.extents[last + 1].start:
            if self.extents[last].arena != self.extents[last + 1].arena:
                break
            last += 1
        return Extent(self.extents[first].arena, self.extents[first].start, self.extents[last].end)
