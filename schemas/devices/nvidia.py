"""GPUs of NVIDIA, by the names that its driver has for them.

Tensor cores that run f64 at another clock than the rest are an engine of their own: an engine has
one clock. Rates of CUDA cores are per streaming multiprocessor, of tensor cores per core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from acp.quantities import read
from acp.v1.capability import (
    Engine,
    Memory,
    OperatingPoint,
    Operation,
    Partitions,
    Port,
    Power,
    Software,
    Subject,
)
from schemas.devices.book import Device
from schemas.devices.operations import Product, Stack, products
from schemas.devices.sources import Says, Source
from schemas.devices.tables import cache, engine, pcie, profiles, registers

if TYPE_CHECKING:
    from schemas.devices.sources import Basis

_HOPPER: Final = Source(
    "VENDOR_CLAIM", "https://resources.nvidia.com/en-us-tensor-core/gtc22-whitepaper-hopper"
)
_H200: Final = Source("VENDOR_CLAIM", "https://www.nvidia.com/en-us/data-center/h200/")
_H100_SHEET: Final = "https://resources.nvidia.com/en-us-gpu-resources/h100-datasheet-24306"
_HALVES: Final = Source("DERIVED", "https://github.com/NVIDIA/mig-parted/issues/120")
"""What nvidia-smi shows of two partitions that are half of a device each."""
_OWN_TOOL: Final = Source("VENDOR_CLAIM", "https://github.com/ai-dynamo/aiconfigurator")
"""NVIDIA's own model of its systems has the capacity in bytes."""
_AMPERE: Final = Source(
    "VENDOR_CLAIM",
    "https://images.nvidia.com/aem-dam/en-zz/Solutions/data-center/nvidia-ampere-architecture-whitepaper.pdf",
)
_A100: Final = Source(
    "VENDOR_CLAIM",
    "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a100/pdf/nvidia-a100-datasheet-us-nvidia-1758950-r4-web.pdf",
)
_ADA: Final = Source(
    "VENDOR_CLAIM",
    "https://images.nvidia.com/aem-dam/Solutions/Data-Center/l4/nvidia-ada-gpu-architecture-whitepaper-v2.1.pdf",
)
_L4: Final = Source("VENDOR_CLAIM", "https://www.nvidia.com/en-us/data-center/l4/")
_GEFORCE: Final = Source(
    "VENDOR_CLAIM",
    "https://images.nvidia.com/aem-dam/Solutions/geforce/ada/nvidia-ada-gpu-architecture.pdf",
)
_GUIDE: Final = Source(
    "VENDOR_CLAIM", "https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html"
)
_MIG: Final = Source(
    "VENDOR_CLAIM",
    "https://docs.nvidia.com/datacenter/tesla/mig-user-guide/supported-mig-profiles.html",
)
_PTX: Final = Source("VENDOR_CLAIM", "https://docs.nvidia.com/cuda/parallel-thread-execution/")
_SMI: Final = Source("THIRD_PARTY", "https://github.com/modal-labs/modal-client/pull/2797")
"""Totals that nvidia-smi shows, with ECC on; capacities follow from the same numbers."""
_TORCH: Final = Source(
    "DERIVED", "https://docs.pytorch.org/docs/stable/torch.compiler_ir.html", 900_000
)
"""Every operation of CEP-Core is one of Core ATen, all of which PyTorch's CUDA build has."""
_FOURTEEN_BITS: Final = Source("THIRD_PARTY", "https://arxiv.org/abs/2412.19437")

_PCIE: Final = Source("DERIVED", "https://pcisig.com/specifications")
"""Lanes, times the rate of a lane after line coding."""

_ALL: Final = frozenset({"f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "ui8", "i1"})
_SOFTWARE: Final = (Software(component="torch", version_range=">=2.7"),)
_VENDOR: Final = "nvidia.com"


def _operations(
    *f64: tuple[str, str],
    f8: bool = False,
    fourteen_bits: bool = False,
    instruction: str = "mma",
    instructed: tuple[tuple[tuple[str, ...], str], ...] = (),
) -> tuple[Operation, ...]:
    """Return what PyTorch and PTX run.

    Args:
        f64: Engine and accumulator of products of f64, where that is not the vector engine.
        f8: PyTorch has products of f8.
        fourteen_bits: Sums of such products are known to keep fewer bits than f32.
        instruction: The instruction of PTX that runs what PyTorch has no operation for.
        instructed: Dtypes and accumulators of what that is.
    """
    half = (("tensor", "f32"),)
    core = Stack(
        engine="vector",
        dtypes=_ALL,
        products={
            "f64": f64 or (("vector", "f64"),),
            "f32": (("vector", "f32"),),
            "f16": (*half, ("tensor", "f16")),
            "bf16": half,
        },
        sums={"f64": "f64", "f32": "f32", "f16": "f32", "bf16": "f32"},
    )
    aten = "pytorch.org/aten/2:"
    ptx = f"nvidia.com/ptx/8:{instruction}"
    others = [
        Product(f"{aten}mm", "tensor", ("tf32",), "f32", ranks=_MATRICES),
        Product(
            f"{aten}_int_mm",
            "tensor",
            ("i8",),
            "i32",
            where=("self.shape[0] > 16", "self.shape[1] % 8 == 0", "mat2.shape[1] % 8 == 0"),
            ranks=_MATRICES,
        ),
        Product(
            f"{aten}_cslt_sparse_mm",
            "tensor",
            ("f16", "bf16"),
            "f32",
            a="compressed_A",
            b="dense_B",
            sparsity="2:4",
        ),
        Product(
            f"{aten}_cslt_sparse_mm",
            "tensor",
            ("i8",),
            "i32",
            a="compressed_A",
            b="dense_B",
            sparsity="2:4",
        ),
    ]
    if f8:
        others.append(
            Product(
                f"{aten}_scaled_mm",
                "tensor",
                ("f8e4m3fn", "f8e5m2"),
                "f32",
                where=("self.shape[1] % 16 == 0", "mat2.shape[1] % 16 == 0"),
                imprecise=fourteen_bits or None,
                ranks=_MATRICES,
            )
        )
    others += [Product(ptx, "tensor", dtypes, acc, a="a", b="b") for dtypes, acc in instructed]
    return (*core.claims(), *products(*others))


_F8_IN_F16: Final = (("f8e4m3fn", "f8e5m2"), "f16")
_I4: Final = (("i4",), "i32")
_MATRICES: Final = {"self": (2, 2), "mat2": (2, 2)}


def _common(paper: Source, *ports: str) -> tuple[Says, ...]:
    """Return who says what is the same for all; rates per clock follow from those in `paper`."""
    return (
        _TORCH.says("ops", "software"),
        _GUIDE.says("memories/memory/alignment_bytes"),
        _PCIE.says(*(f"ports/{name}/bytes_per_s_per_direction" for name in ports)),
        Source("DERIVED", paper.uri).says("engines/*/rates/*/ops_per_unit_per_clock"),
    )


def _from_sparse(uri: str | None, table: str) -> tuple[Says, ...]:
    """Return who says rates that the maker states for sparse operands alone.

    Each line of `table` is the sparse rate that is stated, then rows.
    """
    says = []
    for stated, *rows in (line.split() for line in table.split("\n") if line.strip()):
        for basis, suffix in (("DERIVED", ""), ("VENDOR_CLAIM", "@2:4")):
            places = [f"engines/tensor/rates/{row}{suffix}/peak_ops_per_s" for row in rows]
            source = Source(cast("Basis", basis), uri)
            says.append(source.says(*places, stated=stated, sparsity="2:4"))
    return tuple(says)


def _nvlink(kind: str, links: int) -> Port:
    return Port(
        id="nvlink",
        link_kind=kind,
        count=links,
        bytes_per_s_per_direction=links * read("25G"),
    )


_HOPPER_ENGINES: Final[tuple[Engine, ...]] = (
    engine(
        "vector",
        "VECTOR",
        132,
        "1980MHz",
        """
        f64  f64  -  f64  128  33.5T
        f32  f32  -  f32  256  66.9T
        f16  f16  -  f16  512  133.8T
        bf16 bf16 -  bf16 512  133.8T
        i32  i32  -  i32  128  33.5T
        """,
    ),
    engine(
        "tensor",
        "MATRIX",
        528,
        "1830MHz",
        """
        tf32     tf32     f32 f32 512  494.7T  2:4=989.4T
        f16      f16      f32 f32 1024 989.4T  2:4=1978.9T
        f16      f16      f16 f16 1024 989.4T  2:4=1978.9T
        bf16     bf16     f32 f32 1024 989.4T  2:4=1978.9T
        f8e4m3fn f8e4m3fn f32 f32 2048 1978.9T 2:4=3957.8T
        f8e4m3fn f8e4m3fn f16 f16 2048 1978.9T 2:4=3957.8T
        f8e5m2   f8e5m2   f32 f32 2048 1978.9T 2:4=3957.8T
        f8e5m2   f8e5m2   f16 f16 2048 1978.9T 2:4=3957.8T
        i8       i8       i32 i32 2048 1978.9T 2:4=3957.8T
        """,
    ),
    engine("tensor-f64", "MATRIX", 528, "1980MHz", "f64 f64 f64 f64 64 66.9T"),
)


def _hopper_memories(device: Memory) -> tuple[Memory, ...]:
    return (
        device,
        cache(2, "50MiB", "memory"),
        cache(1, "256KiB", "l2", instances=132),
        registers(132, "256KiB"),
    )


def _mig(table: str) -> Partitions:
    """Return partitions of 7 compute and 8 memory slices, with one set of media extensions."""
    return Partitions(
        counters={"compute_slices": 7, "memory_slices": 8, "media_extensions": 1},
        profiles=profiles(table),
    )


H100: Final = Device(
    name="nvidia/h100-sxm",
    subject=Subject(
        scope="MODEL",
        vendor=_VENDOR,
        model="NVIDIA H100 80GB HBM3",
        device_class="gpu",
        arch=("cuda:sm_90a",),
    ),
    operating_point=OperatingPoint(
        name="default", power_cap_mw=700_000, ecc=True, clock_policy="boost"
    ),
    software=_SOFTWARE,
    engines=_HOPPER_ENGINES,
    memories=_hopper_memories(
        Memory(
            id="memory",
            kind="hbm3",
            role="DEVICE",
            instances=5,
            capacity_bytes_per_instance=read("16GiB"),
            usable_bytes=81_559 * 2**20,
            stacks=5,
            combined_bytes_per_s=read("3.35T"),
            alignment_bytes=256,
        )
    ),
    ops=_operations(
        ("tensor-f64", "f64"),
        f8=True,
        fourteen_bits=True,
        instruction="wgmma.mma_async",
        instructed=(_F8_IN_F16,),
    ),
    power=Power(tdp_mw=700_000, cap_max_mw=700_000),
    partitions=_mig(
        """
        1g.10gb    compute_slices=1 memory_slices=1
        1g.10gb+me compute_slices=1 memory_slices=1 media_extensions=1
        1g.20gb    compute_slices=1 memory_slices=2
        2g.20gb    compute_slices=2 memory_slices=2
        3g.40gb    compute_slices=3 memory_slices=4
        4g.40gb    compute_slices=4 memory_slices=4
        7g.80gb    compute_slices=7 memory_slices=8
        """
    ),
    ports=(_nvlink("nvlink4", 18), pcie("pcie5")),
    sources=(
        _HOPPER.says("subject", "operating_point", "engines", "memories", "power", "ports"),
        _MIG.says("partitions"),
        _SMI.says("memories/memory/usable_bytes", "memories/memory/capacity_bytes_per_instance"),
        _PTX.says("ops/nvidia.com/ptx/8:wgmma.mma_async"),
        *_from_sparse(
            _H100_SHEET,
            """
            989T  tf32*tf32+f32
            1979T f16*f16+f32 bf16*bf16+f32
            3958T f8e4m3fn*f8e4m3fn+f32 i8*i8+i32
            """,
        ),
        _FOURTEEN_BITS.says("ops/pytorch.org/aten/2:_scaled_mm/variants/*/numerics/imprecise_acc"),
        *_common(_HOPPER, "pcie"),
    ),
)

H200: Final = Device(
    name="nvidia/h200-sxm",
    subject=Subject(
        scope="MODEL",
        vendor=_VENDOR,
        model="NVIDIA H200",
        device_class="gpu",
        arch=("cuda:sm_90a",),
    ),
    operating_point=H100.operating_point,
    software=_SOFTWARE,
    engines=_HOPPER_ENGINES,
    memories=_hopper_memories(
        Memory(
            id="memory",
            kind="hbm3e",
            role="DEVICE",
            instances=1,
            capacity_bytes_per_instance=read("141GiB"),
            usable_bytes=2 * read("69.5GiB"),
            stacks=6,
            combined_bytes_per_s=read("4.8T"),
            alignment_bytes=256,
        )
    ),
    ops=H100.ops,
    power=H100.power,
    partitions=_mig(
        """
        1g.18gb    compute_slices=1 memory_slices=1
        1g.18gb+me compute_slices=1 memory_slices=1 media_extensions=1
        1g.35gb    compute_slices=1 memory_slices=2
        2g.35gb    compute_slices=2 memory_slices=2
        3g.71gb    compute_slices=3 memory_slices=4
        4g.71gb    compute_slices=4 memory_slices=4
        7g.141gb   compute_slices=7 memory_slices=8
        """
    ),
    ports=H100.ports,
    sources=(
        _H200.says("subject", "operating_point", "memories", "power", "ports"),
        _HALVES.says("memories/memory/usable_bytes"),
        Source("DERIVED", _H200.uri, 950_000).says(
            "memories/memory/capacity_bytes_per_instance", stated="141G"
        ),
        _OWN_TOOL.says("memories/memory/capacity_bytes_per_instance", stated="141GiB"),
        _HOPPER.says(
            "engines", "memories/l2", "memories/l1", "memories/registers", "memories/memory/stacks"
        ),
        _MIG.says("partitions"),
        _PTX.says("ops/nvidia.com/ptx/8:wgmma.mma_async"),
        _FOURTEEN_BITS.says("ops/pytorch.org/aten/2:_scaled_mm/variants/*/numerics/imprecise_acc"),
        *_common(_HOPPER, "pcie"),
    ),
)

A100: Final = Device(
    name="nvidia/a100-sxm-80gb",
    subject=Subject(
        scope="MODEL",
        vendor=_VENDOR,
        model="NVIDIA A100-SXM4-80GB",
        device_class="gpu",
        arch=("cuda:sm_80",),
    ),
    operating_point=OperatingPoint(
        name="default", power_cap_mw=400_000, ecc=True, clock_policy="boost"
    ),
    software=_SOFTWARE,
    engines=(
        engine(
            "vector",
            "VECTOR",
            108,
            "1410MHz",
            """
            f64  f64  - f64  64  9.7T
            f32  f32  - f32  128 19.5T
            f16  f16  - f16  512 78T
            bf16 bf16 - bf16 256 39T
            i32  i32  - i32  128 19.5T
            """,
        ),
        engine(
            "tensor",
            "MATRIX",
            432,
            "1410MHz",
            """
            tf32 tf32 f32 f32 256  156T  2:4=312T
            f16  f16  f32 f32 512  312T  2:4=624T
            f16  f16  f16 f16 512  312T  2:4=624T
            bf16 bf16 f32 f32 512  312T  2:4=624T
            i8   i8   i32 i32 1024 624T  2:4=1248T
            i4   i4   i32 i32 2048 1248T 2:4=2496T
            """,
        ),
        engine("tensor-f64", "MATRIX", 432, "1410MHz", "f64 f64 f64 f64 32 19.5T"),
    ),
    memories=(
        Memory(
            id="memory",
            kind="hbm2e",
            role="DEVICE",
            instances=5,
            capacity_bytes_per_instance=read("16GiB"),
            usable_bytes=81_920 * 2**20,
            stacks=5,
            combined_bytes_per_s=read("2.039T"),
            alignment_bytes=256,
        ),
        cache(2, "40MiB", "memory"),
        cache(1, "192KiB", "l2", instances=108),
        registers(108, "256KiB"),
    ),
    ops=_operations(("tensor-f64", "f64"), instructed=(_I4,)),
    power=Power(tdp_mw=400_000, cap_min_mw=100_000, cap_max_mw=400_000),
    partitions=_mig(
        """
        1g.10gb    compute_slices=1 memory_slices=1
        1g.10gb+me compute_slices=1 memory_slices=1 media_extensions=1
        1g.20gb    compute_slices=1 memory_slices=2
        2g.20gb    compute_slices=2 memory_slices=2
        3g.40gb    compute_slices=3 memory_slices=4
        4g.40gb    compute_slices=4 memory_slices=4
        7g.80gb    compute_slices=7 memory_slices=8
        """
    ),
    ports=(_nvlink("nvlink3", 12), pcie("pcie4")),
    sources=(
        _A100.says("subject", "operating_point", "memories/memory", "power", "ports"),
        _AMPERE.says(
            "engines",
            "memories/l2",
            "memories/l1",
            "memories/registers",
            "memories/memory/stacks",
            "memories/memory/instances",
        ),
        _MIG.says("partitions"),
        _SMI.says("memories/memory/usable_bytes", "memories/memory/capacity_bytes_per_instance"),
        Source("THIRD_PARTY", "https://github.com/NVIDIA/nvidia-docker/issues/1648").says(
            "power/cap_min_mw"
        ),
        _PTX.says("ops/nvidia.com/ptx/8:mma"),
        *_common(_AMPERE, "pcie"),
    ),
)

L4: Final = Device(
    name="nvidia/l4",
    subject=Subject(
        scope="MODEL", vendor=_VENDOR, model="NVIDIA L4", device_class="gpu", arch=("cuda:sm_89",)
    ),
    operating_point=OperatingPoint(
        name="default", power_cap_mw=72_000, ecc=True, clock_policy="boost"
    ),
    software=_SOFTWARE,
    engines=(
        engine("vector", "VECTOR", 58, "2040MHz", "f32 f32 - f32 256 30.3T"),
        engine(
            "tensor",
            "MATRIX",
            232,
            "2040MHz",
            """
            tf32     tf32     f32 f32 128 60T    2:4=120T
            f16      f16      f32 f32 256 121T   2:4=242T
            bf16     bf16     f32 f32 256 121T   2:4=242T
            f8e4m3fn f8e4m3fn f32 f32 512 242.5T 2:4=485T
            f8e5m2   f8e5m2   f32 f32 512 242.5T 2:4=485T
            i8       i8       i32 i32 512 242.5T 2:4=485T
            """,
        ),
    ),
    memories=(
        Memory(
            id="memory",
            kind="gddr6",
            role="DEVICE",
            instances=1,
            capacity_bytes_per_instance=read("24GiB"),
            usable_bytes=23_034 * 2**20,
            combined_bytes_per_s=read("300G"),
            alignment_bytes=256,
        ),
        cache(2, "48MiB", "memory"),
        cache(1, "128KiB", "l2", instances=58),
        registers(58, "256KiB"),
    ),
    ops=_operations(f8=True),
    power=Power(tdp_mw=72_000, cap_max_mw=72_000),
    ports=(pcie("pcie4"),),
    sources=(
        _L4.says("subject", "operating_point", "engines", "memories", "power", "ports"),
        *_from_sparse(
            _L4.uri,
            """
            120T tf32*tf32+f32
            242T f16*f16+f32 bf16*bf16+f32
            485T f8e4m3fn*f8e4m3fn+f32 f8e5m2*f8e5m2+f32 i8*i8+i32
            """,
        ),
        _ADA.says(
            "engines/*/count",
            "engines/*/clock_hz",
            "memories/l2",
            "memories/l1",
            "memories/registers",
        ),
        _SMI.says("memories/memory/usable_bytes", "memories/memory/capacity_bytes_per_instance"),
        *_common(_ADA, "pcie"),
    ),
)

RTX_4090: Final = Device(
    name="nvidia/geforce-rtx-4090",
    subject=Subject(
        scope="MODEL",
        vendor=_VENDOR,
        model="NVIDIA GeForce RTX 4090",
        device_class="gpu",
        arch=("cuda:sm_89",),
    ),
    operating_point=OperatingPoint(
        name="default", power_cap_mw=450_000, ecc=False, clock_policy="boost"
    ),
    software=_SOFTWARE,
    engines=(
        engine(
            "vector",
            "VECTOR",
            128,
            "2520MHz",
            """
            f32  f32  - f32  256 82.6T
            f16  f16  - f16  256 82.6T
            bf16 bf16 - bf16 256 82.6T
            i32  i32  - i32  128 41.3T
            """,
        ),
        engine(
            "tensor",
            "MATRIX",
            512,
            "2520MHz",
            """
            tf32     tf32     f32 f32 64   82.6T   2:4=165.2T
            f16      f16      f32 f32 128  165.2T  2:4=330.3T
            f16      f16      f16 f16 256  330.3T  2:4=660.6T
            bf16     bf16     f32 f32 128  165.2T  2:4=330.3T
            f8e4m3fn f8e4m3fn f32 f32 256  330.3T  2:4=660.6T
            f8e4m3fn f8e4m3fn f16 f16 512  660.6T  2:4=1321.2T
            f8e5m2   f8e5m2   f32 f32 256  330.3T  2:4=660.6T
            f8e5m2   f8e5m2   f16 f16 512  660.6T  2:4=1321.2T
            i8       i8       i32 i32 512  660.6T  2:4=1321.2T
            i4       i4       i32 i32 1024 1321.2T 2:4=2642.4T
            """,
        ),
    ),
    memories=(
        Memory(
            id="memory",
            kind="gddr6x",
            role="DEVICE",
            instances=1,
            capacity_bytes_per_instance=read("24GiB"),
            usable_bytes=24_564 * 2**20,
            combined_bytes_per_s=read("1008G"),
            alignment_bytes=256,
        ),
        cache(2, "72MiB", "memory"),
        cache(1, "128KiB", "l2", instances=128),
        registers(128, "256KiB"),
    ),
    ops=_operations(f8=True, instructed=(_F8_IN_F16, _I4)),
    power=Power(tdp_mw=450_000),
    ports=(pcie("pcie4"),),
    sources=(
        _GEFORCE.says("subject", "operating_point", "engines", "memories", "power", "ports"),
        Source("THIRD_PARTY", "https://github.com/RLinf/RLinf/issues/255").says(
            "memories/memory/usable_bytes",
            "memories/memory/capacity_bytes_per_instance",
            "operating_point/ecc",
        ),
        _PTX.says("ops/nvidia.com/ptx/8:mma"),
        *_common(_GEFORCE, "pcie"),
    ),
)

DEVICES: Final = (H100, H200, A100, L4, RTX_4090)
