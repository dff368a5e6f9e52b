"""The GroqChip.

Its SRAM is published as 230 MB and as 220 MiB, which are the same: 88 slices of 2.5 MiB.
"""

from __future__ import annotations

from typing import Final

from acp.quantities import read
from acp.v1.capability import Memory, OperatingPoint, Port, Subject
from schemas.devices.book import Device
from schemas.devices.operations import Product, products
from schemas.devices.sources import Source
from schemas.devices.tables import engine, pcie

_BRIEF: Final = Source(
    "VENDOR_CLAIM",
    "https://groq.com/wp-content/uploads/2022/10/GroqChip%E2%84%A2-Processor-Product-Brief-v1.5.pdf",
)
_ISCA_2020: Final = Source("VENDOR_CLAIM", "https://doi.org/10.1109/ISCA45697.2020.00023")
_STATIC: Final = Source("DERIVED", "https://doi.org/10.1109/ISCA45697.2020.00023", 800_000)
"""The order of every operation is fixed when a program is compiled."""
_COUNTED: Final = Source("DERIVED", _BRIEF.uri)
_PCIE: Final = Source("DERIVED", "https://pcisig.com/specifications")

_MATRICES: Final = {"self": (2, 2), "mat2": (2, 2)}

GROQCHIP: Final = Device(
    name="groq/groqchip-1",
    subject=Subject(
        scope="MODEL",
        vendor="groq.com",
        model="GroqChip 1",
        device_class="lpu",
        arch=("groq:v1",),
    ),
    operating_point=OperatingPoint(name="900mhz", ecc=True, clock_policy="fixed"),
    engines=(
        engine(
            "mxm",
            "MATRIX",
            4,
            "900MHz",
            """
            f16 f16 f32 f32 51200  188T
            i8  i8  i32 i32 204800 750T
            """,
        ),
        engine("vxm", "VECTOR", 5120, "900MHz"),
    ),
    memories=(
        Memory(
            id="memory",
            kind="sram",
            role="DEVICE",
            instances=88,
            capacity_bytes_per_instance=read("2.5MiB"),
            combined_bytes_per_s=read("80T"),
            managed="SW",
        ),
    ),
    ops=products(
        Product("cep-core/1:mm", "mxm", ("f16",), "f32", fixed=True, ranks=_MATRICES),
        Product("cep-core/1:linear", "mxm", ("f16",), "f32", a="input", b="weight", fixed=True),
        Product("onnx.ai/onnx/10:MatMulInteger", "mxm", ("i8",), "i32", a="A", b="B", fixed=True),
    ),
    ports=(
        Port(id="c2c", link_kind="c2c", count=16, bytes_per_s_per_direction=16 * read("15G")),
        pcie("pcie4"),
    ),
    sources=(
        _BRIEF.says("subject", "operating_point", "engines", "memories", "ports"),
        _ISCA_2020.says(
            "engines/mxm/count",
            "engines/mxm/rates/*/acc",
            "engines/mxm/rates/*/out",
            "engines/vxm/count",
            "memories/memory/instances",
            "memories/memory/capacity_bytes_per_instance",
            "operating_point/ecc",
        ),
        _COUNTED.says(
            "engines/mxm/rates/*/ops_per_unit_per_clock", "ports/c2c/bytes_per_s_per_direction"
        ),
        _PCIE.says("ports/pcie/bytes_per_s_per_direction"),
        _STATIC.says("ops"),
    ),
)

DEVICES: Final = (GROQCHIP,)
