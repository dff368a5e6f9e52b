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
    from acp.v1.capability import Numerics
    from cep.verify.subject import Subject


@rule("CEP-K3", stage=4)
def rounding(s: Subject) -> Iterator[Finding]:
    """The promise to stay close to the source graph covers what the plan's devices round."""
    limits, types = s.plan.constraints, s.view.types
    path = ("constraints", "numeric_tolerance")
    if (limits.numeric == "BITWISE") is (limits.numeric_tolerance is not None):
        wanted = "no tolerance" if limits.numeric == "BITWISE" else "a tolerance"
        yield Finding(path, f"{limits.numeric} needs {wanted}")
        return
    shares: dict[int, int] = {}
    for op, slot, claims in _claims(s):
        node = s.view.nodes[op]
        operation = OPERATIONS[node.target]
        operands, results = ([types[v] for v in vs] for vs in (node.inputs, node.outputs))
        for claimed in claims:
            exact = is_exact(operation, results, claimed)
            if limits.numeric == "BITWISE" and not exact:
                message = f"{node.target} rounds, and {slot!r} does not claim the bits of others"
                yield Finding(("ops", op), message)
                break
            part = share(operation, operands, results, claimed, s.view.ranges)
            shares[op] = max(part, shares.get(op, 0))
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


def _claims(s: Subject) -> Iterator[tuple[int, str, list[Numerics | None]]]:
    """Yield each op, each device that may compute it, and what that claims of its numbers."""
    for i, step in enumerate(s.plan.steps):
        _, ops = s.work(i)
        slots = {s.device_of(i), *(s.device_of(i, k) for k, _ in enumerate(step.alternates))}
        for slot in sorted(slots):
            for op in ops:
                node = s.view.nodes[op]
                variants = s.claims.get(slot, {}).get(node.target, ())
                yield op, slot, [v.numerics for v in variants if mismatch(s, v, node) is None]
