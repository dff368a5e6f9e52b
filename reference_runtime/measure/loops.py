"""Loops over memory, compiled to machine code when they are first used (Numba, ADR 0034).

A library call over a working set that fits a cache takes less time than starting it. So the repeats
are inside the compiled loop. What a loop does depends on the round, and integers are combined, not
added, so that no compiler can leave a round out or wait for a sum.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
# ruff: noqa: ANN001, ANN201 - Numba types what it compiles by the arguments of the first call

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True)
def read(source, rounds):
    """Read `source` so many times. Returns what keeps the loop alive."""
    seen = np.int64(0)
    for _ in range(rounds):
        for i in range(source.size):
            seen ^= source[i]
        seen += 1
    return seen


@njit(nogil=True)
def write(target, rounds):
    """Write `target` so many times."""
    for turn in range(rounds):
        for i in range(target.size):
            target[i] = turn + i


@njit(nogil=True)
def copy(source, target, rounds):
    """Read `source` and write `target` so many times, with an operation between."""
    for turn in range(rounds):
        for i in range(source.size):
            target[i] = source[i] ^ turn


@njit(nogil=True)
def triad(first, second, target, rounds):
    """Read two arrays and write a third so many times: the triad of STREAM, on integers."""
    for turn in range(rounds):
        for i in range(target.size):
            target[i] = first[i] + turn * second[i]


@njit(nogil=True)
def chase(links, start, steps):
    """Follow links from `start`, each found only when the one before has been loaded."""
    at = start
    for _ in range(steps):
        at = links[at]
    return at
