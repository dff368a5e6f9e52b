"""Receipts: building them from what ran, and checking them against the plan.

This is the pure part: it needs neither numbers nor a device, so that an auditor can check a receipt
with a light install. The runtime feeds it the digests of what went in and came out.

Invariants (normative text: spec/receipt.md, CEP-P1 to CEP-P8):

* Everything that the plan determines is recomputed and never believed.
* A receipt is judged in time bounded by its size and `MAX_STEPS`, whatever it claims.
* What is signed is in the envelope's payload, and what is judged are those bytes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

from acp import trust
from acp.canonical import JsonValue, canonicalize, decode, digest, digest_bytes
from acp.diagnostics import Diagnostic, Refused, Severity, pointer
from acp.dsse import PLAN, RECEIPT, Envelope, sign
from cep.v1.plan import Plan
from cep.v1.receipt import (
    AlternateTaken,
    BoundDevice,
    MeasuredStep,
    Receipt,
    ResourceDescriptor,
    Statement,
    Trip,
    Verification,
)

if TYPE_CHECKING:
    from acp.keys import PrivateKey
    from acp.policy import TrustPolicy

MAX_STEPS: Final = 10_000_000
"""Most steps over all runs that one receipt covers (CEP-P4)."""

CLOCK_SKEW: Final = timedelta(seconds=300)
"""How far the clocks of issuer and reader may differ (CEP-P6)."""

_STATEMENT: Final = "https://in-toto.io/Statement/v1"
_PREDICATE: Final = "urn:cep:receipt:1"
_PREFIX: Final = "sha256:"


class ReceiptError(Refused):
    """A receipt that cannot be written, or does not hold (codes ``CEP-P…``)."""


@dataclass(frozen=True, slots=True)
class TensorDigest:
    """What a receipt remembers of one tensor that went in or came out.

    Attributes:
        name: Name that the plan's inputs or outputs give it.
        dtype: Token of its dtype.
        shape: Its sizes.
        digest: Digest of its elements: little-endian, row-major.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    digest: str

    def form(self) -> JsonValue:
        """Return the JSON form that enters a run's digest."""
        return [self.name, self.dtype, [str(size) for size in self.shape], self.digest]


@dataclass(frozen=True, slots=True)
class RunForm:
    """What a root remembers of a run whose tensors have known shapes (CEP-P5).

    Attributes:
        template: The canonical form of the tensors, with ``%s`` for the digest of the elements of
            each: it is written once for many runs.
    """

    template: str

    @classmethod
    def of(cls, tensors: Iterable[tuple[str, str, Sequence[int]]]) -> Self:
        """Return the form of tensors, given by name, dtype and shape in the plan's order."""
        forms = [
            TensorDigest(name.replace("%", "%%"), dtype, tuple(shape), _PREFIX + "%s").form()
            for name, dtype, shape in tensors
        ]
        return cls(canonicalize(forms).decode())

    def digest(self, elements: Iterable[str]) -> bytes:
        """Return the digest of a run, by the hexadecimal SHA-256 of each tensor's elements."""
        return hashlib.sha256((self.template % tuple(elements)).encode()).digest()


class Root:
    """The root over the inputs, or the outputs, of a sequence of runs (CEP-P5)."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, tensors: Iterable[TensorDigest]) -> None:
        """Append one run, given by its tensors in the plan's order."""
        self.append(hashlib.sha256(canonicalize([t.form() for t in tensors])).digest())

    def append(self, run: bytes) -> None:
        """Append one run, given by its digest."""
        self._hash.update(run)

    @property
    def digest(self) -> str:
        """The root over the runs added so far."""
        return _PREFIX + self._hash.hexdigest()


def root(runs: Iterable[Sequence[TensorDigest]]) -> str:
    """Return the root over `runs` (CEP-P5)."""
    total = Root()
    for tensors in runs:
        total.add(tensors)
    return total.digest


def step_chain(
    plan_digest: str,
    binding: Sequence[BoundDevice],
    *,
    runs: int,
    steps: int,
    alternates: Sequence[AlternateTaken] = (),
) -> str:
    """Return the hash chain over all steps of all runs (CEP-P4).

    Raises:
        ReceiptError: More than `MAX_STEPS` steps ran (CEP-P4).
    """
    if runs * steps > MAX_STEPS:
        reason = (
            f"{runs} runs of {steps} steps; a receipt covers at most {MAX_STEPS} steps in all: "
            "write receipts more often"
        )
        raise ReceiptError.because("CEP-P4", reason, "/predicate/runs")
    taken = {(one.run, one.step): one.alternate + 1 for one in alternates}
    sha256 = hashlib.sha256
    start = bytes.fromhex(plan_digest.removeprefix(_PREFIX))
    chain = sha256(start + canonicalize([one.to_json() for one in binding])).digest()
    plain = [step.to_bytes(4, "big") + bytes(4) for step in range(steps)]
    for run in range(runs):
        number = run.to_bytes(8, "big")
        for step, tail in enumerate(plain):
            if taken and (run, step) in taken:
                tail = tail[:4] + taken[run, step].to_bytes(4, "big")  # noqa: PLW2901
            chain = sha256(chain + number + tail).digest()
    return _PREFIX + chain.hex()


def ruleset(rules: Iterable[str]) -> str:
    """Return the digest of the ids of the rules that were checked (CEP-P8)."""
    return digest(sorted(set(rules)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a runtime knows at the end of some runs, and a receipt says.

    Attributes:
        plan: The plan that ran.
        descriptors: Digests of the descriptors it was admitted against, by device of the plan.
        verifier: Who verified it.
        binding: What each device of the plan was bound to.
        started_at: When the first run began.
        finished_at: When the last run ended.
        runs: Number of runs.
        inputs_root: Root over their inputs.
        outputs_root: Root over their outputs.
        measured: Times by step.
        trips: Limits that were crossed.
        alternates: Alternates that were taken.
        plan_digest: Identity of the plan; computed where it is not known yet.
    """

    plan: Plan
    descriptors: Sequence[str]
    verifier: Verification
    binding: Sequence[BoundDevice]
    started_at: datetime
    finished_at: datetime
    runs: int
    inputs_root: str
    outputs_root: str
    measured: Sequence[MeasuredStep] = ()
    trips: Sequence[Trip] = ()
    alternates: Sequence[AlternateTaken] = ()
    plan_digest: str = ""


def statement(account: Account, issuer: str) -> Statement:
    """Return the in-toto Statement of a receipt.

    Raises:
        ReceiptError: Nothing ran, or too much for one receipt (CEP-P4).
    """
    if account.runs < 1:
        raise ReceiptError.because("CEP-P4", "nothing ran since the last receipt; run the plan")
    plan_digest = account.plan_digest or digest(account.plan.to_json())
    return Statement(
        statement_type=_STATEMENT,
        subject=(
            ResourceDescriptor(
                name=account.plan.uri[:256], digest={"sha256": plan_digest.removeprefix(_PREFIX)}
            ),
        ),
        predicate_type=_PREDICATE,
        predicate=Receipt(
            spec="cep/1",
            issuer=issuer,
            plan=plan_digest,
            descriptors=tuple(account.descriptors),
            verifier=account.verifier,
            binding=tuple(account.binding),
            started_at=_timestamp(account.started_at),
            finished_at=_timestamp(account.finished_at),
            runs=account.runs,
            inputs_root=account.inputs_root,
            outputs_root=account.outputs_root,
            step_chain=step_chain(
                plan_digest,
                account.binding,
                runs=account.runs,
                steps=len(account.plan.steps),
                alternates=account.alternates,
            ),
            measured=tuple(account.measured),
            trips=tuple(account.trips),
            alternates_taken=tuple(account.alternates),
        ),
    )


def seal(account: Account, issuer: str, keys: Iterable[PrivateKey]) -> Envelope:
    """Return the signed receipt of an account.

    Raises:
        ReceiptError: As `statement`.
        SignatureError: No key, or one twice (ENV-E4).
    """
    return sign(canonicalize(statement(account, issuer).to_json()), RECEIPT, keys)


@dataclass(frozen=True, slots=True)
class ReceiptReport:
    """What came out of checking a receipt.

    Attributes:
        diagnostics: What was found.
        plan_digest: Digest of the plan it was checked against; empty if that cannot be read.
        receipt: The receipt, if its signature and structure hold.
        plan: The plan, if it can be read.
        keyids: Keys that signed the receipt and count.
        recomputed: What was recomputed: ``plan``, ``step_chain``, ``inputs_root``, ….
    """

    diagnostics: tuple[Diagnostic, ...]
    plan_digest: str = ""
    receipt: Receipt | None = field(default=None, repr=False)
    plan: Plan | None = field(default=None, repr=False)
    keyids: tuple[str, ...] = ()
    recomputed: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the receipt holds."""
        return not any(d.severity is Severity.ERROR for d in self.diagnostics)

    @property
    def simulated(self) -> bool:
        """Whether some device was simulated, so that this is no result about hardware."""
        return self.receipt is not None and any(one.simulated for one in self.receipt.binding)


def verify_receipt(
    envelope: bytes,
    plan: bytes,
    *,
    policy: TrustPolicy,
    now: datetime,
    inputs: Sequence[Sequence[TensorDigest]] | None = None,
    outputs: Sequence[Sequence[TensorDigest]] | None = None,
) -> ReceiptReport:
    """Check a receipt against the plan that it is about, and the data if they are given.

    Args:
        envelope: The signed receipt.
        plan: The plan, bare or in its envelope; of an envelope the signatures are checked too.
        policy: Who is trusted.
        now: The moment of the check, aware of its time zone.
        inputs: By run, the inputs in the plan's order. None: their root is not recomputed.
        outputs: By run, the outputs in the plan's order. None: their root is not recomputed.

    Raises:
        ValueError: `now` is naive.
    """
    found: list[Diagnostic] = []
    document, plan_digest = _plan(plan, policy, now, found)
    try:
        verified = trust.verify(envelope, policy, now=now, expected={RECEIPT})
        found += verified.diagnostics
        whole = verified.document(Statement)
    except Refused as refusal:
        return ReceiptReport((*found, *refusal.diagnostics), plan_digest, plan=document)
    receipt = whole.predicate
    done: list[str] = []
    if document is not None:
        found += _form(whole)
        found += _about(whole, document, plan_digest)
        found += _devices(receipt, document)
        found += _chain(receipt, document, plan_digest)
        found += _times(receipt, document, now)
        found += _steps(receipt, document)
        found += _trips(receipt, document)
        done += ["plan", "descriptors", "step_chain"]
        for name, runs, bindings in (
            ("inputs", inputs, document.inputs),
            ("outputs", outputs, document.outputs),
        ):
            if runs is not None:
                names = [binding.name for binding in bindings]
                stated = str(getattr(receipt, f"{name}_root"))
                found += _root(name, runs, names, stated=stated, runs=receipt.runs)
                done.append(f"{name}_root")
    return ReceiptReport(tuple(found), plan_digest, receipt, document, verified.keyids, tuple(done))


def _plan(
    data: bytes, policy: TrustPolicy, now: datetime, found: list[Diagnostic]
) -> tuple[Plan | None, str]:
    """Return the plan and its digest; report what is wrong with it."""
    try:
        value = decode(data)
        if isinstance(value, dict) and "payloadType" in value:
            verified = trust.verify(data, policy, now=now, expected={PLAN: Plan})
            found += verified.diagnostics
            return verified.document(Plan), verified.digest
        return Plan.from_text(data), digest(value)
    except Refused as refusal:
        found += (
            Diagnostic(d.code, d.severity, d.path, f"the plan: {d.message}")
            for d in refusal.diagnostics
        )
        return None, ""


def _error(code: str, message: str, *path: str | int) -> Diagnostic:
    return Diagnostic(code, Severity.ERROR, pointer(*path), message)


def _form(whole: Statement) -> list[Diagnostic]:
    if len(whole.subject) != 1:
        reason = f"{len(whole.subject)} subjects; a receipt is about exactly one plan"
        return [_error("CEP-P1", reason, "subject")]
    if set(whole.subject[0].digest) != {"sha256"}:
        reason = "the subject's digest set must have exactly the member `sha256`"
        return [_error("CEP-P1", reason, "subject", 0, "digest")]
    return []


def _about(whole: Statement, plan: Plan, plan_digest: str) -> list[Diagnostic]:
    found = []
    subject = whole.subject[0]
    if _PREFIX + subject.digest.get("sha256", "") != plan_digest:
        reason = f"names another plan than the one given, which is {plan_digest}"
        found.append(_error("CEP-P2", reason, "subject", 0, "digest"))
    if whole.predicate.plan != plan_digest:
        reason = f"found {whole.predicate.plan}; the plan given is {plan_digest}"
        found.append(_error("CEP-P2", reason, "predicate", "plan"))
    if subject.name != plan.uri[:256]:
        reason = f"found {subject.name!r}; the plan's uri is {plan.uri!r}"
        found.append(_error("CEP-P2", reason, "subject", 0, "name"))
    return found


def _devices(receipt: Receipt, plan: Plan) -> list[Diagnostic]:
    found = []
    count = len(plan.devices)
    for name, entries in (("descriptors", receipt.descriptors), ("binding", receipt.binding)):
        if len(entries) != count:
            reason = f"{len(entries)} entries for the plan's {count} devices"
            found.append(_error("CEP-P3", reason, "predicate", name))
    for i, (stated, device) in enumerate(zip(receipt.descriptors, plan.devices, strict=False)):
        if device.descriptor_digest not in {None, stated}:
            reason = (
                f"found {stated}; the plan's device {device.slot!r} is {device.descriptor_digest}"
            )
            found.append(_error("CEP-P3", reason, "predicate", "descriptors", i))
    for i, (bound, device) in enumerate(zip(receipt.binding, plan.devices, strict=False)):
        if bound.slot != device.slot:
            reason = f"found slot {bound.slot!r}; the plan's device {i} is {device.slot!r}"
            found.append(_error("CEP-P3", reason, "predicate", "binding", i, "slot"))
    if receipt.verifier.verdict != "ACCEPTED":
        reason = f"found {receipt.verifier.verdict}; only a plan that was ACCEPTED may run"
        found.append(_error("CEP-P8", reason, "predicate", "verifier", "verdict"))
    return found


def _chain(receipt: Receipt, plan: Plan, plan_digest: str) -> list[Diagnostic]:
    try:
        chain = step_chain(
            plan_digest,
            receipt.binding,
            runs=receipt.runs,
            steps=len(plan.steps),
            alternates=receipt.alternates_taken,
        )
    except ReceiptError as refusal:
        return list(refusal.diagnostics)
    if chain == receipt.step_chain:
        return []
    reason = f"found {receipt.step_chain}; plan, binding and runs give {chain}"
    return [_error("CEP-P4", reason, "predicate", "step_chain")]


def _root(
    name: str,
    given: Sequence[Sequence[TensorDigest]],
    names: Sequence[str],
    *,
    stated: str,
    runs: int,
) -> list[Diagnostic]:
    place = ("predicate", f"{name}_root")
    if len(given) != runs:
        reason = f"the receipt covers {runs} runs; {name} of {len(given)} are given"
        return [_error("CEP-P5", reason, *place)]
    for number, tensors in enumerate(given):
        if [tensor.name for tensor in tensors] != list(names):
            listed = ", ".join(tensor.name for tensor in tensors) or "none"
            reason = f"run {number} has the {name} {listed}; the plan has {', '.join(names)}"
            return [_error("CEP-P5", reason, *place)]
    computed = root(given)
    if computed == stated:
        return []
    return [_error("CEP-P5", f"found {stated}; the {name} given have {computed}", *place)]


def _times(receipt: Receipt, plan: Plan, now: datetime) -> list[Diagnostic]:
    found = []
    started = datetime.fromisoformat(receipt.started_at)
    finished = datetime.fromisoformat(receipt.finished_at)
    if started > finished:
        reason = f"the runs ended at {receipt.finished_at}, before they began"
        found.append(_error("CEP-P6", reason, "predicate", "started_at"))
    if finished > now + CLOCK_SKEW:
        reason = f"found {receipt.finished_at}, which is after now, {_timestamp(now)}"
        found.append(_error("CEP-P6", reason, "predicate", "finished_at"))
    valid_from = plan.not_before or plan.issued_at
    if not datetime.fromisoformat(valid_from) <= started:
        reason = f"found {receipt.started_at}; the plan is valid from {valid_from} on"
        found.append(_error("CEP-P6", reason, "predicate", "started_at"))
    if not started < datetime.fromisoformat(plan.expires_at):
        reason = f"found {receipt.started_at}; the plan expired at {plan.expires_at}"
        found.append(_error("CEP-P6", reason, "predicate", "started_at"))
    return found


def _steps(receipt: Receipt, plan: Plan) -> list[Diagnostic]:
    found = []
    count = len(plan.steps)
    last = -1
    for i, measured in enumerate(receipt.measured):
        place = ("predicate", "measured", i)
        if not last < measured.step < count:
            reason = f"found {measured.step}; steps are 0 to {count - 1}, ascending, each once"
            found.append(_error("CEP-P7", reason, *place, "step"))
        if measured.n > receipt.runs:
            reason = f"a step that ran {measured.n} times in {receipt.runs} runs"
            found.append(_error("CEP-P7", reason, *place, "n"))
        if measured.p99_ns is not None and measured.p50_ns > measured.p99_ns:
            found.append(_error("CEP-P7", "the median is above the 99th percentile", *place))
        last = measured.step
    return found


def _trips(receipt: Receipt, plan: Plan) -> list[Diagnostic]:
    found = []
    count = len(plan.steps)
    for i, trip in enumerate(receipt.trips):
        if trip.step >= count:
            reason = f"found {trip.step}; steps are 0 to {count - 1}"
            found.append(_error("CEP-P7", reason, "predicate", "trips", i, "step"))
        elif trip.action not in (allowed := _actions(plan, trip.step)):
            reason = f"found {trip.action!r}; the plan allows {', '.join(allowed) or 'no trips'}"
            found.append(_error("CEP-P7", reason, "predicate", "trips", i, "action"))
    tripped = Counter(trip.step for trip in receipt.trips if trip.action == "alternate")
    for step, times in Counter(taken.step for taken in receipt.alternates_taken).items():
        if tripped[step] < times:
            reason = (
                f"step {step} was done by alternates {times} times, {tripped[step]} trips led to"
            )
            found.append(_error("CEP-P7", reason, "predicate", "trips"))
    seen: set[tuple[int, int]] = set()
    for i, taken in enumerate(receipt.alternates_taken):
        known = len(plan.steps[taken.step].alternates) if taken.step < count else 0
        if taken.alternate >= known or taken.run >= receipt.runs or (taken.run, taken.step) in seen:
            reason = "names no alternate of a step of one of the runs, or one step of a run twice"
            found.append(_error("CEP-P7", reason, "predicate", "alternates_taken", i))
        seen.add((taken.run, taken.step))
    return found


def _actions(plan: Plan, step: int) -> tuple[str, ...]:
    """Return what may follow a trip of a step."""
    match plan.safety.on_trip if plan.safety is not None else None:
        case "ALTERNATE":
            return ("alternate", "abort") if plan.steps[step].alternates else ("abort",)
        case "DRAIN":
            return ("drain",)
        case "ABORT":
            return ("abort",)
    return ()


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def tensor_digest(name: str, dtype: str, shape: Sequence[int], elements: bytes) -> TensorDigest:
    """Return what a receipt remembers of a tensor.

    Args:
        name: Name in the plan's inputs or outputs.
        dtype: Token of its dtype.
        shape: Its sizes.
        elements: Its elements, little-endian and row-major; any object with a contiguous buffer.
    """
    return TensorDigest(name, dtype, tuple(shape), digest_bytes(elements))


def by_plan_order(
    tensors: Mapping[str, TensorDigest], names: Sequence[str]
) -> tuple[TensorDigest, ...]:
    """Return the tensors in the order of `names`; those that the plan lacks come last."""
    known = [tensors[name] for name in names if name in tensors]
    return (*known, *(tensor for name, tensor in tensors.items() if name not in names))
