"""Guards: how long steps may take, which other devices could do them, and what is watched.

The p99 of a step is what it is expected to take at the largest sizes of the symbols, times the
spread that was measured on its device, and a delay that covers the slowest calls that were seen; so
it holds for every run of the plan. Alternates of a step are all devices that see its buffers and
claim its operations, the fastest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Literal, TypeAlias

from cep.opset.definition import FLOATS
from cep.planner.devices import Device, PlanningError
from cep.planner.schedule import MAX_NS
from cep.planner.work import size_bytes
from cep.v1.plan import Alternate, Estimate, Limit, PeakBytes, Plan, Queue, Safety, Step
from cep.v1.plan import Device as PlanDevice

if TYPE_CHECKING:
    from cep.graph import GraphView

OnTrip: TypeAlias = Literal["ALTERNATE", "DRAIN", "ABORT"]


@dataclass(frozen=True, slots=True)
class Guards:
    """What the caller wants watched.

    Attributes:
        alternates: List other devices that can do a step.
        on_trip: What follows a trip; by default ALTERNATE with alternates, and else ABORT.
        watchdog_ppm: A step is stopped after this share of its p99, in parts per million.
        nan_guard: What is not a number is a trip.
        limits: Largest value by quantity, for every device.
    """

    alternates: bool = False
    on_trip: OnTrip | None = None
    watchdog_ppm: int | None = None
    nan_guard: bool = False
    limits: Mapping[str, int] = field(default_factory=dict)

    def safety(self, slots: Sequence[str]) -> Safety | None:
        """Return what a plan over some devices says of it; nothing if nothing is wanted."""
        if self == Guards():
            return None
        return Safety(
            on_trip=self.on_trip or ("ALTERNATE" if self.alternates else "ABORT"),
            watchdog_ppm=self.watchdog_ppm,
            nan_guard=self.nan_guard or None,
            limits=tuple(
                Limit(device=slot, quantity=quantity, max=most)
                for quantity, most in sorted(self.limits.items())
                for slot in slots
            ),
        )


class Guarding:
    """Adds estimates, alternates and guards to a plan."""

    def __init__(
        self, plan: Plan, view: GraphView, devices: Sequence[Device], sizes: Mapping[str, int]
    ) -> None:
        """Take a plan, the devices that it may use, and typical sizes of its symbols."""
        self._plan = plan
        self._view = view
        self._devices = {device.slot: device for device in devices}
        self._sizes = sizes
        self._largest = {name: span.max for name, span in view.ranges.items()}
        self._of_queue = {queue.id: queue.device for queue in plan.queues}
        homes = {arena.id: self._devices[arena.device].domain for arena in plan.arenas}
        self._domains = [homes[buffer.arena] for buffer in plan.buffers]

    def guarded(self, guards: Guards) -> Plan:
        """Return the plan with guards.

        Raises:
            PlanningError: No other device can do a step that is watched (CEP-X7).
        """
        steps = [
            step.replace(
                estimate=self._slowest(step, self._of_queue[step.queue]),
                alternates=tuple(self._alternates(step)) if guards.alternates else (),
            )
            for step in self._plan.steps
        ]
        named = dict(self._of_queue)
        for step in steps:
            for alternate in step.alternates:
                named.setdefault(alternate.queue, alternate.queue.rpartition(".")[0])
        plan = self._plan.replace(
            steps=tuple(steps),
            queues=(*self._plan.queues, *self._added(named)),
            devices=tuple(
                PlanDevice(slot=slot, descriptor_digest=device.digest)
                for slot, device in self._devices.items()
                if slot in named.values()
            ),
        )
        safety = guards.safety([device.slot for device in plan.devices])
        if safety is not None and safety.on_trip == "ALTERNATE":
            self._check(plan, guards)
        features = set(plan.features)
        features |= {"alternates"} if any(step.alternates for step in steps) else set()
        features |= {"safety"} if safety is not None else set()
        return plan.replace(
            features=tuple(sorted(features)),
            safety=safety,
            constraints=plan.constraints.replace(peak_bytes=tuple(self._peaks(plan, named))),
        )

    def _added(self, named: Mapping[str, str]) -> Iterator[Queue]:
        for queue, slot in named.items():
            if queue not in self._of_queue:
                kind: Literal["COPY", "COMPUTE"] = "COPY" if queue.endswith(".copy") else "COMPUTE"
                yield Queue(id=queue, device=slot, kind=kind)

    def _check(self, plan: Plan, guards: Guards) -> None:
        always = guards.watchdog_ppm is not None or bool(guards.limits)
        for index, step in enumerate(plan.steps):
            values = [plan.buffers[b].value for b in step.writes if step.run]
            floats = any(self._view.types[v].dtype in FLOATS for v in values)
            if not step.alternates and (always or (guards.nan_guard and floats)):
                raise PlanningError.because(
                    "CEP-X7",
                    f"no other device can do step {index} of {self._of_queue[step.queue]!r}, which "
                    "a guard can stop: let a trip end the run (--on-trip ABORT or DRAIN), or give "
                    "it devices that see the same memory and claim the same operations",
                )

    def _slowest(self, step: Step, slot: str) -> Estimate | None:
        """Return a step's estimate with the p99 that it has at the largest sizes."""
        if step.estimate is None:
            return None
        device, p50 = self._devices[slot], step.estimate.p50_ns
        longest = self._time_ns(step, slot, self._largest) if step.run else p50
        p99 = min(MAX_NS, ceil(device.spread * max(p50, longest) + device.delay_ns))
        return step.estimate.replace(p99_ns=p99)

    def _time_ns(self, step: Step, slot: str, sizes: Mapping[str, int]) -> float:
        device, ops = self._devices[slot], step.run.ops if step.run is not None else ()
        nodes = (self._view.nodes[op] for op in ops)
        return device.call_ns + sum(device.time_ns(n, self._view.types, sizes) for n in nodes)

    def _alternates(self, step: Step) -> Iterator[Alternate]:
        own = self._of_queue[step.queue]
        if any(self._plan.buffers[b].in_place_of is not None for b in step.writes):
            return  # what it read is gone
        domains = {self._domains[b] for b in (*step.reads, *step.writes)}
        found = []
        for slot, device in self._devices.items():
            if slot == own or not self._can(step, device, own, domains):
                continue
            time_ns = self._time_ns(step, slot, self._sizes) if step.run else 0
            if step.transfer is not None and step.estimate is not None:
                time_ns = step.estimate.p50_ns
            estimate = Estimate(p50_ns=min(max(1, round(time_ns)), MAX_NS))
            slowest = self._slowest(step.replace(estimate=estimate), slot)
            queue = f"{slot}.{'compute' if step.run else 'copy'}"
            found.append((time_ns, Alternate(queue=queue, estimate=slowest)))
        for _, alternate in sorted(found, key=lambda pair: pair[0]):
            yield alternate

    def _can(self, step: Step, device: Device, own: str, domains: set[str]) -> bool:
        """Say whether a device could do a step: it sees the buffers and claims the operations."""
        if step.transfer is not None:
            return device.domain in domains
        nodes = [self._view.nodes[op] for op in (step.run.ops if step.run is not None else ())]
        if domains != {device.domain}:
            return False
        if not all(device.supports(node, self._view.types, self._view.ranges) for node in nodes):
            return False
        if not self._plan.constraints.deterministic:
            return True
        both = (self._devices[own], device)
        alike = both[0].digest == device.digest
        enough = {"CROSS_MODEL", "SAME_MODEL"} if alike else {"CROSS_MODEL"}
        targets = {node.target for node in nodes}
        return all(one.determinism(target) <= enough for one in both for target in targets)

    def _peaks(self, plan: Plan, named: Mapping[str, str]) -> Iterator[PeakBytes]:
        """Yield what each device keeps: arenas, and weights of all that it may have to do."""
        weights: dict[str, set[str]] = {device.slot: set() for device in plan.devices}
        for step in plan.steps:
            ops = step.run.ops if step.run is not None else ()
            read = {value for op in ops for value in self._view.nodes[op].inputs}
            for queue in (step.queue, *(a.queue for a in step.alternates)):
                weights[named[queue]] |= read & self._view.constants.keys()
        for slot, held in sorted(weights.items()):
            size = sum(size_bytes(self._view.types[v], {}) for v in held)
            copies = plan.stream.ring_depth if plan.stream is not None else 1
            arenas = copies * sum(a.bytes for a in plan.arenas if a.device == slot)
            yield PeakBytes(device=slot, bytes=arenas + size)
