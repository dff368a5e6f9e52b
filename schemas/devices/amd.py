"""Processors of AMD, and cards of its line of reconfigurable devices.

Rates of the MI300X are per compute unit or matrix core, of the EPYC per core, of the U280 per
engine of the overlay.
"""

from __future__ import annotations

from typing import Final

from acp.quantities import read
from acp.v1.capability import (
    Memory,
    OperatingPoint,
    Partitions,
    Port,
    Power,
    Software,
    Subject,
)
from schemas.devices.book import Device
from schemas.devices.operations import Product, Stack, products
from schemas.devices.sources import Source
from schemas.devices.tables import cache, engine, pcie, profiles

_MI300X: Final = Source(
    "VENDOR_CLAIM",
    "https://www.amd.com/content/dam/amd/en/documents/instinct-tech-docs/data-sheets/amd-instinct-mi300x-data-sheet.pdf",
)
_CDNA3: Final = Source(
    "VENDOR_CLAIM",
    "https://www.amd.com/content/dam/amd/en/documents/instinct-tech-docs/white-papers/amd-cdna-3-white-paper.pdf",
)
_CDNA3_ISA: Final = Source(
    "VENDOR_CLAIM",
    "https://www.amd.com/content/dam/amd/en/documents/instinct-tech-docs/instruction-set-architectures/amd-instinct-mi300-cdna3-instruction-set-architecture.pdf",
)
_PARTITIONS: Final = Source(
    "VENDOR_CLAIM",
    "https://instinct.docs.amd.com/projects/amdgpu-docs/en/latest/gpu-partitioning/mi300x/overview.html",
)
_EPYC: Final = Source(
    "VENDOR_CLAIM",
    "https://www.amd.com/en/products/processors/server/epyc/4th-generation-9004-and-8004-series/amd-epyc-9654.html",
)
_ZEN4: Final = Source(
    "VENDOR_CLAIM",
    "https://www.amd.com/content/dam/amd/en/documents/epyc-technical-docs/white-papers/221704010-B_en_4th-Gen-AMD-EPYC-Processor-Architecture%E2%80%94White-Paper_pdf.pdf",
)
_TORCH: Final = Source(
    "DERIVED", "https://docs.pytorch.org/docs/stable/torch.compiler_ir.html", 850_000
)
_PCIE: Final = Source("DERIVED", "https://pcisig.com/specifications")
_DPU: Final = Source(
    "VENDOR_CLAIM", "https://docs.amd.com/r/1.0-English/pg367-dpucahx8h/Performance"
)
_DPU_NETWORKS: Final = Source(
    "ESTIMATED", "https://docs.amd.com/r/1.1-English/pg367-dpucahx8h/Core-Overview", 700_000
)
_U280_HBM: Final = Source(
    "VENDOR_CLAIM",
    "https://docs.amd.com/r/2023.1-English/ug1393-vitis-application-acceleration/HBM-Configuration-and-Use",
)
_U280: Final = Source("VENDOR_CLAIM", "https://docs.amd.com/r/en-US/ds963-u280")

_ALL: Final = frozenset({"f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "ui8", "i1"})
_SUMS: Final = {"f64": "f64", "f32": "f32", "f16": "f32", "bf16": "f32"}
_SOFTWARE: Final = (Software(component="torch", version_range=">=2.7"),)
_MATRICES: Final = {"self": (2, 2), "mat2": (2, 2)}
_ATEN: Final = "pytorch.org/aten/2:"
_INSTRUCTIONS: Final = "amd.com/cdna3/1:"

MI300X: Final = Device(
    name="amd/instinct-mi300x",
    subject=Subject(
        scope="MODEL",
        vendor="amd.com",
        model="AMD Instinct MI300X",
        device_class="gpu",
        arch=("rocm:gfx942",),
    ),
    operating_point=OperatingPoint(
        name="default",
        power_cap_mw=750_000,
        ecc=True,
        partition_mode="SPX",
        clock_policy="boost",
    ),
    software=_SOFTWARE,
    engines=(
        engine(
            "vector",
            "VECTOR",
            304,
            "2100MHz",
            """
            f64 f64 - f64 128 81.7T
            f32 f32 - f32 256 163.4T
            """,
        ),
        engine(
            "matrix",
            "MATRIX",
            1216,
            "2100MHz",
            """
            f64        f64        f64 f64 64   163.4T
            f32        f32        f32 f32 64   163.4T
            tf32       tf32       f32 f32 256  653.7T  2:4=1307.4T
            f16        f16        f32 f32 512  1307.4T 2:4=2614.9T
            bf16       bf16       f32 f32 512  1307.4T 2:4=2614.9T
            f8e4m3fnuz f8e4m3fnuz f32 f32 1024 2614.9T 2:4=5229.8T
            f8e5m2fnuz f8e5m2fnuz f32 f32 1024 2614.9T 2:4=5229.8T
            i8         i8         i32 i32 1024 2614.9T 2:4=5229.8T
            """,
        ),
    ),
    memories=(
        Memory(
            id="memory",
            kind="hbm3",
            role="DEVICE",
            instances=8,
            capacity_bytes_per_instance=read("24GiB"),
            usable_bytes=206_141_652_992,
            stacks=8,
            combined_bytes_per_s=read("5.3T"),
            alignment_bytes=256,
        ),
        cache(3, "256MiB", "memory", rate="17.2T"),
        cache(2, "4MiB", "l3", instances=8),
        cache(1, "32KiB", "l2", instances=304),
        Memory(
            id="lds",
            kind="sram",
            role="SCRATCH",
            instances=304,
            capacity_bytes_per_instance=read("64KiB"),
            managed="SW",
        ),
    ),
    ops=(
        *Stack(
            engine="vector",
            dtypes=_ALL,
            products={
                "f64": (("matrix", "f64"),),
                "f32": (("matrix", "f32"),),
                "f16": (("matrix", "f32"),),
                "bf16": (("matrix", "f32"),),
            },
            sums=_SUMS,
        ).claims(),
        *products(
            Product(
                f"{_ATEN}_scaled_mm",
                "matrix",
                ("f8e4m3fnuz", "f8e5m2fnuz"),
                "f32",
                where=("self.shape[1] % 16 == 0", "mat2.shape[1] % 16 == 0"),
                ranks=_MATRICES,
            ),
            Product(f"{_INSTRUCTIONS}mfma", "matrix", ("tf32",), "f32", a="a", b="b"),
            Product(f"{_INSTRUCTIONS}mfma", "matrix", ("i8",), "i32", a="a", b="b"),
            Product(
                f"{_INSTRUCTIONS}smfmac",
                "matrix",
                ("f16", "bf16", "f8e4m3fnuz", "f8e5m2fnuz"),
                "f32",
                a="a",
                b="b",
                sparsity="2:4",
            ),
            Product(
                f"{_INSTRUCTIONS}smfmac", "matrix", ("i8",), "i32", a="a", b="b", sparsity="2:4"
            ),
        ),
    ),
    power=Power(tdp_mw=750_000, cap_max_mw=750_000),
    partitions=Partitions(
        counters={"xcds": 8},
        profiles=profiles(
            """
            SPX xcds=8
            DPX xcds=4
            QPX xcds=2
            CPX xcds=1
            """
        ),
    ),
    ports=(
        Port(
            id="infinity-fabric",
            link_kind="infinity-fabric",
            count=7,
            bytes_per_s_per_direction=7 * read("64G"),
        ),
        pcie("pcie5"),
    ),
    sources=(
        _MI300X.says("subject", "operating_point", "engines", "memories", "power", "ports"),
        _CDNA3.says(
            "engines/*/rates/*/ops_per_unit_per_clock",
            "memories/l3",
            "memories/l2",
            "memories/l1",
            "memories/lds",
        ),
        Source("THIRD_PARTY", "https://github.com/ROCm/legacy-rocm-build/issues/4750").says(
            "memories/memory/usable_bytes"
        ),
        Source("DERIVED", _MI300X.uri).says("memories/memory/capacity_bytes_per_instance"),
        Source("DERIVED", "https://rocm.docs.amd.com/projects/HIP/en/latest/").says(
            "memories/memory/alignment_bytes"
        ),
        _PARTITIONS.says("partitions", "operating_point/partition_mode"),
        _TORCH.says("ops", "software"),
        _CDNA3_ISA.says("ops/amd.com/cdna3/1:mfma", "ops/amd.com/cdna3/1:smfmac"),
        _PCIE.says("ports/pcie/bytes_per_s_per_direction"),
    ),
)

EPYC_9654: Final = Device(
    name="amd/epyc-9654",
    subject=Subject(
        scope="MODEL",
        vendor="amd.com",
        model="AMD EPYC 9654 96-Core Processor",
        device_class="cpu",
        arch=("x86-64:v4", "x86-64:avx512_bf16", "x86-64:avx512_vnni"),
    ),
    operating_point=OperatingPoint(
        name="base-1dpc", power_cap_mw=360_000, ecc=True, clock_policy="base"
    ),
    software=_SOFTWARE,
    engines=(
        engine(
            "cores",
            "VECTOR",
            96,
            "2400MHz",
            """
            f64 f64 - f64 16 3.6864T
            f32 f32 - f32 32 7.3728T
            """,
        ),
    ),
    memories=(
        Memory(
            id="memory",
            kind="ddr5",
            role="DEVICE",
            instances=12,
            capacity_bytes_per_instance=read("256GiB"),
            combined_bytes_per_s=read("460.8G"),
            line_bytes=64,
            alignment_bytes=64,
        ),
        cache(3, "32MiB", "memory", instances=12),
        cache(2, "1MiB", "l3", instances=96),
        cache(1, "32KiB", "l2", instances=96),
    ),
    ops=Stack(
        engine="cores",
        dtypes=_ALL,
        products={
            "f64": (("cores", "f64"),),
            "f32": (("cores", "f32"),),
            "f16": (("cores", "f32"),),
            "bf16": (("cores", "f32"),),
        },
        sums=_SUMS,
    ).claims(),
    power=Power(tdp_mw=360_000, cap_min_mw=320_000, cap_max_mw=400_000),
    ports=tuple(pcie("pcie5", f"pcie{index}") for index in range(8)),
    sources=(
        _EPYC.says("subject", "operating_point", "engines", "memories", "power", "ports"),
        _ZEN4.says(
            "engines/cores/rates/*/ops_per_unit_per_clock",
            "memories/l2",
            "memories/l1",
            "memories/memory/line_bytes",
            "memories/memory/alignment_bytes",
        ),
        Source("DERIVED", _EPYC.uri).says(
            "engines/cores/rates/*/peak_ops_per_s", "memories/memory/capacity_bytes_per_instance"
        ),
        _TORCH.says("ops", "software"),
        _PCIE.says(*(f"ports/pcie{index}/bytes_per_s_per_direction" for index in range(8))),
    ),
)

U280_DPU: Final = Device(
    name="amd/alveo-u280-dpucahx8h",
    subject=Subject(
        scope="MODEL",
        vendor="amd.com",
        model="Alveo U280 with DPUCAHX8H, 4+5+5 engines",
        part_number="A-U280",
        device_class="fpga",
        arch=("amd-fpga:ultrascale+", "amd-fpga:dpucahx8h"),
    ),
    operating_point=OperatingPoint(name="300mhz", clock_policy="fixed"),
    engines=(engine("dpu", "RECONFIGURABLE", 14, "300MHz", "i8 i8 i32 i8 4096 17.203T"),),
    memories=(
        Memory(
            id="memory",
            kind="hbm2",
            role="DEVICE",
            instances=1,
            capacity_bytes_per_instance=read("8GiB"),
            stacks=2,
            combined_bytes_per_s=read("460G"),
        ),
    ),
    ops=products(
        Product(
            "onnx.ai/onnx/10:QLinearConv",
            "dpu",
            ("i8",),
            "i32",
            a="x",
            b="w",
            ranks={"x": (4, 4), "w": (4, 4)},
        )
    ),
    ports=(pcie("pcie3"),),
    sources=(
        _DPU.says("subject", "operating_point", "engines"),
        Source("DERIVED", _DPU.uri).says("engines/dpu/rates/*/ops_per_unit_per_clock"),
        _U280_HBM.says("memories"),
        _U280.says("ports", "subject/part_number"),
        _PCIE.says("ports/pcie/bytes_per_s_per_direction"),
        _DPU_NETWORKS.says("ops", "engines/dpu/rates/*/acc"),
    ),
)

DEVICES: Final = (MI300X, EPYC_9654, U280_DPU)
