"""Rates: matrix products of growing size, through the adapter and beside it.

An adapter runs what CEP-Core has, on dtypes that host memory has. What else a stack can multiply,
bf16 and i8 with sums of 32 bits, is called from the stack itself, and its points say so by their
operation: ``aten:…`` instead of ``cep-core/1:…``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from acp.v1.measurement import MeasurementPoint
from cep.expr import Dim
from cep.opset import PREFIX
from cep.opset.definition import DTYPE_BYTES, TensorType
from reference_runtime.measure.jobs import Job, UnmeasurableError, sweep
from reference_runtime.probe.micro import Bench, Effort, percentile, rate_point, times
from reference_runtime.probe.workloads import Single, Workload

if TYPE_CHECKING:
    from reference_runtime.adapter import Adapter, DescribedDevice

MM: Final = PREFIX + "mm"
SIZES: Final = (64, 128, 256, 512, 1024, 2048, 4096)
"""Rows and columns of the square matrices."""

_DTYPES: Final = ("f64", "f32", "f16", "bf16")


@dataclass(frozen=True, slots=True)
class Product:
    """A kind of matrix product, and the row of rates that it belongs to.

    Attributes:
        op: Name in measurement points.
        a: Dtype of both operands.
        acc: Dtype of the sums.
        out: Dtype of the result.
        reached: Plans reach it: the adapter claims the operation.
    """

    op: str
    a: str
    acc: str
    out: str
    reached: bool


def products(device: DescribedDevice) -> tuple[Product, ...]:
    """Return what is multiplied on a device: what it claims, and what its stack can do besides."""
    claimed = _claimed(device)
    found = [Product(MM, a, claimed[a], a, reached=True) for a in _DTYPES if a in claimed]
    if by_torch_on_a_processor(device):
        if "bf16" not in claimed:
            found.append(Product("aten:mm", "bf16", "f32", "bf16", reached=False))
        found.append(Product("aten:_int_mm", "i8", "i32", "i32", reached=False))
    return tuple(found)


def jobs(adapter: Adapter, device: DescribedDevice, seed: int) -> list[Job]:
    """Return one job for each product."""
    return [
        Job(
            f"rate of {one.a} ({one.op})",
            partial(_through_adapter, adapter, device, one, seed)
            if one.reached
            else partial(_beside_adapter, one, seed),
            weight=2.0,
        )
        for one in products(device)
    ]


def _claimed(device: DescribedDevice) -> dict[str, str]:
    """Return the dtypes of which matrices can be multiplied, each with that of the sums."""
    found: dict[str, str] = {}
    for claim in device.ops:
        for variant in claim.variants if claim.op == MM else ():
            operand = variant.operands.get("*") or variant.operands.get("self")
            for dtype in operand.dtypes if operand else ():
                acc = variant.numerics.acc if variant.numerics else None
                found.setdefault(dtype, acc or dtype)
    return found


def by_torch_on_a_processor(device: DescribedDevice) -> bool:
    """Say whether torch's own functions compute what the device's adapter does not reach."""
    first = device.software[0].component if device.software else ""
    return device.subject.device_class == "cpu" and first == "torch"


def _workload(dtype: str) -> Workload:
    size = Dim.symbol("s0")
    matrix = TensorType(dtype, (size, size))
    return Workload(
        MM,
        Single("mm", {"self": matrix, "mat2": matrix}).region(),
        (),
        contraction=(size, size, size),
        multiply_adds=size * size * size,
    )


def _through_adapter(
    adapter: Adapter, device: DescribedDevice, product: Product, seed: int, seconds: float
) -> Iterator[MeasurementPoint]:
    workload = _workload(product.a)
    bench = Bench(adapter, device, workload, seed)

    def sample(size: int, effort: Effort) -> list[int]:
        return bench.times({"s0": size}, effort)

    for size, taken in sweep(SIZES, _operations, seconds, sample):
        yield rate_point(workload, {"s0": size}, taken, _operations(size), "OPS_PER_S")


def _beside_adapter(product: Product, seed: int, seconds: float) -> Iterator[MeasurementPoint]:
    from reference_runtime.adapters.torch_module import torch_library

    torch = torch_library()
    function = getattr(torch, product.op.partition(":")[2], None)
    if function is None:
        raise UnmeasurableError(f"torch {torch.__version__} has no {product.op.partition(':')[2]}")
    sample = partial(_sample, torch, function, product.a, seed)
    try:
        for size, taken in sweep(SIZES, _operations, seconds, sample):
            yield _point(product, size, taken)
    except (RuntimeError, NotImplementedError) as error:
        raise UnmeasurableError(f"torch does not do it here: {error}") from error


def _sample(
    torch: Any, function: Any, dtype: str, seed: int, size: int, effort: Effort
) -> list[int]:
    drawn = torch.Generator().manual_seed(seed)
    shape = (size, size)
    if dtype == "i8":
        a, b = (
            torch.randint(-128, 128, shape, dtype=torch.int8, generator=drawn) for _ in range(2)
        )
    else:
        a, b = (torch.randn(shape, generator=drawn).to(torch.bfloat16) for _ in range(2))
    with torch.inference_mode():
        result = function(a, b)
        return times(lambda: function(a, b, out=result), effort)


def _operations(size: int) -> int:
    return 2 * size**3


def _point(product: Product, size: int, taken: list[int]) -> MeasurementPoint:
    rates = sorted(_operations(size) * 10**9 // nanoseconds for nanoseconds in taken)
    moved = size * size * (2 * DTYPE_BYTES[product.a] + DTYPE_BYTES[product.out])
    return MeasurementPoint(
        op=product.op,
        dtypes=(product.a, product.a),
        shape=(size, size, size),
        bytes=moved,
        operations=_operations(size),
        sparsity="dense",
        data_distribution="uniform" if product.a == "i8" else "normal",
        n=len(rates),
        p5=percentile(rates, 5),
        p50=percentile(rates, 50),
        p95=percentile(rates, 95),
        unit="OPS_PER_S",
    )
