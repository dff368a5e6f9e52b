"""Devices with an OpenCL driver, of any maker; processors that run OpenCL are among them."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

from acp.v1.capability import Engine, Memory, OperatingPoint, Software, Subject
from reference_runtime.probe.sources.found import (
    Driver,
    Fact,
    Found,
    NothingFoundError,
    slug,
    told,
    vendor,
)
from reference_runtime.probe.system import host_id

OPENCL: Final = "https://registry.khronos.org/OpenCL/"


def find() -> tuple[Found, ...]:
    """Return the devices of all platforms.

    Raises:
        NothingFoundError: No driver is installed, or none sees a device.
    """
    import pyopencl

    try:
        platforms = pyopencl.get_platforms()
    except pyopencl.Error as error:
        raise NothingFoundError(f"no OpenCL driver is installed: {error}") from error
    found = []
    for platform in platforms:
        try:
            devices = platform.get_devices()
        except pyopencl.Error:  # a driver without its device says so by an error
            continue
        found += [_device(pyopencl, platform, d, i) for i, d in enumerate(devices)]
    if not found:
        names = ", ".join(p.name for p in platforms) or "none"
        raise NothingFoundError(f"the OpenCL drivers see no device: {names}")
    return tuple(found)


def _device(cl: ModuleType, platform: Any, device: Any, index: int) -> Found:
    driver = Driver(cl.Error, AttributeError)
    name = str(device.name).strip()
    facts: dict[str, Fact] = {
        "platform": str(platform.name).strip(),
        "opencl": str(device.version).strip(),
        "f64": "cl_khr_fp64" in device.extensions.split(),
        "f16": "cl_khr_fp16" in device.extensions.split(),
        "largest_buffer_bytes": int(device.max_mem_alloc_size),
    }
    return Found(
        subject=Subject(
            scope="UNIT",
            vendor=_vendor(cl, device),
            model=name,
            device_class=_class(cl, device),
            arch=(f"opencl:{device.version.split()[1]}",),
            unit_id=_unit(platform, device, driver, index),
        ),
        operating_point=OperatingPoint(
            name="default", ecc=bool(device.error_correction_support) or None
        ),
        software=(
            Software(
                component=f"opencl-{slug(platform.name)}",
                name=str(device.driver_version),
                version_range=f"=={_number(str(device.driver_version))}",
            ),
        ),
        engines=(
            Engine(
                id="units",
                kind="VECTOR",
                count=int(device.max_compute_units),
                clock_hz=int(device.max_clock_frequency) * 10**6 or None,
            ),
        ),
        memories=tuple(_memories(cl, device)),
        provenance=(told(("",), OPENCL),),
        facts=facts,
    )


def _vendor(cl: ModuleType, device: Any) -> str:
    """Return the maker; of a processor, the kernel's word goes before that of the driver."""
    if device.type & cl.device_type.CPU:
        from reference_runtime.probe.system import processor

        return processor().vendor
    return vendor(int(device.vendor_id))


def _class(cl: ModuleType, device: Any) -> str:
    if device.type & cl.device_type.CPU:
        return "cpu"
    return "gpu" if device.type & cl.device_type.GPU else "khronos.org/accelerator"


def _unit(platform: Any, device: Any, driver: Driver, index: int) -> str:
    """Return the PCI address where the maker's extension tells it, else the position."""
    bus = driver.ask(lambda: (int(device.pci_bus_id_nv), int(device.pci_slot_id_nv)))
    if bus is not None:
        return f"{host_id()}:pci:{bus[0]:02x}:{bus[1] >> 3:02x}.{bus[1] & 7}"
    at = driver.ask(lambda: device.topology_amd)
    if at is not None:
        return f"{host_id()}:pci:{at.bus:02x}:{at.device:02x}.{at.function}"
    return f"{host_id()}:opencl:{slug(platform.name)}:{index}"


def _memories(cl: ModuleType, device: Any) -> Iterator[Memory]:
    cache = int(device.global_mem_cache_size)
    line = int(device.global_mem_cacheline_size)
    if cache and device.global_mem_cache_type != cl.device_mem_cache_type.NONE:
        yield Memory(
            id="cache", kind="sram", role="CACHE", instances=1, managed="HW",
            capacity_bytes_per_instance=cache, line_bytes=line or None, backing_id="memory",
        )  # fmt: skip
    shared = bool(device.host_unified_memory)
    yield Memory(
        id="memory", kind="unified" if shared else "dram", role="SHARED" if shared else "DEVICE",
        instances=1, managed="SW", capacity_bytes_per_instance=int(device.global_mem_size),
        alignment_bytes=int(device.mem_base_addr_align) // 8 or None,
    )  # fmt: skip


def _number(text: str) -> str:
    """Return the version number that a driver's version begins with: ``3.1`` of ``3.1+debian``."""
    digits = ""
    for letter in text:
        if not (letter.isdecimal() or letter == "."):
            break
        digits += letter
    return digits.strip(".") or "0"
