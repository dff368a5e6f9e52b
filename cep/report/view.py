"""The facts of a run report, computed from the plan, its receipt and its timeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from acp.canonical import JsonValue, decode
from acp.diagnostics import Refused
from cep.graph import GraphView
from cep.opset.definition import DTYPE_BYTES
from cep.opset.shaping import SHAPING

if TYPE_CHECKING:
    from cep.receipt import ReceiptReport
    from cep.v1.plan import Plan, Step
    from cep.v1.receipt import Receipt

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The last run of a timeline file.

    Attributes:
        run: Number of the run.
        runs: Number of runs that the file holds.
        sizes: Sizes of the symbols.
        end_ns: Length of the run, in nanoseconds.
        spans: By step, when it began and ended, in nanoseconds since the run began.
    """

    run: int
    runs: int
    sizes: Mapping[str, int]
    end_ns: int
    spans: tuple[Span, ...]

    @classmethod
    def from_bytes(cls, data: bytes, plan_digest: str, steps: int) -> Self:
        """Read what ``cep run --timeline`` wrote.

        Raises:
            DecodeError: It is not strict JSON (ENV-J1 to ENV-J4).
            Refused: It is no timeline (ENV-S3), or that of another plan (CEP-P2).
        """
        match decode(data):
            case {"plan": str(plan), "runs": [*_, last] as runs} if isinstance(last, dict):
                pass
            case _:
                raise Refused.because("ENV-S3", "not a timeline that `cep run --timeline` wrote")
        if plan != plan_digest:
            reason = f"the timeline is of plan {plan}; the plan given is {plan_digest}"
            raise Refused.because("CEP-P2", reason, "/plan")
        match last:
            case {
                "run": int(number),
                "sizes": dict(sizes),
                "end_ns": int(end),
                "steps": list(spans),
            } if (
                len(spans) == steps
                and None not in (read := tuple(map(_span, spans)))
                and all(isinstance(s, str) and s.isdecimal() for s in sizes.values())
                and end > 0
            ):
                known = {name: int(str(size)) for name, size in sizes.items()}
                return cls(number, len(runs), known, end, tuple(filter(None, read)))
        raise Refused.because("ENV-S3", f"not a run of a plan with {steps} steps", "/runs")


def _span(value: JsonValue) -> Span | None:
    match value:
        case [int(begin), int(end)] if 0 <= begin <= end:
            return begin, end
    return None


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device of the plan.

    Attributes:
        slot: Its name in the plan.
        unit: The unit that was found.
        adapter: What drove it.
        simulated: It is no hardware.
        steps: Number of its steps.
        ops: Number of operations in them.
        busy_ns: Time in which it was busy, in nanoseconds a run.
        share: Of the run's time, from 0 to 1.
        moved_bytes: Bytes that its steps read and wrote a run.
    """

    slot: str
    unit: str
    adapter: str
    simulated: bool
    steps: int
    ops: int
    busy_ns: int
    share: float
    moved_bytes: int


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of the plan.

    Attributes:
        index: Its index.
        queue: Its queue.
        slot: Its device.
        is_transfer: It copies.
        label: What it does, in few words.
        ops: What it computes: operations by name with their number, most frequent first, those
            that only rearrange elements last.
        predicted_ns: What the planner expected, in nanoseconds.
        p50_ns: Median of what was measured.
        p99_ns: 99th percentile of what was measured.
        span: When it began and ended in the run that is drawn.
    """

    index: int
    queue: str
    slot: str
    is_transfer: bool
    label: str
    ops: tuple[tuple[str, int], ...]
    predicted_ns: int | None
    p50_ns: int | None
    p99_ns: int | None
    span: Span | None


@dataclass(frozen=True, slots=True)
class Edge:
    """A value on its way from one step to another.

    Attributes:
        source: Step that makes it; None if the caller gives it.
        target: Step that reads it; None if the caller gets it.
        value: Its name; for the caller where the caller gives or gets it.
        type: Its type.
        size_bytes: Its size in the run that is drawn.
    """

    source: int | None
    target: int | None
    value: str
    type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ArenaRow:
    """How full an arena is, step by step.

    Attributes:
        id: Its name.
        slot: Its device.
        size_bytes: Its size.
        live_bytes: By step, bytes of buffers that hold a value which is still needed.
        sum_bytes: Sum of the sizes of all its buffers: what it would need without reuse.
    """

    id: str
    slot: str
    size_bytes: int
    live_bytes: tuple[int, ...]
    sum_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """Everything that the report shows.

    Attributes:
        plan: The plan.
        plan_digest: Its identity.
        receipt: The receipt.
        keyids: Keys that signed the receipt and count.
        ok: The receipt holds.
        findings: What is wrong with it, one a line.
        recomputed: What was recomputed from the plan or the data.
        timeline: The run that is drawn, if its times are known.
        run_ns: Length of that run, or else the sum of the medians of the steps.
        devices: Devices in the plan's order.
        steps: Steps in the plan's order.
        edges: Values between steps.
        arenas: Arenas in the plan's order.
        weight_bytes: Bytes of all constants.
    """

    plan: Plan
    plan_digest: str
    receipt: Receipt
    keyids: tuple[str, ...]
    ok: bool
    findings: tuple[str, ...]
    recomputed: tuple[str, ...]
    timeline: Timeline | None
    run_ns: int
    devices: tuple[DeviceRow, ...]
    steps: tuple[StepRow, ...]
    edges: tuple[Edge, ...]
    arenas: tuple[ArenaRow, ...]
    weight_bytes: int
    queues: tuple[tuple[str, str], ...] = field(default=())


def view(report: ReceiptReport, timeline: Timeline | None = None) -> RunView:
    """Return the facts of a run.

    Args:
        report: What came out of checking the receipt; it may be that it does not hold.
        timeline: Times of a run.

    Raises:
        Refused: Plan or receipt cannot be read, or the plan contradicts itself.
    """
    plan, receipt = report.plan, report.receipt
    if plan is None or receipt is None:
        raise Refused(*report.diagnostics)
    resolve(plan)
    graph = GraphView.of(plan)
    sizes = dict(timeline.sizes) if timeline else {}
    sizes = {name: sizes.get(name, span.max) for name, span in graph.ranges.items()}
    nbytes = Sizes(graph, sizes)
    steps = step_rows(plan, receipt, timeline)
    run_ns = timeline.end_ns if timeline else sum(step.p50_ns or 0 for step in steps)
    return RunView(
        plan=plan,
        plan_digest=report.plan_digest,
        receipt=receipt,
        keyids=report.keyids,
        ok=report.ok,
        findings=tuple(map(str, report.diagnostics)),
        recomputed=report.recomputed,
        timeline=timeline,
        run_ns=run_ns,
        devices=_devices(plan, receipt, steps, nbytes, run_ns),
        steps=steps,
        edges=tuple(_edges(plan, nbytes)),
        arenas=_arenas(plan),
        weight_bytes=sum(nbytes(constant.value) for constant in plan.constants),
        queues=tuple((queue.id, queue.device) for queue in plan.queues),
    )


def resolve(plan: Plan) -> None:
    """Refuse a plan that refers to what it does not have; here it need not have been verified.

    Raises:
        Refused: CEP-I6.
    """
    slots = {device.slot for device in plan.devices}
    queues, arenas = {one.id for one in plan.queues}, {one.id for one in plan.arenas}
    values = {value.id for value in plan.values}
    known = (
        all(queue.device in slots for queue in plan.queues)
        and all(arena.device in slots for arena in plan.arenas)
        and all(one.arena in arenas and one.value in values for one in plan.buffers)
        and all(step.queue in queues for step in plan.steps)
        and all(
            buffer < len(plan.buffers)
            for step in plan.steps
            for buffer in (*step.reads, *step.writes)
        )
        and all(
            op < len(plan.ops)
            for step in plan.steps
            for body in (step.run or step.collective,)
            if body is not None
            for op in body.ops
        )
        and all(binding.value in values for binding in plan.outputs)
        and all(constant.value in values for constant in plan.constants)
    )
    if not known:
        reason = "the plan refers to a device, queue, arena, buffer, value or op that it lacks"
        raise Refused.because("CEP-I6", reason)


class Sizes:
    """Sizes of values in bytes, for given sizes of the symbols."""

    def __init__(self, graph: GraphView, sizes: Mapping[str, int]) -> None:
        self.types = graph.types
        self.sizes = sizes

    def __call__(self, value: str) -> int:
        """Return the size of a value."""
        kind = self.types[value]
        count = DTYPE_BYTES.get(kind.dtype, 0)
        for dim in kind.shape:
            count *= max(0, dim.evaluate(self.sizes))
        return count


def step_rows(
    plan: Plan, receipt: Receipt | None = None, timeline: Timeline | None = None
) -> tuple[StepRow, ...]:
    """Return the steps of a plan, with what was measured where that is known."""
    device = {queue.id: queue.device for queue in plan.queues}
    measured = {one.step: one for one in receipt.measured} if receipt else {}
    rows = []
    for index, step in enumerate(plan.steps):
        found = measured.get(index)
        ops = _ops(plan, step)
        rows.append(
            StepRow(
                index=index,
                queue=step.queue,
                slot=device[step.queue],
                is_transfer=step.transfer is not None,
                label=_label(plan, step, ops),
                ops=ops,
                predicted_ns=step.estimate.p50_ns if step.estimate else None,
                p50_ns=found.p50_ns if found else None,
                p99_ns=found.p99_ns if found else None,
                span=timeline.spans[index] if timeline else None,
            )
        )
    return tuple(rows)


def _ops(plan: Plan, step: Step) -> tuple[tuple[str, int], ...]:
    body = step.run or step.collective
    if body is None:
        return ()
    targets = [plan.ops[i].target.partition(":")[2] for i in body.ops]
    counts = Counter(target.partition(".")[0] for target in targets)
    moves = {target.partition(".")[0] for target in targets if target in SHAPING.operations}
    return tuple(sorted(counts.items(), key=lambda found: (found[0] in moves, -found[1])))


def _label(plan: Plan, step: Step, ops: Sequence[tuple[str, int]]) -> str:
    if step.transfer is not None:
        return f"copy {plan.buffers[step.reads[0]].value}" if step.reads else "copy"
    if step.collective is not None:
        return step.collective.kind.lower().replace("_", " ")
    count = sum(number for _, number in ops)
    return ops[0][0] if count == 1 else f"{count} ops"


def _devices(
    plan: Plan, receipt: Receipt, steps: Sequence[StepRow], nbytes: Sizes, run_ns: int
) -> tuple[DeviceRow, ...]:
    bound = {one.slot: one for one in receipt.binding}
    rows = []
    for device in plan.devices:
        own = [step for step in steps if step.slot == device.slot]
        busy = sum(step.span[1] - step.span[0] if step.span else step.p50_ns or 0 for step in own)
        moved = sum(
            nbytes(plan.buffers[i].value)
            for step in own
            for i in (*plan.steps[step.index].reads, *plan.steps[step.index].writes)
        )
        found = bound.get(device.slot)
        rows.append(
            DeviceRow(
                slot=device.slot,
                unit=found.unit_id if found else "",
                adapter=f"{found.adapter} ({found.distribution})" if found else "",
                simulated=bool(found and found.simulated),
                steps=len(own),
                ops=sum(number for step in own for _, number in step.ops),
                busy_ns=busy,
                share=busy / run_ns if run_ns else 0.0,
                moved_bytes=moved,
            )
        )
    return tuple(rows)


def _edges(plan: Plan, nbytes: Sizes) -> list[Edge]:
    maker: dict[int, int] = {}
    edges = []

    def edge(source: int | None, target: int | None, value: str, name: str) -> Edge:
        return Edge(source, target, name, str(nbytes.types[value]), nbytes(value))

    given = {binding.value: binding.name for binding in plan.inputs}
    for index, step in enumerate(plan.steps):
        for buffer in step.reads:
            value = plan.buffers[buffer].value
            if buffer in maker:
                edges.append(edge(maker[buffer], index, value, value))
            elif value in given:
                edges.append(edge(None, index, value, given[value]))
        maker |= dict.fromkeys(step.writes, index)
    for binding in plan.outputs:
        made = [s for buffer, s in maker.items() if plan.buffers[buffer].value == binding.value]
        if made:
            edges.append(edge(min(made), None, binding.value, binding.name))
    return edges


@dataclass(frozen=True, slots=True)
class Lifetime:
    """While a buffer holds a value that is still needed.

    Attributes:
        buffer: Its index.
        begin: Position of the first step.
        end: Position behind the last step.
    """

    buffer: int
    begin: int
    end: int


def lifetimes(plan: Plan, sequence: Sequence[int]) -> list[Lifetime]:
    """Return when each buffer that is used is needed, by positions in a sequence of the steps."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for position, index in enumerate(sequence):
        step = plan.steps[index]
        for buffer in (*step.reads, *step.writes):
            first.setdefault(buffer, position if buffer in step.writes else 0)
            last[buffer] = position
    results = {binding.value for binding in plan.outputs}
    return [
        Lifetime(
            number,
            first[number],
            len(sequence) if used.value in results else last[number] + 1,
        )
        for number, used in enumerate(plan.buffers)
        if number in first
    ]


def _arenas(plan: Plan) -> tuple[ArenaRow, ...]:
    count = len(plan.steps)
    changes: dict[str, list[int]] = {arena.id: [0] * (count + 1) for arena in plan.arenas}
    for life in lifetimes(plan, range(count)):
        used = plan.buffers[life.buffer]
        changes[used.arena][life.begin] += used.size
        changes[used.arena][life.end] -= used.size
    rows: list[ArenaRow] = []
    for arena in plan.arenas:
        live, now = [], 0
        for change in changes[arena.id][:count]:
            now += change
            live.append(now)
        total = sum(buffer.size for buffer in plan.buffers if buffer.arena == arena.id)
        rows.append(ArenaRow(arena.id, arena.device, arena.bytes, tuple(live), total))
    return tuple(rows)


def time_text(ns: float) -> str:
    """Return a time with a unit that fits: ``12.3 µs``."""
    for unit, factor in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= factor:
            return f"{_digits(ns / factor)} {unit}"
    return f"{ns:.0f} ns"


def bytes_text(count: float) -> str:
    """Return a number of bytes with a unit that fits: ``1.50 MiB``."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor:
            return f"{_digits(count / factor)} {unit}"
    return f"{count:.0f} B"


def _digits(number: float) -> str:
    """Return a number with three significant digits."""
    if number >= 100:  # noqa: PLR2004 - three digits before the point
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"  # noqa: PLR2004 - two digits


def ratio_text(predicted: int | None, measured: int | None) -> str:
    """Return how far a prediction was off: ``1.20×``; empty if one is unknown."""
    if not predicted or measured is None:
        return ""
    return f"{_digits(measured / predicted)}×"
