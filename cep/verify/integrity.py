"""Rules of family I: is this the plan, the whole plan, for these devices and weights, today?

CEP-I1 (signature) and CEP-I3 (unique encoding) are about bytes: see `cep.verify.admit`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from acp.diagnostics import Severity
from cep.features import used
from cep.opset import NAMESPACE, VERSION, opset_digest
from cep.store import StoreError
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
    from cep.verify.subject import Subject

SUPPORTED: Final = frozenset(
    {
        "alternates",
        "artifacts",
        "collectives",
        "deadline",
        "energy",
        "evidence",
        "locality",
        "predicates",
        "safety",
        "streams",
    }
)
"""Features that this version of the ruleset understands beyond the base."""

CHECKERS: Final[Mapping[str, str]] = {
    "differential": "cep-differential-1",
    "rewrites": "cep-rewrite-1",
}
"""The kinds of evidence that are understood, each with its checker; all are inline."""


@rule("CEP-I2", stage=3)
def digests(s: Subject) -> Iterator[Finding]:
    """Every digest in the plan is that of what is really there."""
    yield from _repeated("opsets", [f"{o.namespace}/{o.version}" for o in s.plan.opsets])
    for i, opset in enumerate(s.plan.opsets):
        if (opset.namespace, opset.version) != (NAMESPACE, VERSION):
            known = f"{NAMESPACE}/{VERSION}"
            message = f"opset {opset.namespace}/{opset.version} is not known; {known} is"
            yield Finding(("opsets", i), message)
        elif opset.schema_digest != opset_digest():
            message = (
                f"the table of {NAMESPACE}/{VERSION} has digest {opset_digest()}, the plan was "
                f"made for {opset.schema_digest}; compile it again with this version"
            )
            yield Finding(("opsets", i, "schema_digest"), message)
    for i, device in enumerate(s.plan.devices):
        wanted = device.descriptor_digest
        if wanted is not None and wanted not in s.descriptors and wanted not in s.refused:
            message = (
                f"the descriptor of {device.slot!r}, {wanted}, is not among those given: it was "
                "changed, or the plan was made for other devices"
            )
            yield Finding(("devices", i, "descriptor_digest"), message)
    yield from _artifacts(s)
    yield from _weights(s)


def _artifacts(s: Subject) -> Iterator[Finding]:
    if s.store is None:
        if s.plan.artifacts:
            message = "the artifacts were not checked: no store was given"
            yield Finding(("artifacts",), message, Severity.WARNING)
        return
    for i, artifact in enumerate(s.plan.artifacts):
        try:
            s.store.artifact(artifact.digest)
        except StoreError as error:
            yield Finding(("artifacts", i), error.diagnostics[0].message)


def _weights(s: Subject) -> Iterator[Finding]:
    if s.store is None:
        if s.plan.constants:
            message = "the weights were not checked: no store was given"
            yield Finding(("constants",), message, Severity.WARNING)
        return
    unread: set[str] = set()
    for i, constant in enumerate(s.plan.constants):
        if constant.store_digest in unread:
            continue
        try:
            entry, _ = s.store.tensor(constant)
        except StoreError as error:
            yield Finding(("constants", i), error.diagnostics[0].message)
            if not s.store.is_open(constant.store_digest):
                unread.add(constant.store_digest)
            continue
        declared = s.view.types[constant.value]
        sizes = tuple(d.value for d in declared.shape)
        if entry.dtype != declared.dtype or entry.shape != sizes:
            message = f"the store has {entry.dtype}{list(entry.shape)}, the plan {declared}"
            yield Finding(("constants", i), message)


@rule("CEP-I4", stage=1)
def features(s: Subject) -> Iterator[Finding]:
    """Everything that the plan uses beyond the base is declared, and understood here."""
    declared = s.plan.features
    if list(declared) != sorted(set(declared)):
        yield Finding(("features",), "features must be sorted, each named once")
    for i, feature in enumerate(declared):
        if feature not in SUPPORTED:
            yield Finding(
                ("features", i),
                f"feature {feature!r} is not understood by this version; what a plan says must "
                "not be ignored, so the plan is refused",
            )
    for feature, path in used(s):
        if feature not in declared:
            yield Finding(
                path, f"this needs the feature {feature!r}, which the plan does not declare"
            )
    for i, entry in enumerate(s.plan.evidence):
        if CHECKERS.get(entry.kind) != entry.checker or entry.inline is None:
            message = f"evidence {entry.kind!r} for checker {entry.checker!r} is not understood"
            yield Finding(("evidence", i), message)


@rule("CEP-I5", stage=1)
def in_force(s: Subject) -> Iterator[Finding]:
    """The plan is valid now, not revoked, and no older than the policy allows."""
    begins, ends = s.plan.not_before or s.plan.issued_at, s.plan.expires_at
    if s.now < _moment(begins):
        yield Finding(("not_before",), f"not valid before {begins}; it is {_text(s.now)}")
    if s.now >= _moment(ends):
        yield Finding(("expires_at",), f"expired at {ends}; it is {_text(s.now)}: compile it again")
    for listed in s.status_lists:
        for entry in listed.entries if listed.issuer == s.plan.issuer else ():
            if entry.digest == s.plan_digest and s.now >= _moment(entry.effective_at):
                yield Finding((), f"revoked since {entry.effective_at}: {entry.reason}")
    least = s.policy.min_revision(s.plan.issuer, s.plan.uri)
    if s.plan.revision < least:
        yield Finding(
            ("revision",),
            f"revision {s.plan.revision} is older than {least}, the oldest that the policy allows",
        )


@rule("CEP-I6", stage=1)
def references(s: Subject) -> Iterator[Finding]:
    """Names are unique, and every reference to a slot, arena, queue, buffer or op resolves."""
    plan = s.plan
    slots = dict.fromkeys(d.slot for d in plan.devices)
    arenas = dict.fromkeys(a.id for a in plan.arenas)
    queues = dict.fromkeys(q.id for q in plan.queues)
    yield from _repeated("devices", [d.slot for d in plan.devices])
    yield from _repeated("arenas", [a.id for a in plan.arenas])
    yield from _repeated("queues", [q.id for q in plan.queues])
    yield from _repeated("inputs", [b.name for b in plan.inputs])
    yield from _repeated("outputs", [b.name for b in plan.outputs])
    yield from _repeated("artifacts", [a.digest for a in plan.artifacts])
    limits = plan.safety.limits if plan.safety else ()
    artifacts = dict.fromkeys(a.digest for a in plan.artifacts)
    yield from _unresolved(("arenas",), plan.arenas, "device", slots)
    yield from _unresolved(("queues",), plan.queues, "device", slots)
    yield from _unresolved(("buffers",), plan.buffers, "arena", arenas)
    yield from _unresolved(("steps",), plan.steps, "queue", queues)
    peaks = ("constraints", "peak_bytes")
    yield from _unresolved(peaks, plan.constraints.peak_bytes, "device", slots)
    yield from _unresolved(("safety", "limits"), limits, "device", slots)
    awaited = {wait.queue for wait in s.waits} - queues.keys()
    for i in range(len(plan.steps)) if awaited else s.replaceable:
        step = plan.steps[i]
        yield from _unresolved(("steps", i, "waits"), step.waits, "queue", queues)
        yield from _unresolved(("steps", i, "alternates"), step.alternates, "queue", queues)
    for _, path, digest, _ in s.named_artifacts:
        if digest not in artifacts:
            yield Finding(path, f"there is no {digest!r}; there are {_few(artifacts)}")
    yield from _indices(s)


def _unresolved(
    path: tuple[str | int, ...], items: Sequence[object], member: str, known: dict[str, None]
) -> Iterator[Finding]:
    names = [*map(attrgetter(member), items)]
    for i, name in enumerate(names if not known.keys() >= {*names} else ()):
        if name not in known:
            yield Finding((*path, i, member), f"there is no {name!r}; there are {_few(known)}")


def _indices(s: Subject) -> Iterator[Finding]:
    buffers, ops, steps = len(s.plan.buffers), len(s.plan.ops), len(s.plan.steps)
    most = max(chain.from_iterable(chain(s.reads, s.writes)), default=0)
    wrong = most >= buffers or max(chain.from_iterable(s.ops_of), default=0) >= ops
    for i, step in enumerate(s.plan.steps if wrong else ()):
        body, worked = s.work(i)
        yield from _absent(("steps", i, "reads"), step.reads, "buffer", buffers)
        yield from _absent(("steps", i, "writes"), step.writes, "buffer", buffers)
        yield from _absent(("steps", i, body, "ops"), worked, "op", ops)
    for i, other in s.taking_over.items():
        if other >= buffers:
            message = f"there is no buffer {other}; there are {buffers}"
            yield Finding(("buffers", i, "in_place_of"), message)
    for i, entry in enumerate(s.plan.evidence):
        yield from _absent(("evidence", i, "subject_steps"), entry.subject_steps, "step", steps)


def _absent(
    path: tuple[str | int, ...], indices: Sequence[int], kind: str, count: int
) -> Iterator[Finding]:
    for j, index in enumerate(indices):
        if index >= count:
            yield Finding((*path, j), f"there is no {kind} {index}; there are {count}")


def _repeated(member: str, names: Iterable[str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield Finding((member, i), f"{name!r} is named twice")
        seen.add(name)


def _few(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:8]) or "none"


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
