"""The devices of a system as the planner sees them: what they support, hold, share and cost.

Costs come from measurement records where there are some: for each operation a piecewise linear
curve over its work, and the cost of starting a region. Where an operation was not measured, it
costs what the most similar measured one costs; without any record, what the descriptor's peak rates
allow.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acp.canonical import digest
from acp.diagnostics import Refused
from cep.conditions import unmet
from cep.opset import OPERATIONS, PREFIX
from cep.planner.work import moved_bytes, operations

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor, Memory, Numerics, OperationVariant
    from acp.v1.measurement import MeasurementPoint, MeasurementRecord
    from acp.v1.system import SystemDescriptor
    from cep.expr import Ranges
    from cep.graph import Node
    from cep.opset.definition import Operand, TensorType

_NANOSECONDS: Final = 1_000_000_000
_CONTRACTION: Final = f"{PREFIX}linear"
_POINTWISE: Final = f"{PREFIX}add.Tensor"
_CALL: Final = "call"
_DEFAULT_CALL_NS: Final = 10_000
_LEAST_SPREAD: Final = 2.0


class PlanningError(Refused):
    """No plan can be made (codes ``CEP-X4`` … ``CEP-X6``)."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Time over work, linear between measured points.

    Attributes:
        points: Pairs of work and time in nanoseconds, by rising work.
    """

    points: tuple[tuple[int, float], ...]

    def time_ns(self, work: int) -> float:
        """Return the time for some work; beyond the points at the last points' rate."""
        first_work, first_time = self.points[0]
        if len(self.points) == 1 or work <= first_work:
            return first_time * min(1.0, work / first_work) if first_work else first_time
        at = min(bisect_left(self.points, (work, 0.0)), len(self.points) - 1)
        (w0, t0), (w1, t1) = self.points[at - 1], self.points[at]
        return t0 + max(0.0, t1 - t0) * (work - w0) / (w1 - w0)


@dataclass(frozen=True, slots=True)
class Device:
    """A device that steps can be planned for.

    Attributes:
        slot: Name in the plan: the node's name in the system.
        digest: Digest of its descriptor.
        descriptor: What it can do.
        memory: Its main memory.
        call_ns: Time to start any region, in nanoseconds.
        curves: Measured time over work by operation.
        spread: What the slowest of its calls take together, as a multiple of their medians. So long
            calls count more than short ones, which anything delays.
        delay_ns: What to add to that, so that it covers the slowest calls of all that was measured.
    """

    slot: str
    digest: str
    descriptor: CapabilityDescriptor
    memory: Memory
    call_ns: float
    curves: Mapping[str, Curve]
    spread: float = _LEAST_SPREAD
    delay_ns: float = 0.0

    @property
    def domain(self) -> str:
        """Name of what shares this device's main memory."""
        if self.memory.coherence_domain is not None:
            return f"={self.memory.coherence_domain}"  # no slot begins so
        return f"{self.slot}/{self.memory.id}"

    @property
    def copies(self) -> bool:
        """Whether it can have a queue that only copies (CEP-C4)."""
        return all(limit.max for limit in self.descriptor.queues if limit.kind == "COPY")

    def supports(self, node: Node, types: Mapping[str, TensorType], ranges: Ranges) -> bool:
        """Say whether the descriptor claims the operation for these operands, at all sizes."""
        return any(
            _accepts(variant, node, types, ranges)
            for claim in self.descriptor.ops
            if claim.op == node.target
            for variant in claim.variants
        )

    def numerics(
        self, node: Node, types: Mapping[str, TensorType], ranges: Ranges
    ) -> list[Numerics | None]:
        """Return what the descriptor claims of the numbers, by each variant that fits."""
        return [
            variant.numerics
            for claim in self.descriptor.ops
            if claim.op == node.target
            for variant in claim.variants
            if _accepts(variant, node, types, ranges)
        ]

    def determinism(self, target: str) -> set[str]:
        """Return where the variants of an operation give the same bits, as the descriptor says."""
        variants = [v for c in self.descriptor.ops if c.op == target for v in c.variants]
        return {(v.numerics and v.numerics.determinism) or "NONE" for v in variants}

    def time_ns(
        self, node: Node, types: Mapping[str, TensorType], sizes: Mapping[str, int]
    ) -> float:
        """Return what the operation is expected to take inside a region, in nanoseconds."""
        arithmetic = operations(node, types, sizes)
        work = arithmetic or moved_bytes(node, types, sizes)
        if not work:
            return 0.0
        similar = _CONTRACTION if arithmetic else _POINTWISE
        curve = self.curves.get(node.target) or self.curves[similar]
        return curve.time_ns(work)


def devices(
    system: SystemDescriptor,
    descriptors: Iterable[CapabilityDescriptor],
    records: Iterable[MeasurementRecord],
) -> tuple[Device, ...]:
    """Return the devices of a system, in its order.

    Raises:
        PlanningError: A node's descriptor is not among `descriptors` (CEP-X4).
    """
    by_digest = {digest(d.to_json()): d for d in descriptors}
    by_record = {digest(r.to_json()): r for r in records}
    found = []
    for node in system.nodes:
        descriptor = by_digest.get(node.descriptor_digest)
        if descriptor is None:
            raise PlanningError.because(
                "CEP-X4",
                f"node {node.id!r} of the system names the descriptor {node.descriptor_digest}, "
                "which is not among those given: probe again, or give their directory with "
                "--descriptors",
            )
        referenced = {p.measurement_ref for p in descriptor.provenance if p.measurement_ref}
        points = [
            point
            for key in sorted(referenced & set(by_record))
            for point in by_record[key].points
            if point.unit == "NANOSECONDS" and (point.op == _CALL or point.op in OPERATIONS)
        ]
        call_ns, curves = _curves(points, descriptor)
        spread, delay_ns = _slowest(points)
        found.append(
            Device(
                slot=node.id,
                digest=node.descriptor_digest,
                descriptor=descriptor,
                memory=_main_memory(descriptor),
                call_ns=call_ns,
                curves=curves,
                spread=spread,
                delay_ns=delay_ns,
            )
        )
    return tuple(found)


def _slowest(points: Sequence[MeasurementPoint]) -> tuple[float, float]:
    """Return the factor and the delay that make slowest calls of median ones."""
    seen = [(p.p95, p.p50) for p in points if p.p95 is not None and p.p50]
    medians = sum(median for _, median in seen)
    spread = max(_LEAST_SPREAD, sum(slow for slow, _ in seen) / medians if medians else 0.0)
    return spread, max([0.0, *(slow - spread * median for slow, median in seen)])


def _main_memory(descriptor: CapabilityDescriptor) -> Memory:
    main = [m for m in descriptor.memories if m.role in ("DEVICE", "SHARED")]
    if not main:
        raise PlanningError.because(
            "CEP-X4", f"{descriptor.uri} describes no main memory (role DEVICE or SHARED)"
        )
    return max(main, key=lambda m: m.instances * m.capacity_bytes_per_instance)


def _curves(
    points: Sequence[MeasurementPoint], descriptor: CapabilityDescriptor
) -> tuple[float, dict[str, Curve]]:
    calls = [float(p.p50) for p in points if p.op == _CALL]
    call_ns = min(calls, default=float(_DEFAULT_CALL_NS))
    measured: dict[str, dict[int, float]] = {}
    for point in points:
        arithmetic = _is_contraction(point.op)
        work = point.operations if arithmetic else point.bytes
        if point.op != _CALL and work:
            measured.setdefault(point.op, {})[work] = max(1.0, point.p50 - call_ns)
    curves = {op: Curve(tuple(sorted(times.items()))) for op, times in measured.items()}
    curves.setdefault(_CONTRACTION, _from_peak(_peak_ops_per_s(descriptor)))
    curves.setdefault(_POINTWISE, _from_peak(_peak_bytes_per_s(descriptor)))
    return call_ns, curves


def _is_contraction(op: str) -> bool:
    return op.removeprefix(PREFIX) in {
        "linear", "mm", "bmm", "addmm", "scaled_dot_product_attention", "convolution",
    }  # fmt: skip


def _from_peak(per_second: int) -> Curve:
    return Curve(((0, 0.0), (per_second, float(_NANOSECONDS))))


def _peak_ops_per_s(descriptor: CapabilityDescriptor) -> int:
    rates = [
        rate.peak_ops_per_s
        for engine in descriptor.engines
        for rate in engine.rates
        if rate.sparsity == "dense" and rate.a == "f32" and rate.exposed is not False
    ]
    return max(rates, default=1_000_000_000)


def _peak_bytes_per_s(descriptor: CapabilityDescriptor) -> int:
    memory = _main_memory(descriptor)
    return memory.combined_bytes_per_s or memory.read_bytes_per_s or 1_000_000_000


def _accepts(
    variant: OperationVariant, node: Node, types: Mapping[str, TensorType], ranges: Ranges
) -> bool:
    declared = OPERATIONS[node.target]
    limits = variant.operands or {}
    named = [
        *(
            (limits.get(o.name) or limits.get("*"), value)
            for o, value in zip(
                _spread(declared.operands, len(node.inputs)), node.inputs, strict=True
            )
        ),
        *((limits.get(n), v) for n, v in zip(declared.results, node.outputs, strict=True)),
    ]
    for limit, value in named:
        if limit is None:
            continue
        tensor = types[value]
        if limit.dtypes and tensor.dtype not in limit.dtypes:
            return False
        if limit.rank and not limit.rank.min <= tensor.rank <= limit.rank.max:
            return False
        if limit.quant or "contiguous" not in (limit.layouts or ("contiguous",)):
            return False
        if "dense" not in (limit.sparsity or ("dense",)):
            return False
    return all(unmet(text, node, types, ranges) is None for text in variant.where)


def _spread(operands: Sequence[Operand], count: int) -> Sequence[Operand]:
    """Return one declaration for each of `count` operands; the last may be variadic."""
    return [operands[min(i, len(operands) - 1)] for i in range(count)]
