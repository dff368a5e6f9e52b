"""Plans whose steps trip: what follows, what comes out, and what the receipt says of it."""

from __future__ import annotations

import random
import threading
import time

import numpy as np
import pytest

from acp.diagnostics import Refused
from cep.receipt import tensor_digest, verify_receipt
from reference_runtime import guards
from reference_runtime.adapter import DeviceLostError, StepError, UnsupportedError
from reference_runtime.execution import Inline
from reference_runtime.guards import Fallback, Lane, LateError, Log, TripError, Way
from reference_runtime.runtime import Runtime
from tests.reference_runtime.plans import (
    ISSUER,
    KEY,
    NOW,
    POLICY,
    chain,
    chain_result,
    fork,
    fork_result,
)
from tests.reference_runtime.simulated import Asynchronous, Failing, Hanging, SimulatedAdapter

X = np.arange(8, dtype=np.float32).reshape(2, 4) - 3
MS = 1_000_000


class Spoiling(SimulatedAdapter):
    """Computes with NaN in its n-th call, counted from 1."""

    def __init__(self, name, *, at, **kwargs):
        super().__init__(name, **kwargs)
        self.at = at

    def prepare(self, region, *, constants, **kwargs):
        executable = super().prepare(region, constants=constants, **kwargs)
        bind = executable.bind

        def spoilt(inputs, outputs, sizes):
            thunk = bind(inputs, outputs, sizes)

            def run():
                thunk()
                if self.calls == self.at:
                    outputs[0][0, 0] = np.nan

            return run

        executable.bind = spoilt
        return executable


class Measured(SimulatedAdapter):
    """Says how warm it is."""

    degrees = 40

    def health(self, device):
        assert device == f"sim:{self.name}"
        return {"temperature_mdegc": self.degrees * 1000}


def guarded(world, on_trip="ALTERNATE", *, p99_ns=50 * MS, **safety):
    """The world with guards, and with the other device as an alternate of every step."""
    names = [adapter.name for adapter in world.adapters]
    world.members["features"] = ["safety"]
    world.members["safety"] = {"on_trip": on_trip, **safety}
    estimate = {"p50_ns": "1", "p99_ns": str(p99_ns)}
    for step in world.members["steps"]:
        step["estimate"] = estimate
        if on_trip == "ALTERNATE":
            world.members["features"] = ["alternates", "safety"]
            (other,) = {f"{name}-q" for name in names} - {step["queue"]}
            step["alternates"] = [{"queue": other, "estimate": estimate}]
    return world


def loaded(world, runtime=None):
    runtime = runtime or Runtime(policy=POLICY, adapters=world.adapters, clock=NOW.timestamp)
    store = world.store if world.directory else None
    return runtime.load(world.envelope, descriptors=world.signed_descriptors, store=store)


def receipt_of(world, plan, **data):
    envelope = plan.receipt(KEY, ISSUER).to_bytes()
    report = verify_receipt(envelope, world.envelope, policy=POLICY, now=NOW, **data)
    assert report.ok, report.diagnostics
    return report.receipt


def told(receipt):
    """What a receipt says of trips and alternates."""
    return (
        [(t.step, t.quantity, t.action) for t in receipt.trips],
        [(a.step, a.alternate, a.run) for a in receipt.alternates_taken],
    )


def hosted(cls, name="left", **kwargs):
    return cls(name, domain="host", **kwargs)


WATCH = {"watchdog_ppm": "2000000"}
TRIPS = {
    # What left does in its second call (step 2 of the first run), the guard, and the quantity.
    "a failure": (lambda: hosted(Failing, at=2), {}, "failure"),
    "a failure under a watchdog": (lambda: hosted(Failing, at=2), WATCH, "failure"),
    "a NaN in an output": (lambda: hosted(Spoiling, at=2), {"nan_guard": True}, "not-finite"),
    "a NaN under a watchdog": (
        lambda: hosted(Spoiling, at=2), {"nan_guard": True, **WATCH}, "not-finite",
    ),
    "no answer": (lambda: hosted(Hanging, at=2), WATCH, "time"),
}  # fmt: skip


@pytest.mark.parametrize(("device", "guard", "quantity"), TRIPS.values(), ids=TRIPS)
def test_an_alternate_takes_the_place_of_a_step_that_trips(device, guard, quantity):
    left = device()
    world = guarded(fork(left=left), **guard)
    with loaded(world) as plan:
        ys = [plan.run({"x": x})["y"] for x in (X, -X)]
        for x, y in zip((X, -X), ys, strict=True):
            np.testing.assert_array_equal(y, fork_result(x))
        data = {
            name: [(tensor_digest(port, "f32", a.shape, a.tobytes()),) for a in arrays]
            for name, port, arrays in (("inputs", "x", (X, -X)), ("outputs", "y", ys))
        }
        trips, taken = told(receipt_of(world, plan, **data))
        if isinstance(left, Hanging):
            left.release.set()
    # What hangs is passed over in the second run too.
    runs = 2 if quantity == "time" else 1
    assert trips[0] == (2, quantity, "alternate")
    assert taken[0] == (2, 0, 0)
    assert {run for _, _, run in taken} == set(range(runs))


def test_a_nan_between_steps_trips_too():
    world = guarded(fork(left=hosted(Spoiling, at=1)), nan_guard=True)
    with loaded(world) as plan:
        np.testing.assert_array_equal(plan.run({"x": X})["y"], fork_result(X))
        assert told(receipt_of(world, plan)) == ([(0, "nan", "alternate")], [(0, 0, 0)])


def test_without_a_trip_nothing_is_told_and_one_order_stays_on_one_thread(tmp_path):
    left, right = hosted(SimulatedAdapter), hosted(SimulatedAdapter, "right")
    world = guarded(chain(tmp_path, left, right), **WATCH, nan_guard=True)
    with loaded(world) as plan:
        assert isinstance(plan._executor, Inline)
        for rows in (2, 8, 1):
            x = np.ones((rows, 4), np.float32)
            np.testing.assert_array_equal(plan.run({"x": x})["y"], chain_result(x))
        assert told(receipt_of(world, plan)) == ([], [])


def test_what_comes_back_late_changes_nothing_and_then_serves_again():
    left = hosted(Hanging, at=2)
    world = guarded(fork(left=left), **WATCH)
    with loaded(world) as plan:
        y = plan.run({"x": X}, copy=False)["y"]
        np.testing.assert_array_equal(y, fork_result(X))
        assert left.calls == 2
        plan.run({"x": X})
        assert left.calls == 2, "what hangs is not asked again"
        kept = y.copy()
        left.release.set()
        for _ in range(100):
            plan.run({"x": X})
            if left.calls > 2:
                break
            threading.Event().wait(0.01)
        np.testing.assert_array_equal(y, kept)
        assert left.calls > 2, "it is asked again once it has come back"


@pytest.mark.parametrize("guard", [{}, WATCH])
def test_a_step_that_no_device_can_do_ends_the_run(guard):
    left, right = hosted(Failing, at=2), hosted(Failing, "right", at=2)
    world = guarded(fork(left, right), **guard)
    with loaded(world) as plan:
        with pytest.raises(StepError, match="boom"):
            plan.run({"x": X})
        np.testing.assert_array_equal(plan.run({"x": X})["y"], fork_result(X))
        trips, taken = told(receipt_of(world, plan))
    assert trips == [(2, "failure", "alternate"), (2, "failure", "abort")]
    assert taken == []


def test_a_step_that_hangs_everywhere_ends_the_run():
    left, right = hosted(Hanging, at=2), hosted(Hanging, "right", at=2)
    world = guarded(fork(left, right), **WATCH)
    with loaded(world) as plan:
        with pytest.raises(DeviceLostError, match="RUN-X2") as caught:
            plan.run({"x": X})
        assert "neither did an alternate" in caught.value.diagnostics[0].message
        left.release.set()
        right.release.set()


@pytest.mark.parametrize(("on_trip", "action"), [("DRAIN", "drain"), ("ABORT", "abort")])
@pytest.mark.parametrize(("device", "guard", "quantity"), TRIPS.values(), ids=TRIPS)
def test_draining_and_aborting_end_the_run(on_trip, action, device, guard, quantity):
    left = device()
    world = guarded(fork(left=left), on_trip, **guard)
    with loaded(world) as plan:
        if quantity != "time":
            expected = TripError if quantity == "not-finite" else StepError
            with pytest.raises(expected):
                plan.run({"x": X})
            np.testing.assert_array_equal(plan.run({"x": X})["y"], fork_result(X))
            assert told(receipt_of(world, plan)) == ([(2, quantity, action)], [])
        else:
            with pytest.raises(DeviceLostError, match="RUN-X2"):
                plan.run({"x": X})
            left.release.set()


def test_a_copy_has_alternates_too(tmp_path):
    class Torn(Asynchronous):
        """Its queue fails at the first copy."""

        def queue(self, *args):
            queue = super().queue(*args)

            def copy(*_):
                raise RuntimeError("torn")

            queue.copy = copy
            return queue

    world = chain(tmp_path, right=Torn("right"))
    world.members["features"] = ["alternates", "safety"]
    world.members["safety"] = {"on_trip": "ALTERNATE"}
    world.members["steps"][1]["alternates"] = [{"queue": "left-q"}]
    with loaded(world) as plan:
        np.testing.assert_array_equal(plan.run({"x": X})["y"], chain_result(X))
        assert told(receipt_of(world, plan)) == ([(1, "failure", "alternate")], [(1, 0, 0)])


@pytest.mark.parametrize("guard", [{}, WATCH])
def test_a_lost_device_may_still_write(guard):
    error = DeviceLostError.because("RUN-X2", "fell off the bus")
    world = guarded(fork(left=hosted(Failing, at=2, error=error)), **guard)
    with loaded(world) as plan:
        if guard:  # it writes apart, so that an alternate can follow
            for _ in range(2):
                np.testing.assert_array_equal(plan.run({"x": X})["y"], fork_result(X))
            trips, _ = told(receipt_of(world, plan))
            assert trips[0] == (2, "failure", "alternate")
            assert trips[1:] == [(i, "time", "alternate") for i in (0, 2)]
        else:
            with pytest.raises(DeviceLostError, match="fell off the bus"):
                plan.run({"x": X})


def limits(quantity, most, *devices):
    return [{"device": d, "quantity": quantity, "max": str(most)} for d in devices]


def test_a_limit_that_is_crossed():
    left, right = hosted(Measured), hosted(Measured, "right")
    bound = limits("temperature_mdegc", 80_000, "left", "right")
    world = guarded(fork(left, right), limits=bound)
    with loaded(world) as plan:
        left.degrees = 81
        np.testing.assert_array_equal(plan.run({"x": X})["y"], fork_result(X))
        right.degrees = 80
        trips, taken = told(receipt_of(world, plan))
        assert trips == [(i, "temperature_mdegc", "alternate") for i in (0, 2)]
        assert taken == [(0, 0, 0), (2, 0, 0)]
        right.degrees = 81
        with pytest.raises(TripError, match="is 81000; the limit is 80000"):
            plan.run({"x": X})
        left.health = lambda _: {}
        with pytest.raises(TripError):
            plan.run({"x": X})


def test_a_limit_that_nobody_can_watch_is_refused():
    world = guarded(fork(), "ABORT", limits=limits("power_mw", 5_000, "left", "right"))
    with pytest.raises(UnsupportedError) as caught:
        loaded(world)
    (found,) = caught.value.diagnostics
    assert (found.code, found.path) == ("RUN-A3", "/safety/limits/0")
    assert "power_mw of 'left' cannot be measured here" in found.message


def test_the_memory_of_the_process_is_watched(monkeypatch):
    world = guarded(fork(), "ABORT", limits=limits("memory_bytes", 2**20, "left", "right"))
    with loaded(world) as plan:
        # A process of Python takes more than the one mebibyte that the devices are said to have.
        with pytest.raises(TripError, match=r"memory_bytes of '(left|right)' is"):
            plan.run({"x": X})
        monkeypatch.setattr(SimulatedAdapter, "health", lambda *_: {"memory_bytes": 2**20})
        np.testing.assert_array_equal(plan.run({"x": X})["y"], fork_result(X))


def test_a_guarded_plan_is_verified_like_any_other():
    world = guarded(fork(), watchdog_ppm="1000000")
    with pytest.raises(Refused) as caught:
        loaded(world)
    assert {d.code for d in caught.value.diagnostics} == {"CEP-R1"}


class Moody(SimulatedAdapter):
    """Fails, dawdles past its watchdog or answers at once, as chance will have it."""

    def __init__(self, name, *, seed, **kwargs):
        super().__init__(name, **kwargs)
        self.chance = random.Random(seed)  # noqa: S311 - no secret

    def misbehave(self):
        super().misbehave()
        mood = self.chance.random()
        if mood < 0.1:
            raise RuntimeError("not today")
        time.sleep(0.1 if mood < 0.15 else 0.001 * self.chance.random())


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_late_or_fails_outputs_are_right(seed):
    left, right = (hosted(Moody, name, seed=f"{seed}{name}") for name in ("left", "right"))
    world = guarded(fork(left, right), p99_ns=20 * MS, **WATCH)
    ended = 0
    with loaded(world) as plan:
        for n in range(60):
            x = X * n
            try:
                y = plan.run({"x": x})["y"]
            except (StepError, DeviceLostError):
                time.sleep(0.1)
                continue
            np.testing.assert_array_equal(y, fork_result(x))
            ended += 1
        receipt = receipt_of(world, plan)
    assert receipt.runs == ended > 0
    followed = [t for t in receipt.trips if t.action == "alternate"]
    assert {"failure"} <= {t.quantity for t in followed} <= {"failure", "time"}
    assert len(followed) >= len(receipt.alternates_taken) > 0


# --- lanes and ways ---------------------------------------------------------------------------


def test_a_lane_is_left_behind_and_found_again():
    lane, come, release = Lane("lane"), threading.Event(), threading.Event()

    def hang():
        release.wait()
        come.set()

    done = []
    lane.run(lambda: done.append(1), None)
    with pytest.raises(LateError, match="did not end within 1000000 ns"):
        lane.run(hang, MS)
    with pytest.raises(LateError, match="has not ended what it began before"):
        lane.run(lambda: done.append(2), MS)
    release.set()
    assert come.wait(5)
    for _ in range(1000):
        try:
            lane.run(lambda: done.append(3), 5_000 * MS)
        except LateError:
            continue
        break
    assert done == [1, 3]
    with pytest.raises(ZeroDivisionError):
        lane.run(lambda: 1 // 0, None)
    lane.close()


def test_what_is_written_apart_is_copied_only_when_it_is_in_time():
    place, made, release = np.zeros(2), np.ones(2), threading.Event()
    late = Way(release.wait, Lane("late"), MS, [(made, place)])
    log = Log()
    Fallback(7, [late, Way(lambda: place.fill(5))], log)()
    release.set()
    late.lane.close()
    assert place.tolist() == [5, 5]
    assert (log.trips, log.taken) == ([(7, "time")], [(7, 0)])
    Way(lambda: None, Lane("early"), 5_000 * MS, [(made, place)])()
    assert place.tolist() == [1, 1]


def test_the_watchdog_time_is_rounded_up():
    class Estimate:
        p99_ns = 3

    class Safety:
        watchdog_ppm = 1_000_001

    assert guards.watchdog_ns(Estimate, Safety) == 4
    Safety.watchdog_ppm = 2_000_000
    assert guards.watchdog_ns(Estimate, Safety) == 6
    assert guards.watchdog_ns(None, Safety) is None


def test_a_lane_whose_late_work_lost_its_device_is_not_used_again():
    lane, released, ended = Lane("lane"), threading.Event(), threading.Event()

    def lost_at_last():
        released.wait()
        ended.set()
        raise DeviceLostError.because("RUN-X2", "it may write yet")

    with pytest.raises(LateError, match="did not end within"):
        lane.run(lost_at_last, MS)
    released.set()
    ended.wait()
    for _ in range(3):
        time.sleep(0.01)
        with pytest.raises(LateError, match="has not ended"):
            lane.run(int, MS * 1000)
    lane.close()
