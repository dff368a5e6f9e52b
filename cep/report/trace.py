"""A run as a Chrome trace, which chrome://tracing and Perfetto show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from acp.diagnostics import Refused

if TYPE_CHECKING:
    from cep.report.view import RunView


def trace(facts: RunView) -> bytes:
    """Return the run as Chrome trace JSON: one process a device, one thread a queue.

    Raises:
        Refused: The times of the run are not known (ENV-F1).
    """
    if facts.timeline is None:
        reason = "a trace needs the times of a run: give the file of `cep run --timeline`"
        raise Refused.because("ENV-F1", reason)
    slots = [device.slot for device in facts.devices]
    threads = {queue: number for number, (queue, _) in enumerate(facts.queues)}
    events: list[dict[str, object]] = [
        {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": slot}}
        for pid, slot in enumerate(slots)
    ]
    events += [
        {
            "ph": "M",
            "name": "thread_name",
            "pid": slots.index(slot),
            "tid": threads[queue],
            "args": {"name": queue},
        }
        for queue, slot in facts.queues
    ]
    for step in facts.steps:
        if step.span is None:
            continue
        begin, end = step.span
        events.append(
            {
                "ph": "X",
                "name": f"{step.index}: {step.label}",
                "cat": "transfer" if step.is_transfer else "run",
                "pid": slots.index(step.slot),
                "tid": threads[step.queue],
                "ts": begin / 1000,
                "dur": (end - begin) / 1000,
                "args": {"ops": dict(step.ops), "predicted_ns": step.predicted_ns},
            }
        )
    form = {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {"plan": facts.plan_digest},
    }
    return json.dumps(form, separators=(",", ":")).encode()
