"""Carriers: the devices that can carry out each step, prepared for it.

A step has one carrier, its queue's device; and those of its alternates, where a trip is followed by
them. Each has compiled the step's region before the first run, so that an alternate takes no
preparation when its turn comes. What trips, and what follows, is in `reference_runtime.guards`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from acp.diagnostics import Refused, pointer
from reference_runtime.adapter import (
    Arena,
    Executable,
    Measuring,
    Numeric,
    NumericClass,
    Queue,
    QueueKind,
    Thunk,
    UnsupportedError,
    View,
)
from reference_runtime.guards import (
    Check,
    Fallback,
    Lane,
    Log,
    Way,
    checked,
    finite,
    watchdog_ns,
    within,
)

if TYPE_CHECKING:
    from cep.graph import Region
    from cep.store import Store
    from cep.v1.plan import Step
    from reference_runtime.admission import AdmittedDevice, AdmittedPlan

Progress: TypeAlias = Callable[[Sequence[int], str], Iterable[int]]
"""Passes items through while showing how far it has come; `acp.cli.output.progress` is one."""

_ALIGNMENT: Final = 256
"""Alignment of what a step writes apart from the plan's buffers."""

SYNC_TIMEOUT_S: Final = 600.0
"""How long the work of one step may take on a device with queues of its own."""


@dataclass(frozen=True, slots=True)
class _Carrier:
    """A device that carries out a step: the step's own, or an alternate's.

    Attributes:
        device: The device.
        queue: Where it works.
        executable: The compiled region; None for a copy.
        limit_ns: How long it may take; None for ever.
        lane: What it can be left behind on; None if it cannot.
    """

    device: AdmittedDevice
    queue: Queue
    executable: Executable | None
    limit_ns: int | None
    lane: Lane | None


class Carriers:
    """All carriers of a plan.

    Attributes:
        log: What tripped and was made good.
    """

    def __init__(
        self,
        admitted: AdmittedPlan,
        regions: Mapping[int, Region],
        constants: Mapping[str, View],
        store: Store | None,
        progress: Progress,
    ) -> None:
        """Prepare every carrier for its steps.

        Args:
            admitted: The plan.
            regions: By step that computes, its region.
            constants: Elements of the plan's constants.
            store: Where compiled code is.
            progress: Shows how far it has come.

        Raises:
            UnsupportedError: An adapter cannot run a region, or a limit cannot be watched (RUN-A3).
            NumericError: A stack cannot keep the plan's numeric class (RUN-N1).
            DeviceLostError: A device has not the memory (RUN-X2).
        """
        self.log = Log()
        self._admitted = admitted
        self._plan = admitted.plan
        self._store = store
        self._queue = {queue.id: queue for queue in self._plan.queues}
        safety = self._plan.safety
        self._falls_back = safety is not None and safety.on_trip == "ALTERNATE"
        self._queues: dict[tuple[str, str], Queue] = {}
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._results = {binding.value for binding in self._plan.outputs}
        _measurable(admitted)
        try:
            copies = [i for i, step in enumerate(self._plan.steps) if step.transfer is not None]
            self._carriers = {
                index: self._carry(index, regions.get(index), constants)
                for index in (*progress(sorted(regions), "regions compiled"), *copies)
            }
            self._room = self._staging()
            for index, step in enumerate(self._plan.steps):
                if step.collective is not None:
                    self._reached(index, step.queue)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free queues, lanes and compiled regions."""
        for queue in self._queues.values():
            queue.close()
        for lane in self._lanes.values():
            lane.close()
        self._carriers = {}
        self._room = {}

    def thunk(self, index: int, views: Sequence[View], sizes: Mapping[str, int]) -> Thunk:
        """Return the work of a step, by whichever of its ways ends well."""
        step = self._plan.steps[index]
        reads = [views[i] for i in step.reads]
        places = [views[i] for i in step.writes]
        ways = []
        for carrier in self._carriers[index]:
            if carrier.lane is None:
                ways.append(Way(self._work(index, carrier, reads, places, sizes)))
                continue
            room = self._room[carrier.lane]
            made = [
                room.view(offset, view.shape, self._dtype(i))
                for offset, view, i in zip(self._offsets(step), places, step.writes, strict=False)
            ]
            work = self._work(index, carrier, reads, made, sizes)
            copies = tuple(zip(made, places, strict=True))
            ways.append(Way(work, carrier.lane, carrier.limit_ns, copies))
        if len(ways) > 1 or ways[0].lane is not None:
            return Fallback(index, ways, self.log)
        return ways[0].work

    def _work(
        self,
        index: int,
        carrier: _Carrier,
        reads: Sequence[View],
        writes: Sequence[View],
        sizes: Mapping[str, int],
    ) -> Thunk:
        """Return the work of a step on a device, and what checks it."""
        queue, work = carrier.queue, None
        if carrier.executable is not None:
            work = carrier.executable.bind(reads, writes, sizes)
            if not queue.synchronous:
                work = partial(_submit, queue, work)
        elif queue.synchronous:
            work = partial(np.copyto, writes[0], reads[0])
        else:
            work = partial(_copy, queue, reads[0], writes[0])
        return checked(work, self._checks(index, carrier.device, writes))

    def joint(self, members: Sequence[int], work: Thunk, views: Sequence[View]) -> Thunk:
        """Return the work of an instance of a collective, with what checks it."""
        checks: list[Check] = []
        for index in members:
            step = self._plan.steps[index]
            device = self._admitted.device(self._queue[step.queue].device)
            checks += self._checks(index, device, [views[i] for i in step.writes])
        return checked(work, checks)

    def _reached(self, index: int, queue: str) -> None:
        """Refuse a collective of a device with memory that the host does not reach (RUN-A3)."""
        if not self._line(queue, queue).synchronous:
            slot = self._queue[queue].device
            reason = f"collectives are carried out in host memory; {slot!r} has its own"
            raise UnsupportedError.because("RUN-A3", reason, pointer("steps", index))

    def _checks(self, index: int, device: AdmittedDevice, writes: Sequence[View]) -> list[Check]:
        """Return what the guards of the plan look at when a device has done a step."""
        safety, checks = self._plan.safety, list[Check]()
        if safety is None:
            return checks
        if safety.nan_guard and self._plan.steps[index].transfer is None:
            names = [buffer.value for buffer in self._plan.buffers]
            made = [
                (names[i], view, names[i] in self._results)
                for i, view in zip(self._plan.steps[index].writes, writes, strict=True)
                if view.dtype.kind == "f"
            ]
            checks += [finite(index, made)] if made else []
        limits = {x.quantity: x.max for x in safety.limits if x.device == device.slot}
        checks += [within(index, device, limits)] if limits else []
        return checks

    def _carry(
        self, index: int, region: Region | None, constants: Mapping[str, View]
    ) -> tuple[_Carrier, ...]:
        """Return what carries out a step: its device, and those of alternates that can follow."""
        step, safety = self._plan.steps[index], self._plan.safety
        own = step.run.artifact if step.run is not None else None
        ways = [(step.queue, own, step.estimate)]
        if self._falls_back:
            ways += [(a.queue, a.artifact, a.estimate) for a in step.alternates]
        carriers = []
        for name, artifact, estimate in ways:
            device = self._admitted.device(self._queue[name].device)
            limit_ns = watchdog_ns(estimate, safety) if self._falls_back else None
            carriers.append(
                _Carrier(
                    device,
                    self._line(step.queue, name),
                    self._prepare(index, region, device, artifact, constants) if region else None,
                    limit_ns,
                    self._lane(step.queue, name) if limit_ns is not None else None,
                )
            )
        return tuple(carriers)

    def _line(self, queue: str, of: str) -> Queue:
        """Return the queue on which the device of queue `of` works for steps of a queue."""
        if (queue, of) not in self._queues:
            device = self._admitted.device(self._queue[of].device)
            kind = QueueKind(self._queue[of].kind)
            self._queues[queue, of] = device.adapter.queue(device.unit_id, kind)
        return self._queues[queue, of]

    def _lane(self, queue: str, of: str) -> Lane:
        """Return the lane on which the device of queue `of` works for steps of a queue."""
        return self._lanes.setdefault((queue, of), Lane(f"cep lane {queue}/{of}"))

    def _staging(self) -> dict[Lane, Arena]:
        """Allocate what each lane writes into: room for the largest writes of its steps."""
        needed: dict[Lane, int] = {}
        devices = {}
        for index, carriers in self._carriers.items():
            step = self._plan.steps[index]
            for carrier in carriers:
                if carrier.lane is not None:
                    size = self._offsets(step)[-1]
                    needed[carrier.lane] = max(size, needed.get(carrier.lane, 0))
                    devices[carrier.lane] = carrier.device
        return {
            lane: devices[lane].adapter.alloc(
                devices[lane].unit_id, size, _ALIGNMENT, devices[lane].main_memory
            )
            for lane, size in needed.items()
        }

    def _dtype(self, buffer: int) -> str:
        return self._admitted.view.types[self._plan.buffers[buffer].value].dtype

    def _offsets(self, step: Step) -> list[int]:
        """Return where a step's writes lie one after another, and where the last one ends."""
        offsets = [0]
        for buffer in step.writes:
            size = self._plan.buffers[buffer].size
            offsets.append(offsets[-1] + -(-size // _ALIGNMENT) * _ALIGNMENT)
        return offsets

    def _prepare(
        self,
        index: int,
        region: Region,
        device: AdmittedDevice,
        artifact: str | None,
        constants: Mapping[str, View],
    ) -> Executable:
        """Return a region, compiled for a device."""
        numeric = self._plan.constraints
        try:
            return device.adapter.prepare(
                region,
                device=device.unit_id,
                artifact=_artifact(self._store, artifact),
                constants={name: constants[name] for name in region.constants},
                numeric=NumericClass(Numeric(numeric.numeric), numeric.numeric_tolerance or 0),
            )
        except Refused as refusal:
            raise type(refusal)(
                *(
                    replace(d, path=pointer("steps", index), message=f"{device.slot}: {d.message}")
                    for d in refusal.diagnostics
                )
            ) from refusal


def _measurable(admitted: AdmittedPlan) -> None:
    """Refuse limits that nobody here can watch: a promise must not be ignored.

    Raises:
        UnsupportedError: There is one (RUN-A3).
    """
    safety = admitted.plan.safety
    for index, limit in enumerate(safety.limits if safety is not None else ()):
        device = admitted.device(limit.device)
        found = (
            device.adapter.health(device.unit_id) if isinstance(device.adapter, Measuring) else {}
        )
        if limit.quantity not in found:
            known = ", ".join(sorted(found)) or "nothing"
            reason = (
                f"{limit.quantity} of {device.slot!r} cannot be measured here; its adapter "
                f"{device.adapter.name!r} measures {known}: compile without that limit"
            )
            raise UnsupportedError.because("RUN-A3", reason, pointer("safety", "limits", index))


def _artifact(store: Store | None, named: str | None) -> bytes | None:
    """Return the compiled code that a step names, if it names some.

    Raises:
        StoreError: It is missing or damaged (CEP-I2).
    """
    if named is None:
        return None
    if store is None:
        reason = "the plan names compiled code: give the folder that it is in with --store"
        raise UnsupportedError.because("RUN-A3", reason)
    return store.artifact(named)


def _submit(queue: Queue, work: Thunk) -> None:
    """Do work on a device's own queue, and wait for its end."""
    queue.submit(work)
    queue.sync(SYNC_TIMEOUT_S)


def _copy(queue: Queue, source: View, destination: View) -> None:
    """Copy through a device's own queue, and wait for the end."""
    queue.copy(source, destination)
    queue.sync(SYNC_TIMEOUT_S)
