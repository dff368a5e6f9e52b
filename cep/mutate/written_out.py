"""A stream as a plan of its first micro-batches, for the proof of equivalence.

The caller, who gives inputs and takes outputs, is two queues more. The verifier's code has no part.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cep.mutate.change import Document

GIVES, TAKES = "+gives", "+takes"
"""The caller's queues; no id begins so."""


def written_out(plan: Document) -> Document:
    """Return the steps of the first micro-batches of a stream, and their buffers in each copy."""
    count, depth = int(plan["stream"]["microbatches"]), int(plan["stream"]["ring_depth"])
    buffers, steps = plan["buffers"], plan["steps"]
    roles = {v["id"]: v["role"] for v in plan["values"]}
    written = {b for step in steps for b in step.get("writes", [])}
    inputs, outputs = (
        [b for b, x in enumerate(buffers) if roles[x["value"]] == role and (b in written) is made]
        for role, made in (("IN", False), ("OUT", True))
    )
    lengths = Counter(step["queue"] for step in steps)
    readers = {s["queue"] for s in steps if {*s.get("reads", [])} & {*inputs}}
    writers = {s["queue"] for s in steps if {*s.get("writes", [])} & {*outputs}}
    found: list[dict[str, Any]] = []

    def add(step: dict[str, Any], m: int, waits: list[tuple[str, int]]) -> None:
        shift = m % depth * len(buffers)
        moved = {k: [b + shift for b in step.get(k, [])] for k in ("reads", "writes")}
        after = [{"queue": q, "epoch": e} for q, e in waits if e > 0]
        found.append({**step, **moved, "waits": after})

    for m in range(min(count, depth + 1)):
        freed = [(q, (m - depth + 1) * lengths[q]) for q in sorted(readers)]
        add({"queue": GIVES, "transfer": {}, "writes": inputs}, m, freed)
        begun: set[str] = set()
        for step in steps:
            queue = step["queue"]
            lags = [(w["queue"], w["epoch"], m - w.get("lag", 0)) for w in step.get("waits", [])]
            waits = [(q, e + n * lengths[q]) for q, e, n in lags if n >= 0]
            if queue not in begun:
                waits += [(GIVES, m + 1)] if queue in readers else []
                waits += [(TAKES, m - depth + 1)] if queue in writers else []
            begun.add(queue)
            add(step, m, waits)
        done = [(q, (m + 1) * lengths[q]) for q in sorted(writers)]
        add({"queue": TAKES, "transfer": {}, "reads": outputs}, m, done)
    copies: list[dict[str, Any]] = []
    for k in range(depth):
        for buffer in buffers:
            copied = {**buffer, "arena": f"{buffer['arena']}+{k}"}
            if "in_place_of" in buffer:
                copied["in_place_of"] = buffer["in_place_of"] + k * len(buffers)
            copies.append(copied)
    return {**plan, "steps": found, "buffers": copies}
