"""What the runtime adds to the work of a plan's steps, and to a run as a whole.

*Dispatch*: a plan of tiny steps is run as a whole, beside the same bound thunks in a bare loop, a
submission of each to a thread pool, and a call of each as an asyncio task; what a step costs beyond
its thunk is the difference, divided by the number of steps. The cost of a run itself, inputs and
outputs included, is what a plan of one step costs. *Lanes* says how many queues the plan has: steps
of one queue run on the caller's thread, those of several on one thread a queue, and here each of
them waits for another queue, which is the worst there is.

*Copies*: a plan of one step that does nothing, with inputs of growing size; beside it, NumPy's
copies in and out, and the SHA-256 of both, which a receipt needs.

*Receipt*: closing the account of one run and of a thousand, signature included.

Targets: 0.3 µs a step on one queue, 100 µs for the receipt of a run.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.lattice import BATCH, ISSUER, Lattice, TinyAdapter, adapters, lattice
from benchmarks.workbench import Workbench, interleaved, paired_difference, summary
from reference_runtime.runtime import BoundPlan, Runtime

if TYPE_CHECKING:
    from reference_runtime.adapter import Thunk, View

STEPS = ((1, 1, 2000), (10, 1, 2000), (100, 1, 1000), (1000, 1, 300), (1000, 2, 30))
"""Steps, lanes, rounds."""

KIBIBYTES = ((1, 2000), (64, 1000), (1024, 200), (16384, 20))
"""Size of the input, rounds."""

TARGET_STEP_NS = 300
TARGET_RECEIPT_NS = 100_000


def measure(bench: Workbench) -> dict[str, object]:
    """Return times of dispatch, copies and receipts."""
    return {
        "dispatch": [_dispatch(bench, *row) for row in STEPS],
        "copies": [_copies(bench, *row) for row in KIBIBYTES],
        "receipts": [_receipt(bench, runs) for runs in (1, 1000)],
        "absent": [p for p in ("ray", "dask") if importlib.util.find_spec(p) is None],
        "target_step_ns": TARGET_STEP_NS,
        "target_receipt_ns": TARGET_RECEIPT_NS,
    }


def _load(runtime: Runtime, plan: Lattice, devices: Sequence[TinyAdapter]) -> BoundPlan:
    """Return the plan, admitted and bound to the shapes that are measured."""
    bound = runtime.load(plan.plan, descriptors=plan.descriptors)
    for device in devices:
        device.thunks.clear()
    bound.run(plan.inputs())
    return bound


def _dispatch(bench: Workbench, steps: int, lanes: int, rounds: int) -> dict[str, object]:
    plan, devices = lattice(steps, lanes=lanes), adapters(lanes)
    with Runtime(policy=plan.policy, adapters=devices) as runtime, ThreadPoolExecutor(1) as pool:
        bound = _load(runtime, plan, devices)
        # Copies between lanes are bound by the runtime; a copy of that size stands in for them.
        thunks = [thunk for device in devices for thunk in device.thunks]
        thunks += [_copy()] * (plan.steps - len(thunks))
        calls: dict[str, Callable[[], object]] = {
            "plan": partial(bound.run, plan.inputs()),
            "loop": partial(_loop, thunks),
            "thread_pool": partial(_pooled, pool, thunks),
            "asyncio": partial(_awaited, asyncio.new_event_loop(), thunks),
        }
        times = interleaved(calls, rounds=bench.rounds(rounds))
    beyond = {
        name: round(paired_difference(taken, times["loop"]) / plan.steps)
        for name, taken in times.items()
        if name != "loop"
    }
    return {
        "steps": plan.steps,
        "lanes": lanes,
        **{name: summary(taken) for name, taken in times.items()},
        "ns_per_step_beyond_loop": beyond,
    }


def _copy() -> Thunk:
    source, target = (np.ones((BATCH, 4), np.float32) for _ in range(2))
    return partial(np.copyto, target, source)


def _loop(thunks: Sequence[Thunk]) -> None:
    for thunk in thunks:
        thunk()


def _pooled(pool: ThreadPoolExecutor, thunks: Sequence[Thunk]) -> None:
    wait([pool.submit(thunk) for thunk in thunks])


def _awaited(loop: asyncio.AbstractEventLoop, thunks: Sequence[Thunk]) -> None:
    loop.run_until_complete(_all(thunks))


async def _all(thunks: Sequence[Thunk]) -> None:
    for thunk in thunks:
        await asyncio.create_task(_one(thunk))


async def _one(thunk: Thunk) -> None:
    thunk()


def _copies(bench: Workbench, kibibytes: int, rounds: int) -> dict[str, object]:
    width = kibibytes * 1024 // (4 * BATCH)
    plan, devices = lattice(1, width=width), adapters(1, idle=True, memory_bytes=2**30)
    with Runtime(policy=plan.policy, adapters=devices) as runtime:
        bound = _load(runtime, plan, devices)
        (given,) = plan.inputs().values()
        place = np.ones_like(given)
        calls: dict[str, Callable[[], object]] = {
            "plan": partial(bound.run, plan.inputs()),
            "copies": partial(_copied, given, place),
            "copies_and_sha256": partial(_hashed, given, place),
        }
        times = interleaved(calls, rounds=bench.rounds(rounds))
    return {
        "kibibytes": kibibytes,
        **{name: summary(taken) for name, taken in times.items()},
        "beyond_copies_and_sha256_ns": round(
            paired_difference(times["plan"], times["copies_and_sha256"])
        ),
    }


def _copied(given: View, place: View) -> View:
    np.copyto(place, given)
    return place.copy()


def _hashed(given: View, place: View) -> tuple[str, str]:
    copied = _copied(given, place)
    return hashlib.sha256(place.data).hexdigest(), hashlib.sha256(copied.data).hexdigest()


def _receipt(bench: Workbench, runs: int) -> dict[str, object]:
    plan, devices = lattice(1), adapters(1)
    with Runtime(policy=plan.policy, adapters=devices) as runtime:
        bound = _load(runtime, plan, devices)
        bound.receipt(plan.key, ISSUER)
        inputs = plan.inputs()

        def close() -> None:
            bound.receipt(plan.key, ISSUER)

        def run() -> None:
            for _ in range(runs):
                bound.run(inputs)

        times = interleaved({"runs": run, "receipt": close}, rounds=bench.rounds(50), ordered=True)
    return {
        "runs": runs,
        "receipt": summary(times["receipt"]),
        "ns_per_run": round(summary(times["receipt"])["p50_ns"] / runs),
    }
