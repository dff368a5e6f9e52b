"""The processor and the GPU of Lunar Lake, which share package and memory with its NPU.

What the cores of the processor do in a clock is not published in one place, and their clock depends
on what all three do; so there are no rates of the processor.
"""

from __future__ import annotations

from typing import Final

from acp.quantities import read
from acp.v1.capability import Engine, Memory, OperatingPoint, Software, Subject
from schemas.devices.book import Device
from schemas.devices.laptops import LUNAR_LAKE
from schemas.devices.operations import Product, Stack, products
from schemas.devices.sources import Source
from schemas.devices.tables import cache, engine

_XE2: Final = Source(
    "THIRD_PARTY",
    "https://www.tomshardware.com/pc-components/cpus/intel-unwraps-lunar-lake-architecture-up-to-68-ipc-gain-for-e-cores-16-ipc-gain-for-p-cores/4",
    900_000,
)
_CLOCK: Final = Source("THIRD_PARTY", "https://pcguia.pt/?p=291031", 800_000)
"""Of the fastest of the family; the rates follow from it."""
_CORES: Final = Source(
    "THIRD_PARTY",
    "https://techpowerup.com/review/intel-lunar-lake-technical-deep-dive/3.html",
    900_000,
)
_L2: Final = Source(
    "THIRD_PARTY",
    "https://www.svethardware.cz/intel-xe2-battlemage-prichazi-s-o-50-vyssim-vykonem-a-bude-i-pro-desktop/60757",
    900_000,
)
_MEMORY: Final = Source(
    "THIRD_PARTY",
    "https://www.tomshardware.com/tech-industry/manufacturing/intels-lunar-lake-cpus-to-use-on-package-samsung-lpddr5x-memory",
    900_000,
)
_WIDTHS: Final = Source("ESTIMATED", None, 800_000)
"""From the widths of the engines: 512 bits of f32 with multiply-add, 2048 bits of products."""
_TORCH: Final = Source(
    "ESTIMATED", "https://docs.pytorch.org/docs/stable/notes/get_start_xpu.html", 700_000
)
_OPENVINO: Final = Source(
    "ESTIMATED",
    "https://docs.openvino.ai/2025/openvino-workflow/running-inference/inference-devices-and-modes/gpu-device.html",
    700_000,
)

_ALL: Final = frozenset({"f32", "f16", "bf16", "i64", "i32", "i16", "i8", "ui8", "i1"})
_MAIN: Final = LUNAR_LAKE.memories[0]

CPU: Final = Device(
    name="intel/core-ultra-lunar-lake",
    subject=Subject(
        scope="MODEL",
        vendor="intel.com",
        model="Core Ultra 200V, Lunar Lake, 32 GB",
        device_class="cpu",
        arch=("x86-64:v3",),
    ),
    operating_point=OperatingPoint(name="default"),
    software=(Software(component="torch", version_range=">=2.7"),),
    engines=(Engine(id="cores", kind="VECTOR", count=8),),
    memories=(
        _MAIN,
        Memory(
            id="l3",
            kind="sram",
            role="CACHE",
            level=3,
            instances=4,
            capacity_bytes_per_instance=read("3MiB"),
            managed="HW",
            backing_id="memory",
        ),
    ),
    ops=Stack(
        engine="cores",
        dtypes=_ALL | {"f64"},
        products={one: (("cores", one),) for one in ("f64", "f32")},
        sums={"f64": "f64", "f32": "f32"},
    ).claims(),
    sources=(
        _CORES.says("subject", "operating_point", "engines", "memories/l3"),
        _MEMORY.says("memories/memory"),
        _TORCH.says("ops", "software"),
    ),
)

GPU: Final = Device(
    name="intel/arc-140v",
    subject=Subject(
        scope="MODEL",
        vendor="intel.com",
        model="Arc 140V of Lunar Lake, 32 GB",
        device_class="gpu",
        arch=("oneapi:xe2",),
    ),
    operating_point=OperatingPoint(name="default", clock_policy="boost"),
    software=(Software(component="torch", version_range=">=2.7"),),
    engines=(
        engine("vector", "VECTOR", 64, "2050MHz", "f32 f32 - f32 32 4.2T"),
        engine(
            "xmx",
            "MATRIX",
            64,
            "2050MHz",
            """
            i8   i8   i32 i32 512 67T
            f16  f16  f32 f32 256 33.6T
            bf16 bf16 f32 f32 256 33.6T
            """,
        ),
    ),
    memories=(_MAIN, cache(2, "8MiB", "memory")),
    ops=(
        *Stack(
            engine="vector",
            dtypes=_ALL,
            products={
                "f32": (("vector", "f32"),),
                "f16": (("xmx", "f32"),),
                "bf16": (("xmx", "f32"),),
            },
            sums={"f32": "f32", "f16": "f32", "bf16": "f32"},
        ).claims(),
        *products(
            Product("openvino.ai/opset/13:MatMul", "xmx", ("i8",), "i32", a="a", b="b"),
        ),
    ),
    sources=(
        _XE2.says("subject", "operating_point", "engines"),
        _CLOCK.says("engines/*/clock_hz"),
        _WIDTHS.says(
            "engines/*/rates/*/ops_per_unit_per_clock",
            "engines/vector/rates/f32*f32+-/peak_ops_per_s",
            "engines/xmx/rates/f16*f16+f32/peak_ops_per_s",
            "engines/xmx/rates/bf16*bf16+f32/peak_ops_per_s",
        ),
        _MEMORY.says("memories/memory"),
        _L2.says("memories/l2"),
        _TORCH.says("ops", "software"),
        _OPENVINO.says("ops/openvino.ai/opset/13:MatMul"),
    ),
)

DEVICES: Final = (CPU, GPU)
