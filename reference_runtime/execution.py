"""Executing a bound plan: thunks in the order that the plan's queues and waits allow.

A step is a thunk here: everything it needs was bound before. `Schedule` says which step may follow
which. A plan whose steps are in one total order runs `Inline`, on the calling thread, through one
flat list; any other runs on `Workers`, one thread a queue, which wait for each other's epochs.

Invariants (the operational semantics of spec/cep.md):

* A step begins only after its predecessor in its queue has ended and its waits are reached.
* Epochs only grow, and an epoch is reached only after its step has ended.
* After a failure no step begins. Those under way end, and the run ends with the failure of the
  step that comes first in the plan.
* A run ends: with its times, or with one of the errors below. A step that does not come back
  costs its thread and the executor, never the caller, if the executor has limits.

    >>> log = []
    >>> plan = Schedule.of(queues=2, queue_of=[1, 0], waits=[[], [(1, 1)]])
    >>> with executor(plan, names=["a", "b"]) as running:
    ...     _ = running.run([lambda: log.append("first"), lambda: log.append("second")])
    >>> log
    ['first', 'second']
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from queue import Empty, SimpleQueue
from time import perf_counter_ns
from typing import Final, NamedTuple, Protocol, Self, TypeAlias

Thunk: TypeAlias = Callable[[], object]

_PATIENCE_S: Final = 1.0
"""How long `close` waits for a worker whose step was found to hang."""

_SHORTEST_LOOK_NS: Final = 1_000_000
_LONGEST_LOOK_NS: Final = 50_000_000


class StepFailedError(Exception):
    """A step raised; the cause is the exception's ``__cause__``.

    Attributes:
        step: Index of the step in the plan.
    """

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


class StepHangsError(StepFailedError):
    """A step did not end within its limit. The executor cannot be used again."""


class Timeline(NamedTuple):
    """When the steps of one run began and ended, on the clock of `time.perf_counter_ns`.

    Attributes:
        order: Indices of the steps, in the order in which the times are listed.
        begins: When each began, in nanoseconds.
        ends: When each ended, in nanoseconds.
    """

    order: Sequence[int]
    begins: Sequence[int]
    ends: Sequence[int]

    def spans(self) -> list[tuple[int, int]]:
        """Return begin and end by step."""
        spans = [(0, 0)] * len(self.order)
        for step, begin, end in zip(self.order, self.begins, self.ends, strict=True):
            spans[step] = (begin, end)
        return spans


@dataclass(frozen=True, slots=True)
class Schedule:
    """What follows what: computed once a plan.

    Attributes:
        lines: Steps of each queue, in order.
        waits: By step, the queues and the epochs that must be reached before it begins.
        awaited: By step, whether another step waits for it.
        order: All steps, each after those it must follow.
        serial: No two steps may overlap.
    """

    lines: tuple[tuple[int, ...], ...]
    waits: tuple[tuple[tuple[int, int], ...], ...]
    awaited: tuple[bool, ...]
    order: tuple[int, ...]
    serial: bool

    @classmethod
    def of(
        cls,
        *,
        queues: int,
        queue_of: Sequence[int],
        waits: Sequence[Sequence[tuple[int, int]]],
    ) -> Self:
        """Return the schedule of steps, given by their queue and their waits (queue, epoch).

        Raises:
            ValueError: The steps wait for each other in a circle, or for an epoch that never comes.
        """
        lines: list[list[int]] = [[] for _ in range(queues)]
        for step, queue in enumerate(queue_of):
            lines[queue].append(step)
        before: list[set[int]] = [set() for _ in queue_of]
        for line in lines:
            for earlier, later in pairwise(line):
                before[later].add(earlier)
        awaited = [False] * len(queue_of)
        for step, needed in enumerate(waits):
            for queue, epoch in needed:
                if not 1 <= epoch <= len(lines[queue]):
                    raise ValueError(f"step {step} waits for an epoch that queue {queue} lacks")
                awaited[lines[queue][epoch - 1]] = True
                before[step].add(lines[queue][epoch - 1])
        order = _topological(before)
        return cls(
            lines=tuple(map(tuple, lines)),
            waits=tuple(tuple(needed) for needed in waits),
            awaited=tuple(awaited),
            order=order,
            # In a total order, each step has an edge of its own to the next one.
            serial=all(a in before[b] for a, b in pairwise(order)),
        )


def _topological(before: Sequence[set[int]]) -> tuple[int, ...]:
    """Return all steps, each after those in its set, otherwise as listed.

    Raises:
        ValueError: There is a circle.
    """
    missing = [len(earlier) for earlier in before]
    after: list[list[int]] = [[] for _ in before]
    for step, earlier in enumerate(before):
        for one in earlier:
            after[one].append(step)
    ready = [step for step in reversed(range(len(before))) if not missing[step]]
    order: list[int] = []
    while ready:
        step = ready.pop()
        order.append(step)
        for later in sorted(after[step], reverse=True):
            missing[later] -= 1
            if not missing[later]:
                ready.append(later)
    if len(order) < len(before):
        raise ValueError("the steps wait for each other in a circle")
    return tuple(order)


class Executor(Protocol):
    """Runs the steps of one schedule, any number of times, one run at a time."""

    def run(self, thunks: Sequence[Thunk]) -> Timeline:
        """Run each step's thunk once.

        Raises:
            StepFailedError: A thunk raised.
            StepHangsError: A thunk did not return within its limit.
        """
        ...

    def close(self) -> None:
        """Join every worker; those that hang are left to end with the process."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...


def executor(
    schedule: Schedule, *, names: Sequence[str], limits_ns: Sequence[int | None] | None = None
) -> Executor:
    """Return what runs `schedule` with the least overhead.

    Args:
        schedule: What follows what.
        names: Names of the queues, for the threads.
        limits_ns: By step, the longest time it may take. To be left behind, a step that does not
            come back must be on another thread than the caller's, so limits cost two switches of
            threads a run even where all steps are in one order.
    """
    limited = limits_ns is not None and any(limit is not None for limit in limits_ns)
    if schedule.serial and not limited:
        return Inline(schedule)
    return Workers(schedule, names=names, limits_ns=limits_ns if limited else None)


class Inline:
    """Runs steps that are in one total order, on the calling thread."""

    def __init__(self, schedule: Schedule) -> None:
        self._order = schedule.order
        self._as_listed = schedule.order == tuple(range(len(schedule.order)))

    def run(self, thunks: Sequence[Thunk]) -> Timeline:
        """Run each step's thunk once; a step begins when the one before it ends."""
        order = self._order
        in_order = thunks if self._as_listed else [thunks[step] for step in order]
        clock = perf_counter_ns
        stamps = [clock()]
        stamp = stamps.append
        try:
            for thunk in in_order:
                thunk()
                stamp(clock())
        except Exception as error:
            raise StepFailedError(order[len(stamps) - 1]) from error
        return Timeline(order, stamps[:-1], stamps[1:])

    def close(self) -> None:
        """There is nothing to join."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


@dataclass(slots=True)
class _Job:
    """One run, shared by all workers.

    Attributes:
        thunks: What to do, by step.
        epochs: By queue, the number of its steps that have ended.
        begins: When each step began.
        ends: When each step ended; 0 until then.
        awaited: Number of workers that are not through.
        changed: Guards `epochs` and `stopping`, and tells of awaited epochs.
        stopping: No step begins any more.
        reports: What each worker has to say when it is through: nothing, or why not.
    """

    thunks: Sequence[Thunk]
    epochs: list[int]
    begins: list[int]
    ends: list[int]
    awaited: int
    changed: threading.Condition = field(default_factory=threading.Condition)
    stopping: bool = False
    reports: SimpleQueue[tuple[int, BaseException] | None] = field(default_factory=SimpleQueue)

    def reaches(self, queue: int, epoch: int) -> bool:
        """Wait until `queue` has reached `epoch`; False if the run stops instead."""
        with self.changed:
            while self.epochs[queue] < epoch:
                if self.stopping:
                    return False
                self.changed.wait()
        return True

    def tell(self) -> None:
        """Wake those who wait for an epoch that has just been reached."""
        with self.changed:
            self.changed.notify_all()

    def stop(self) -> None:
        """Let no step begin any more."""
        with self.changed:
            self.stopping = True
            self.changed.notify_all()


class Workers:
    """Runs each queue on a thread of its own."""

    def __init__(
        self,
        schedule: Schedule,
        *,
        names: Sequence[str],
        limits_ns: Sequence[int | None] | None = None,
    ) -> None:
        self._schedule = schedule
        self._limits = limits_ns
        self._hanging: int | None = None
        self._abandoned: _Job | None = None
        self._inboxes: list[SimpleQueue[_Job | None]] = [SimpleQueue() for _ in schedule.lines]
        self._threads = [
            threading.Thread(
                target=_work,
                args=(schedule, queue, inbox),
                name=f"cep queue {name}",
                daemon=True,
            )
            for queue, (inbox, name) in enumerate(zip(self._inboxes, names, strict=True))
        ]
        # The threads hold no reference to this object, so that dropping it lets them end.
        self._dismiss = weakref.finalize(self, _dismiss, self._inboxes)
        for thread in self._threads:
            thread.start()

    def run(self, thunks: Sequence[Thunk]) -> Timeline:
        """Run each step's thunk once, steps of different queues at the same time."""
        if self._hanging is not None:
            raise StepHangsError(self._hanging)
        if not self._dismiss.alive:
            raise RuntimeError("the executor is closed")
        if self._abandoned is not None:
            # A step of an interrupted run may still be writing to the memory of this one.
            self._collect(self._abandoned)
            self._abandoned = None
        count = len(thunks)
        job = _Job(thunks, [0] * len(self._inboxes), [0] * count, [0] * count, len(self._inboxes))
        for inbox in self._inboxes:
            inbox.put(job)
        try:
            failures = self._collect(job)
        except BaseException:
            job.stop()
            self._abandoned = job
            raise
        if failures:
            step, error = min(failures, key=lambda failure: failure[0])
            raise StepFailedError(step) from error
        return Timeline(range(count), job.begins, job.ends)

    def close(self) -> None:
        """Join every worker; those that hang are left to end with the process."""
        self._dismiss()
        for thread in self._threads:
            thread.join(None if self._hanging is None else _PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _collect(self, job: _Job) -> list[tuple[int, BaseException]]:
        """Return the failures once every worker is through.

        Raises:
            StepHangsError: A step is over its limit.
        """
        look_s = self._look_s()
        failures = []
        while job.awaited:
            try:
                report = job.reports.get(timeout=look_s)
            except Empty:
                self._watch(job)
                continue
            job.awaited -= 1
            if report is not None:
                failures.append(report)
        return failures

    def _look_s(self) -> float | None:
        """Return how long to wait between two looks at the clock; None for ever."""
        if self._limits is None:
            return None
        shortest = min(limit for limit in self._limits if limit is not None) // 4
        return max(_SHORTEST_LOOK_NS, min(shortest, _LONGEST_LOOK_NS)) / 1e9

    def _watch(self, job: _Job) -> None:
        """Refuse to wait longer for a step that is over its limit."""
        now = perf_counter_ns()
        for step, limit in enumerate(self._limits or ()):
            begin = job.begins[step]
            if limit is not None and begin and not job.ends[step] and now - begin > limit:
                self._hanging = step
                raise StepHangsError(step)


def _dismiss(inboxes: Sequence[SimpleQueue[_Job | None]]) -> None:
    for inbox in inboxes:
        inbox.put(None)


def _work(schedule: Schedule, queue: int, inbox: SimpleQueue[_Job | None]) -> None:
    """Do one queue's share of each job, until dismissed."""
    while (job := inbox.get()) is not None:
        job.reports.put(_share(schedule, queue, job))
        # A job keeps its thunks, hence arenas, alive; it must not outlive its run.
        del job


def _share(schedule: Schedule, queue: int, job: _Job) -> tuple[int, BaseException] | None:
    """Do one queue's share of a job; return the step that failed, with why."""
    clock = perf_counter_ns
    thunks, epochs, begins, ends = job.thunks, job.epochs, job.begins, job.ends
    for epoch, step in enumerate(schedule.lines[queue], start=1):
        for other, needed in schedule.waits[step]:
            if epochs[other] < needed and not job.reaches(other, needed):
                return None
        if job.stopping:
            return None
        begins[step] = clock()
        try:
            thunks[step]()
        except BaseException as error:  # noqa: BLE001 - it is raised again on the caller's thread
            job.stop()
            return step, error
        ends[step] = clock()
        epochs[queue] = epoch
        if schedule.awaited[step]:
            job.tell()
    return None
