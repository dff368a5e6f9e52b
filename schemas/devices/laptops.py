"""What is in laptops: a GPU of Apple, neural processors of Intel and Qualcomm.

Their makers publish little; what others found out is marked so. Where memory is sold in several
sizes, the descriptor is about the largest.
"""

from __future__ import annotations

from typing import Final

from acp.quantities import read
from acp.v1.capability import Memory, OperatingPoint, Software, Subject
from schemas.devices.book import Device
from schemas.devices.operations import Product, Stack, products
from schemas.devices.sources import Source
from schemas.devices.tables import engine

_M3_MAX: Final = Source(
    "THIRD_PARTY", "https://hmc-tech.com/gpu/apple-32-core-m4-max-vs-apple-40-core-m3-max", 700_000
)
_M3_MEMORY: Final = Source("THIRD_PARTY", "https://en.wikipedia.org/wiki/Apple_M3", 900_000)
_M3_LANES: Final = Source("ESTIMATED", None, 700_000)
"""From the rate: 40 cores of 128 lanes."""
_MPS: Final = Source("ESTIMATED", "https://docs.pytorch.org/docs/stable/notes/mps.html", 700_000)
_METEOR: Final = Source(
    "THIRD_PARTY", "https://chipsandcheese.com/p/intel-meteor-lakes-npu", 800_000
)
_LUNAR: Final = Source(
    "THIRD_PARTY",
    "https://www.tomshardware.com/pc-components/cpus/intel-unwraps-lunar-lake-architecture-up-to-68-ipc-gain-for-e-cores-16-ipc-gain-for-p-cores/5",
    900_000,
)
_LUNAR_MEMORY: Final = Source(
    "THIRD_PARTY",
    "https://www.tomshardware.com/tech-industry/manufacturing/intels-lunar-lake-cpus-to-use-on-package-samsung-lpddr5x-memory",
    900_000,
)
_TOPS: Final = Source(
    "THIRD_PARTY",
    "https://zareason.com/intel-lunar-lake-will-deliver-120-tops-combining-cpu-igpu-and-npu/",
    900_000,
)
_LINES: Final = Source("ESTIMATED", None, 900_000)
"""128 data lines, as all of its class have."""
_HALF: Final = Source("ESTIMATED", None, 700_000)
"""Arrays of this family do half as many products of f16 as of i8."""
_ACCUMULATORS: Final = Source("ESTIMATED", None, 600_000)
_OPENVINO: Final = Source(
    "ESTIMATED",
    "https://docs.openvino.ai/2025/openvino-workflow/running-inference/inference-devices-and-modes/npu-device.html",
    700_000,
)
_X_ELITE: Final = Source(
    "THIRD_PARTY",
    "https://www.windowscentral.com/hardware/laptops/what-is-snapdragon-x-elite",
    900_000,
)
_X_MEMORY: Final = Source(
    "THIRD_PARTY",
    "https://en.mashdigi.com/snapdragon-x-elite-is-qualcomms-first-pc-level-processor-built-with-nuvia-technology/",
    800_000,
)
_QNN: Final = Source(
    "ESTIMATED", "https://docs.qualcomm.com/bundle/publicresource/topics/80-63442-50", 600_000
)

M3_MAX: Final = Device(
    name="apple/m3-max-40-core",
    subject=Subject(
        scope="MODEL",
        vendor="apple.com",
        model="M3 Max, 40-core GPU, 128 GB",
        device_class="gpu",
        arch=("metal:apple9",),
    ),
    operating_point=OperatingPoint(name="default"),
    software=(Software(component="torch", version_range=">=2.7"),),
    engines=(engine("vector", "VECTOR", 40, "1398MHz", "f32 f32 - f32 256 14.2T"),),
    memories=(
        Memory(
            id="memory",
            kind="unified",
            role="SHARED",
            instances=1,
            capacity_bytes_per_instance=read("128GiB"),
            combined_bytes_per_s=read("409.6G"),
        ),
    ),
    ops=Stack(
        engine="vector",
        dtypes=frozenset({"f32", "f16", "i64", "i32", "i1"}),
        products={"f32": (("vector", "f32"),)},
        sums={"f32": "f32"},
        only=frozenset(
            {
                "_softmax",
                "add.Tensor",
                "addmm",
                "bmm",
                "cat",
                "clone",
                "convolution",
                "div.Tensor",
                "embedding",
                "exp",
                "expand",
                "gelu",
                "linear",
                "mean.dim",
                "mm",
                "mul.Tensor",
                "native_layer_norm",
                "permute",
                "relu",
                "rsqrt",
                "scaled_dot_product_attention",
                "select.int",
                "sigmoid",
                "sub.Tensor",
                "tanh",
                "view",
                "where.self",
            }
        ),
    ).claims(),
    sources=(
        _M3_MAX.says("subject", "operating_point", "engines"),
        _M3_MAX.says("engines/vector/rates/f32*f32+-/peak_ops_per_s", stated="14.32T"),
        _M3_LANES.says("engines/vector/rates/*/ops_per_unit_per_clock"),
        _M3_MEMORY.says("memories"),
        _MPS.says("ops", "software"),
    ),
)


def _openvino() -> tuple[Product, ...]:
    """Return what OpenVINO runs on the array."""
    return (
        Product("openvino.ai/opset/13:MatMul", "nce", ("f16",), "f32", a="a", b="b"),
        Product("openvino.ai/opset/13:MatMul", "nce", ("i8",), "i32", a="a", b="b"),
        Product("openvino.ai/opset/13:Convolution", "nce", ("f16",), "f32", a="data", b="filters"),
        Product("openvino.ai/opset/13:Convolution", "nce", ("i8",), "i32", a="data", b="filters"),
    )


METEOR_LAKE: Final = Device(
    name="intel/npu-meteor-lake",
    subject=Subject(
        scope="MODEL",
        vendor="intel.com",
        model="NPU 3720 of Meteor Lake",
        device_class="npu",
        arch=("intel-npu:3720",),
    ),
    operating_point=OperatingPoint(name="default"),
    software=(Software(component="openvino", version_range=">=2024.1"),),
    engines=(
        engine(
            "nce",
            "MATRIX",
            2,
            "1400MHz",
            """
            i8  i8  i32 i32 4096 11.5T
            f16 f16 f32 f16 2048 5.75T
            """,
        ),
    ),
    memories=(
        Memory(
            id="cmx",
            kind="sram",
            role="SCRATCH",
            instances=2,
            capacity_bytes_per_instance=read("2MiB"),
            managed="SW",
        ),
    ),
    ops=products(*_openvino()),
    sources=(
        _METEOR.says("subject", "operating_point", "engines", "memories"),
        _TOPS.says("engines/nce/rates/i8*i8+i32/peak_ops_per_s"),
        _HALF.says("engines/nce/rates/f16*f16+f32"),
        _ACCUMULATORS.says("engines/nce/rates/*/acc", "engines/nce/rates/*/out"),
        _OPENVINO.says("ops", "software"),
    ),
)

LUNAR_LAKE: Final = Device(
    name="intel/npu-lunar-lake",
    subject=Subject(
        scope="MODEL",
        vendor="intel.com",
        model="NPU 4000 of Lunar Lake, 32 GB",
        device_class="npu",
        arch=("intel-npu:4000",),
    ),
    operating_point=OperatingPoint(name="default"),
    software=(Software(component="openvino", version_range=">=2024.3"),),
    engines=(
        engine(
            "nce",
            "MATRIX",
            6,
            "1950MHz",
            """
            i8  i8  i32 i32 4096 48T
            f16 f16 f32 f16 2048 24T
            """,
        ),
    ),
    memories=(
        Memory(
            id="memory",
            kind="lpddr5x",
            role="SHARED",
            instances=1,
            capacity_bytes_per_instance=read("32GiB"),
            combined_bytes_per_s=8533 * 10**6 * 16,
        ),
    ),
    ops=products(*_openvino()),
    sources=(
        _LUNAR.says("subject", "operating_point", "engines"),
        _TOPS.says("engines/nce/rates/i8*i8+i32/peak_ops_per_s"),
        _LUNAR_MEMORY.says("memories"),
        _LINES.says("memories/memory/combined_bytes_per_s"),
        _HALF.says("engines/nce/rates/f16*f16+f32", "engines/nce/clock_hz"),
        _ACCUMULATORS.says("engines/nce/rates/*/acc", "engines/nce/rates/*/out"),
        _OPENVINO.says("ops", "software"),
    ),
)

HEXAGON: Final = Device(
    name="qualcomm/hexagon-x-elite",
    subject=Subject(
        scope="MODEL",
        vendor="qualcomm.com",
        model="Hexagon NPU of Snapdragon X Elite, 64 GB",
        device_class="npu",
        arch=("hexagon:v73",),
    ),
    operating_point=OperatingPoint(name="default"),
    engines=(engine("hmx", "MATRIX", 1, None, "i8 i8 i32 i8 - 45T"),),
    memories=(
        Memory(
            id="memory",
            kind="lpddr5x",
            role="SHARED",
            instances=1,
            capacity_bytes_per_instance=read("64GiB"),
            combined_bytes_per_s=read("135G"),
        ),
    ),
    ops=products(
        Product("qualcomm.com/qnn/2:MatMul", "hmx", ("i8",), "i32", a="in0", b="in1"),
        Product("qualcomm.com/qnn/2:Conv2d", "hmx", ("i8",), "i32", a="in0", b="in1"),
    ),
    sources=(
        _X_ELITE.says("subject", "operating_point", "engines"),
        _X_MEMORY.says("memories"),
        _LINES.says("memories/memory/combined_bytes_per_s"),
        _ACCUMULATORS.says(
            "engines/hmx/rates/*/acc", "engines/hmx/rates/*/out", "engines/hmx/count"
        ),
        _QNN.says("ops", "subject/arch"),
    ),
)

DEVICES: Final = (M3_MAX, METEOR_LAKE, LUNAR_LAKE, HEXAGON)
