"""Devices with a Vulkan, Metal or DirectX 12 driver, as WebGPU shows them through wgpu."""

from __future__ import annotations

from typing import Any, Final

from acp.v1.capability import Engine, OperatingPoint, Subject
from reference_runtime.probe.sources.found import Fact, Found, NothingFoundError, slug, told, vendor
from reference_runtime.probe.system import host_id

WEBGPU: Final = "https://www.w3.org/TR/webgpu/"
_FEATURES: Final = ("shader-f16", "subgroups", "timestamp-query")


def find() -> tuple[Found, ...]:
    """Return the devices of the native drivers. OpenGL ones show the same devices once more.

    Raises:
        NothingFoundError: No driver is installed, or none sees a device.
    """
    import wgpu
    from wgpu.backends.wgpu_native.extras import set_instance_extras

    set_instance_extras(backends=["Vulkan", "Metal", "DX12"])
    adapters = wgpu.gpu.enumerate_adapters_sync()
    if not adapters:
        raise NothingFoundError("no Vulkan, Metal or DirectX 12 driver that sees a device is here")
    return tuple(_device(adapter, index) for index, adapter in enumerate(adapters))


def _device(adapter: Any, index: int) -> Found:
    info, limits = adapter.info, adapter.limits
    backend = str(info["backend_type"])
    facts: dict[str, Fact] = {
        "type": str(info["adapter_type"]),
        "backend": backend,
        "driver": f"{info['vendor']} {info['description']}".strip(),
        "software": info["adapter_type"] == "CPU",
        "largest_buffer_bytes": int(limits["max-buffer-size"]),
        "workgroup_storage_bytes": int(limits["max-compute-workgroup-storage-size"]),
        "workgroup_invocations": int(limits["max-compute-invocations-per-workgroup"]),
    }
    return Found(
        subject=Subject(
            scope="UNIT",
            vendor=vendor(int(info["vendor_id"])),
            model=str(info["device"]),
            device_class="webgpu",
            arch=("webgpu:core", *(f"webgpu:{f}" for f in _FEATURES if f in adapter.features)),
            unit_id=f"{host_id()}:webgpu:{slug(backend)}:{index}",
        ),
        operating_point=OperatingPoint(name="default"),
        engines=(Engine(id="compute", kind="VECTOR"),),
        provenance=(told(("",), WEBGPU),),
        facts=facts,
    )
