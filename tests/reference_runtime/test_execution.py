from __future__ import annotations

import gc
import threading
import time
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_runtime.execution import (
    Inline,
    Schedule,
    StepFailedError,
    StepHangsError,
    Workers,
    executor,
)


def nothing():
    pass


def names(schedule):
    return [f"q{queue}" for queue in range(len(schedule.lines))]


def workers(schedule, **kwargs):
    return Workers(schedule, names=names(schedule), **kwargs)


CROSSED = Schedule.of(queues=2, queue_of=[0, 1, 0], waits=[[(1, 1)], [], []])
APART = Schedule.of(queues=2, queue_of=[0, 1], waits=[[], []])


@pytest.mark.parametrize(
    ("queue_of", "waits", "order", "serial"),
    [
        ([0, 0, 0], [[], [], []], (0, 1, 2), True),
        ([0, 1, 0], [[], [(0, 1)], [(1, 1)]], (0, 1, 2), True),
        # A step may be listed before those it waits for.
        ([0, 1], [[(1, 1)], []], (1, 0), True),
        ([0, 1], [[], []], (0, 1), False),
        # Both follow step 0, neither follows the other.
        ([0, 0, 1], [[], [], [(0, 1)]], (0, 1, 2), False),
        # A wait for an epoch is a wait for all before it.
        ([0, 0, 1], [[], [], [(0, 2)]], (0, 1, 2), True),
    ],
)
def test_order_and_overlap(queue_of, waits, order, serial):
    schedule = Schedule.of(queues=2, queue_of=queue_of, waits=waits)
    assert (schedule.order, schedule.serial) == (order, serial)


@pytest.mark.parametrize(
    ("queue_of", "waits"),
    [
        ([0, 1], [[(1, 1)], [(0, 1)]]),
        ([0], [[(0, 1)]]),
        ([0, 1], [[(1, 2)], []]),
        ([0, 1], [[(1, 0)], []]),
    ],
)
def test_steps_that_can_never_run_are_refused(queue_of, waits):
    with pytest.raises(ValueError, match="wait"):
        Schedule.of(queues=2, queue_of=queue_of, waits=waits)


def test_a_total_order_runs_on_the_calling_thread_and_others_do_not():
    with executor(CROSSED, names=["a", "b"]) as inline:
        assert isinstance(inline, Inline)
    with executor(APART, names=["a", "b"]) as threaded:
        assert isinstance(threaded, Workers)
    # A limit can only be kept from another thread.
    with executor(CROSSED, names=["a", "b"], limits_ns=[None, 10**9, None]) as limited:
        assert isinstance(limited, Workers)


@given(st.data())
def test_every_order_is_kept(data):
    queue_of = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=12))
    waits = []
    for step in range(len(queue_of)):
        earlier = [s for s in range(step) if queue_of[s] != queue_of[step]]
        waited = data.draw(st.lists(st.sampled_from(earlier), max_size=3)) if earlier else []
        waits.append(
            [(queue_of[s], sum(q == queue_of[s] for q in queue_of[: s + 1])) for s in waited]
        )
    schedule = Schedule.of(queues=3, queue_of=queue_of, waits=waits)
    for make in (Inline, workers) if schedule.serial else (workers,):
        log = []
        with make(schedule) as running:
            for _ in range(2):
                log.clear()
                times = running.run([partial(log.append, step) for step in range(len(queue_of))])
                spans = times.spans()
                assert sorted(log) == list(range(len(queue_of)))
                for step, needed in enumerate(waits):
                    line = schedule.lines[queue_of[step]]
                    before = [schedule.lines[q][e - 1] for q, e in needed]
                    before += line[: line.index(step)]
                    assert all(log.index(b) < log.index(step) for b in before)
                    assert all(spans[b][1] <= spans[step][0] for b in before)
                    assert spans[step][0] <= spans[step][1]


def test_independent_queues_overlap():
    both = threading.Barrier(2, timeout=10)
    with workers(APART) as running:
        running.run([both.wait, both.wait])


def test_an_awaited_epoch_releases_the_waiting_step():
    log = []
    gate = threading.Event()
    schedule = Schedule.of(queues=2, queue_of=[0, 1], waits=[[(1, 1)], []])
    with workers(schedule) as running:
        threading.Timer(0.05, gate.set).start()
        running.run([lambda: log.append("late"), lambda: (gate.wait(), log.append("early"))])
    assert log == ["early", "late"]


@pytest.mark.parametrize("make", [Inline, workers])
def test_a_failure_stops_the_run_and_not_the_next_one(make):
    log = []

    def fail():
        raise KeyError("x")

    schedule = Schedule.of(queues=2, queue_of=[0, 1, 0], waits=[[], [(0, 1)], [(1, 1)]])
    with make(schedule) as running:
        for _ in range(2):
            with pytest.raises(StepFailedError) as caught:
                running.run([nothing, fail, lambda: log.append("after")])
            assert caught.value.step == 1
            assert isinstance(caught.value.__cause__, KeyError)
            assert log == []
        running.run([nothing, nothing, lambda: log.append("after")])
    assert log == ["after"]


def test_a_failure_wakes_those_who_wait_and_the_first_step_is_named():
    both = threading.Barrier(2, timeout=10)

    def fail():
        both.wait()
        raise OSError

    schedule = Schedule.of(queues=3, queue_of=[0, 1, 2], waits=[[], [], [(0, 1), (1, 1)]])
    with workers(schedule) as running, pytest.raises(StepFailedError) as caught:
        running.run([fail, fail, nothing])
    assert caught.value.step == 0


def test_a_step_that_hangs_costs_its_thread_and_the_executor():
    release = threading.Event()
    with workers(APART, limits_ns=[5_000_000, None]) as running:
        for _ in range(2):
            with pytest.raises(StepHangsError) as caught:
                running.run([release.wait, nothing])
            assert caught.value.step == 0
        release.set()


def test_a_step_without_limit_may_take_its_time():
    with workers(APART, limits_ns=[None, 5_000_000]) as running:
        running.run([lambda: time.sleep(0.05), nothing])


def threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith("cep queue")}


def test_closing_joins_every_worker():
    before = threads()
    running = workers(APART)
    running.run([nothing, nothing])
    assert len(threads() - before) == 2
    running.close()
    running.close()
    assert threads() == before
    with pytest.raises(RuntimeError, match="closed"):
        running.run([nothing, nothing])


def test_dropping_an_executor_ends_its_workers():
    before = threads()
    running = workers(APART)
    started = threads() - before
    del running
    gc.collect()
    for thread in started:
        thread.join(10)
    assert threads() == before


def test_an_interrupted_run_has_ended_before_the_next_one_begins(monkeypatch):
    log = []
    began, gate = threading.Event(), threading.Event()

    def slow():
        began.set()
        gate.wait(10)
        log.append("old")

    def interrupted(_job):
        began.wait(10)
        raise KeyboardInterrupt

    with workers(APART) as running:
        with monkeypatch.context() as patch:
            patch.setattr(running, "_collect", interrupted)
            with pytest.raises(KeyboardInterrupt):
                running.run([slow, nothing])
        threading.Timer(0.05, gate.set).start()
        running.run([nothing, lambda: log.append("new")])
    assert log == ["old", "new"]


@given(st.data())
def test_values_are_right_under_any_delay(data):
    """Each step hashes what the steps it must follow have left; any other order shows."""
    count = data.draw(st.integers(2, 8))
    queue_of = data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    delays = data.draw(st.lists(st.sampled_from([0, 0, 2e-4]), min_size=count, max_size=count))
    sources = [
        data.draw(st.lists(st.integers(0, step - 1), max_size=2)) if step else []
        for step in range(count)
    ]
    waits = [
        [(queue_of[s], queue_of[: s + 1].count(queue_of[s])) for s in needed] for needed in sources
    ]
    state = [None] * count

    def work(step):
        time.sleep(delays[step])
        state[step] = hash((step, *(state[source] for source in sources[step])))

    thunks = [partial(work, step) for step in range(count)]
    for thunk in thunks:
        thunk()
    expected = list(state)
    state[:] = [None] * count
    with workers(Schedule.of(queues=3, queue_of=queue_of, waits=waits)) as running:
        running.run(thunks)
    assert state == expected
