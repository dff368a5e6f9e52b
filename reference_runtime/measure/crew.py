"""Threads that work at the same time, each on a processor of its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self


class Crew:
    """One thread for each of some processors, bound to it where the system allows that.

    Use it as a context manager: the threads end with it, also when a wait for them is interrupted.
    """

    def __init__(self, processors: Sequence[int]) -> None:
        """Name the processors."""
        self._gate = threading.Barrier(len(processors) + 1)
        self._works: Sequence[Callable[[], object]] = ()
        self._failures: list[BaseException] = []
        self._times = [(0, 0)] * len(processors)
        self._threads = [
            threading.Thread(target=self._follow, args=(index, number), daemon=True)
            for index, number in enumerate(processors)
        ]

    def __len__(self) -> int:
        """Return the number of threads."""
        return len(self._threads)

    def __enter__(self) -> Self:
        """Start the threads."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the threads end; work under way is finished first."""
        self._gate.abort()
        for thread in self._threads:
            thread.join()

    def run(self, works: Sequence[Callable[[], object]]) -> int:
        """Do one piece of work on each thread; return how long all took, in nanoseconds.

        That is from the first start to the last end, as the threads tell: the caller may come to
        its turn late, where they take all processors.

        Raises:
            Exception: What the first piece of work raised that failed.
        """
        self._works = works
        self._gate.wait()
        self._gate.wait()
        if self._failures:
            raise self._failures.pop()
        return max(end for _, end in self._times) - min(start for start, _ in self._times)

    def _follow(self, index: int, number: int) -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {number})  # Linux binds the calling thread only.
        try:
            while True:
                self._gate.wait()
                start = time.perf_counter_ns()
                try:
                    self._works[index]()
                except Exception as error:  # noqa: BLE001 - raised again by `run`
                    self._failures.append(error)
                self._times[index] = start, time.perf_counter_ns()
                self._gate.wait()
        except threading.BrokenBarrierError:
            return
