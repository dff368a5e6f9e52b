"""TPUs of Google Cloud.

Bandwidth of links is published in both directions together; a port has half of it in each.
"""

from __future__ import annotations

from typing import Final

from acp.quantities import read
from acp.v1.capability import Memory, OperatingPoint, Port, Software, Subject
from schemas.devices.book import Device
from schemas.devices.operations import Product, Stack, products
from schemas.devices.sources import Source
from schemas.devices.tables import engine

_V5P: Final = Source("VENDOR_CLAIM", "https://docs.cloud.google.com/tpu/docs/v5p")
_V5P_INT8: Final = Source(
    "VENDOR_CLAIM",
    "https://cloud.google.com/blog/products/ai-machine-learning/introducing-cloud-tpu-v5p-and-ai-hypercomputer",
)
_V5E: Final = Source("VENDOR_CLAIM", "https://docs.cloud.google.com/tpu/docs/v5e")
_BOOK: Final = Source("THIRD_PARTY", "https://jax-ml.github.io/scaling-book/tpus/", 900_000)
_JAX: Final = Source("DERIVED", "https://docs.jax.dev/en/latest/jax.numpy.html", 800_000)
_STABLEHLO: Final = Source("DERIVED", "https://openxla.org/stablehlo/spec", 800_000)
_COUNTED: Final = Source("DERIVED", _V5P.uri)
_COUNTED_V5E: Final = Source("DERIVED", _V5E.uri)

_SOFTWARE: Final = (Software(component="jax", version_range=">=0.4.30"),)
_OPS: Final = (
    *Stack(
        engine="vpu",
        dtypes=frozenset({"f32", "bf16", "i32", "i16", "i8", "ui8", "i1", "i64"}),
        products={"bf16": (("mxu", "f32"),)},
        sums={"f32": "f32", "bf16": "f32"},
    ).claims(),
    *products(
        Product("openxla.org/stablehlo/1:dot_general", "mxu", ("i8",), "i32", a="lhs", b="rhs"),
    ),
)

V5P: Final = Device(
    name="google/tpu-v5p",
    subject=Subject(
        scope="MODEL", vendor="google.com", model="TPU v5p", device_class="tpu", arch=("tpu:v5p",)
    ),
    operating_point=OperatingPoint(name="default"),
    software=_SOFTWARE,
    engines=(
        engine(
            "mxu",
            "MATRIX",
            8,
            "1750MHz",
            """
            bf16 bf16 f32 f32 32768 459T
            i8   i8   i32 i32 65536 918T
            """,
        ),
        engine("vpu", "VECTOR", 2, None),
    ),
    memories=(
        Memory(
            id="memory",
            kind="hbm2e",
            role="DEVICE",
            instances=1,
            capacity_bytes_per_instance=read("95GiB"),
            combined_bytes_per_s=read("2765G"),
        ),
    ),
    ops=_OPS,
    ports=(Port(id="ici", link_kind="ici", count=6, bytes_per_s_per_direction=6 * read("100G")),),
    sources=(
        _V5P.says("subject", "operating_point", "engines", "memories", "ports"),
        _V5P.says("memories/memory/capacity_bytes_per_instance", stated="95GiB"),
        _V5P_INT8.says("engines/mxu/rates/i8*i8+i32"),
        _COUNTED.says("engines/mxu/rates/*/ops_per_unit_per_clock", "ports/ici/count"),
        _BOOK.says("engines/mxu/clock_hz"),
        _JAX.says("ops", "software", "engines/mxu/rates/*/acc", "engines/mxu/rates/*/out"),
        _STABLEHLO.says("ops/openxla.org/stablehlo/1:dot_general"),
    ),
)

V5E: Final = Device(
    name="google/tpu-v5e",
    subject=Subject(
        scope="MODEL", vendor="google.com", model="TPU v5e", device_class="tpu", arch=("tpu:v5e",)
    ),
    operating_point=OperatingPoint(name="default"),
    software=_SOFTWARE,
    engines=(
        engine(
            "mxu",
            "MATRIX",
            4,
            "1500MHz",
            """
            bf16 bf16 f32 f32 32768 197T
            i8   i8   i32 i32 65536 393T
            """,
        ),
        engine("vpu", "VECTOR", 1, None),
    ),
    memories=(
        Memory(
            id="memory",
            kind="hbm2",
            role="DEVICE",
            instances=1,
            capacity_bytes_per_instance=read("16G"),
            combined_bytes_per_s=read("819G"),
        ),
        Memory(
            id="vmem",
            kind="sram",
            role="SCRATCH",
            instances=1,
            capacity_bytes_per_instance=read("128MiB"),
            managed="SW",
        ),
    ),
    ops=_OPS,
    ports=(Port(id="ici", link_kind="ici", count=4, bytes_per_s_per_direction=4 * read("50G")),),
    sources=(
        _V5E.says("subject", "operating_point", "engines", "memories", "ports"),
        _V5E.says("memories/memory/capacity_bytes_per_instance", stated="16G"),
        _COUNTED_V5E.says("engines/mxu/rates/*/ops_per_unit_per_clock"),
        _BOOK.says("engines/mxu/clock_hz", "memories/vmem"),
        _JAX.says("ops", "software", "engines/mxu/rates/*/acc", "engines/mxu/rates/*/out"),
        _STABLEHLO.says("ops/openxla.org/stablehlo/1:dot_general"),
    ),
)

DEVICES: Final = (V5P, V5E)
