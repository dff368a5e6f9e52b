from __future__ import annotations

import threading

import numpy as np
import pytest

from cep.expr import Range
from reference_runtime.adapter import (
    DeviceLostError,
    QueueKind,
    StepError,
    UnsupportedError,
)
from reference_runtime.host import HostAdapter, HostArena, HostQueue, check_views
from tests.reference_runtime.regions import RegionBuilder


class Host(HostAdapter):
    name = "host"


@pytest.fixture
def queue():
    made = Host().queue("here", QueueKind.COMPUTE)
    yield made
    made.close()


@pytest.mark.parametrize("alignment", [1, 64, 4096])
def test_an_arena_is_aligned(alignment):
    arena = HostArena(1000, alignment)
    assert arena.nbytes == 1000
    assert arena.view(0, (), "ui8").ctypes.data % alignment == 0


def test_views_share_the_arenas_bytes():
    arena = HostArena(64, 64)
    arena.view(0, (16,), "i32")[:] = 0x01020304
    assert arena.view(4, (2, 2), "ui8").tolist() == [[4, 3], [2, 1]]
    assert arena.view(60, (1, 1), "f32").flags.c_contiguous


BAD_VIEWS = {
    "beyond the end": (60, (2,), "f32", ValueError),
    "before the start": (-4, (1,), "f32", ValueError),
    "unaligned": (2, (1,), "f32", ValueError),
    "no such view": (0, (1,), "bf16", UnsupportedError),
}


@pytest.mark.parametrize("case", BAD_VIEWS)
def test_a_bad_view_is_refused(case):
    offset, shape, dtype, error = BAD_VIEWS[case]
    with pytest.raises(error):
        HostArena(64, 64).view(offset, shape, dtype)


@pytest.mark.parametrize(("nbytes", "alignment"), [(-1, 64), (64, 0), (64, 48)])
def test_a_bad_arena_is_refused(nbytes, alignment):
    with pytest.raises(ValueError, match="not a size and a power of 2"):
        HostArena(nbytes, alignment)


def test_memory_that_is_not_there_is_a_lost_device():
    with pytest.raises(DeviceLostError, match="RUN-X2"):
        Host().alloc("here", 2**62, 64, "dram")


def test_work_ends_in_order(queue):
    done = []
    for number in range(100):
        queue.submit(lambda n=number: done.append(n))
    queue.sync(10.0)
    assert done == list(range(100))


def test_copies_happen_in_line(queue):
    source, between, last = np.zeros(4), np.zeros(4), np.zeros(4)
    queue.submit(lambda: source.fill(7))
    queue.copy(source, between)
    queue.copy(between, last)
    queue.sync(10.0)
    assert last.tolist() == [7, 7, 7, 7]
    with pytest.raises(ValueError, match="copy of float64"):
        queue.copy(source, np.zeros(3))


def test_a_failure_stops_the_line_and_is_told_once(queue):
    done = []
    queue.submit(lambda: 1 / 0)
    queue.submit(lambda: done.append(1))
    with pytest.raises(StepError, match="ZeroDivisionError") as refusal:
        queue.sync(10.0)
    assert refusal.value.diagnostics[0].code == "RUN-X1"
    assert isinstance(refusal.value.__cause__, ZeroDivisionError)
    queue.submit(lambda: done.append(2))
    queue.sync(10.0)
    assert done == [2]


def test_a_queue_waits_for_another_and_shares_its_failure(queue):
    other = HostQueue("other")
    gate, done = threading.Event(), []
    other.submit(gate.wait)
    other.submit(lambda: done.append("other"))
    event = other.signal()
    queue.wait(event)
    queue.submit(lambda: done.append("queue"))
    assert not event.done()
    gate.set()
    queue.sync(10.0)
    assert done == ["other", "queue"]
    other.submit(lambda: 1 / 0)
    queue.wait(other.signal())
    with pytest.raises(StepError, match="ZeroDivisionError"):
        queue.sync(10.0)
    other.close()


def test_work_that_does_not_end_is_a_lost_device(queue):
    gate = threading.Event()
    queue.submit(gate.wait)
    with pytest.raises(DeviceLostError, match="RUN-X2"):
        queue.sync(0.01)
    gate.set()
    queue.sync(10.0)


def test_an_idle_queue_is_in_sync():
    HostQueue("idle").sync(0.0)


def view(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.fixture(scope="module")
def region():
    b = RegionBuilder({"s0": Range(1, 64), "s1": Range(2, 256)})
    x = b.input("x", "f32[s0, 2*s1]")
    return b.region(b.op("relu", x))


def test_views_that_fit_are_accepted(region):
    check_views(region, [view(3, 8)], [view(3, 8)], SIZES)


SIZES = {"s0": 3, "s1": 4}
BAD_BINDINGS = {
    "too few": ([], [view(3, 8)], "0 inputs and 1 outputs"),
    "dtype": ([view(3, 8, dtype=np.float64)], [view(3, 8)], "x is float64; it must be f32"),
    "rank": ([view(24)], [view(3, 8)], r"x is \[24\].* must be \[3, 8\]"),
    "strides": ([view(8, 3).T], [view(3, 8)], "dense row-major"),
    "size": ([view(3, 8)], [view(3, 4)], r"must be \[3, 8\]"),
}


@pytest.mark.parametrize("case", BAD_BINDINGS)
def test_views_that_do_not_fit_are_refused(region, case):
    inputs, outputs, message = BAD_BINDINGS[case]
    with pytest.raises(UnsupportedError, match=message):
        check_views(region, inputs, outputs, SIZES)
