"""Rules of family C: can the devices do what the plan asks, by what their makers signed?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from cep.conditions import unmet
from cep.opset import OPERATIONS
from cep.verify.rules import Finding, once, rule

if TYPE_CHECKING:
    from acp.v1.capability import Operand, OperationVariant
    from cep.graph import Node
    from cep.opset.definition import TensorType
    from cep.verify.subject import Subject


KINDS: Final[Mapping[str, Sequence[str]]] = {
    "run": ("COMPUTE",),
    "collective": ("COMPUTE",),
    "transfer": ("COPY", "COMPUTE"),
}
"""Kinds of queues that a step can be in, by its body."""


@rule("CEP-C1", stage=3)
def bound(s: Subject) -> Iterator[Finding]:
    """Each slot stands for one believed descriptor, which meets the predicate if it has one."""
    yield from s.binding.findings


@rule("CEP-C2", stage=4)
def supported(s: Subject) -> Iterator[Finding]:
    """The device's descriptor claims each op for the dtypes, ranks and layouts it is used with."""
    yield from once(s.kinds, lambda i: claimed_on(s, i, s.queue_of[i]))


def claimed_on(s: Subject, i: int, queue: str) -> Iterator[Finding]:
    """Check CEP-C2 for a step, carried out by the device of a queue."""
    slot, (body, ops) = s.queues[queue].device, s.work(i)
    claims = s.claims.get(slot, {})
    for j, index in enumerate(ops):
        node = s.view.nodes[index]
        why = "it claims no such operation"
        for variant in claims.get(node.target, ()):
            reason = mismatch(s, variant, node)
            if reason is None:
                break
            why = reason
        else:
            operands = ", ".join(str(s.view.types[v]) for v in node.inputs)
            message = f"{slot!r} does not claim {node.target}({operands}): {why}"
            yield Finding(("steps", i, body, "ops", j), message)


def mismatch(s: Subject, variant: OperationVariant, node: Node) -> str | None:
    """Say why a variant is not for this use of its operation; None if it is."""
    declared = OPERATIONS[node.target].operands
    limits = variant.operands or {}
    for position, value in enumerate(node.inputs):
        name = declared[min(position, len(declared) - 1)].name
        limit = limits.get(name) or limits.get("*")
        if limit and (why := _outside(limit, s.view.types[value], name)):
            return why
    for name, value in zip(OPERATIONS[node.target].results, node.outputs, strict=True):
        limit = limits.get(name)
        if limit and (why := _outside(limit, s.view.types[value], name)):
            return why
    conditions = (unmet(text, node, s.view.types, s.view.ranges) for text in variant.where)
    return next(filter(None, conditions), None)


def _outside(limit: Operand, tensor: TensorType, name: str) -> str | None:
    if limit.dtypes and tensor.dtype not in limit.dtypes:
        return f"{name} is {tensor.dtype}; claimed are {' '.join(limit.dtypes)}"
    if limit.rank and not limit.rank.min <= tensor.rank <= limit.rank.max:
        return f"{name} has rank {tensor.rank}; claimed are {limit.rank.min} to {limit.rank.max}"
    if limit.layouts and "contiguous" not in limit.layouts:
        return f"{name} is contiguous; claimed are {' '.join(limit.layouts)}"
    if limit.sparsity and "dense" not in limit.sparsity:
        return f"{name} is dense; claimed are {' '.join(limit.sparsity)}"
    if limit.quant:
        return f"{name} is not quantised; claimed are {' '.join(limit.quant)}"
    return None


@rule("CEP-C4", stage=4)
def queues(s: Subject) -> Iterator[Finding]:
    """No device has more queues of a kind than it can have, and each step suits its queue."""
    limits = {slot: {q.kind: q.max for q in d.queues} for slot, d in s.by_slot.items()}
    counts: Counter[tuple[str, str]] = Counter()
    for i, queue in enumerate(s.plan.queues):
        counts[queue.device, queue.kind] += 1
        found, allowed = counts[queue.device, queue.kind], limits[queue.device].get(queue.kind, 1)
        if found > allowed:
            message = (
                f"{queue.device!r} has {found} {queue.kind} queues; its descriptor allows {allowed}"
            )
            yield Finding(("queues", i), message)
    yield from once(s.kinds, lambda i: suited_to(s, i, s.queue_of[i]))


def suited_to(s: Subject, i: int, queue: str) -> Iterator[Finding]:
    """Check the part of CEP-C4 about a step, carried out in a queue."""
    kind = s.queues[queue].kind
    for body, kinds in KINDS.items():
        if getattr(s.plan.steps[i], body) is not None and kind not in kinds:
            message = f"queue {queue!r} is for {kind}; a {body} is done by {' or '.join(kinds)}"
            yield Finding(("steps", i, "queue"), message)


@rule("CEP-C5", stage=3)
def believed(s: Subject) -> Iterator[Finding]:
    """Each descriptor is signed as the policy asks, consistent, in force and not revoked."""
    for i, device in enumerate(s.plan.devices):
        reason = s.refused.get(device.descriptor_digest or "")
        if reason is not None:
            message = f"the descriptor of {device.slot!r} is not believed: {reason}"
            yield Finding(("devices", i, "descriptor_digest"), message)
