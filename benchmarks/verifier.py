"""What it takes to verify a plan: time for each step, growth with their number, memory.

The plans are lattices on four devices (see `benchmarks.lattice`): valid, so that every rule sees
all of them, with transfers, waits and memory that is used again. Verification starts from the bytes
of the signed envelope: signature, strict decoding, structure, canonical form, every rule. Beside it
in the same process: `json.loads` of the plan, the least that any reader must do; and what ONNX's
checker needs for a model of as many nodes as the plan has steps, with its inference of shapes. Each
plan is verified in a process of its own; its peak memory is the most that the process had during
one verification, less what it had right before, with a plan of one step verified.

Times are those of the CPU: a verification is one thread that waits for nothing, so that on a
machine with nothing else to do it takes as long by the clock.

Where the time goes is measured in further verifications, in which each rule's share is taken down.

Targets: at most 20 µs a step, and ten times the steps take at most twelve times as long.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias

from onnx import TensorProto, helper
from onnx.checker import check_model

from acp import trust
from acp.canonical import collector_paused
from acp.dsse import PLAN, Envelope
from acp.policy import TrustPolicy
from benchmarks.lattice import Lattice, lattice
from benchmarks.workbench import Workbench, interleaved, summary
from cep.graph import GraphView
from cep.v1.plan import Plan
from cep.verify import RULES, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cep.verify.rules import Finding
    from cep.verify.subject import Subject

Given: TypeAlias = tuple[bytes, tuple[bytes, ...], bytes]
"""Signed plan, signed descriptors, policy."""

LANES = 4
STEPS = ((100, 50), (1_000, 20), (10_000, 5), (100_000, 3))
"""Steps, rounds."""

TARGET_STEP_NS = 20_000
TARGET_GROWTH = 12.0


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
    steps = len(json.loads(payload)["steps"])
    _verify(small)
    peak = _peak_bytes(partial(_verify, plan))
    calls: dict[str, Callable[[], object]] = {
        "verify": partial(_verify, plan),
        "json": partial(json.loads, payload),
        "onnx": partial(check_model, _onnx(steps), full_check=True),
    }
    times = interleaved(calls, rounds=rounds, warm=0, clock=time.process_time_ns)
    return {
        "plan_bytes": len(payload),
        "peak_bytes": peak,
        **{name: summary(taken) for name, taken in times.items()},
        "phases_ns": _phases(plan, rounds),
    }


def _verify(given: Given) -> None:
    plan, descriptors, policy = given
    report = verify(
        plan, descriptors=descriptors, policy=TrustPolicy.from_bytes(policy), now=datetime.now(UTC)
    )
    if not report.ok:
        raise SystemExit(f"a valid plan is refused: {report.diagnostics[:3]}")


def _phases(given: Given, rounds: int) -> dict[str, int]:
    """Return the medians of what the parts of a verification take; rules by family."""
    spent: Counter[str] = Counter()
    for code, rule in list(RULES.items()):
        RULES[code] = replace(rule, check=partial(_timed, spent, f"rules {code[4]}", rule.check))
    found: dict[str, list[int]] = {}
    for _ in range(rounds):
        spent.clear()
        with collector_paused():
            _verify(given)
            policy, now = TrustPolicy.from_bytes(given[2]), datetime.now(UTC)
            began = time.process_time_ns()
            payload = trust.verify(given[0], policy, now=now, expected=(PLAN,)).payload
            spent["envelope"] = time.process_time_ns() - began
            began = time.process_time_ns()
            plan = Plan.from_text(payload)
            spent["structure"] = time.process_time_ns() - began
            began = time.process_time_ns()
            GraphView.of(plan)
            spent["graph"] = time.process_time_ns() - began
        for phase, taken in spent.items():
            found.setdefault(phase, []).append(taken)
    return {phase: round(median(taken)) for phase, taken in sorted(found.items())}


def _timed(
    spent: Counter[str], name: str, check: Callable[[Subject], Iterator[Finding]], subject: Subject
) -> Iterator[Finding]:
    began = time.process_time_ns()
    findings = list(check(subject))
    spent[name] += time.process_time_ns() - began
    yield from findings


def _onnx(nodes: int) -> bytes:
    """Return a model that takes the maximum of the last two values again and again."""
    line = [
        helper.make_node("Max", [f"v{max(i - 1, 0)}", f"v{i}"], [f"v{i + 1}"]) for i in range(nodes)
    ]
    ends = [helper.make_tensor_value_info(f"v{i}", TensorProto.FLOAT, ["b", 4]) for i in (0, nodes)]
    graph = helper.make_graph(line, "line", ends[:1], ends[1:])
    return bytes(helper.make_model(graph).SerializeToString())


def _peak_bytes(call: Callable[[], object]) -> int:
    """Return by how much the memory of this process grows at most during a call (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _status("VmRSS")
    call()
    return max(0, _status("VmHWM") - before)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(found) * 1024
