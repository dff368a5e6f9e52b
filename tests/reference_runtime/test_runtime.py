from __future__ import annotations

import json
import threading
from datetime import timedelta

import numpy as np
import pytest

import cep.receipt
from cep.receipt import ReceiptError, tensor_digest, verify_receipt
from reference_runtime.adapter import DeviceLostError, StepError
from reference_runtime.binding import InputError
from reference_runtime.execution import Inline, Workers
from reference_runtime.guards import TripError
from reference_runtime.runtime import PlanClosedError
from tests.reference_runtime.plans import (
    ISSUER,
    KEY,
    NOW,
    POLICY,
    bound,
    chain,
    chain_result,
    fork,
    fork_result,
)
from tests.reference_runtime.simulated import Asynchronous, Failing, Hanging, SimulatedAdapter

X = np.arange(8, dtype=np.float32).reshape(2, 4)


def summary(name, array):
    return (tensor_digest(name, "f32", array.shape, array.tobytes()),)


def receipt_of(world, plan, **data):
    envelope = plan.receipt(KEY, ISSUER).to_bytes()
    return verify_receipt(envelope, world.envelope, policy=POLICY, now=NOW, **data)


def test_a_chain_over_two_memories(tmp_path):
    world = chain(tmp_path)
    with bound(world) as plan:
        assert isinstance(plan._executor, Inline)
        for rows in (2, 1, 8, 2):
            x = np.linspace(-3, 3, rows * 4, dtype=np.float32).reshape(rows, 4)
            outputs = plan.run({"x": x})
            assert list(outputs) == ["y"]
            np.testing.assert_array_equal(outputs["y"], chain_result(x))


def test_a_fork_runs_on_workers():
    with bound(fork()) as plan:
        assert isinstance(plan._executor, Workers)
        for _ in range(20):
            np.testing.assert_array_equal(plan.run({"x": X})["y"], fork_result(X))


def test_inputs_of_any_stride_are_taken_and_left_alone(tmp_path):
    wide = np.arange(32, dtype=np.float32).reshape(8, 4)[::-2]
    before = wide.copy()
    with bound(chain(tmp_path)) as plan:
        np.testing.assert_array_equal(plan.run({"x": wide})["y"], chain_result(before))
    np.testing.assert_array_equal(wide, before)


def test_outputs_are_copies_unless_views_are_asked_for(tmp_path):
    with bound(chain(tmp_path)) as plan:
        kept = plan.run({"x": X})["y"]
        shown = plan.run({"x": X}, copy=False)["y"]
        assert not shown.flags.writeable
        plan.run({"x": -X})
        np.testing.assert_array_equal(kept, chain_result(X))
        np.testing.assert_array_equal(shown, chain_result(-X))


def test_a_device_with_queues_of_its_own(tmp_path):
    right = Asynchronous("right")
    with bound(chain(tmp_path, right=right)) as plan:
        np.testing.assert_array_equal(plan.run({"x": X})["y"], chain_result(X))
        assert len(right.log) == 2
    assert right.log[-1] == "closed"


def test_the_receipt_verifies_and_covers_the_data(tmp_path):
    world = chain(tmp_path)
    with bound(world) as plan:
        xs = [X, X[:1], -X]
        ys = [plan.run({"x": x})["y"] for x in xs]
        report = receipt_of(
            world,
            plan,
            inputs=[summary("x", x) for x in xs],
            outputs=[summary("y", y) for y in ys],
        )
    assert report.diagnostics == ()
    assert report.ok
    assert report.recomputed == (
        "plan",
        "descriptors",
        "step_chain",
        "inputs_root",
        "outputs_root",
    )
    receipt = report.receipt
    assert receipt.runs == 3
    assert [one.n for one in receipt.measured] == [3, 3, 3]
    assert all(one.p50_ns <= one.p99_ns for one in receipt.measured)
    assert report.simulated
    assert [b.unit_id for b in receipt.binding] == ["sim:left", "sim:right"]


def test_another_output_is_noticed(tmp_path):
    world = chain(tmp_path)
    with bound(world) as plan:
        y = plan.run({"x": X})["y"]
        y[0, 0] += 1
        report = receipt_of(world, plan, outputs=[summary("y", y)])
    assert [d.code for d in report.diagnostics] == ["CEP-P5"]


def test_after_too_many_runs_for_a_receipt_a_new_account_begins(monkeypatch):
    monkeypatch.setattr(cep.receipt, "MAX_STEPS", 6)
    given = {"x": np.zeros((1, 4), np.float32)}
    with bound(fork()) as plan:
        for _ in range(3):
            plan.run(given)
        with pytest.raises(ReceiptError, match=r"CEP-P4.*3 runs of 3 steps"):
            plan.receipt(KEY, ISSUER)
        with pytest.raises(ReceiptError, match=r"CEP-P4.*no run has ended well"):
            plan.receipt(KEY, ISSUER)
        plan.run(given)
        assert plan.receipt(KEY, ISSUER)


def test_a_receipt_covers_the_runs_since_the_last_one(tmp_path):
    world = chain(tmp_path)
    with bound(world) as plan:
        plan.run({"x": X})
        plan.run({"x": X})
        plan.receipt(KEY, ISSUER)
        plan.run({"x": -X})
        report = receipt_of(world, plan, inputs=[summary("x", -X)])
        assert report.ok
        assert report.receipt.runs == 1
        assert report.receipt.measured[0].n == 1
        with pytest.raises(ReceiptError, match="run the plan first"):
            plan.receipt(KEY, ISSUER)


def test_a_refused_input_is_no_run_and_changes_nothing(tmp_path):
    with bound(chain(tmp_path)) as plan:
        with pytest.raises(InputError):
            plan.run({"x": X.astype(int)})
        with pytest.raises(ReceiptError):
            plan.receipt(KEY, ISSUER)


@pytest.mark.parametrize("shape", [chain, fork])
def test_a_step_that_fails(tmp_path, shape):
    right = Failing("right", at=2, domain="host")
    world = chain(tmp_path, right=right) if shape is chain else fork(right=right)
    with bound(world) as plan:
        plan.run({"x": X})
        with pytest.raises(StepError) as caught:
            plan.run({"x": X})
        (found,) = caught.value.diagnostics
        step = 2 if shape is chain else 1
        assert (found.code, found.path) == ("RUN-X1", f"/steps/{step}")
        assert "on device 'right' failed: RuntimeError: boom" in found.message
        assert isinstance(caught.value.__cause__, RuntimeError)
        plan.run({"x": X})
        assert receipt_of(world, plan).receipt.runs == 2


def test_a_device_that_is_gone(tmp_path):
    error = DeviceLostError.because("RUN-X2", "fell off the bus")
    with bound(chain(tmp_path, left=Failing("left", at=1, error=error))) as plan:
        with pytest.raises(DeviceLostError) as caught:
            plan.run({"x": X})
        assert "on device 'left': fell off the bus" in caught.value.diagnostics[0].message
        with pytest.raises(DeviceLostError, match=r"RUN-X2.*'left' was lost.*load the plan again"):
            plan.run({"x": X})


def test_a_step_that_hangs(tmp_path):
    left = Hanging("left", at=2)
    world = chain(tmp_path, left=left)
    # The planner expects at most 2 µs; ten thousand times as much is allowed.
    world.members["safety"] = {"watchdog_ppm": "10000000000", "on_trip": "ABORT"}
    with bound(world) as plan:
        plan.run({"x": X})
        for _ in range(2):
            with pytest.raises(DeviceLostError) as caught:
                plan.run({"x": X})
            assert caught.value.diagnostics[0].code == "RUN-X2"
            assert "did not come back" in caught.value.diagnostics[0].message
        report = receipt_of(world, plan)
        assert report.ok
        assert [t.quantity for t in report.receipt.trips] == ["time", "time"]
        left.release.set()


@pytest.mark.parametrize(
    ("op", "x", "trips"),
    [
        # An infinity trips in an output only, a NaN everywhere.
        ("log", np.zeros((1, 4), np.float32), ["not-finite"]),
        ("relu", np.full((1, 4), np.inf, np.float32), ["nan"]),
        ("relu", np.full((1, 4), np.nan, np.float32), ["nan"]),
        ("relu", X, []),
    ],
)
def test_the_guard_trips_on_what_is_no_number(tmp_path, op, x, trips):
    world = chain(tmp_path, op=op)
    world.members["safety"] = {"nan_guard": True, "on_trip": "ABORT"}
    with bound(world) as plan:
        plan.run({"x": np.array([[0, 0, 1, 1]], np.float32)})
        if trips:
            with pytest.raises(TripError, match="RUN-X3"):
                plan.run({"x": x})
        else:
            plan.run({"x": x})
        report = receipt_of(world, plan)
        assert report.ok
        assert [trip.quantity for trip in report.receipt.trips] == trips


def test_without_a_guard_numbers_are_the_callers_business(tmp_path):
    with bound(chain(tmp_path)) as plan:
        assert np.isnan(plan.run({"x": np.full((1, 4), np.nan, np.float32)})["y"]).all()


def test_a_plan_does_not_run_after_it_has_expired_or_was_closed(tmp_path):
    now = [NOW.timestamp()]
    plan = bound(chain(tmp_path), clock=lambda: now[0])
    plan.run({"x": X})
    now[0] += timedelta(days=365).total_seconds()
    with pytest.raises(PlanClosedError, match="CEP-I5"):
        plan.run({"x": X})
    now[0] = NOW.timestamp()
    plan.close()
    plan.close()
    with pytest.raises(PlanClosedError, match="RUN-X4"):
        plan.run({"x": X})


def test_closing_joins_every_worker():
    def workers():
        return {t for t in threading.enumerate() if t.name.startswith("cep queue")}

    before = workers()
    plan = bound(fork())
    plan.run({"x": X})
    assert len(workers() - before) == 2
    plan.close()
    assert workers() == before


def test_many_threads_may_share_a_plan(tmp_path):
    wrong = []
    with bound(chain(tmp_path)) as plan:

        def work(sign):
            x = sign * X
            results = [plan.run({"x": x})["y"] for _ in range(50)]
            wrong.extend(y for y in results if not np.array_equal(y, chain_result(x)))

        threads = [threading.Thread(target=work, args=(sign,)) for sign in (1, -1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_history_says_when_steps_ran(tmp_path):
    with bound(chain(tmp_path)) as plan:
        plan.run({"x": X})
        plan.run({"x": X[:1]})
        first, second = plan.history
        form = json.loads(json.dumps(second.form()))
    assert (first.number, form["run"], form["sizes"]) == (0, 1, {"b": "1"})
    ends = [end for step in form["steps"] for end in step]
    assert ends == sorted(ends)
    assert 0 < ends[0] < ends[-1] <= form["end_ns"]


def test_no_simulated_device_is_shown_as_hardware(tmp_path):
    class Real(SimulatedAdapter):
        simulated = False

    world = chain(tmp_path, left=Real("left"), right=Real("right"))
    with bound(world) as plan:
        plan.run({"x": X})
        report = receipt_of(world, plan)
    assert not report.simulated
    assert report.receipt.binding[0].simulated is None
