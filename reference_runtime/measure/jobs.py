"""Measuring within a time budget: jobs, one after the other, each with its share of what is left.

Invariants:

* What was measured is kept, whatever happens next: a refusal skips a job, Ctrl-C ends all of them.
* Every job is either measured or skipped with a reason; none is left out in silence.
* A share is a wish. A job always takes its smallest number of samples, and then looks at the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from acp.diagnostics import Refused
from reference_runtime.probe.micro import WARM_UP, Effort

if TYPE_CHECKING:
    from acp.v1.measurement import MeasurementPoint

_Size = TypeVar("_Size")

ROUGH: Final = Effort(seconds=0.0, calls=5)
"""The smallest sample: enough for a median that one disturbance does not move."""


class UnmeasurableError(Exception):
    """Something that cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to measure.

    Attributes:
        name: What people call it.
        measure: Takes the time that it may use, in seconds, and yields points as they are made.
        weight: How much time it gets, compared with other jobs.
    """

    name: str
    measure: Callable[[float], Iterator[MeasurementPoint]]
    weight: float = 1.0


@dataclass(slots=True)
class Seen:
    """What jobs came to.

    Attributes:
        points: Everything that was measured.
        skipped: What was not, by the job's name, with the reason.
        interrupted: Somebody pressed Ctrl-C.
    """

    points: list[MeasurementPoint] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


def carry_out(
    jobs: list[Job],
    budget_s: float,
    watched: Callable[[list[Job]], Iterable[Job]] = iter,
    clock: Callable[[], float] = time.monotonic,
) -> Seen:
    """Carry jobs out.

    Args:
        jobs: The jobs, in order.
        budget_s: Time for all of them, in seconds.
        watched: Passes the jobs on, such as to show how far it has come.
        clock: Tells the time in seconds.
    """
    seen = Seen()
    end = clock() + budget_s
    waiting = {job.name: job.weight for job in jobs}
    try:
        for job in watched(jobs):
            left = end - clock()
            if left <= 0:
                break
            share = left * job.weight / sum(waiting.values())
            try:
                for point in job.measure(share):
                    seen.points.append(point)
            except UnmeasurableError as error:
                seen.skipped[job.name] = str(error)
            except Refused as refusal:
                seen.skipped[job.name] = "; ".join(d.message for d in refusal.diagnostics)
            except Exception as error:  # noqa: BLE001 - a stack's failure must not cost the rest
                seen.skipped[job.name] = f"it fails: {type(error).__name__}: {error}"
            del waiting[job.name]
    except KeyboardInterrupt:
        seen.interrupted = True
    reason = "interrupted" if seen.interrupted else f"the time of {budget_s:g} s was used up"
    seen.skipped |= dict.fromkeys(waiting, reason)
    return seen


def sweep(
    sizes: Iterable[_Size],
    work: Callable[[_Size], int],
    seconds: float,
    sample: Callable[[_Size, Effort], list[int]],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[_Size, list[int]]]:
    """Yield growing sizes with the times of calls, in nanoseconds, as long as the time suffices.

    Args:
        sizes: Sizes, the smallest first, which is always sampled.
        work: Returns how much there is to do at a size.
        seconds: Time for all of them.
        sample: Returns sorted times of calls at a size.
        clock: Tells the time in seconds.
    """
    waiting = list(sizes)
    end = clock() + seconds
    least = ROUGH.calls + WARM_UP
    while waiting:
        size = waiting.pop(0)
        share = max(0.0, end - clock()) / (len(waiting) + 1)
        times = sample(size, Effort(share, ROUGH.calls, ROUGH.most_calls))
        yield size, times
        if waiting:
            expected = times[len(times) // 2] * work(waiting[0]) / max(work(size), 1)
            if least * expected > max(0.0, end - clock()) * 10**9:
                return
