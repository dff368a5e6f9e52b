"""The runtime in three calls: load a plan, run it, get a receipt.

    with Runtime(policy=policy) as runtime:
        bound = runtime.load(envelope, descriptors=descriptors, store=store)
        outputs = bound.run({"input_ids": ids, "attention_mask": mask})
        receipt = bound.receipt(key, issuer="example.com")

Loading verifies the plan, finds its devices, compiles its regions and allocates its memory; running
copies the inputs into that memory, runs the steps, and copies the outputs out. Those two copies are
the only ones that the plan does not list.

Invariants:

* Nothing runs that was not admitted, and no plan runs after it has expired (CEP-I5).
* A run ends: with outputs, or with a coded refusal; RUN-X1 a step failed, RUN-X2 a device is gone
  or hangs, RUN-X3 a limit was crossed. It never gives outputs of a run that failed.
* A receipt covers exactly the runs that ended well since the one before it.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import perf_counter_ns, time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from weakref import WeakSet

import numpy as np

from acp.diagnostics import Refused, pointer
from cep.receipt import Account, ReceiptError, Root, seal
from cep.v1.receipt import AlternateTaken, MeasuredStep, Trip
from reference_runtime.adapter import Adapter, DeviceLostError, StepError, View
from reference_runtime.admission import AdmittedPlan, admit
from reference_runtime.binding import Binder, BoundShapes, InputError, Port
from reference_runtime.execution import (
    StepFailedError,
    StepHangsError,
    Timeline,
    executor,
)
from reference_runtime.guards import LateError, TripError, quantity_of, watchdog_ns, writes_apart
from reference_runtime.timetable import parties, timetable

if TYPE_CHECKING:
    from acp.dsse import Envelope
    from acp.keys import PrivateKey
    from acp.policy import TrustPolicy
    from cep.store import Store
    from cep.v1.plan import Plan, Step
    from reference_runtime.carriers import Progress

KEPT_SPANS: Final = 200_000
"""Times of steps that are kept for medians and timelines, over the most recent runs."""

_LITTLE_ENDIAN: Final = sys.byteorder == "little"


class PlanClosedError(Refused):
    """A plan that is closed, or has expired while it was bound (CEP-I5, RUN-X4)."""


class RunRecord(NamedTuple):
    """When the parts of one run happened, on the clock of `time.perf_counter_ns`.

    Attributes:
        number: Number of the run since the plan was loaded, from 0.
        sizes: Sizes of the symbols.
        began_ns: When the inputs began to be copied in.
        ended_ns: When the outputs had been copied out.
        timeline: When the steps began and ended.
    """

    number: int
    sizes: Mapping[str, int]
    began_ns: int
    ended_ns: int
    timeline: Timeline

    def form(self) -> dict[str, object]:
        """Return the record as JSON: times in nanoseconds since the run began."""
        return {
            "run": self.number,
            "sizes": {name: str(size) for name, size in self.sizes.items()},
            "end_ns": self.ended_ns - self.began_ns,
            "steps": [
                [begin - self.began_ns, end - self.began_ns] for begin, end in self.timeline.spans()
            ],
        }


class Runtime:
    """Loads plans under one policy, and closes them together."""

    def __init__(
        self,
        *,
        policy: TrustPolicy,
        adapters: Sequence[Adapter] | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        """Set what every plan is judged by.

        Args:
            policy: Who is trusted, and whose adapters may be loaded.
            adapters: Adapters that the embedding program made itself. None: the installed ones.
            clock: Tells the time, in seconds since 1970 began (UTC).
        """
        self._policy = policy
        self._adapters = adapters
        self._clock = clock
        self._plans: WeakSet[BoundPlan] = WeakSet()

    def load(
        self,
        plan: bytes,
        *,
        descriptors: Sequence[bytes],
        store: Store | None = None,
        binding: Mapping[str, str] | None = None,
        progress: Progress = lambda items, _: items,
    ) -> BoundPlan:
        """Admit a plan, compile its regions and allocate its memory.

        Args:
            plan: The signed plan.
            descriptors: Signed descriptors, among them those of the plan's devices.
            store: Where the plan's weights are; None if it has none.
            binding: Digests of the descriptors that slots with a predicate are to stand for. The
                others stand for the only descriptor that will do and whose device is here.
            progress: Shows how far the compilation has come.

        Raises:
            AdmissionError: The plan does not verify, or a device is not present.
            AdapterError: An adapter may not be loaded, or cannot be (RUN-A1, RUN-A2).
            UnsupportedError: An adapter cannot run a region (RUN-A3).
            NumericError: A stack cannot keep the plan's numeric class (RUN-N1).
            DeviceLostError: A device has not the memory (RUN-X2).
        """
        admitted = admit(
            plan,
            descriptors=descriptors,
            policy=self._policy,
            store=store,
            now=_moment(self._clock()),
            adapters=self._adapters,
            binding=binding,
        )
        binder = Binder(admitted, store, progress=progress)
        try:
            bound = BoundPlan(admitted, binder, clock=self._clock)
        except BaseException:
            binder.close()
            raise
        self._plans.add(bound)
        return bound

    def close(self) -> None:
        """Close every plan that was loaded and is still in use."""
        for bound in tuple(self._plans):
            bound.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


@dataclass(slots=True)
class _Tally:
    """What has happened since the last receipt.

    Attributes:
        runs: Runs that ended well.
        started_at: When the first of them began, in seconds since 1970 began.
        latest_at: When the latest of them began.
        latest_ns: How long it took, in nanoseconds.
        inputs: Root over their inputs.
        outputs: Root over their outputs.
        trips: Limits that were crossed.
        taken: Alternates that were taken.
    """

    runs: int = 0
    started_at: float | None = None
    latest_at: float = 0
    latest_ns: int = 0
    inputs: Root = field(default_factory=Root)
    outputs: Root = field(default_factory=Root)
    trips: list[Trip] = field(default_factory=list)
    taken: list[AlternateTaken] = field(default_factory=list)


class Pass:
    """One micro-batch on its way through a plan.

    Attributes:
        bound: The plan, bound for its shapes and its copy of the arenas.
        outputs: Its outputs by name, once they were taken.
        given: What a receipt remembers of its inputs.
        made: What a receipt remembers of its outputs.
    """

    def __init__(
        self, bound: BoundShapes, arrays: tuple[View, ...], ports: tuple[Port, ...]
    ) -> None:
        self.bound = bound
        self.outputs: dict[str, View] = {}
        self.given = self.made = b""
        self._arrays = arrays
        self._ports = ports

    def give(self) -> None:
        """Copy the inputs into the plan's memory."""
        for views, array in zip(self.bound.inputs, self._arrays, strict=True):
            for view in views:
                view[...] = array
        held = _held(self.bound.inputs, self._arrays)
        self.given = self.bound.given.digest(map(_elements_digest, held))

    def take(self) -> None:
        """Copy the outputs out of it."""
        for port, view in zip(self._ports, self.bound.outputs, strict=True):
            self.outputs[port.name] = view.copy()
        self.made = self.bound.made.digest(map(_elements_digest, self.bound.outputs))


class BoundPlan:
    """A plan that is ready to run; one run at a time, from any thread."""

    def __init__(
        self, admitted: AdmittedPlan, binder: Binder, *, clock: Callable[[], float]
    ) -> None:
        """Take over a binder, and prepare to execute what it binds."""
        plan = admitted.plan
        self._admitted = admitted
        self._binder = binder
        self._clock = clock
        self._lock = threading.Lock()
        self._closed = False
        self._lost = ""
        self._expires_at = datetime.fromisoformat(plan.expires_at).timestamp()
        names = [queue.id for queue in plan.queues]
        self._executor = executor(
            timetable(plan),
            names=[*names, *(("(inputs)", "(outputs)") if plan.stream is not None else ())],
            limits_ns=_limits(plan),
        )
        drains = plan.safety is not None and plan.safety.on_trip == "DRAIN"
        self._action = "drain" if drains else "abort"
        self._number = 0
        self._history: deque[RunRecord] = deque(maxlen=max(16, KEPT_SPANS // len(plan.steps)))
        self._tally = _Tally()

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self._admitted.plan

    @property
    def admitted(self) -> AdmittedPlan:
        """The plan with its devices and its verification."""
        return self._admitted

    @property
    def inputs(self) -> tuple[Port, ...]:
        """What `run` takes."""
        return self._binder.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        """What `run` returns."""
        return self._binder.outputs

    @property
    def history(self) -> Sequence[RunRecord]:
        """The most recent runs, oldest first."""
        return tuple(self._history)

    def run(self, inputs: Mapping[str, Any], *, copy: bool = True) -> dict[str, View]:
        """Run the plan once.

        Args:
            inputs: By name, NumPy arrays or anything with DLPack in host memory, of the plan's
                dtypes and admissible shapes. They are copied into the plan's memory.
            copy: Return copies. Otherwise the outputs are read-only views of the plan's memory,
                which the next run overwrites.

        Returns:
            The outputs by name.

        Raises:
            InputError: The plan does not admit the inputs (RUN-I1, RUN-I2, RUN-I3).
            StepError: A step failed (RUN-X1).
            DeviceLostError: A device is gone, or did not answer in time (RUN-X2).
            TripError: A limit was crossed (RUN-X3).
            PlanClosedError: The plan is closed (RUN-X4) or has expired (CEP-I5).
        """
        if self.plan.stream is not None:
            return self.run_stream([inputs])[0]
        with self._lock:
            now = self._open()
            bound, arrays = self._binder.at(inputs)
            began = perf_counter_ns()
            for views, array in zip(bound.inputs, arrays, strict=True):
                for view in views:
                    view[...] = array
            # Of the copies, since the caller's arrays may change meanwhile; and before the steps,
            # since one may write over an input whose last reader has run.
            given = bound.given.digest(map(_elements_digest, _held(bound.inputs, arrays)))
            log = self._binder.log
            log.clear()
            try:
                timeline = self._executor.run(bound.thunks)
            except StepFailedError as failure:
                self._note_trips()
                raise self._refusal(failure) from failure.__cause__
            self._note_trips()
            outputs = {
                port.name: view.copy() if copy else _read_only(view)
                for port, view in zip(self._binder.outputs, bound.outputs, strict=True)
            }
            record = RunRecord(self._number, bound.sizes, began, perf_counter_ns(), timeline)
            tally = self._tally
            tally.inputs.append(given)
            tally.outputs.append(bound.made.digest(map(_elements_digest, bound.outputs)))
            if tally.started_at is None:
                tally.started_at = now
            tally.taken += [
                AlternateTaken(step=step, alternate=index, run=tally.runs)
                for step, index in sorted(log.taken)
            ]
            tally.latest_at, tally.latest_ns = now, record.ended_ns - began
            tally.runs += 1
            self._number += 1
            self._history.append(record)
        return outputs

    def run_stream(self, inputs: Sequence[Mapping[str, Any]]) -> list[dict[str, View]]:
        """Run a plan that is a stream once, micro-batches overlapping as it allows.

        Args:
            inputs: For each micro-batch, the inputs as `run` takes them. Their shapes may differ.

        Returns:
            For each micro-batch, copies of the outputs by name. A receipt counts each as a run.

        Raises:
            InputError: These are not as many as the plan has micro-batches (RUN-I4), or the plan
                does not admit them (RUN-I1, RUN-I2, RUN-I3).
            StepError: A step failed (RUN-X1).
            DeviceLostError: A device is gone, or did not answer in time (RUN-X2).
            TripError: A limit was crossed (RUN-X3).
            PlanClosedError: The plan is closed (RUN-X4) or has expired (CEP-I5).
        """
        stream = self.plan.stream
        batches, copies = (stream.microbatches, stream.ring_depth) if stream else (0, 1)
        if len(inputs) != batches:
            takes = (
                f"takes inputs of {batches} micro-batches" if stream else "is no stream: use run"
            )
            reason = f"inputs of {len(inputs)} micro-batches were given; the plan {takes}"
            raise InputError.because("RUN-I4", reason, "/stream/microbatches")
        with self._lock:
            now = self._open()
            self._binder.log.clear()
            passes = [self._pass(m, m % copies, given) for m, given in enumerate(inputs)]
            thunks = [thunk for one in passes for thunk in one.bound.thunks]
            thunks += [one.give for one in passes]
            thunks += [one.take for one in passes]
            try:
                spans = self._executor.run(thunks).spans()
            except StepFailedError as failure:
                raise self._refusal(failure) from failure.__cause__
            count, tally = len(self.plan.steps), self._tally
            tally.started_at = now if tally.started_at is None else tally.started_at
            for m, one in enumerate(passes):
                own = spans[m * count : (m + 1) * count]
                begins, ends = ([span[k] for span in own] for k in (0, 1))
                began = spans[batches * count + m][0]
                ended = spans[batches * (count + 1) + m][1]
                timeline = Timeline(range(count), begins, ends)
                self._history.append(
                    RunRecord(self._number, one.bound.sizes, began, ended, timeline)
                )
                tally.inputs.append(one.given)
                tally.outputs.append(one.made)
                tally.latest_at, tally.latest_ns = now, ended - spans[batches * count][0]
                tally.runs += 1
                self._number += 1
        return [one.outputs for one in passes]

    def receipt(self, key: PrivateKey | Iterable[PrivateKey], issuer: str) -> Envelope:
        """Return the signed receipt of the runs since the last receipt, and begin a new account.

        Args:
            key: Key or keys to sign with.
            issuer: Who ran the plan: a DNS name that readers' policies grant the key for.

        Raises:
            ReceiptError: Nothing ran since the last receipt, or too much (CEP-P4). What was too
                much is in no receipt, and a new account begins.
        """
        keys = key if isinstance(key, Iterable) else (key,)
        with self._lock:
            tally = self._tally
            if tally.started_at is None:
                reason = "no run has ended well since the last receipt; run the plan first"
                raise ReceiptError.because("CEP-P4", reason)
            account = Account(
                plan=self.plan,
                plan_digest=self._admitted.digest,
                descriptors=[device.descriptor_digest for device in self._admitted.devices],
                verifier=self._admitted.verification,
                binding=[device.binding() for device in self._admitted.devices],
                started_at=_moment(tally.started_at),
                finished_at=_moment(tally.latest_at + tally.latest_ns / 1e9),
                runs=tally.runs,
                inputs_root=tally.inputs.digest,
                outputs_root=tally.outputs.digest,
                measured=self._measured(),
                trips=tally.trips,
                alternates=tally.taken,
            )
            try:
                envelope = seal(account, issuer, keys)
            except ReceiptError:  # These runs are too many, and will not become fewer.
                self._tally = _Tally()
                raise
            self._tally = _Tally()
        return envelope

    def close(self) -> None:
        """Join every worker and free the plan's memory. Safe to call twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._executor.close()
                self._binder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _open(self) -> float:
        """Return the time, if the plan may run now."""
        now = self._clock()
        if self._closed:
            raise PlanClosedError.because("RUN-X4", "the plan was closed; load it again")
        if self._lost:
            reason = f"{self._lost} was lost and may still write to the plan's memory"
            raise DeviceLostError.because("RUN-X2", f"{reason}; load the plan again")
        if now >= self._expires_at:
            reason = f"the plan expired at {self.plan.expires_at}; load a newer revision"
            raise PlanClosedError.because("CEP-I5", reason, "/expires_at")
        return now

    def _pass(self, batch: int, copy: int, given: Mapping[str, Any]) -> Pass:
        """Return a micro-batch; a refusal of its inputs says which it is."""
        try:
            return Pass(*self._binder.at(given, copy), self._binder.outputs)
        except InputError as refusal:
            told = (
                replace(d, message=f"micro-batch {batch}: {d.message}") for d in refusal.diagnostics
            )
            raise InputError(*told) from refusal

    def _note_trips(self) -> None:
        """Take down what tripped in a run and was followed by an alternate."""
        self._tally.trips += [
            Trip(step=step, quantity=quantity, action="alternate")
            for step, quantity in sorted(self._binder.log.trips)
        ]

    def _measured(self) -> list[MeasuredStep]:
        """Return the times of the runs that the receipt covers, as far as they are kept."""
        runs = self._tally.runs
        kept = [record for record in self._history if record.number >= self._number - runs]
        spans = [record.timeline.spans() for record in kept]
        measured = []
        for index in range(len(self.plan.steps)):
            times = sorted(span[index][1] - span[index][0] for span in spans)
            measured.append(
                MeasuredStep(
                    step=index,
                    n=runs,
                    p50_ns=_percentile(times, 50),
                    p99_ns=_percentile(times, 99),
                )
            )
        return measured

    def _refusal(self, failure: StepFailedError) -> Refused:
        """Return the refusal of a run, in the words of the plan."""
        index = failure.step % len(self.plan.steps)
        step = self.plan.steps[index]
        slot = next(q.device for q in self.plan.queues if q.id == step.queue)
        place = f"step {index} ({_summary(self.plan, step)}) on device {slot!r}"
        cause = failure.__cause__
        path = pointer("steps", index)
        if isinstance(failure, StepHangsError):
            self._tally.trips.append(Trip(step=index, quantity="time", action=self._action))
            reason = f"{place} did not come back in time; load the plan again"
            return DeviceLostError.because("RUN-X2", reason, path)
        if isinstance(cause, TripError) or self.plan.safety is not None:
            quantity = quantity_of(cause)
            self._tally.trips.append(Trip(step=index, quantity=quantity, action=self._action))
        if isinstance(cause, TripError):
            return cause
        if isinstance(cause, LateError):
            reason = f"{place} did not come back in time, and neither did an alternate: {cause}"
            return DeviceLostError.because("RUN-X2", reason, path)
        if isinstance(cause, DeviceLostError):
            if not writes_apart(self.plan.safety):
                self._lost = f"device {slot!r}"
            message = "; ".join(d.message for d in cause.diagnostics)
            return DeviceLostError.because("RUN-X2", f"{place}: {message}", path)
        message = str(cause) if isinstance(cause, Refused) else f"{type(cause).__name__}: {cause}"
        return StepError.because("RUN-X1", f"{place} failed: {message}", path)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _limits(plan: Plan) -> list[int | None] | None:
    """Return by step how long it may take, in nanoseconds; None where nothing is left behind.

    What alternates follow is watched step by step, since its run goes on.
    """
    if plan.safety is None or plan.safety.on_trip == "ALTERNATE":
        return None
    own = [watchdog_ns(step.estimate, plan.safety) for step in plan.steps]
    limits = list(own)
    for index, members in parties(plan).items():
        # The first member does the work of all, and each of them is watched.
        known = [limit for limit in (own[i] for i in members) if limit is not None]
        limits[index] = min(known, default=None)
    if plan.stream is None:
        return limits
    batches = plan.stream.microbatches
    return [*limits * batches, *[None] * (2 * batches)]


def _summary(plan: Plan, step: Step) -> str:
    """Return what a step does, for people."""
    if step.collective is not None:
        return f"{step.collective.kind} of {step.collective.group}"
    if step.run is None:
        return f"transfer of {plan.buffers[step.reads[0]].value}"
    first = plan.ops[step.run.ops[0]].target
    count = len(step.run.ops)
    return first if count == 1 else f"{count} ops from {first}"


def _held(views: Sequence[Sequence[View]], arrays: Sequence[View]) -> list[View]:
    """Return the copy of each input in the plan's memory; an unused input has none."""
    return [copies[0] if copies else array for copies, array in zip(views, arrays, strict=True)]


def _elements_digest(array: View) -> str:
    """Return the hexadecimal SHA-256 of an array's elements: little-endian, row-major."""
    if not (_LITTLE_ENDIAN and array.flags.c_contiguous):
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return hashlib.sha256(array.data).hexdigest()


def _read_only(view: View) -> View:
    shown = view.view()
    shown.flags.writeable = False
    return shown


def _percentile(ascending: Sequence[int], percent: int) -> int:
    """Return a percentile by the nearest-rank method."""
    return ascending[max(0, -(-len(ascending) * percent // 100) - 1)]
