"""Micro-benchmarks: the workloads of a probe, run through the adapter API like steps of a plan.

A point is measured after warm-up, for a time and a number of calls, on the same buffers: what fits
a cache is in it, as between the steps of a plan. Reported are percentiles of whole calls; nothing
is subtracted and no call is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from acp.canonical import collector_paused
from acp.v1.measurement import MeasurementPoint
from cep.opset import PREFIX
from cep.opset.definition import FLOATS
from reference_runtime.adapter import (
    Adapter,
    DescribedDevice,
    Numeric,
    NumericClass,
    Thunk,
    UnsupportedError,
    View,
)
from reference_runtime.host import DTYPES
from reference_runtime.probe.workloads import LARGE, ROWS, Workload, workloads

if TYPE_CHECKING:
    from cep.graph import Region

F32: Final = NumericClass(Numeric.RELATIVE, 10_000)
"""Honest f32 is measured, since that is what plans ask for."""

_ALIGNMENT: Final = 64
WARM_UP: Final = 3
"""Calls that are made before any is timed."""
STREAM: Final = PREFIX + "add.Tensor"
"""What main memory is streamed through: two operands read, one result written."""
_MM: Final = PREFIX + "mm"


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    Attributes:
        seconds: Least time at a point, in seconds.
        calls: Least number of calls at a point.
        most_calls: Most calls at a point.
    """

    seconds: float
    calls: int
    most_calls: int = 20_000


FULL: Final = Effort(seconds=0.1, calls=11)
QUICK: Final = Effort(seconds=0.02, calls=5)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was seen of one device.

    Attributes:
        points: Measurement points, as a record holds them.
        skipped: What could not be measured, each with the reason.
    """

    points: tuple[MeasurementPoint, ...]
    skipped: tuple[str, ...]

    def rate(self) -> int | None:
        """Return the highest median f32 rate in operations per second, if one was measured."""
        return max((rate for p in self.points if (rate := rate_of(p)) is not None), default=None)

    def bandwidth(self) -> int | None:
        """Return the median rate at which main memory is read and written, in bytes per second."""
        return self._median("BYTES_PER_S")

    def call_ns(self) -> int | None:
        """Return the median time of a call that does next to nothing, in nanoseconds."""
        return next((p.p50 for p in self.points if p.op == "call"), None)

    def _median(self, unit: str) -> int | None:
        return next((p.p50 for p in self.points if p.unit == unit), None)


def rate_of(point: MeasurementPoint) -> int | None:
    """Return the median rate in operations per second that a point stands for, if it does.

    Time and rate of the same calls give the same number, so that a claim by one holds for both.
    """
    if point.unit == "OPS_PER_S":
        return point.p50
    if point.unit == "NANOSECONDS" and point.operations and point.p50:
        return -(-point.operations * 10**9 // point.p50)
    return None


def measure(
    adapter: Adapter,
    device: DescribedDevice,
    effort: Effort = FULL,
    work: Iterable[Workload] | None = None,
) -> Measured:
    """Measure a device.

    Args:
        adapter: Drives it.
        device: The device, as the adapter describes it.
        effort: How long to measure.
        work: What to measure; all of `workloads` if not given.

    Raises:
        DeviceLostError: The device is gone or has too little memory (RUN-X2).
        NumericError: The stack does not compute in f32 (RUN-N1).
        StepError: A workload fails on the device (RUN-X1).
    """
    points: list[MeasurementPoint] = []
    skipped: list[str] = []
    for workload in workloads() if work is None else work:
        try:
            points += _points(adapter, device, workload, effort)
        except UnsupportedError as error:
            skipped.append(f"{workload.op}: {error.diagnostics[0].message}")
    return Measured(tuple(points), tuple(skipped))


def _points(
    adapter: Adapter, device: DescribedDevice, workload: Workload, effort: Effort
) -> Iterator[MeasurementPoint]:
    bench = Bench(adapter, device, workload)
    for sizes in workload.sizes:
        taken = bench.times(sizes, effort)
        yield point(workload, sizes, taken)
        if workload.op == _MM:
            yield rate_point(workload, sizes, taken, workload.operations(sizes) or 0, "OPS_PER_S")
    if workload.op == STREAM:
        sizes = beyond_caches(device, workload)
        taken = bench.times(sizes, effort)
        yield rate_point(workload, sizes, taken, workload.nbytes(sizes), "BYTES_PER_S")


class Bench:
    """A workload on a device, compiled once, to be timed at any sizes."""

    def __init__(
        self, adapter: Adapter, device: DescribedDevice, workload: Workload, seed: int = 0
    ) -> None:
        """Compile.

        Args:
            adapter: Drives the device.
            device: The device, as the adapter describes it.
            workload: What to time.
            seed: What the data are drawn with.

        Raises:
            UnsupportedError: The adapter does not run the workload (RUN-A3).
            NumericError: The stack does not compute in f32 (RUN-N1).
        """
        support = adapter.supports(workload.region)
        if not support.ok:
            raise UnsupportedError.because("RUN-A3", "; ".join(support.reasons))
        self._parts = adapter, device, workload, seed
        region = workload.region
        self._executable = adapter.prepare(
            region,
            device=device.unit_id,
            artifact=None,
            constants={name: _draw(region, name, {}, np.empty, seed) for name in region.constants},
            numeric=F32,
        )

    def times(self, sizes: Mapping[str, int], effort: Effort) -> list[int]:
        """Return the times of single calls, sorted, in nanoseconds.

        Raises:
            DeviceLostError: The device is gone or has too little memory (RUN-X2).
            StepError: The workload fails on the device (RUN-X1).
        """
        views = _Views(*self._parts, sizes)
        return times(self._executable.bind(views.inputs, views.outputs, sizes), effort)


class _Views:
    """Buffers of one run in an arena of the device, filled."""

    def __init__(
        self,
        adapter: Adapter,
        device: DescribedDevice,
        workload: Workload,
        seed: int,
        sizes: Mapping[str, int],
    ) -> None:
        memory = next((m.id for m in device.memories if m.role in ("SHARED", "DEVICE")), "")
        arena = adapter.alloc(
            device.unit_id, 2 * workload.nbytes(sizes) + 16 * _ALIGNMENT, _ALIGNMENT, memory
        )
        self._end = 0

        def view(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> View:
            token = next(name for name, kind in DTYPES.items() if kind == dtype)
            made = arena.view(self._end, shape, token)
            self._end += -(-made.nbytes // _ALIGNMENT) * _ALIGNMENT
            return made

        region = workload.region
        self.inputs = [_draw(region, name, sizes, view, seed) for name in region.inputs]
        self.outputs = [_draw(region, name, sizes, view, seed) for name in region.outputs]


def _draw(
    region: Region,
    name: str,
    sizes: Mapping[str, int],
    make: Callable[[tuple[int, ...], np.dtype[np.generic]], View],
    seed: int,
) -> View:
    """Return a new array of normally distributed floats, or of row numbers."""
    kind = region.types[name]
    array = make(tuple(d.evaluate(sizes) for d in kind.shape), DTYPES[kind.dtype])
    rng = np.random.default_rng(seed)
    if kind.dtype == "f32":
        rng.standard_normal(dtype=np.float32, out=array)
    elif kind.dtype in FLOATS:
        array[...] = rng.standard_normal(array.shape)
    else:
        array[...] = rng.integers(0, ROWS, array.shape)
    return array


def beyond_caches(device: DescribedDevice, workload: Workload) -> dict[str, int]:
    """Return sizes at which the workload's data do not fit the device's caches."""
    caches = sum(
        m.instances * m.capacity_bytes_per_instance for m in device.memories if m.role == "CACHE"
    )
    rows = dict(LARGE)
    while workload.nbytes(rows) < max(4 * caches, 64 * 2**20):
        rows["s1"] *= 2
    return rows


def times(thunk: Thunk, effort: Effort) -> list[int]:
    """Return the times of single calls, sorted, in nanoseconds."""
    clock = time.perf_counter_ns
    for _ in range(WARM_UP):
        thunk()
    taken: list[int] = []
    end = clock() + int(effort.seconds * 1e9)
    with collector_paused():
        while len(taken) < effort.calls or (clock() < end and len(taken) < effort.most_calls):
            start = clock()
            thunk()
            taken.append(clock() - start)
    return sorted(taken)


def percentile(ordered: list[int], percent: int) -> int:
    """Return the smallest element that at least `percent` of the elements do not exceed."""
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]


def point(workload: Workload, sizes: Mapping[str, int], taken: list[int]) -> MeasurementPoint:
    """Return the point of sorted times of calls, in nanoseconds."""
    return MeasurementPoint(
        op=workload.op,
        dtypes=_dtypes(workload),
        shape=workload.shape(sizes),
        bytes=workload.nbytes(sizes),
        operations=workload.operations(sizes),
        sparsity="dense",
        data_distribution="normal",
        n=len(taken),
        p5=percentile(taken, 5),
        p50=percentile(taken, 50),
        p95=percentile(taken, 95),
        unit="NANOSECONDS",
    )


def rate_point(
    workload: Workload, sizes: Mapping[str, int], taken: list[int], work: int, unit: str
) -> MeasurementPoint:
    """Return a point of rates: work by time, hence high percentiles from low times."""
    rates = sorted(work * 10**9 // nanoseconds for nanoseconds in taken)
    return point(workload, sizes, taken).replace(
        p5=percentile(rates, 5), p50=percentile(rates, 50), p95=percentile(rates, 95), unit=unit
    )


def _dtypes(workload: Workload) -> tuple[str, ...]:
    node = workload.region.nodes[0]
    return tuple(workload.region.types[value].dtype for value in node.inputs)
