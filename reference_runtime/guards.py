"""Guards, and what follows when a step trips: its alternates, in its place.

A step of a plan with `on_trip` ALTERNATE has several *ways*: its own device, then those of its
alternates. Each is prepared when the plan is bound. `Fallback` takes them in turn until one ends
well, and notes what tripped.

With a watchdog, a way that does not come back must not be able to disturb the alternate that takes
its place. A thread cannot be stopped, so each way works on a thread that can be left behind (a
`Lane`), and into memory of its own: what it writes is copied to the plan's buffers when it has
ended in time, and never afterwards.

Invariants:

* A way begins only when nothing that an earlier one still does can reach the plan's buffers.
* A lane that was left behind takes no work until what it was left with has ended.
* Every trip and every alternate that is taken is noted before the run ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from acp.diagnostics import Diagnostic, Refused, Severity, pointer
from reference_runtime.adapter import DeviceLostError, Measuring, Thunk, View

if TYPE_CHECKING:
    from cep.v1.plan import Estimate, Safety
    from reference_runtime.admission import AdmittedDevice

Check: TypeAlias = Callable[[], None]

MILLION: Final = 1_000_000


class TripError(Refused):
    """A limit that was crossed (RUN-X3).

    Attributes:
        quantity: What was crossed.
    """

    def __init__(self, quantity: str, step: int, message: str) -> None:
        super().__init__(Diagnostic("RUN-X3", Severity.ERROR, pointer("steps", step), message))
        self.quantity = quantity


class LateError(Exception):
    """Work that did not end within its watchdog time, or has not ended since an earlier one."""


@dataclass(frozen=True, slots=True)
class Log:
    """What went wrong in a run and was made good; workers write it, the run's owner reads it.

    Attributes:
        trips: Step and quantity of each trip that an alternate followed.
        taken: Step and index of each alternate that ended well.
    """

    trips: list[tuple[int, str]] = field(default_factory=list)
    taken: list[tuple[int, int]] = field(default_factory=list)

    def clear(self) -> None:
        """Forget everything."""
        self.trips.clear()
        self.taken.clear()


def watchdog_ns(estimate: Estimate | None, safety: Safety | None) -> int | None:
    """Return the watchdog time of a step or alternate, as spec/cep.md defines it, if it has one."""
    if safety is None or safety.watchdog_ppm is None or estimate is None or not estimate.p99_ns:
        return None
    return -(-estimate.p99_ns * safety.watchdog_ppm // MILLION)


def writes_apart(safety: Safety | None) -> bool:
    """Say whether what steps write is copied to the plan's buffers only when they have ended."""
    return safety is not None and safety.on_trip == "ALTERNATE" and safety.watchdog_ppm is not None


class _Job:
    """Work on a lane."""

    def __init__(self, work: Thunk) -> None:
        self.work = work
        self.error: BaseException | None = None
        self.done = threading.Event()


class Lane:
    """A thread for the work of one device, which can be left behind; it starts with the first."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._inbox: SimpleQueue[_Job | None] = SimpleQueue()
        self._worker: threading.Thread | None = None
        self._left: _Job | None = None

    def run(self, work: Thunk, limit_ns: int | None) -> None:
        """Do work, and wait for its end.

        Raises:
            LateError: It has not ended within the limit, or earlier work never did.
        """
        left = self._left
        # The own queue of a device that was lost may write whenever it likes.
        if left and (not left.done.is_set() or isinstance(left.error, DeviceLostError)):
            raise LateError(f"{self._name} has not ended what it began before")
        if self._worker is None:
            self._worker = threading.Thread(target=self._drain, name=self._name, daemon=True)
            self._worker.start()
        job = _Job(work)
        self._inbox.put(job)
        if not job.done.wait(None if limit_ns is None else limit_ns / 1e9):
            self._left = job
            raise LateError(f"{self._name} did not end within {limit_ns} ns")
        self._left = job if isinstance(job.error, DeviceLostError) else None
        if job.error is not None:
            raise job.error

    def close(self) -> None:
        """Take no more work; the thread ends after what it is doing."""
        self._inbox.put(None)

    def _drain(self) -> None:
        while (job := self._inbox.get()) is not None:
            try:
                job.work()
            except BaseException as error:  # noqa: BLE001 - it is raised again by `run`
                job.error = error
            job.done.set()
            del job  # it keeps arenas alive


@dataclass(frozen=True, slots=True)
class Way:
    """One way to carry out a step.

    Attributes:
        work: Does the step, and raises if a guard trips.
        lane: Where it is done, if it must be possible to leave it behind.
        limit_ns: How long it may take there.
        copies: What it wrote apart, and the plan's views that this belongs into.
    """

    work: Thunk
    lane: Lane | None = None
    limit_ns: int | None = None
    copies: Sequence[tuple[View, View]] = ()

    def __call__(self) -> None:
        """Do the step."""
        if self.lane is None:
            self.work()
            return
        self.lane.run(self.work, self.limit_ns)
        for made, place in self.copies:
            np.copyto(place, made)

    def ends_with(self, error: Exception) -> bool:
        """Say whether nothing of the work can reach the plan's buffers after it raised."""
        return self.lane is not None or not isinstance(error, DeviceLostError)


@dataclass(frozen=True, slots=True)
class Fallback:
    """The work of a step that has alternates.

    Attributes:
        step: Index of the step.
        ways: Its own way, then those of its alternates.
        log: Where trips are noted.
    """

    step: int
    ways: Sequence[Way]
    log: Log

    def __call__(self) -> None:
        """Do the step by the first way that ends well; raise what the last one raised."""
        last = len(self.ways) - 1
        for index, way in enumerate(self.ways):
            try:
                way()
            except Exception as error:
                if index == last or not way.ends_with(error):
                    raise
                self.log.trips.append((self.step, quantity_of(error)))
                continue
            if index:
                self.log.taken.append((self.step, index - 1))
            return


def quantity_of(error: BaseException | None) -> str:
    """Return what a receipt says was crossed."""
    if isinstance(error, TripError):
        return error.quantity
    return "time" if isinstance(error, LateError) else "failure"


def checked(work: Thunk, checks: Sequence[Check]) -> Thunk:
    """Return work that is followed by checks."""
    if not checks:
        return work

    def run() -> None:
        work()
        for check in checks:
            check()

    return run


def finite(step: int, made: Sequence[tuple[str, View, bool]]) -> Check:
    """Return the check that a step wrote numbers.

    Args:
        step: Index of the step.
        made: Name, view, and whether it is an output of the plan, of each floating-point value that
            it writes. Between steps infinities are legitimate: attention masks hold them.
    """

    def check() -> None:
        for value, view, is_output in made:
            bad = not np.isfinite(view).all() if is_output else np.isnan(view).any()
            if bad:
                quantity = "not-finite" if is_output else "nan"
                what = "a value that is not finite" if is_output else "a NaN"
                message = f"step {step} wrote {what} into {value!r}; check the inputs and weights"
                raise TripError(quantity, step, message)

    return check


def within(step: int, device: AdmittedDevice, limits: Mapping[str, int]) -> Check:
    """Return the check that a device is within its limits."""
    adapter, unit = device.adapter, device.unit_id

    def check() -> None:
        found = adapter.health(unit) if isinstance(adapter, Measuring) else {}
        for quantity, most in limits.items():
            if quantity not in found:
                message = f"{quantity} of {device.slot!r} cannot be measured any more"
                raise TripError(quantity, step, message)
            if found[quantity] > most:
                message = f"{quantity} of {device.slot!r} is {found[quantity]}; the limit is {most}"
                raise TripError(quantity, step, f"{message}, after step {step}")

    return check
