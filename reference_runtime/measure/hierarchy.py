"""Memories of a processor: how fast each level is read and written, and how long a load takes.

Each core works on a part of its own, on a thread that is bound to it. Working sets are chosen to
fit one level and not the one before it. Measured is whole calls of some milliseconds, all threads
together from the first start to the last end.

* ``mem:ID.read|write|copy|triad``: bytes that the program loads and stores, per second, over all
  instances that the cores reach. What hardware moves besides, such as a line that is read before it
  is written, does not count.
* ``mem:ID.latency``: a call of `operations` loads, each of which needs the one before. Links are in
  random order, one a line, so that nothing is fetched ahead; the time includes finding the page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from acp.v1.measurement import MeasurementPoint
from reference_runtime.measure.crew import Crew
from reference_runtime.measure.jobs import ROUGH, Job, UnmeasurableError
from reference_runtime.probe.micro import percentile
from reference_runtime.probe.system import CPUS, text, usable_memory, usable_processors

if TYPE_CHECKING:
    from acp.v1.capability import Memory
    from reference_runtime.adapter import DescribedDevice

KERNELS: Final = {"read": 1, "write": 1, "copy": 2, "triad": 3}
"""Arrays that each loop goes over."""

_CALL_S: Final = 0.004
"""Time of one call: long beside starting threads, short beside what disturbs a machine."""

_TRIES: Final = 3
_MOST_CALLS: Final = 400
_PARTS: Final = (0.25, 0.5, 0.75)
"""Working sets by the capacity of the level."""

_BEYOND: Final = (4, 8)
"""Working sets of main memory by the capacity of all caches."""

_LEAST_BEYOND: Final = 64 * 2**20
_SHARE_OF_MEMORY: Final = 4
_WORD: Final = 8
_LINE: Final = 64


def jobs(device: DescribedDevice, seed: int) -> list[Job]:
    """Return one job for each memory and kind of access, or one that says why there is none.

    Main memory comes first, since most depends on it.
    """
    reason = _hindrance(device)
    if reason:
        return [Job("memory hierarchy", partial(_unmeasurable, reason))]
    found = []
    for memory, sets in reversed(tuple(working_sets(device.memories))):
        for kernel in KERNELS:
            name = f"{kernel} of {memory.id}"
            found.append(Job(name, partial(_bandwidth, memory.id, kernel, sets, seed)))
        largest = sets[-1] // memory.instances
        found.append(
            Job(f"latency of {memory.id}", partial(_latency, memory, largest, seed), weight=2.0)
        )
    return found


def working_sets(memories: Sequence[Memory]) -> Iterator[tuple[Memory, tuple[int, ...]]]:
    """Yield the levels, nearest first, each with the bytes that all cores together work on.

    A cache that is no larger than one and a half times all that lies before it cannot be told from
    it, and is left out.
    """
    caches = sorted((m for m in memories if m.role == "CACHE"), key=lambda m: m.level or 0)
    before = 0
    for cache in caches:
        total = cache.instances * cache.capacity_bytes_per_instance
        sets = tuple(size for part in _PARTS if (size := int(part * total)) > 1.5 * before)
        if sets:
            yield cache, sets
        before = max(before, total)
    every = sum(m.instances * m.capacity_bytes_per_instance for m in caches)
    for main in (m for m in memories if m.role in ("SHARED", "DEVICE")):
        total = main.usable_bytes or main.instances * main.capacity_bytes_per_instance
        most = min(total, usable_memory()) // _SHARE_OF_MEMORY
        sets = tuple(
            size for times in _BEYOND if (size := max(times * every, _LEAST_BEYOND)) <= most
        )
        if sets:
            yield main, tuple(dict.fromkeys(sets))
        return


def cores(processors: Sequence[int]) -> tuple[int, ...]:
    """Return one logical processor of each core."""
    first: dict[str, int] = {}
    for number in processors:
        siblings = text(CPUS / f"cpu{number}/topology/thread_siblings_list") or str(number)
        first.setdefault(siblings, number)
    return tuple(first.values())


def _hindrance(device: DescribedDevice) -> str:
    if device.subject.device_class != "cpu":
        return "loops over memory are compiled for the host's processor only"
    try:
        import numba
    except ImportError as error:
        return f"it needs Numba ({error}); install it with: pip install 'acp-cep[measure]'"
    return "" if numba.config.DISABLE_JIT == 0 else "NUMBA_DISABLE_JIT is set"


def _unmeasurable(reason: str, _: float) -> Iterator[MeasurementPoint]:
    raise UnmeasurableError(reason)
    yield


def _bandwidth(
    memory: str, kernel: str, sets: Sequence[int], seed: int, seconds: float
) -> Iterator[MeasurementPoint]:
    with Crew(cores(usable_processors())) as crew:
        for size in sets:
            words = max(size // KERNELS[kernel] // _WORD // len(crew), _LINE)
            works: dict[int, Callable[[int], object]] = {}
            # Each thread makes its arrays, so that they lie in the memory of its NUMA node.
            crew.run([partial(_work, works, i, kernel, words, seed + i) for i in range(len(crew))])
            moved = KERNELS[kernel] * words * _WORD * len(crew)
            rounds = _rounds(crew, works)
            once = [partial(works[i], rounds) for i in range(len(crew))]
            taken = _sample(partial(crew.run, once), seconds / len(sets))
            rates = sorted(rounds * moved * 10**9 // nanoseconds for nanoseconds in taken)
            yield MeasurementPoint(
                op=f"mem:{memory}.{kernel}",
                dtypes=("i64",),
                shape=(moved // _WORD,),
                bytes=rounds * moved,
                data_distribution="uniform",
                n=len(rates),
                p5=percentile(rates, 5),
                p50=percentile(rates, 50),
                p95=percentile(rates, 95),
                unit="BYTES_PER_S",
            )


def _work(
    works: dict[int, Callable[[int], object]], index: int, kernel: str, words: int, seed: int
) -> None:
    """Put a loop over arrays of its own, which takes the number of rounds, among the works."""
    from reference_runtime.measure import loops

    loop = getattr(loops, kernel)
    drawn = np.random.default_rng(seed)
    arrays = [drawn.integers(0, 2**62, words, dtype=np.int64) for _ in range(KERNELS[kernel])]
    loop(*(array[:1] for array in arrays), 1)
    works[index] = partial(loop, *arrays)


def _rounds(crew: Crew, works: Mapping[int, Callable[[int], object]]) -> int:
    """Return how many rounds take the time of one call; the first of them warm the caches.

    The fastest of a few tries counts: what disturbs one would make all calls too short.
    """
    rounds = 1
    while True:
        once = [partial(works[i], rounds) for i in range(len(crew))]
        took = min(crew.run(once) for _ in range(_TRIES))
        if took >= _CALL_S * 10**9 / 2:
            return max(1, round(rounds * _CALL_S * 10**9 / took))
        rounds *= 2


def _sample(call: Callable[[], int], seconds: float) -> list[int]:
    """Return the times of calls in nanoseconds: as many as fit the time, or a few more."""
    taken: list[int] = []
    end = time.monotonic() + seconds
    while len(taken) < ROUGH.calls or (time.monotonic() < end and len(taken) < _MOST_CALLS):
        taken.append(max(call(), 1))
    return taken


def _latency(memory: Memory, size: int, seed: int, seconds: float) -> Iterator[MeasurementPoint]:
    """Yield the time of dependent loads from one instance, seen from one core."""
    from reference_runtime.measure import loops

    links, at = cycle(size, memory.line_bytes or _LINE, seed)
    loops.chase(links, at, 1)

    def walk(steps: int) -> None:
        nonlocal at  # A call that began where the last one did would find its lines in a cache.
        at = np.uint64(loops.chase(links, at, steps))

    steps = 2**10
    with Crew(cores(usable_processors())[:1]) as crew:
        while crew.run([partial(walk, steps)]) < _CALL_S * 10**9 / 2:
            steps *= 2
        taken = sorted(_sample(partial(crew.run, [partial(walk, steps)]), seconds))
    yield MeasurementPoint(
        op=f"mem:{memory.id}.latency",
        shape=(links.size,),
        operations=steps,
        data_distribution="random-cycle",
        n=len(taken),
        p5=percentile(taken, 5),
        p50=percentile(taken, 50),
        p95=percentile(taken, 95),
        unit="NANOSECONDS",
    )


def cycle(size: int, line: int, seed: int) -> tuple[np.ndarray, np.uint64]:
    """Return links that lead once through every line of so many bytes, and where they begin."""
    stride = max(line // _WORD, 1)
    lines = max(size // _WORD // stride, 2)
    order = np.random.default_rng(seed).permutation(lines).astype(np.uint64) * np.uint64(stride)
    links = np.zeros(lines * stride, np.uint64)
    links[order] = np.roll(order, -1)
    return links, order[0]
