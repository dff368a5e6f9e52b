"""The schedule: steps in one order, with the transfers they need and the buffers they use.

Steps on different queues wait for the step before them, so that the order is total and every
overlap of buffers in time is ruled out by construction. The verifier proves it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from cep.graph import Cutter, GraphView
from cep.planner.devices import PlanningError
from cep.planner.layout import ALIGNMENT_BYTES, Life, lay_out
from cep.planner.work import most_bytes
from cep.v1.plan import Arena, Buffer, Estimate, Queue, Run, Step, Transfer, Wait

if TYPE_CHECKING:
    from cep.planner.devices import Device
    from cep.planner.placement import Link, Stretch

MAX_NS: Final = 2**64 - 1
"""Longest time that an estimate can say."""

_KINDS: Mapping[str, Literal["COMPUTE", "COPY"]] = {"compute": "COMPUTE", "copy": "COPY"}


@dataclass(frozen=True, slots=True)
class Schedule:
    """What of a plan says where and when.

    Attributes:
        arenas: Blocks of memory.
        buffers: Places of values.
        queues: Lines of steps.
        steps: Steps, in the order in which they run.
    """

    arenas: tuple[Arena, ...]
    buffers: tuple[Buffer, ...]
    queues: tuple[Queue, ...]
    steps: tuple[Step, ...]


@dataclass
class Scheduler:
    """Builds the schedule of one placement.

    Attributes:
        view: The graph.
        devices: Devices of the plan.
        links: How devices reach each other's memory.
        apart: Nothing else may lie where inputs and outputs do, as streams demand.
    """

    view: GraphView
    devices: Sequence[Device]
    links: Mapping[tuple[int, int], Link | None]
    apart: bool = False
    _steps: list[Step] = field(default_factory=list)
    _buffers: dict[tuple[str, str], int] = field(default_factory=dict)
    _owner: dict[str, int] = field(default_factory=dict)
    _made: dict[int, int] = field(default_factory=dict)
    _used: dict[int, int] = field(default_factory=dict)
    _epochs: dict[str, int] = field(default_factory=dict)

    def schedule(self, stretches: Sequence[Stretch]) -> Schedule:
        """Return the schedule of a placement.

        Raises:
            PlanningError: A value cannot be moved to where it is needed (CEP-X5).
        """
        cutter = Cutter.of(self.view)
        given = {b.value for b in self.view.inputs}
        for stretch in stretches:
            region = cutter.region(range(stretch.start, stretch.end))
            reads = [self._bring(value, stretch.device, given) for value in region.inputs]
            writes = [self._buffer(value, stretch.device) for value in region.outputs]
            self._add(
                stretch.device,
                "compute",
                reads,
                writes,
                run=Run(ops=tuple(range(stretch.start, stretch.end))),
                time_ns=stretch.time_ns,
            )
        for binding in self.view.outputs:
            for (value, _), index in self._buffers.items():
                if value == binding.value:
                    self._used[index] = len(self._steps)
        return self._finish()

    def _bring(self, value: str, device: int, given: set[str]) -> int:
        """Return the buffer of `value` that a device can read, after a transfer if it takes one."""
        domain = self.devices[device].domain
        if (value, domain) in self._buffers:
            return self._buffers[value, domain]
        places = [d for (v, d) in self._buffers if v == value]
        if not places:
            if value not in given:
                raise PlanningError.because("CEP-X5", f"nothing makes {value!r} before its use")
            index = self._buffer(value, device)
            self._made[index] = -1
            return index
        source = self._owner[places[0]]
        link = self.links[source, device]
        if link is None:
            raise PlanningError.because(
                "CEP-X5",
                f"no link from {self.devices[source].slot} to {self.devices[device].slot}",
            )
        origin = self._buffers[value, places[0]]
        index = self._buffer(value, device)
        size = self._size(value)
        self._add(
            device,
            "copy" if self.devices[device].copies else "compute",
            [origin],
            [index],
            transfer=Transfer(link=link.id or None),
            time_ns=link.latency_ns + size / link.bytes_per_s * 1e9,
        )
        return index

    def _buffer(self, value: str, device: int) -> int:
        domain = self.devices[device].domain
        self._owner.setdefault(domain, device)
        return self._buffers.setdefault((value, domain), len(self._buffers))

    def _add(
        self,
        device: int,
        suffix: str,
        reads: Sequence[int],
        writes: Sequence[int],
        *,
        time_ns: float,
        run: Run | None = None,
        transfer: Transfer | None = None,
    ) -> None:
        queue = f"{self.devices[device].slot}.{suffix}"
        waits: tuple[Wait, ...] = ()
        if self._steps and self._steps[-1].queue != queue:
            before = self._steps[-1].queue
            waits = (Wait(queue=before, epoch=self._epochs[before]),)
        at = len(self._steps)
        self._epochs[queue] = self._epochs.get(queue, 0) + 1
        for index in reads:
            self._used[index] = at
        for index in writes:
            self._made.setdefault(index, at)
        self._steps.append(
            Step(
                queue=queue,
                run=run,
                transfer=transfer,
                reads=tuple(reads),
                writes=tuple(writes),
                waits=waits,
                estimate=Estimate(p50_ns=min(max(1, round(time_ns)), MAX_NS)),
            )
        )

    def _size(self, value: str) -> int:
        return most_bytes(self.view.types[value], self.view.ranges)

    def _life(self, value: str, index: int) -> Life:
        first, last = self._made[index], self._used.get(index, -1)
        if self.apart and self.view.roles[value] in ("IN", "OUT"):
            first, last = -1, len(self._steps)
        return Life(value, self._size(value), first, max(first, last))

    def _finish(self) -> Schedule:
        arenas, offsets = [], {}
        for number, (domain, owner) in enumerate(self._owner.items()):
            lives = [
                self._life(value, index)
                for (value, place), index in self._buffers.items()
                if place == domain
            ]
            layout = lay_out(lives)
            device = self.devices[owner]
            arenas.append(
                Arena(
                    id=f"arena{number}",
                    device=device.slot,
                    memory=device.memory.id,
                    bytes=max(layout.bytes, ALIGNMENT_BYTES),
                    alignment_bytes=max(ALIGNMENT_BYTES, device.memory.alignment_bytes or 1),
                )
            )
            offsets[domain] = (f"arena{number}", layout.offsets)
        return Schedule(
            arenas=tuple(arenas),
            buffers=tuple(
                Buffer(
                    value=value,
                    arena=offsets[domain][0],
                    offset=offsets[domain][1][value],
                    size=self._size(value),
                )
                for value, domain in self._buffers
            ),
            queues=tuple(
                Queue(
                    id=queue,
                    device=queue.rpartition(".")[0],
                    kind=_KINDS[queue.rpartition(".")[2]],
                )
                for queue in self._epochs
            ),
            steps=tuple(self._steps),
        )
