"""Streams of micro-batches, run for real."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from cep.receipt import tensor_digest, verify_receipt
from reference_runtime.adapter import StepError, UnsupportedError
from reference_runtime.binding import InputError
from reference_runtime.runtime import Runtime
from reference_runtime.timetable import MOST_WORK, timetable
from tests.reference_runtime.plans import ISSUER, KEY, NOW, POLICY, bound, chain, chain_result, fork
from tests.reference_runtime.simulated import Failing, SimulatedAdapter
from tests.reference_runtime.test_run_command import Place, installed


def streamed(folder, batches=5, depth=2, **adapters):
    """The chain as a stream: left may be two micro-batches ahead of right."""
    world = chain(folder, **adapters)
    world.members["features"] = ["streams"]
    world.members["stream"] = {"microbatches": batches, "ring_depth": depth}
    first = world.members["steps"][0]
    first["waits"] = [{"queue": "right-q", "epoch": 1, "lag": depth}]
    return world


def inputs(count, rows=None):
    chosen = np.random.default_rng(count)
    return [
        {"x": chosen.standard_normal((rows or 1 + m % 8, 4), dtype=np.float32)}
        for m in range(count)
    ]


class Slow(SimulatedAdapter):
    """Takes its time, and notes when."""

    def __init__(self, name, log):
        super().__init__(name)
        self.log = log

    def misbehave(self):
        super().misbehave()
        self.log.append((self.name, "begins"))
        time.sleep(0.01)
        self.log.append((self.name, "ends"))


@pytest.mark.parametrize(("batches", "depth"), [(1, 1), (2, 1), (2, 2), (7, 1), (7, 2), (7, 3)])
def test_every_micro_batch_gives_its_own_outputs(tmp_path, batches, depth):
    with bound(streamed(tmp_path, batches, depth)) as plan:
        for _ in range(5):
            given = inputs(batches)
            outputs = plan.run_stream(given)
            assert len(outputs) == batches
            for one, made in zip(given, outputs, strict=True):
                np.testing.assert_array_equal(made["y"], chain_result(one["x"]))


def test_micro_batches_overlap(tmp_path):
    log = []
    world = streamed(tmp_path, 6, 2, left=Slow("left", log), right=Slow("right", log))
    with bound(world) as plan:
        plan.run_stream(inputs(6))
    begun = [entry for entry in log if entry == ("left", "begins")]
    assert len(begun) == 6
    at = [i for i, entry in enumerate(log) if entry == ("right", "begins")]
    during = [i for i in at if ("left", "ends") in log[i + 1 : i + 3]]
    assert during, "left never works on one micro-batch while right works on another"


def test_a_signed_stream_is_verified_and_run(tmp_path):
    world = streamed(tmp_path)
    with Runtime(policy=POLICY, adapters=world.adapters, clock=NOW.timestamp) as runtime:
        plan = runtime.load(world.envelope, descriptors=world.signed_descriptors, store=world.store)
        given = inputs(5)
        outputs = plan.run_stream(given)
        for one, made in zip(given, outputs, strict=True):
            np.testing.assert_array_equal(made["y"], chain_result(one["x"]))


def test_a_receipt_counts_each_micro_batch(tmp_path):
    world = streamed(tmp_path, 3)
    with bound(world) as plan:
        given = inputs(3)
        made = plan.run_stream(given)
        assert [record.number for record in plan.history] == [0, 1, 2]
        assert all(
            r.began_ns <= b <= e <= r.ended_ns for r in plan.history for b, e in r.timeline.spans()
        )
        envelope = plan.receipt(KEY, ISSUER)
    runs = [
        [(tensor_digest(n, "f32", one[n].shape, one[n].tobytes()),) for one in values]
        for n, values in (("x", given), ("y", made))
    ]
    report = verify_receipt(
        envelope.to_bytes(), world.envelope, policy=POLICY, now=NOW, inputs=runs[0], outputs=runs[1]
    )
    receipt = report.receipt
    assert report.ok
    assert receipt.runs == 3
    assert [one.n for one in receipt.measured] == [3, 3, 3]


def test_inputs_of_too_few_micro_batches_are_refused(tmp_path):
    with bound(streamed(tmp_path)) as plan:
        with pytest.raises(InputError, match=r"RUN-I4.*4 micro-batches were given.* of 5"):
            plan.run_stream(inputs(4))
        with pytest.raises(InputError, match=r"RUN-I4"):
            plan.run(inputs(1)[0])
        wrong = [*inputs(4), {"x": np.zeros((9, 4), np.float32)}]
        with pytest.raises(InputError, match=r"RUN-I3.*micro-batch 4: "):
            plan.run_stream(wrong)


def test_a_plan_that_is_no_stream_is_run_otherwise():
    with bound(fork()) as plan, pytest.raises(InputError, match=r"RUN-I4.*is no stream: use run"):
        plan.run_stream(inputs(1))


def test_a_stream_of_one_may_be_run_like_any_plan(tmp_path):
    with bound(streamed(tmp_path, 1, 1)) as plan:
        (one,) = inputs(1)
        np.testing.assert_array_equal(plan.run(one)["y"], chain_result(one["x"]))


def test_a_step_that_fails_ends_the_run_and_the_next_may_succeed(tmp_path):
    with bound(streamed(tmp_path, right=Failing("right", at=3))) as plan:
        with pytest.raises(StepError, match=r"RUN-X1 error at /steps/2"):
            plan.run_stream(inputs(5))
        given = inputs(5)
        for one, made in zip(given, plan.run_stream(given), strict=True):
            np.testing.assert_array_equal(made["y"], chain_result(one["x"]))
        assert threading.active_count() > 1


def test_steps_wait_as_the_specification_says(tmp_path):
    schedule = timetable(streamed(tmp_path, 3, 2).plan)
    assert schedule.lines == ((0, 3, 6), (1, 2, 4, 5, 7, 8), (9, 10, 11), (12, 13, 14))
    assert schedule.waits[:3] == (((2, 1),), ((0, 1),), ())
    assert schedule.waits[6:9] == (((1, 1), (2, 3)), ((0, 3), (3, 1)), ())
    assert schedule.waits[9:] == ((), (), ((0, 1),), ((1, 2),), ((1, 4),), ((1, 6),))


def test_more_work_than_fits_is_refused_when_bound(tmp_path):
    with pytest.raises(UnsupportedError, match=r"RUN-A3.*compile fewer micro-batches"):
        bound(streamed(tmp_path, MOST_WORK // 3 + 1))


def test_alternates_in_a_stream_are_refused_when_bound(tmp_path):
    world = streamed(tmp_path)
    world.members["safety"] = {"on_trip": "ALTERNATE"}
    with pytest.raises(UnsupportedError, match=r"RUN-A3.*no alternates in a stream"):
        bound(world)


def test_one_copy_and_one_queue(tmp_path):
    world = streamed(tmp_path, 3, 1)
    world.members["steps"] = [
        {"queue": "left-q", "run": {"ops": [0, 1]}, "reads": [0], "writes": [4]}
    ]
    world.members["buffers"].append(
        {"value": "y", "arena": "left-ram", "offset": "512", "size": "128"}
    )
    with bound(world) as plan:
        given = inputs(3)
        for one, made in zip(given, plan.run_stream(given), strict=True):
            np.testing.assert_array_equal(made["y"], chain_result(one["x"]))


def test_from_the_command_line(tmp_path, monkeypatch):
    place = installed(Place(tmp_path), monkeypatch)
    world = streamed(tmp_path / "store", 2, 1)
    (tmp_path / "plan.cep").write_bytes(world.envelope)
    given = inputs(4)
    names = [f"{m}.npz" for m in range(4)]
    for name, one in zip(names, given, strict=True):
        np.savez(tmp_path / name, **one)
    result = place(inputs=names)
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "y.npz", allow_pickle=False) as made:
        for m, one in enumerate(given):
            np.testing.assert_array_equal(made[f"{m}/y"], chain_result(one["x"]))
    result = place(inputs=names[:3])
    assert result.exit_code == 2
    assert "a stream of 2 micro-batches: give --inputs 2 times, or a multiple" in result.output
