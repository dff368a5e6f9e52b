"""Which features beyond the base a plan uses, and where it names compiled code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from cep.indexed import IndexedPlan
    from cep.v1.plan import Plan

Path: TypeAlias = tuple[str | int, ...]
_ROLES: Final = ("STATE", "TOKEN")
_PLAIN: Final = (None, "contiguous")


def named_artifacts(plan: Plan) -> list[tuple[int, Path, str, str]]:
    """Return which steps name artifacts, where, which, and the queue whose device is to load it."""
    found: list[tuple[int, Path, str, str]] = []
    for i, step in enumerate(plan.steps):
        run, others = step.run, step.alternates
        if run is not None and run.artifact is not None:
            found.append((i, ("steps", i, "run", "artifact"), run.artifact, step.queue))
        for j, other in enumerate(others) if others else ():
            if other.artifact is not None:
                path = ("steps", i, "alternates", j, "artifact")
                found.append((i, path, other.artifact, other.queue))
    return found


def used(s: IndexedPlan) -> Iterator[tuple[str, Path]]:
    """Yield each feature beyond the base that a plan needs, and where."""
    plan, limits = s.plan, s.plan.constraints
    whole = {
        "streams": ("stream", plan.stream),
        "safety": ("safety", plan.safety),
        "shadow": ("safety", plan.safety.shadow_ppm if plan.safety else None),
        "artifacts": ("artifacts", plan.artifacts),
        "evidence": ("evidence", plan.evidence),
        "deadline": ("constraints", limits.deadline_ns),
        "energy": ("constraints", limits.energy_fj),
        "locality": ("constraints", limits.locality_labels),
    }
    for feature, (member, value) in whole.items():
        if value not in (None, ()):
            yield feature, (member,)
    for i, device in enumerate(plan.devices):
        if device.predicate is not None:
            yield "predicates", ("devices", i, "predicate")
    given = [v for v in plan.values if v.role in _ROLES or v.layout not in _PLAIN]
    for i, tensor in enumerate(plan.values if given else ()):
        if tensor.role in _ROLES:
            yield tensor.role.lower(), ("values", i, "role")
        if tensor.layout not in _PLAIN:
            yield "layouts", ("values", i, "layout")
    yield from _used_by_steps(s)


def _used_by_steps(s: IndexedPlan) -> Iterator[tuple[str, Path]]:
    plan = s.plan
    for i, queue in enumerate(plan.queues):
        if queue.kind == "NET":
            yield "network", ("queues", i, "kind")
    for i in _unusual(s):
        step = plan.steps[i]
        if step.collective is not None:
            yield "collectives", ("steps", i, "collective")
        if step.call is not None:
            yield "subplans", ("steps", i, "call")
        for j, wait in enumerate(step.waits):
            if wait.lag is not None:
                yield "streams", ("steps", i, "waits", j, "lag")
        if step.alternates:
            yield "alternates", ("steps", i, "alternates")
    for _, place, _, _ in s.named_artifacts:
        yield "artifacts", place


def _unusual(s: IndexedPlan) -> list[int]:
    """Return the steps that may need a feature, among them all that do."""
    if [wait for wait in s.waits if wait.lag is not None]:
        return [*range(len(s.plan.steps))]
    bodies = [i for i, t in enumerate(s.plan.steps) if t.run is None and t.transfer is None]
    return sorted({*bodies, *s.replaceable})
