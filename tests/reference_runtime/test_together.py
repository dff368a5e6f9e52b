"""Plans with collectives, run for real on host memory."""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from cep.machine import HappensBefore
from cep.machine.machine import Machine
from cep.v1.plan import Plan
from reference_runtime import binding, runtime
from reference_runtime.adapter import DeviceLostError, StepError, UnsupportedError
from reference_runtime.binding import Binder
from reference_runtime.execution import Inline
from reference_runtime.guards import TripError
from reference_runtime.runtime import Runtime
from reference_runtime.timetable import timetable
from tests.cep.machine.scope import stored
from tests.cep.plans import TOGETHER, _cut, buffer, collective, op, run, value
from tests.cep.plans import plan as written
from tests.cep.plans import together as planned
from tests.reference_runtime.plans import NOW, POLICY, _world, bound
from tests.reference_runtime.simulated import Asynchronous, Failing, SimulatedAdapter

X = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)
A, N = np.maximum(X, 0), -X
RESULTS = {
    "BROADCAST": {"a": A},
    "ALL_REDUCE": {"y": A + N},
    "ALL_GATHER": {"y": np.concatenate([A, N])},
    "REDUCE_SCATTER": {"y": (A + N)[:, :2], "z": (A + N)[:, 2:]},
    "ALL_TO_ALL": {
        "y": np.concatenate([A[:, :2], N[:, :2]], axis=1),
        "z": np.concatenate([A[:, 2:], N[:, 2:]], axis=1),
    },
}


def world(kind, left=None, right=None):
    """A plan of one collective, for two simulated devices."""
    members = dict(planned(kind).plan)
    for name in ("devices", "issued_at", "expires_at", "source"):
        del members[name]
    members["arenas"] = [a | {"bytes": "4096"} for a in members["arenas"]]
    members["source"] = {"graph_digest": "sha256:" + "0" * 64}
    adapters = [left or SimulatedAdapter("left"), right or SimulatedAdapter("right")]
    return _world(members, adapters, None)


@pytest.mark.parametrize("kind", TOGETHER)
def test_each_kind_gives_every_member_what_it_says(kind):
    made = world(kind)
    with bound(made) as plan:
        for _ in range(3):
            outputs = plan.run({"x": X})
            assert outputs.keys() == RESULTS[kind].keys()
            for name, expected in RESULTS[kind].items():
                np.testing.assert_array_equal(outputs[name], expected)
        written = {b for step in made.plan.steps for b in step.writes}
        for place in (b for i, b in enumerate(made.plan.buffers) if i in written):
            if place.value not in RESULTS[kind]:
                continue
            view = plan._binder._arenas[0][place.arena].view(
                int(place.offset), RESULTS[kind][place.value].shape, "f32"
            )
            np.testing.assert_array_equal(view, RESULTS[kind][place.value])


def test_a_sum_in_place_of_its_parts():
    made = world("ALL_REDUCE")
    made.members["buffers"][4:] = [
        {"value": "y", "arena": "left", "offset": "128", "size": "128", "in_place_of": 2},
        {"value": "y", "arena": "right", "offset": "128", "size": "128", "in_place_of": 3},
    ]
    with bound(made) as plan:
        np.testing.assert_array_equal(plan.run({"x": X})["y"], A + N)


def test_the_first_member_works_when_all_can():
    schedule = timetable(world("ALL_REDUCE").plan)
    assert schedule.waits == ((), (), ((1, 1),), ((0, 2),))
    assert schedule.order.index(2) > schedule.order.index(1)


def tensor_parallel():
    """``relu(x @ w) @ v`` with both weights cut in two, one half for each device."""
    shapes = {"x": ("b", "4"), "w": ("4", "3"), "v": ("3", "4"), "h": ("b", "3"), "r": ("b", "3"),
              "p": ("b", "4"), "y": ("b", "4")}  # fmt: skip
    names = ["x", *(f"{n}{i}" for i in (0, 1) for n in "wvhrp"), "y"]
    roles = {"x": "IN", "w": "IN", "v": "IN", "y": "OUT"}
    ops, buffers, steps = [], [], []
    for i, side in enumerate(("left", "right")):
        own = ["x", f"w{i}", f"v{i}", f"h{i}", f"p{i}", "y"]
        buffers += [
            {"value": n, "arena": side, "offset": str(256 * k), "size": "256"}
            for k, n in enumerate(own)
        ]
        at = 6 * i
        ops += [
            {"target": "cep-core/1:mm", "inputs": ["x", f"w{i}"], "outputs": [f"h{i}"]},
            {"target": "cep-core/1:relu", "inputs": [f"h{i}"], "outputs": [f"r{i}"]},
            {"target": "cep-core/1:mm", "inputs": [f"r{i}", f"v{i}"], "outputs": [f"p{i}"]},
        ]
        queue = f"{side}-q"
        first = 3 * i
        steps += [
            {"queue": queue, "run": {"ops": [first]}, "reads": [at, at + 1], "writes": [at + 3]},
            {"queue": queue, "run": {"ops": [first + 1, first + 2]}, "reads": [at + 3, at + 2],
             "writes": [at + 4]},
            {"queue": queue, "collective": {"group": "tp", "kind": "ALL_REDUCE", "ops": [6]},
             "reads": [at + 4], "writes": [at + 5]},
        ]  # fmt: skip
    ops.append(
        {"target": "cep-core/1:add.Tensor", "inputs": ["p0", "p1"], "outputs": ["y"],
         "attributes": [{"name": "alpha", "integer": "1"}]}
    )  # fmt: skip
    members = {
        "features": ["collectives"],
        "values": [
            {"id": n, "dtype": "f32", "role": roles.get(n[0], "TEMP"), "shape": [*shapes[n[0]]]}
            for n in names
        ],
        "inputs": [{"name": n, "value": n} for n in ("x", "w0", "v0", "w1", "v1")],
        "outputs": [{"name": "y", "value": "y"}],
        "arenas": [
            {"id": s, "device": s, "memory": "ram", "bytes": "4096", "alignment_bytes": "64"}
            for s in ("left", "right")
        ],
        "ops": ops,
        "buffers": buffers,
        "steps": steps,
    }
    return _world(members, [SimulatedAdapter("left"), SimulatedAdapter("right")], None)


def test_a_tensor_parallel_plan_from_signature_to_result():
    torch = pytest.importorskip("torch")
    made = tensor_parallel()
    chosen = np.random.default_rng(5)
    x, w, v = (chosen.standard_normal(s, dtype=np.float32) for s in ((8, 4), (4, 6), (6, 4)))
    with Runtime(policy=POLICY, adapters=made.adapters, clock=NOW.timestamp) as runtime:
        plan = runtime.load(made.envelope, descriptors=made.signed_descriptors)
        given = {"x": x, "w0": w[:, :3], "w1": w[:, 3:], "v0": v[:3], "v1": v[3:]}
        eager = torch.relu(torch.from_numpy(x) @ torch.from_numpy(w)) @ torch.from_numpy(v)
        for _ in range(20):
            np.testing.assert_allclose(plan.run(given)["y"], eager.numpy(), rtol=1e-5, atol=1e-5)


def test_a_plan_of_one_order_runs_on_the_calling_thread():
    with bound(world("BROADCAST")) as plan:
        assert isinstance(plan._executor, Inline)


def test_memory_that_the_host_does_not_reach_is_refused_when_bound():
    with pytest.raises(UnsupportedError, match=r"RUN-A3.*host memory; 'right' has its own"):
        bound(world("ALL_REDUCE", right=Asynchronous("right")))


def test_a_failure_before_a_collective_ends_the_run():
    with bound(world("ALL_REDUCE", right=Failing("right", at=1))) as plan, pytest.raises(StepError):
        plan.run({"x": X})


def test_the_nan_guard_watches_collectives():
    made = world("ALL_REDUCE")
    made.members["safety"] = {"nan_guard": True, "on_trip": "ABORT"}
    made.members["features"] = ["collectives", "safety"]
    with (
        bound(made) as plan,
        pytest.raises(TripError, match=r"step 2 wrote a value that is not finite"),
    ):
        plan.run({"x": np.full((1, 4), -np.inf, np.float32)})


ADDED = {"alpha": {"integer": "1"}}


def heads(caller):
    """Streams whose queues begin with a collective; one member meets the caller, one does not."""
    if caller == "gives":  # The first member reads a constant, the second an input.
        names, roles = "wnssy", {"w": "CONST", "n": "IN", "y": "OUT"}
        shapes = dict.fromkeys(names, ("4", "4"))
        ops = [op("add.Tensor", ["w", "n"], "s", **ADDED), op("relu", ["s"], "y")]
        kind, joint, last = "ALL_REDUCE", [0], run("after", [1], [2], [4], ("left", 1))
    else:  # The second member writes an output, the first does not.
        names, roles = "anzyts", {"a": "IN", "n": "IN", "y": "OUT", "t": "OUT"}
        shapes = dict.fromkeys(names, ("b", "4")) | dict.fromkeys("zyt", ("b", "2"))
        ops = [
            op("add.Tensor", ["a", "n"], "s", **ADDED),
            *(op("slice.Tensor", ["s"], v, **_cut(k, k + 2)) for k, v in ((0, "z"), (2, "y"))),
            op("relu", ["z"], "t"),
        ]
        kind, joint, last = "REDUCE_SCATTER", [0, 1, 2], run("after", [3], [2], [4], ("left", 1))
    first = collective("left", "g", kind, joint, [0], [2])
    first["waits"] = [{"queue": "after", "epoch": 1, "lag": 2}]
    ends = {role: [n for n in sorted(set(names)) if roles.get(n) == role] for role in ("IN", "OUT")}
    return Plan.from_json(
        written(
            ("left",),
            features=["collectives", "streams"],
            stream={"microbatches": 5, "ring_depth": 2},
            values=[value(n, roles.get(n, "TEMP"), *shapes[n]) for n in sorted(set(names))],
            **stored(names),
            inputs=[{"name": n, "value": n} for n in ends["IN"]],
            outputs=[{"name": n, "value": n} for n in ends["OUT"]],
            ops=ops,
            queues=[
                {"id": q, "device": "left", "kind": "COMPUTE"} for q in ("left", "right", "after")
            ],
            buffers=[buffer(n, "left", 128 * i) for i, n in enumerate(names) if i < 5],
            steps=[first, collective("right", "g", kind, joint, [1], [3]), last],
        )
    )


@pytest.mark.parametrize("caller", ["gives", "takes"])
def test_a_collective_waits_for_the_caller_of_every_member(caller):
    plan = heads(caller)
    machine = Machine(plan)
    schedule, wanted = timetable(plan), HappensBefore(machine)
    before = [set() for _ in schedule.waits]
    for line in schedule.lines:
        for earlier, later in pairwise(line):
            before[later].add(earlier)
    for unit in schedule.order:
        before[unit] |= {schedule.lines[q][e - 1] for q, e in schedule.waits[unit]}
        before[unit] = before[unit].union(*(before[other] for other in before[unit]))
    works = [members[0] for members in machine.party]
    for unit, then in enumerate(works):
        needed = {first for i, first in enumerate(works) if wanted.before(i, unit)} - {then}
        assert needed <= before[then], (machine.title(unit), needed - before[then])


def test_the_watchdog_of_every_member_watches_a_collective(monkeypatch):
    made = world("ALL_REDUCE")
    made.members["features"] = ["collectives", "safety"]
    made.members["safety"] = {"watchdog_ppm": "2000000", "on_trip": "ABORT"}
    for step, p99 in zip(made.members["steps"], (10**10, 10**10, 10**10, 10**7), strict=True):
        step["estimate"] = {"p50_ns": "1", "p99_ns": str(p99)}

    def dawdling(*_):
        return partial(time.sleep, 1)

    monkeypatch.setattr(binding, "joint_work", dawdling)
    with bound(made) as plan:
        with pytest.raises(DeviceLostError, match=r"RUN-X2.*step 2.*did not come back in time"):
            plan.run({"x": X})
        time.sleep(1)


def test_a_plan_that_is_refused_when_bound_leaves_nothing_behind(monkeypatch):
    made = world("ALL_REDUCE")
    closed = []
    monkeypatch.setattr(runtime, "timetable", lambda _: 1 / 0)
    monkeypatch.setattr(Binder, "close", lambda _: closed.append(True))
    with (
        Runtime(policy=POLICY, adapters=made.adapters, clock=NOW.timestamp) as loading,
        pytest.raises(ZeroDivisionError),
    ):
        loading.load(made.envelope, descriptors=made.signed_descriptors)
    assert len(closed) == 1
