"""Rule CEP-K3: is what the plan promises of its numbers more than its devices round?

The budget is that of `cep.opset.budget`, with what the descriptors claim of each op. A device may
carry out an op by any variant that matches, so the worst of them counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cep.opset import OPERATIONS
from cep.opset.budget import is_exact, needed, share
from cep.verify.capability import mismatch
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
    from cep.verify.subject import Subject


@rule("CEP-K3", stage=4)
def rounding(s: Subject) -> Iterator[Finding]:
    """The promise to stay close to the source graph covers what the plan's devices round."""
    limits, types, uses = s.plan.constraints, s.view.types, s.uses
    path = ("constraints", "numeric_tolerance")
    if (limits.numeric == "BITWISE") is (limits.numeric_tolerance is not None):
        wanted = "no tolerance" if limits.numeric == "BITWISE" else "a tolerance"
        yield Finding(path, f"{limits.numeric} needs {wanted}")
        return
    shares: dict[int, int] = {}
    parts: dict[tuple[int, str], int] = {}
    for op, slot in _places(s):
        use = uses[op], slot
        if use not in parts:
            node = s.view.nodes[op]
            operation = OPERATIONS[node.target]
            operands, results = ([types[v] for v in vs] for vs in (node.inputs, node.outputs))
            variants = s.claims.get(slot, {}).get(node.target, ())
            claims = [v.numerics for v in variants if mismatch(s, v, node) is None]
            if limits.numeric == "BITWISE" and not all(
                is_exact(operation, results, claimed) for claimed in claims
            ):
                message = f"{node.target} rounds, and {slot!r} does not claim the bits of others"
                yield Finding(("ops", op), message)
                continue
            parts[use] = max(
                (share(operation, operands, results, c, s.view.ranges) for c in claims), default=0
            )
        if parts[use] >= shares.get(op, 0):
            shares[op] = parts[use]
    if limits.numeric_tolerance is None:
        return
    outputs = [types[b.value] for b in s.plan.outputs]
    least = needed(limits.numeric, shares.values(), outputs)
    if limits.numeric_tolerance < least:
        most = max(shares, key=lambda op: shares[op])
        message = (
            f"{limits.numeric} {limits.numeric_tolerance} is promised, but the rounding budget of "
            f"the plan is {least}; the largest share has op {most}, {s.view.nodes[most].target}"
        )
        yield Finding(path, message)


def _places(s: Subject) -> Iterator[tuple[int, str]]:
    """Yield each op with each device that may compute it."""
    slots = {queue.id: queue.device for queue in s.plan.queues}
    places = [[slots[queue]] for queue in s.queue_of]
    for i, k in s.alternates or ():
        places[i] = sorted({*places[i], s.device_of(i, k)})
    for ops, found in zip(s.ops_of, places, strict=True):
        for op in ops:
            for slot in found:
                yield op, slot
