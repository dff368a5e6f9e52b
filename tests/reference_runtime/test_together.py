"""Plans with collectives, run for real on host memory."""

from __future__ import annotations

import numpy as np
import pytest

from reference_runtime.adapter import StepError, UnsupportedError
from reference_runtime.execution import Inline
from reference_runtime.guards import TripError
from reference_runtime.runtime import Runtime
from reference_runtime.timetable import timetable
from tests.cep.plans import TOGETHER
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
