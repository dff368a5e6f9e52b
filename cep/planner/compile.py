"""From a captured graph and a described system to a plan document."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from acp.canonical import digest
from cep.graph import GraphView
from cep.planner.devices import Device, PlanningError
from cep.planner.guarding import Guarding, Guards
from cep.planner.placement import Costs, Link, Stretch, costs_of, place
from cep.planner.predicates import check_predicates, demanding
from cep.planner.promises import Promises, Promising, in_words, staying
from cep.planner.schedule import Scheduler
from cep.planner.streaming import streamed
from cep.planner.wellformed import check_graph
from cep.v1.plan import Constraints, Plan
from cep.v1.plan import Device as PlanDevice

if TYPE_CHECKING:
    from acp.v1.system import SystemDescriptor
    from cep.v1.graph import Graph
    from cep.v1.plan import Source, Stream

LEAST_OPERATIONS: Final = 8
"""Fewest operations of a region that is cut off because that is cheaper."""

Regions: TypeAlias = Literal["auto", "one", "spread"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller decides.

    Attributes:
        issuer: DNS name of who makes the plan.
        uri: Name of the line of plans.
        revision: Number in that line, from 1.
        issued_at: When the plan is made, in UTC.
        validity: How long it is valid.
        regions: ``auto`` cuts where it pays, ``one`` runs everything on the best single device,
            ``spread`` uses every device at least once.
        only: Slots that may be used; empty for all.
        predicates: Conditions on descriptors by slot, in place of the descriptors' digests.
        sizes: Typical sizes of the symbols; the middle of the range where nothing is said.
        promises: What the plan promises.
        deterministic: The same inputs must give the same bits.
        guards: What is watched while the plan runs, and what follows.
        stream: Micro-batches and copies of the arenas; None for a plan that is done once a run.
    """

    issuer: str
    uri: str = "urn:cep:plan:unnamed"
    issued_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    revision: int = 1
    validity: timedelta = timedelta(days=30)
    regions: Regions = "auto"
    only: tuple[str, ...] = ()
    predicates: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    promises: Promises = field(default_factory=Promises)
    deterministic: bool = False
    guards: Guards = field(default_factory=Guards)
    stream: Stream | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of the compiler, for people to see.

    Attributes:
        name: What was done.
        seconds: Time it took.
        outcome: What came out, in words.
    """

    name: str
    seconds: float
    outcome: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan and how it came about.

    Attributes:
        plan: The plan, unsigned.
        graph: The graph that it carries out.
        stretches: The placement behind it.
        phases: What was done, in order.
    """

    plan: Plan
    graph: Graph
    stretches: tuple[Stretch, ...]
    phases: tuple[Phase, ...]


def compile_plan(
    graph: Graph,
    source: Source,
    devices: Sequence[Device],
    system: SystemDescriptor,
    options: Options,
) -> Compiled:
    """Return a plan for a graph on the devices of a system.

    Raises:
        GraphError: The graph contradicts itself (CEP-T1 to CEP-T5).
        PlanningError: `options` names no device of the system, or demands of one what it does not
            have (CEP-X4), there is no placement (CEP-X5), a size is out of range (CEP-X6), nothing
            can follow a trip (CEP-X7), or a promise would be broken (CEP-X8).
    """
    phases: list[Phase] = []
    began = time.perf_counter()

    def ended(name: str, outcome: str) -> None:
        nonlocal began
        now = time.perf_counter()
        phases.append(Phase(name, now - began, outcome))
        began = now

    view = GraphView.of(graph)
    check_graph(view)
    usable = staying(_usable(devices, options.only), system, options.promises.labels)
    check_predicates(usable, options.predicates)
    links = _links(usable, system)
    sizes = _typical(view, options.sizes)
    costs = costs_of(view, usable, links, sizes)
    ended("cost", f"{len(view.nodes)} operations on {len(usable)} devices at {_shown(sizes)}")
    if options.regions == "one":
        stretches = _single(usable, costs.times, costs.calls)
    else:
        stretches = _placed(costs, options)
    ended("place", f"{len(stretches)} regions: {_named(stretches, usable)}")
    used = sorted({s.device for s in stretches})
    apart = options.stream is not None
    schedule = Scheduler(view, usable, links, apart).schedule(stretches)
    ended(
        "lay out",
        f"{len(schedule.steps)} steps, {len(schedule.buffers)} buffers in "
        f"{sum(a.bytes for a in schedule.arenas)} bytes",
    )
    plan = Plan(
        spec="cep/1",
        uri=options.uri,
        revision=options.revision,
        issuer=options.issuer,
        issued_at=_timestamp(options.issued_at),
        expires_at=_timestamp(options.issued_at + options.validity),
        source=source,
        opsets=graph.opsets,
        symbols=graph.symbols,
        values=graph.values,
        constants=graph.constants,
        ops=graph.ops,
        inputs=graph.inputs,
        outputs=graph.outputs,
        devices=tuple(
            PlanDevice(slot=usable[d].slot, descriptor_digest=usable[d].digest) for d in used
        ),
        arenas=schedule.arenas,
        buffers=schedule.buffers,
        queues=schedule.queues,
        steps=schedule.steps,
        constraints=Constraints(
            numeric="RELATIVE",
            numeric_tolerance=0,
            deterministic=options.deterministic or None,
        ),
        provenance=(digest(system.to_json()),),
    )
    plan = streamed(plan, options.stream)
    plan = Guarding(plan, view, usable, sizes).guarded(options.guards)
    if plan.safety is not None:
        others = sum(len(step.alternates) for step in plan.steps)
        ended("guard", f"{others} alternates; {plan.safety.on_trip} follows a trip")
    plan = Promising(plan, view, usable).promised(options.promises)
    ended("promise", in_words(plan.constraints))
    plan = demanding(plan, options.predicates)
    return Compiled(plan, graph, stretches, tuple(phases))


def _usable(devices: Sequence[Device], only: Sequence[str]) -> tuple[Device, ...]:
    unknown = set(only) - {d.slot for d in devices}
    if unknown or not devices:
        raise PlanningError.because(
            "CEP-X4",
            f"the system has no device {', '.join(sorted(unknown))}; it has "
            f"{', '.join(d.slot for d in devices)}",
        )
    return tuple(d for d in devices if not only or d.slot in only)


def _placed(costs: Costs, options: Options) -> tuple[Stretch, ...]:
    """Return the placement: regions are coarse (ADR 0010), smaller ones only where it must be.

    When spreading, each device gets at least half of an even share.
    """
    if options.regions == "spread":
        share = len(costs.times) // (2 * len(costs.calls))
        return place(costs, spread=True, least=max(1, share))
    try:
        return place(costs, least=LEAST_OPERATIONS)
    except PlanningError:
        return place(costs)


def _links(
    devices: Sequence[Device], system: SystemDescriptor
) -> dict[tuple[int, int], Link | None]:
    direct: dict[tuple[str, str], Link] = {}
    for link in system.links:
        for a, b, rate in (
            (link.a.node, link.b.node, link.a_to_b_bytes_per_s),
            (link.b.node, link.a.node, link.b_to_a_bytes_per_s),
        ):
            if rate:
                direct.setdefault((a, b), Link(link.id, rate, link.latency_ns or 0))
    same = Link("", float("inf"), 0)
    return {
        (i, j): same if a.domain == b.domain else direct.get((a.slot, b.slot))
        for i, a in enumerate(devices)
        for j, b in enumerate(devices)
    }


def _typical(view: GraphView, given: Mapping[str, int]) -> dict[str, int]:
    unknown = set(given) - set(view.ranges)
    if unknown:
        raise PlanningError.because(
            "CEP-X6",
            f"the model has no symbol {', '.join(sorted(unknown))}; it has "
            f"{', '.join(sorted(view.ranges)) or 'none'}",
        )
    sizes = {}
    for name, span in view.ranges.items():
        size = given.get(name, (span.min + span.max) // 2)
        if not span.min <= size <= span.max:
            raise PlanningError.because(
                "CEP-X6", f"size {size} of {name} is outside {span.min} to {span.max}"
            )
        sizes[name] = size
    return sizes


def _single(
    devices: Sequence[Device], times: Sequence[Sequence[float]], calls: Sequence[float]
) -> tuple[Stretch, ...]:
    totals = [calls[d] + sum(row[d] for row in times) for d in range(len(devices))]
    best = min(range(len(devices)), key=lambda d: totals[d])
    if totals[best] == float("inf"):
        raise PlanningError.because("CEP-X5", "no single device supports every operation")
    return (Stretch(best, 0, len(times), totals[best]),)


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _shown(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items()) or "fixed sizes"


def _named(stretches: Sequence[Stretch], devices: Sequence[Device]) -> str:
    return ", ".join(f"{devices[s.device].slot} ({s.end - s.start} ops)" for s in stretches)
