"""Promises: what a plan says of its numbers, its time, its energy, and where data stay.

The numbers are promised as closely as the rounding budget of the devices allows (spec/cep.md,
section 5.1), where the caller does not say how closely. The energy of a step is what its device
draws at most, for as long as the step takes by its p99.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from cep.opset import OPERATIONS
from cep.opset.budget import is_exact, needed, share
from cep.planner.devices import Device, PlanningError
from cep.planner.schedule import MAX_NS

if TYPE_CHECKING:
    from acp.v1.system import SystemDescriptor
    from cep.graph import GraphView
    from cep.v1.plan import Constraints, Estimate, Plan, Step

Numeric: TypeAlias = Literal["BITWISE", "ULP", "RELATIVE"]
MAX_FJ = MAX_NS
"""Most energy that an estimate can say."""


@dataclass(frozen=True, slots=True)
class Promises:
    """What the caller wants promised.

    Attributes:
        numeric: How the closeness of numbers is counted.
        tolerance: How close they are; as close as the budget allows where nothing is said.
        deadline_ns: Longest time of a run, by the p99 of its steps.
        energy_fj: Most energy of a run.
        labels: Places that data must not leave.
    """

    numeric: Numeric = "RELATIVE"
    tolerance: int | None = None
    deadline_ns: int | None = None
    energy_fj: int | None = None
    labels: tuple[str, ...] = ()


def staying(
    devices: Sequence[Device], system: SystemDescriptor, labels: Sequence[str]
) -> tuple[Device, ...]:
    """Return the devices all of whose nodes carry the labels (CEP-K4).

    Raises:
        PlanningError: There is none (CEP-X8).
    """
    away = {node.descriptor_digest for node in system.nodes if not set(labels) <= set(node.labels)}
    found = tuple(device for device in devices if device.digest not in away)
    if not found:
        raise PlanningError.because(
            "CEP-X8",
            f"no device of the system is in {', '.join(labels)}: the nodes that may be used, with "
            f"all that have the same descriptor, need the label{'s' * (len(labels) > 1)}",
        )
    return found


class Promising:
    """Adds promises to a plan, and the estimates that they rest on."""

    def __init__(self, plan: Plan, view: GraphView, devices: Sequence[Device]) -> None:
        """Take a plan whose steps come one after another, with the p99 of each."""
        self._plan = plan
        self._view = view
        self._devices = {device.slot: device for device in devices}
        self._of_queue = {queue.id: self._devices[queue.device] for queue in plan.queues}

    def promised(self, wanted: Promises) -> Plan:
        """Return the plan with promises.

        Raises:
            PlanningError: A promise would be broken by the plan's own numbers (CEP-X8).
        """
        steps = tuple(map(self._with_energy, self._plan.steps))
        features = {
            name
            for name, promise in (
                ("deadline", wanted.deadline_ns),
                ("energy", wanted.energy_fj),
                ("locality", wanted.labels or None),
            )
            if promise is not None
        }
        constraints = self._plan.constraints.replace(
            numeric=wanted.numeric,
            numeric_tolerance=self._tolerance(wanted),
            deadline_ns=wanted.deadline_ns,
            energy_fj=wanted.energy_fj,
            locality_labels=wanted.labels,
        )
        _check_sums(steps, constraints, self._plan.stream.microbatches if self._plan.stream else 1)
        return self._plan.replace(
            steps=steps,
            constraints=constraints,
            features=tuple(sorted({*self._plan.features, *features})),
        )

    def _tolerance(self, wanted: Promises) -> int | None:
        """Return the tolerance that the plan states, if it is to state one."""
        types = self._view.types
        shares: dict[int, int] = {}
        for op, device in self._places():
            node = self._view.nodes[op]
            operation = OPERATIONS[node.target]
            operands, results = ([types[v] for v in vs] for vs in (node.inputs, node.outputs))
            for claimed in device.numerics(node, types, self._view.ranges):
                if wanted.numeric == "BITWISE" and not is_exact(operation, results, claimed):
                    raise PlanningError.because(
                        "CEP-X8",
                        f"{node.target} rounds, and {device.slot!r} does not claim that its bits "
                        "are those of other models, so they can't be promised; promise ULP or "
                        "RELATIVE",
                    )
                part = share(operation, operands, results, claimed, self._view.ranges)
                shares[op] = max(part, shares.get(op, 0))
        if wanted.numeric == "BITWISE":
            if wanted.tolerance is not None:
                raise PlanningError.because("CEP-X8", "BITWISE has no tolerance")
            return None
        outputs = [types[b.value] for b in self._view.outputs]
        least = needed(wanted.numeric, shares.values(), outputs)
        if wanted.tolerance is not None and wanted.tolerance < least:
            raise PlanningError.because(
                "CEP-X8",
                f"a tolerance of {wanted.tolerance} ({wanted.numeric}) is less than the rounding "
                f"budget of the plan, {least}: allow that much, or leave the tolerance out",
            )
        return least if wanted.tolerance is None else wanted.tolerance

    def _places(self) -> Iterator[tuple[int, Device]]:
        """Yield each op with each device that may compute it."""
        for step in self._plan.steps:
            queues = (step.queue, *(a.queue for a in step.alternates))
            for queue in queues:
                for op in step.run.ops if step.run is not None else ():
                    yield op, self._of_queue[queue]

    def _with_energy(self, step: Step) -> Step:
        alternates = tuple(
            a.replace(estimate=_energetic(a.estimate, self._of_queue[a.queue]))
            for a in step.alternates
        )
        estimate = _energetic(step.estimate, self._of_queue[step.queue])
        return step.replace(estimate=estimate, alternates=alternates)


def in_words(said: Constraints) -> str:
    """Return what a plan promises, in words."""
    units = {"BITWISE": "the same bits", "ULP": "units in the last place"}
    how = units.get(said.numeric, "parts per billion")
    found = [how if said.numeric_tolerance is None else f"within {said.numeric_tolerance} {how}"]
    found += [f"{said.deadline_ns} ns"] if said.deadline_ns is not None else []
    found += [f"{said.energy_fj} fJ"] if said.energy_fj is not None else []
    return ", ".join((*found, *(f"in {label}" for label in said.locality_labels)))


def _energetic(estimate: Estimate | None, device: Device) -> Estimate | None:
    """Return an estimate with the energy that a device draws at most in its p99."""
    power = device.descriptor.power.tdp_mw if device.descriptor.power else None
    if estimate is None or estimate.p99_ns is None or power is None:
        return estimate
    energy = min(MAX_FJ, estimate.p99_ns * power * 1000)  # a milliwatt is 1000 fJ a nanosecond
    return estimate.replace(femtojoules=energy)


def _check_sums(steps: Sequence[Step], promised: Constraints, times: int) -> None:
    """Refuse a deadline or an energy that the steps exceed, one after another."""
    for member, limit, unit in (
        ("p99_ns", promised.deadline_ns, "ns"),
        ("femtojoules", promised.energy_fj, "fJ"),
    ):
        if limit is None:
            continue
        whole = 0
        for i, step in enumerate(steps):
            estimates = (step.estimate, *(a.estimate for a in step.alternates))
            said = [getattr(estimate, member, None) for estimate in estimates]
            if None in said:
                raise PlanningError.because(
                    "CEP-X8",
                    f"nothing says what step {i} draws: the descriptor of its device, or of an "
                    "alternate's, has no power.tdp_mw",
                )
            own, *others = (number for number in said if number is not None)
            spare = max(others, default=0)
            # A step that trips has drawn its energy when its alternate begins to.
            whole += (max(own, spare) if member == "p99_ns" else own + spare) * times
        if whole > limit:
            raise PlanningError.because(
                "CEP-X8",
                f"the steps take {whole} {unit} by their estimates, and {limit} {unit} are to be "
                "promised; promise that much, or use other devices",
            )
