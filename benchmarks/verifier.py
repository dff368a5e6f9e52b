"""What it takes to verify a plan: time for each step, growth with their number, memory.

The plans are lattices on four devices (see `benchmarks.lattice`): valid, so that every rule sees
all of them, with transfers, waits and memory that is used again. Verification starts from the bytes
of the signed envelope: signature, strict decoding, structure, canonical form, every rule. Beside it
in the same process: `json.loads` of the plan, the least that any reader must do. Each plan is
verified in a process of its own; its peak memory is counted from what it had with the envelope read
and a plan of one step verified.

Targets: at most 20 µs a step, and ten times the steps take at most eleven times as long.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from acp.dsse import Envelope
from acp.policy import TrustPolicy
from benchmarks.lattice import Lattice, lattice
from benchmarks.workbench import Workbench, interleaved, summary
from cep.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

Given: TypeAlias = tuple[bytes, tuple[bytes, ...], bytes]
"""Signed plan, signed descriptors, policy."""

LANES = 4
STEPS = ((100, 50), (1_000, 20), (10_000, 5), (100_000, 1))
"""Steps, rounds."""

TARGET_STEP_NS = 20_000
TARGET_GROWTH = 11.0


def measure(bench: Workbench) -> dict[str, object]:
    """Return times and peaks by number of steps."""
    rows = []
    for steps, rounds in STEPS[:-1] if bench.quick else STEPS:
        plan, small = lattice(steps, lanes=LANES), lattice(1, lanes=LANES)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            taken = pool.apply(_measure, (_given(plan), _given(small), bench.rounds(rounds)))
        row = {"steps": plan.steps, **taken}
        row["ns_per_step"] = round(taken["verify"]["p50_ns"] / plan.steps)
        rows.append(row)
        print(f"  {plan.steps} steps: {row['ns_per_step']} ns a step", file=sys.stderr, flush=True)
    return {
        "rows": rows,
        "target_step_ns": TARGET_STEP_NS,
        "target_growth": TARGET_GROWTH,
    }


def _given(plan: Lattice) -> Given:
    return plan.plan, plan.descriptors, plan.policy.to_bytes()


def _measure(plan: Given, small: Given, rounds: int) -> dict[str, Any]:
    payload = Envelope.from_bytes(plan[0]).payload
    _verify(small)
    before = _peak_bytes()
    _verify(plan)
    peak = _peak_bytes() - before
    calls: dict[str, Callable[[], object]] = {
        "verify": partial(_verify, plan),
        "json": partial(json.loads, payload),
    }
    times = interleaved(calls, rounds=rounds, warm=0)
    return {
        "plan_bytes": len(payload),
        "peak_bytes": peak,
        **{name: summary(taken) for name, taken in times.items()},
    }


def _verify(given: Given) -> None:
    plan, descriptors, policy = given
    report = verify(
        plan, descriptors=descriptors, policy=TrustPolicy.from_bytes(policy), now=datetime.now(UTC)
    )
    if not report.ok:
        raise SystemExit(f"a valid plan is refused: {report.diagnostics[:3]}")


def _peak_bytes() -> int:
    """Return the most memory that this process ever held; Linux counts it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
