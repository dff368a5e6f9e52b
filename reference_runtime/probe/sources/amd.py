"""AMD GPUs, as AMD SMI describes them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Final

from acp.v1.capability import Engine, Memory, OperatingPoint, Power, Provenance, Software, Subject
from reference_runtime.probe.sources.found import (
    Driver,
    Fact,
    Found,
    NothingFoundError,
    derived,
    port,
    told,
)

SMI: Final = "https://rocm.docs.amd.com/projects/amdsmi/"
_KINDS: Final[Mapping[str, str]] = {
    "HBM2": "hbm2", "HBM2E": "hbm2e", "HBM3": "hbm3", "HBM3E": "hbm3e", "DDR4": "ddr4",
    "GDDR6": "gddr6", "GDDR7": "gddr7",
}  # fmt: skip
"""Tokens of memory kinds by AMD SMI's names."""


def find() -> tuple[Found, ...]:
    """Return the GPUs.

    Raises:
        NothingFoundError: AMD SMI is not there, or does not start.
    """
    smi = _library()
    try:
        smi.amdsmi_init()
    except smi.AmdSmiException as error:
        raise NothingFoundError(f"AMD's driver does not answer: {error}") from error
    try:
        return tuple(_gpu(smi, handle) for handle in smi.amdsmi_get_processor_handles())
    finally:
        smi.amdsmi_shut_down()


def _library() -> ModuleType:
    try:
        return importlib.import_module("amdsmi")  # No dependency: ROCm brings the one that fits it.
    except ModuleNotFoundError as error:
        raise NothingFoundError(
            "the package 'amdsmi' is not installed; install the one that comes with ROCm"
        ) from error
    except Exception as error:
        reason = f"the package 'amdsmi' is there without ROCm's libamd_smi.so: {error!r}"
        raise NothingFoundError(reason) from error


def _gpu(smi: ModuleType, handle: Any) -> Found:
    driver = Driver(smi.AmdSmiException)
    ask = driver.ask
    asic = smi.amdsmi_get_gpu_asic_info(handle)
    limits = ask(smi.amdsmi_get_power_cap_info, handle)
    memories = (_memory(smi, handle, driver), *_caches(ask(smi.amdsmi_get_gpu_cache_info, handle)))
    link = (ask(smi.amdsmi_get_pcie_info, handle) or {}).get("pcie_static", {})
    generation, lanes = link.get("pcie_interface_version"), _number(link.get("max_pcie_width"))
    ports = port("pcie", f"pcie{generation}", lanes)
    facts: dict[str, Fact] = {"pci": str(smi.amdsmi_get_gpu_device_bdf(handle))}
    if memory_mode := ask(smi.amdsmi_get_gpu_memory_partition, handle):
        facts["memory_partition"] = str(memory_mode)
    clock = ask(smi.amdsmi_get_clock_info, handle, smi.AmdSmiClkType.GFX) or {}
    megahertz = _number(clock.get("max_clk"))
    board = ask(smi.amdsmi_get_gpu_board_info, handle) or {}
    ecc = ask(smi.amdsmi_get_gpu_ecc_enabled, handle)
    mode = ask(smi.amdsmi_get_gpu_compute_partition, handle)
    return Found(
        subject=Subject(
            scope="UNIT",
            vendor="amd.com",
            model=str(asic["market_name"]),
            part_number=_text(board.get("model_number")),
            device_class="gpu",
            arch=(f"rocm:{asic['target_graphics_version']}",),
            unit_id=str(smi.amdsmi_get_gpu_device_uuid(handle)),
        ),
        operating_point=OperatingPoint(
            name="default",
            power_cap_mw=_milliwatts(limits, "power_cap"),
            ecc=None if ecc is None else bool(ecc),
            partition_mode=_text(mode),
        ),
        software=_software(ask(smi.amdsmi_get_gpu_driver_info, handle)),
        engines=(
            Engine(
                id="cu",
                kind="VECTOR",
                count=_number(asic.get("num_compute_units")),
                clock_hz=megahertz * 10**6 if megahertz else None,
            ),
        ),
        memories=memories,
        power=_power(limits),
        ports=ports,
        provenance=tuple(_provenance(power=limits is not None, ports=bool(ports))),
        facts=facts | ({"untold": driver.untold} if driver.untold else {}),
    )


def _provenance(*, power: bool, ports: bool) -> Iterator[Provenance]:
    paths = ("/subject", "/operating_point", "/software", "/engines", "/memories")
    yield told((*paths, "/power") if power else paths, SMI)
    if ports:
        yield derived(("/ports",), SMI)


def _memory(smi: ModuleType, handle: Any, driver: Driver) -> Memory:
    vram = smi.amdsmi_get_gpu_vram_info(handle)
    kind = smi.AmdSmiVramType(vram["vram_type"]).name
    gigabytes = _number(vram.get("vram_max_bandwidth"))
    size = vram["vram_size"] * 2**20
    usable = driver.ask(smi.amdsmi_get_gpu_memory_total, handle, smi.AmdSmiMemoryType.VRAM)
    return Memory(
        id="memory",
        kind=_KINDS.get(kind, "dram"),
        role="DEVICE",
        instances=1,
        capacity_bytes_per_instance=size,
        usable_bytes=None if usable is None else min(usable, size),
        combined_bytes_per_s=gigabytes * 10**9 if gigabytes else None,
        managed="SW",
    )


def _caches(answer: Mapping[str, Any] | None) -> Iterator[Memory]:
    """Yield data caches, nearest first. AMD SMI gives sizes in units of 1024 bytes."""
    caches = [
        c
        for c in (answer or {}).get("cache", ())
        if "DATA_CACHE" in c["cache_properties"] and _number(c["num_cache_instance"])
    ]
    for cache in sorted(caches, key=lambda c: int(c["cache_level"])):
        yield Memory(
            id=f"l{cache['cache_level']}",
            kind="sram",
            role="CACHE",
            level=cache["cache_level"],
            instances=cache["num_cache_instance"],
            capacity_bytes_per_instance=cache["cache_size"] * 2**10,
            managed="HW",
        )


def _power(limits: Mapping[str, Any] | None) -> Power | None:
    if limits is None:
        return None
    return Power(
        cap_min_mw=_milliwatts(limits, "min_power_cap"),
        cap_max_mw=_milliwatts(limits, "max_power_cap"),
    )


def _milliwatts(limits: Mapping[str, Any] | None, name: str) -> int | None:
    """Return a limit, which AMD SMI gives in microwatts."""
    value = _number((limits or {}).get(name))
    return value // 1000 if value else None


def _software(driver: Mapping[str, Any] | None) -> tuple[Software, ...]:
    number = _text((driver or {}).get("driver_version"))
    return (Software(component="amdgpu", version_range=f"=={number}"),) if number else ()


def _number(value: object) -> int | None:
    """Return a number; AMD SMI says "N/A" for what it does not know."""
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value not in ("", "N/A") else None
