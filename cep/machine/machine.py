"""States, transitions and faults of the abstract machine, named as in spec/semantics.md.

In a stream each step runs once a micro-batch. Step i of n in micro-batch m is *unit* m·n + i; after
those of all micro-batches come, for each, a unit that gives its inputs, and then, for each, one
that takes its outputs. Without a stream there is one micro-batch, and a unit is a step.

Memory is cut wherever a buffer begins or ends. The bytes of such a *segment* always share their
content, so a state holds one content a segment: nothing, the writes of a step in flight, or the
buffer whose value was put there last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cep.opset import PREFIX
from cep.opset.definition import FLOATS
from cep.opset.pointwise import POINTWISE

if TYPE_CHECKING:
    from cep.v1.plan import Plan

NOTHING: Final = -1
"""Content ⊥. The content busy(t) is -2 - t; buffer b of n in micro-batch m is m·n + b."""
POINTWISE_TARGETS: Final = frozenset(PREFIX + name for name in POINTWISE.operations)


class State(NamedTuple):
    """What has happened so far.

    Attributes:
        ended: Epoch of each queue, in the plan's order: how many of its units have ended. In a
            stream, those of the caller's two lines follow.
        flying: Units that have begun and not ended.
        memory: Content of each segment.
        trips: How often each unit has tripped; empty where none can.
        over: A trip has ended the run: no unit begins any more.
    """

    ended: tuple[int, ...]
    flying: frozenset[int]
    memory: tuple[int, ...]
    trips: tuple[int, ...] = ()
    over: bool = False


class Event(NamedTuple):
    """A transition: a unit begins, ends or trips; the first member for all of a collective."""

    kind: Literal["BEGIN", "END", "TRIP"]
    step: int


class Kind(StrEnum):
    """What goes wrong."""

    RACE = "a race"
    WRONG_CONTENT = "a read of something else"
    IN_PLACE = "a step that overwrites what it reads or writes"
    CONSTANT = "a constant that is overwritten"
    COLLECTIVE = "a collective whose members do different things"
    TRIP = "a trip that leads nowhere"
    START = "two things in one place at the start"
    OUTPUT = "an output that is not there at the end"
    STUCK = "a deadlock"


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes of an arena, `end` excluded; in a stream, of one of its copies."""

    arena: str
    start: int
    end: int
    copy: int | None = None

    def __str__(self) -> str:
        which = "" if self.copy is None else f"copy {self.copy} of "
        return f"bytes {self.start} to {self.end - 1} of {which}arena {self.arena!r}"


@dataclass(frozen=True, slots=True)
class Fault:
    """A run that goes wrong.

    Attributes:
        kind: How.
        message: The same in words, with steps and bytes.
        step: The step that faults, by index; None at the start, at the end and for the caller.
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
        plan, stream = self.plan, self.plan.stream
        self.batches = stream.microbatches if stream is not None else 1
        self.copies = stream.ring_depth if stream is not None else 1
        self.values = {value.id: value for value in plan.values}
        self.roles = [self.values[b.value].role for b in plan.buffers]
        self.written = {b for step in plan.steps for b in step.writes}
        bodies = [step.run or step.collective for step in plan.steps]
        self.ops = [[plan.ops[op] for op in body.ops] if body else [] for body in bodies]
        self._cut()
        self.own = [self._own_fault(i) for i in range(len(plan.steps))]
        self._line_up()
        units = range(len(self.bodies))
        self.own_of = [
            self._crowded(unit) if (index := self._step(unit)) is None else self.own[index]
            for unit in units
        ]
        self.reading, self.writing = (
            [[self._held(unit, buffer) for buffer in self.bodies[unit][k]] for unit in units]
            for k in (0, 1)
        )

    def _cut(self) -> None:
        plan = self.plan
        first: dict[tuple[str, int], int] = {}
        extents: list[Extent] = []
        borders: dict[str, set[int]] = {arena.id: set() for arena in plan.arenas}
        for buffer in plan.buffers:
            borders[buffer.arena] |= {buffer.offset, buffer.offset + buffer.size}
        for arena, found in borders.items():
            for start, end in pairwise(sorted(found)):
                first[arena, start] = len(extents)
                extents.append(Extent(arena, start, end))
            first[arena, max(found, default=0)] = len(extents)
        self.width = len(extents)
        copies = range(self.copies) if plan.stream is not None else (None,)
        self.extents = [replace(extent, copy=copy) for copy in copies for extent in extents]
        self.places = [
            range(first[b.arena, b.offset], first[b.arena, b.offset + b.size]) for b in plan.buffers
        ]

    def _line_up(self) -> None:
        """Write out what each unit does and what it needs."""
        plan, count = self.plan, len(self.plan.steps)
        self.numbers = {queue.id: n for n, queue in enumerate(plan.queues)}
        turns: list[list[int]] = [[] for _ in plan.queues]
        for i, step in enumerate(plan.steps):
            turns[self.numbers[step.queue]].append(i)
        self.lines = [[m * count + i for m in range(self.batches) for i in one] for one in turns]
        self.bodies: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self.needs: list[list[tuple[int, int]]] = []
        for m in range(self.batches):
            for step in plan.steps:
                self.bodies.append((step.reads, step.writes))
                due = [(self.numbers[w.queue], w.epoch, m - (w.lag or 0)) for w in step.waits]
                self.needs.append([(q, e + n * len(turns[q])) for q, e, n in due if n >= 0])
        self.party = self._parties()
        if plan.stream is not None:
            self._attend(turns)
        self.batch = [self._batch(unit) for unit in range(len(self.bodies))]
        self.reads, self.writes = (
            [
                self._bits(body[k]) << self.batch[u] % self.copies * self.width
                for u, body in enumerate(self.bodies)
            ]
            for k in (0, 1)
        )

    def _parties(self) -> list[tuple[int, ...]]:
        """Return by unit those that begin and end with it; none where a member is missing."""
        plan, count = self.plan, len(self.plan.steps)
        members: dict[str, dict[str, list[int]]] = {}
        for i, step in enumerate(plan.steps):
            if step.collective is not None:
                members.setdefault(step.collective.group, {}).setdefault(step.queue, []).append(i)
        party: list[tuple[int, ...]] = [(i,) for i in range(count)]
        for lines in members.values():
            for steps in zip_longest(*lines.values()):
                for i in steps:
                    if i is not None:
                        party[i] = () if None in steps else tuple(sorted(steps))
        starts = range(0, self.batches * count, count)
        return [tuple(start + i for i in together) for start in starts for together in party]

    def _attend(self, turns: list[list[int]]) -> None:
        """Add the units of the caller, who gives inputs and takes outputs."""
        count, depth = len(self.plan.steps), self.copies
        buffers = range(len(self.plan.buffers))
        given = [b for b in buffers if self.roles[b] == "IN" and b not in self.written]
        taken = [b for b in buffers if self.roles[b] == "OUT" and b in self.written]
        # Queues that use inputs begin a micro-batch after they were given, and they are given after
        # the one before in the copy was ended. Outputs are taken after, and before the next.
        for moved, k, late, early in ((given, 0, depth, 0), (taken, 1, 0, depth)):
            line, units = len(self.lines), range(len(self.bodies), len(self.bodies) + self.batches)
            users = [
                queue
                for queue, steps in enumerate(turns)
                if any(not {*moved}.isdisjoint(self.bodies[i][k]) for i in steps)
            ]
            self.lines.append(list(units))
            self.bodies += [((), tuple(moved)) if k == 0 else (tuple(moved), ())] * self.batches
            self.party += [(unit,) for unit in units]
            for m in range(self.batches):
                ended = [(q, (m - late + 1) * len(turns[q])) for q in users if m >= late]
                self.needs.append(ended)
                for queue in users if m >= early else ():
                    self.needs[m * count + turns[queue][0]].append((line, m - early + 1))

    def _batch(self, unit: int) -> int:
        count = len(self.plan.steps)
        return unit // count if unit < self.batches * count else unit % self.batches

    def _bits(self, buffers: tuple[int, ...]) -> int:
        bits = 0
        for buffer in buffers:
            for segment in self.places[buffer]:
                bits |= 1 << segment
        return bits

    def _held(self, unit: int, buffer: int) -> tuple[int, range]:
        """Return the content that is a buffer for a unit, and where it lies."""
        batch, place = self.batch[unit], self.places[buffer]
        shift = batch % self.copies * self.width
        of = 0 if self.roles[buffer] == "CONST" else batch
        return of * len(self.roles) + buffer, range(place.start + shift, place.stop + shift)

    # --- Before the first step (START) ---------------------------------------------------

    def start(self) -> State | Fault:
        """Return the state before the first step: constants are there; inputs too, if no stream."""
        memory = [NOTHING] * len(self.extents)
        filled = ("CONST",) if self.plan.stream is not None else ("IN", "CONST")
        for index, role in enumerate(self.roles):
            if role not in filled or index in self.written:
                continue
            for copy in range(self.copies):
                for place in self.places[index]:
                    segment = place + copy * self.width
                    if memory[segment] != NOTHING:
                        both = f"{self._value(memory[segment])} and {self._value(index)}"
                        extent = self.extents[segment]
                        return Fault(Kind.START, f"{both} are both in {extent}", extent=extent)
                    memory[segment] = index
        trips = (0,) * len(self.bodies) if self.plan.safety is not None else ()
        return State((0,) * len(self.lines), frozenset(), tuple(memory), trips)

    # --- Transitions (BEGIN, END and TRIP) ----------------------------------------------

    def events(self, state: State) -> Iterator[Event]:
        """Yield what can happen next."""
        heads = self._heads(state)
        ready = {u for u in heads if all(state.ended[line] >= n for line, n in self.needs[u])}
        for unit in heads:
            if unit in state.flying:
                if self.party[unit][0] == unit:
                    yield Event("END", unit)
                    if self.plan.safety is not None and self._step(unit) is not None:
                        yield Event("TRIP", unit)
            elif (
                not state.over
                and self.party[unit][:1] == (unit,)
                and ready.issuperset(self.party[unit])
            ):
                yield Event("BEGIN", unit)

    def _heads(self, state: State) -> list[int]:
        """Return the next unit of each line that is not through."""
        return [
            line[ended]
            for line, ended in zip(self.lines, state.ended, strict=True)
            if ended < len(line)
        ]

    def after(self, state: State, event: Event) -> State | Fault:
        """Return the state after an event that can happen, or the fault it is."""
        members = self.party[event.step]
        if event.kind == "END":
            return self._end(state, members)
        if event.kind == "TRIP":
            return self._trip(state, members)
        for n, unit in enumerate(members):
            flying = state.flying.union(members[:n])
            fault = self.own_of[unit] or self._race(flying, unit)
            fault = fault or self._wrong_content(state, unit) or self._constant(state, unit)
            if fault is not None:
                return fault
        if (fault := self._disagree(members)) is not None:
            return fault
        memory = list(state.memory)
        for unit in members:
            for _, segments in self.writing[unit]:
                for segment in segments:
                    memory[segment] = -2 - unit
        return state._replace(flying=state.flying.union(members), memory=tuple(memory))

    def _end(self, state: State, members: tuple[int, ...]) -> State:
        memory, ended = list(state.memory), list(state.ended)
        for unit in members:
            for content, segments in self.writing[unit]:
                for segment in segments:
                    memory[segment] = content
            ended[self._line(unit)] += 1
        flying = state.flying.difference(members)
        return state._replace(ended=tuple(ended), flying=flying, memory=tuple(memory))

    def _trip(self, state: State, members: tuple[int, ...]) -> State | Fault:
        """Return what `on_trip` says: an alternate goes on in the step's place, or it is over."""
        safety, unit = self.plan.safety, members[0]
        follows = safety.on_trip if safety is not None else None
        alternates = self.plan.steps[unit % len(self.plan.steps)].alternates
        for member in members:
            if fault := self.trip_fault(member):
                return fault
        if follows == "ALTERNATE" and not state.over and state.trips[unit] < len(alternates):
            for content, segments in self.reading[unit]:
                for segment in segments:
                    if state.memory[segment] != content:
                        extent = self.extents[segment]
                        message = (
                            f"an alternate of {self.title(unit)} needs {self._value(content)} in "
                            f"{extent}, where the step has begun to write"
                        )
                        return self._fault(Kind.TRIP, message, unit, None, extent)
            trips = tuple(n + (u == unit) for u, n in enumerate(state.trips))
            return state._replace(trips=trips)
        drains = follows == "DRAIN" or state.over
        stopped = state.flying.intersection(members) if drains else state.flying
        memory = tuple(NOTHING if -2 - held in stopped else held for held in state.memory)
        return state._replace(flying=state.flying - stopped, memory=memory, over=True)

    def trip_fault(self, unit: int) -> Fault | None:
        """Return why nothing can follow a trip of a unit, if that is so whatever the others do."""
        safety, step = self.plan.safety, self.plan.steps[unit % len(self.plan.steps)]
        if safety is None:
            return None
        if safety.on_trip is None:
            message = f"{self.title(unit)} trips, and nobody says what follows"
            return self._fault(Kind.TRIP, message, unit, None, None)
        if safety.on_trip != "ALTERNATE" or step.alternates:
            return None
        dtypes = {self.values[self.plan.buffers[b].value].dtype for b in step.writes}
        numbers = safety.nan_guard and step.transfer is None and dtypes.intersection(FLOATS)
        if safety.watchdog_ppm is None and not safety.limits and not numbers:
            return None
        message = f"a guard stops {self.title(unit)}, which has no alternate"
        return self._fault(Kind.TRIP, message, unit, None, None)

    def _line(self, unit: int) -> int:
        index = self._step(unit)
        if index is not None:
            return self.numbers[self.plan.steps[index].queue]
        gives = unit < self.batches * (len(self.plan.steps) + 1)
        return len(self.plan.queues) + (0 if gives else 1)

    # --- Faults of BEGIN, in the order of its list -------------------------------------------

    def _race(self, flying: frozenset[int], unit: int) -> Fault | None:
        for other in sorted(flying):
            for does, mine, did, theirs in (
                ("writes", self.writes[unit], "writing", self.writes[other]),
                ("writes", self.writes[unit], "reading", self.reads[other]),
                ("reads", self.reads[unit], "writing", self.writes[other]),
            ):
                if mine & theirs:
                    extent = self._extent(mine & theirs)
                    message = (
                        f"{self.title(unit)} {does} {extent} while {self.title(other)} is {did} "
                        "them"
                    )
                    return self._fault(Kind.RACE, message, unit, other, extent)
        return None

    def _wrong_content(self, state: State, unit: int) -> Fault | None:
        for content, segments in self.reading[unit]:
            for segment in segments:
                found, extent = state.memory[segment], self.extents[segment]
                if found == content:
                    continue
                other = self._writer(unit, content if found == NOTHING else found)
                message = (
                    f"{self.title(unit)} reads {self._value(content)} in {extent}, but finds "
                    f"{self._content(found)}"
                )
                if other is not None:
                    message += (
                        f"; {self.title(other)} has not put it there yet"
                        if found == NOTHING
                        else f" of {self.title(other)}"
                    )
                return self._fault(Kind.WRONG_CONTENT, message, unit, other, extent)
        return None

    def _writer(self, unit: int, content: int) -> int | None:
        """Return the unit that makes a content, if just one does."""
        batch, buffer = divmod(content, len(self.plan.buffers))
        found = [
            u
            for u, (_, writes) in enumerate(self.bodies)
            if buffer in writes and self.batch[u] == batch and u != unit
        ]
        return found[0] if len(found) == 1 else None

    def _constant(self, state: State, unit: int) -> Fault | None:
        for content, segments in self.writing[unit]:
            for segment in segments:
                held, roles = state.memory[segment], self.roles
                kept = held >= 0 and roles[held % len(roles)] == "CONST"
                if kept or roles[content % len(roles)] == "CONST":
                    extent = self.extents[segment]
                    message = f"{self.title(unit)} writes {extent}, where a constant is"
                    return self._fault(Kind.CONSTANT, message, unit, None, extent)
        return None

    def _disagree(self, members: tuple[int, ...]) -> Fault | None:
        for unit in members[1:]:
            one, other = (u % len(self.plan.steps) for u in (members[0], unit))
            if self.plan.steps[one].collective != self.plan.steps[other].collective:
                message = f"step {other} has another kind or other ops than step {one}"
                return Fault(Kind.COLLECTIVE, message, one, other)
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

    def _crowded(self, unit: int) -> Fault | None:
        """Return whether the caller gives two inputs in one place."""
        seen = 0
        for write in self.bodies[unit][1]:
            bits = self._bits((write,))
            if bits & seen:
                extent = self._extent(bits & seen)
                return Fault(Kind.START, f"two inputs are both in {extent}", extent=extent)
            seen |= bits
        return None

    def _takes_over(self, step: int, read: int, write: int) -> bool:
        """Say whether each element is read for the last time before it is overwritten."""
        old, new = self.plan.buffers[read], self.plan.buffers[write]
        of, to = self.values[old.value], self.values[new.value]
        if new.in_place_of != read or old.offset != new.offset:
            return False
        joint = self.plan.steps[step].collective
        if joint is not None and joint.kind == "ALL_REDUCE":
            return True
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
        held_up = self._heads(state)
        if state.over:
            return None
        if held_up:
            message = "nothing can move: " + "; ".join(self._waiting(state, u) for u in held_up)
            other = held_up[1] if len(held_up) > 1 else None
            return self._fault(Kind.STUCK, message, held_up[0], other, None)
        kept = {self.plan.buffers[b].value for b in self.written}
        for binding in self.plan.outputs:
            if binding.value not in kept:
                return Fault(Kind.OUTPUT, f"no step puts the output {binding.value!r} anywhere")
        for index in sorted(self.written) if self.plan.stream is None else ():
            for segment in self.places[index] if self.roles[index] == "OUT" else ():
                if state.memory[segment] != index:
                    extent = self.extents[segment]
                    found = self._content(state.memory[segment])
                    message = f"the output {self._value(index)} is in {extent} no more, but {found}"
                    return Fault(Kind.OUTPUT, message, extent=extent)
        return None

    def _waiting(self, state: State, unit: int) -> str:
        missing = [
            f"epoch {epoch} of {self._queue(line)}, which is at {state.ended[line]} of "
            f"{len(self.lines[line])}"
            for line, epoch in self.needs[unit]
            if state.ended[line] < epoch
        ]
        others = [u for u in self.party[unit] if u != unit]
        if not missing:
            missing = [self.title(u) for u in others] or ["a member of its group that never comes"]
        return f"{self.title(unit)} waits for " + " and ".join(missing)

    def _queue(self, line: int) -> str:
        if line < len(self.plan.queues):
            return f"queue {self.plan.queues[line].id!r}"
        return "the inputs" if line == len(self.plan.queues) else "the outputs"

    # --- Words --------------------------------------------------------------------------------

    def title(self, unit: int) -> str:
        """Return the name of a unit for people."""
        index = self._step(unit)
        if self.plan.stream is None:
            return f"step {index}"
        batch = self.batch[unit]
        if index is not None:
            return f"step {index} of micro-batch {batch}"
        gives = self._line(unit) == len(self.plan.queues)
        does = "gives the inputs" if gives else "takes the outputs"
        return f"the caller who {does} of micro-batch {batch}"

    def place(self, unit: int) -> str:
        """Return where a unit stands, and on which queue: ``(2) on 'right'``."""
        index = self._step(unit)
        if index is None:
            return f" of {self.title(unit)}"
        of = f"{index}" if self.plan.stream is None else f"{index}, micro-batch {self.batch[unit]}"
        queues = " and ".join(
            repr(self.plan.steps[u % len(self.plan.steps)].queue) for u in self.party[unit]
        )
        return f"({of}) on {queues}"

    def _step(self, unit: int) -> int | None:
        """Return the step of a unit, by index; None for the caller."""
        count = len(self.plan.steps)
        return unit % count if unit < self.batches * count else None

    def _fault(
        self, kind: Kind, message: str, unit: int, other: int | None, extent: Extent | None
    ) -> Fault:
        against = None if other is None else self._step(other)
        return Fault(kind, message, self._step(unit), against, extent)

    def _value(self, content: int) -> str:
        batch, buffer = divmod(content, len(self.plan.buffers))
        told = f"{self.plan.buffers[buffer].value!r} (buffer {buffer})"
        shared = self.plan.stream is None or self.roles[buffer] == "CONST"
        return told if shared else f"{told} of micro-batch {batch}"

    def _content(self, content: int) -> str:
        return "nothing" if content == NOTHING else self._value(content)

    def _extent(self, bits: int) -> Extent:
        """Return the first run of bytes of a set of segments."""
        first = last = (bits & -bits).bit_length() - 1
        while bits >> (last + 1) & 1 and self.extents[last].end == self.extents[last + 1].start:
            here, there = self.extents[last], self.extents[last + 1]
            if (here.arena, here.copy) != (there.arena, there.copy):
                break
            last += 1
        return replace(self.extents[first], end=self.extents[last].end)
