"""Time of operations over the number of elements, through the adapter, in f32.

The curves are what the planner reads: each point is a whole call, as a step of a plan makes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from cep.expr import Dim
from cep.opset import PREFIX
from cep.opset.definition import AttributeValue, TensorType
from reference_runtime.measure.jobs import Job, sweep
from reference_runtime.probe.micro import STREAM, Bench, Effort, beyond_caches, point, rate_point
from reference_runtime.probe.workloads import BATCH, CALL, HIDDEN, SEQUENCE, Single, Workload
from reference_runtime.probe.workloads import workloads as probed

if TYPE_CHECKING:
    from acp.v1.measurement import MeasurementPoint
    from reference_runtime.adapter import Adapter, DescribedDevice

ROWS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384)
"""Sizes of the axis that grows; a row has 384 elements."""

_POINTWISE: Final = ("mul.Tensor", "relu", "exp", "tanh", "sigmoid")
_TALL: Final = tuple({"s0": 1, "s1": rows} for rows in ROWS)
_SQUARE: Final = tuple({"s0": size, "s1": size} for size in (16, 64, 256, 1024))


def workloads() -> tuple[Workload, ...]:
    """Return what is timed: all that a probe times, and more, at more sizes."""
    own = {w.op: w for w in probed()}
    taller = [
        replace(w, sizes=w.sizes if op == CALL else _SQUARE if op == f"{PREFIX}mm" else _TALL)
        for op, w in own.items()
    ]
    return (*taller, *(Workload(PREFIX + name, one.region(), _TALL) for name, one in _more()))


def jobs(adapter: Adapter, device: DescribedDevice, seed: int) -> list[Job]:
    """Return one job for each operation, and one for the stream through main memory."""
    stream = next(w for w in probed() if w.op == STREAM)
    return [
        Job("stream through the adapter", partial(_stream, adapter, device, stream, seed)),
        *(
            Job(f"time of {w.op}", partial(_curve, adapter, device, w, seed), weight=0.5)
            for w in workloads()
        ),
    ]


def _more() -> Iterator[tuple[str, Single]]:
    activation = TensorType("f32", (BATCH, SEQUENCE, Dim.constant(HIDDEN)))
    for name in _POINTWISE:
        operands = {"self": activation} | ({"other": activation} if "." in name else {})
        yield name, Single(name, operands)
    reductions: Mapping[str, Mapping[str, AttributeValue]] = {
        "_softmax": {"dim": -1},
        "sum.dim_IntList": {"dim": (-1,), "keepdim": False},
        "amax": {"dim": (-1,), "keepdim": False},
        "permute": {"dims": (0, 2, 1)},
    }
    for name, attributes in reductions.items():
        yield name, Single(name, {"self": activation}, (), attributes)


def _curve(
    adapter: Adapter, device: DescribedDevice, workload: Workload, seed: int, seconds: float
) -> Iterator[MeasurementPoint]:
    bench = Bench(adapter, device, workload, seed)

    def work(sizes: Mapping[str, int]) -> int:
        return workload.operations(sizes) or workload.nbytes(sizes)

    for sizes, taken in sweep(workload.sizes, work, seconds, bench.times):
        yield point(workload, sizes, taken)


def _stream(
    adapter: Adapter, device: DescribedDevice, workload: Workload, seed: int, seconds: float
) -> Iterator[MeasurementPoint]:
    bench = Bench(adapter, device, workload, seed)
    sizes = beyond_caches(device, workload)
    taken = bench.times(sizes, Effort(seconds, 5))
    yield rate_point(workload, sizes, taken, workload.nbytes(sizes), "BYTES_PER_S")
