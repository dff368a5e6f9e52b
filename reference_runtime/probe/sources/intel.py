"""Intel GPUs and NPUs, as torch's XPU backend and OpenVINO's plugins describe them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from acp.v1.capability import (
    Engine,
    Memory,
    OperatingPoint,
    Rate,
    Software,
    Subject,
)
from reference_runtime.probe.sources.found import Fact, Found, NothingFoundError, told

NODES: Final = (Path("/dev/dri"), Path("/dev/accel"), Path("/dev/dxg"))
"""Where the kernel shows GPUs and NPUs."""

XPU: Final = "https://docs.pytorch.org/docs/stable/xpu.html"
OPENVINO: Final = "https://docs.openvino.ai/"
_GOPS: Final[Mapping[str, tuple[str, str]]] = {
    "f32": ("f32", "f32"), "f16": ("f16", "f32"), "bf16": ("bf16", "f32"), "i8": ("i8", "i32"),
    "u8": ("ui8", "i32"),
}  # fmt: skip
"""Dtype and accumulator of a row, by OpenVINO's name of the dtype."""


def find() -> tuple[Found, ...]:
    """Return the devices. One that both libraries see is described by torch.

    Raises:
        NothingFoundError: The kernel shows no such device, or neither library sees one.
    """
    if not any(node.exists() for node in NODES):
        where = ", ".join(map(str, NODES))
        raise NothingFoundError(f"the kernel shows neither GPU nor NPU: there is none of {where}")
    stacks = [name for name in ("torch", "openvino") if importlib.util.find_spec(name)]
    if not stacks:
        raise NothingFoundError("neither of the packages 'torch' and 'openvino' is installed")
    found = list(_xpu()) if "torch" in stacks else []
    if "openvino" in stacks:
        known = {one.unit_id for one in found}
        found += [one for one in _openvino() if one.unit_id not in known]
    if not found:
        raise NothingFoundError(f"{' and '.join(stacks)} list no Intel GPU or NPU")
    return tuple(found)


def _xpu() -> Iterator[Found]:
    import torch

    if not torch.xpu.is_available():
        return
    for index in range(torch.xpu.device_count()):
        has = torch.xpu.get_device_properties(index)
        facts: dict[str, Fact] = {"integrated": bool(has.is_integrated_gpu)}
        yield Found(
            subject=Subject(
                scope="UNIT",
                vendor="intel.com",
                model=str(has.name),
                device_class="gpu",
                unit_id=_uuid(bytes(has.uuid)),
            ),
            operating_point=OperatingPoint(name="default"),
            software=(
                Software(component="intel-gpu-driver", version_range=f"=={has.driver_version}"),
            ),
            engines=(Engine(id="xe", kind="VECTOR", count=int(has.gpu_subslice_count)),),
            memories=(
                Memory(
                    id="memory", kind="unified" if has.is_integrated_gpu else "dram",
                    role="SHARED" if has.is_integrated_gpu else "DEVICE", instances=1,
                    capacity_bytes_per_instance=int(has.total_memory), managed="SW",
                ),
            ),
            provenance=(told(("",), XPU),),
            facts=facts,
        )  # fmt: skip


def _openvino() -> Iterator[Found]:
    import openvino

    core = openvino.Core()
    for name in core.available_devices:
        kind = name.partition(".")[0]
        if kind in ("GPU", "NPU"):
            yield _plugin_device(core, name, kind.lower())


def _plugin_device(core: Any, name: str, kind: str) -> Found:
    supported = set(core.get_property(name, "SUPPORTED_PROPERTIES"))

    def ask(question: str) -> Any:
        return core.get_property(name, question) if question in supported else None

    size = ask("GPU_DEVICE_TOTAL_MEM_SIZE") or ask("NPU_DEVICE_TOTAL_MEM_SIZE")
    uuid = ask("DEVICE_UUID")
    number = ask("NPU_DRIVER_VERSION")
    units = ask("GPU_EXECUTION_UNITS_COUNT")
    gops = ask("DEVICE_GOPS") or {}
    architecture = ask("DEVICE_ARCHITECTURE")
    memories = (
        Memory(
            id="memory", kind="dram", role="SHARED" if kind == "npu" else "DEVICE", instances=1,
            capacity_bytes_per_instance=int(size), managed="SW",
        ),
    ) if size else ()  # fmt: skip
    facts: dict[str, Fact] = {"openvino": name}
    if units:
        facts["execution_units"] = int(units)
    if can := ask("OPTIMIZATION_CAPABILITIES"):
        facts["optimised_for"] = [str(c) for c in can]
    return Found(
        subject=Subject(
            scope="UNIT",
            vendor="intel.com",
            model=str(ask("FULL_DEVICE_NAME") or name),
            device_class=kind,
            arch=(f"intel-npu:{architecture}",) if kind == "npu" and architecture else (),
            unit_id=_uuid(bytes.fromhex(str(uuid))) if uuid else f"openvino:{name}",
        ),
        operating_point=OperatingPoint(name="default"),
        software=(Software(component="intel-npu-driver", version_range=f"=={number}"),)
        if number
        else (),
        engines=(Engine(id=kind, kind="MATRIX", rates=tuple(_rates(gops))),),
        memories=memories,
        provenance=(told(("",), OPENVINO),),
        facts=facts,
    )


def _rates(gops: Mapping[Any, float]) -> Iterator[Rate]:
    """Yield what the plugin claims, which it gives in thousand millions of operations a second."""
    for kind, number in gops.items():
        name = kind.get_type_name() if hasattr(kind, "get_type_name") else str(kind)
        if name in _GOPS and number >= 1:
            dtype, acc = _GOPS[name]
            yield Rate(
                a=dtype, b=dtype, acc=acc, out=acc, sparsity="dense",
                peak_ops_per_s=int(number) * 10**9,
            )  # fmt: skip


def _uuid(raw: bytes) -> str:
    return f"intel:{raw.hex()}"
