"""NVIDIA GPUs and their MIG slices, as NVML describes them; torch adds what NVML does not tell."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Final

from acp.v1.capability import (
    Engine,
    Memory,
    OperatingPoint,
    PartitionProfile,
    Partitions,
    Port,
    Power,
    Provenance,
    Software,
    Subject,
)
from reference_runtime.probe.sources.found import (
    Driver,
    Fact,
    Found,
    NothingFoundError,
    derived,
    port,
    told,
)

NVML: Final = "https://docs.nvidia.com/deploy/nvml-api/"
_MIB: Final = 2**20
_NVLINK: Final[Mapping[str, str]] = {
    "NVML_NVLINK_VERSION_1_0": "nvlink1",
    "NVML_NVLINK_VERSION_2_0": "nvlink2",
    "NVML_NVLINK_VERSION_2_2": "nvlink2",
    "NVML_NVLINK_VERSION_3_0": "nvlink3",
    "NVML_NVLINK_VERSION_3_1": "nvlink3",
    "NVML_NVLINK_VERSION_4_0": "nvlink4",
    "NVML_NVLINK_VERSION_5_0": "nvlink5",
}
"""Kinds of links by NVML's versions. Its speeds are line rates, more than a link carries."""


def find() -> tuple[Found, ...]:
    """Return the GPUs, each followed by the MIG slices that are made of it.

    Raises:
        NothingFoundError: There is no driver, or it sees no GPU.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NothingFoundError(f"NVIDIA's driver does not answer: {error}") from error
    try:
        return tuple(
            found
            for index in range(pynvml.nvmlDeviceGetCount())
            for found in _devices(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index))
        )
    finally:
        pynvml.nvmlShutdown()


def _devices(nvml: ModuleType, handle: Any) -> Iterator[Found]:
    driver = Driver(nvml.NVMLError)
    mode = driver.ask(nvml.nvmlDeviceGetMigMode, handle)
    sliced = mode is not None and mode[0] == nvml.NVML_DEVICE_MIG_ENABLE
    yield _gpu(nvml, handle, driver, sliced=sliced)
    if sliced:
        for index in range(driver.ask(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
            quiet = Driver(nvml.NVMLError)  # Most of the places for slices are empty.
            part = quiet.ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, index)
            if part is not None:
                yield _slice(nvml, handle, part)


def _gpu(nvml: ModuleType, handle: Any, driver: Driver, *, sliced: bool) -> Found:
    ask = driver.ask
    uuid = nvml.nvmlDeviceGetUUID(handle)
    seen = _torch_properties(uuid)
    ecc = ask(nvml.nvmlDeviceGetEccMode, handle)
    ports = (
        *port(
            "pcie",
            f"pcie{ask(nvml.nvmlDeviceGetMaxPcieLinkGeneration, handle)}",
            ask(nvml.nvmlDeviceGetMaxPcieLinkWidth, handle),
        ),
        *_nvlink(nvml, handle, driver),
    )
    power = _power(nvml, handle, driver)
    partitions = _partitions(nvml, handle)
    memories = (_memory(nvml, handle, driver), *_cache(seen))
    facts: dict[str, Fact] = {"pci": str(nvml.nvmlDeviceGetPciInfo(handle).busId)}
    if serial := ask(nvml.nvmlDeviceGetSerial, handle):
        facts["serial"] = str(serial)
    if cores := ask(nvml.nvmlDeviceGetNumGpuCores, handle):
        facts["cuda_cores"] = cores
    if driver.untold:
        facts["untold"] = driver.untold
    return Found(
        subject=_subject(nvml, handle, driver, scope="UNIT", unit=uuid),
        operating_point=OperatingPoint(
            name="default",
            power_cap_mw=ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle),
            ecc=None if ecc is None else ecc[0] == nvml.NVML_FEATURE_ENABLED,
            partition_mode="mig" if sliced else None,
        ),
        software=_software(nvml, driver),
        engines=(_engine(nvml, handle, driver, seen),),
        memories=memories,
        power=power,
        ports=ports,
        partitions=partitions,
        provenance=tuple(_provenance(memories, power, ports, partitions)),
        facts=facts,
    )


def _provenance(
    memories: tuple[Memory, ...],
    power: Power | None,
    ports: tuple[Port, ...],
    partitions: Partitions | None,
) -> Iterator[Provenance]:
    paths = ["/subject", "/operating_point", "/software", "/engines", "/memories"]
    yield told((*paths, *(["/power"] if power else []), *(["/partitions"] if partitions else [])),
               NVML)  # fmt: skip
    computed = ["/ports"] if ports else []
    computed += ["/partitions/counters"] if partitions else []
    computed += ["/memories/0/combined_bytes_per_s"] if memories[0].combined_bytes_per_s else []
    if computed:
        yield derived(tuple(computed), NVML)


def _subject(nvml: ModuleType, handle: Any, driver: Driver, *, scope: Any, unit: str) -> Subject:
    capability = driver.ask(nvml.nvmlDeviceGetCudaComputeCapability, handle)
    return Subject(
        scope=scope,
        vendor="nvidia.com",
        model=nvml.nvmlDeviceGetName(handle),
        part_number=driver.ask(nvml.nvmlDeviceGetBoardPartNumber, handle) or None,
        device_class="gpu",
        arch=() if capability is None else ("cuda:sm_{}{}".format(*capability),),
        unit_id=unit,
    )


def _software(nvml: ModuleType, driver: Driver) -> tuple[Software, ...]:
    number = driver.ask(nvml.nvmlSystemGetDriverVersion)
    return (Software(component="nvidia-driver", version_range=f"=={number}"),) if number else ()


def _engine(nvml: ModuleType, handle: Any, driver: Driver, seen: Any) -> Engine:
    megahertz = driver.ask(nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_SM)
    return Engine(
        id="sm",
        kind="VECTOR",
        count=None if seen is None else int(seen.multi_processor_count),
        clock_hz=megahertz * 10**6 if megahertz else None,
    )


def _memory(nvml: ModuleType, handle: Any, driver: Driver) -> Memory:
    """Return the device's memory, of which NVML tells neither kind nor bandwidth.

    Memory of every NVIDIA GPU of the last ten years moves data twice in a clock that NVML gives.
    """
    size = nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    bits = driver.ask(nvml.nvmlDeviceGetMemoryBusWidth, handle)
    megahertz = driver.ask(nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_MEM)
    return Memory(
        id="memory",
        kind="dram",
        role="DEVICE",
        instances=1,
        capacity_bytes_per_instance=int(size.total),
        usable_bytes=int(size.total - size.reserved),
        combined_bytes_per_s=bits // 8 * megahertz * 10**6 * 2 if bits and megahertz else None,
        managed="SW",
    )


def _cache(seen: Any) -> Iterator[Memory]:
    size = getattr(seen, "L2_cache_size", 0)
    if size:
        yield Memory(
            id="l2", kind="sram", role="CACHE", level=2, instances=1, managed="HW",
            capacity_bytes_per_instance=int(size), backing_id="memory",
        )  # fmt: skip


def _power(nvml: ModuleType, handle: Any, driver: Driver) -> Power | None:
    limits = driver.ask(nvml.nvmlDeviceGetPowerManagementLimitConstraints, handle)
    degrees = driver.ask(
        nvml.nvmlDeviceGetTemperatureThreshold, handle, nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
    )
    if limits is None and degrees is None:
        return None
    lowest, highest = limits or (None, None)
    return Power(
        cap_min_mw=lowest,
        cap_max_mw=highest,
        throttle_mdegc=None if degrees is None else degrees * 1000,
    )


def _nvlink(nvml: ModuleType, handle: Any, driver: Driver) -> Iterator[Port]:
    """Yield one port for the active links, if all are of one version that has a token."""
    versions = []
    for link in range(nvml.NVML_NVLINK_MAX_LINKS):
        state = Driver(nvml.NVMLError).ask(nvml.nvmlDeviceGetNvLinkState, handle, link)
        if state == nvml.NVML_FEATURE_ENABLED:
            versions.append(driver.ask(nvml.nvmlDeviceGetNvLinkVersion, handle, link))
    known = {getattr(nvml, name): kind for name, kind in _NVLINK.items()}
    if len(set(versions)) == 1 and versions[0] in known:
        yield from port("nvlink", known[versions[0]], len(versions))


def _partitions(nvml: ModuleType, handle: Any) -> Partitions | None:
    """Return the MIG profiles of a GPU. The largest takes all of it, so it gives the counters."""
    profiles = {}
    for index in range(nvml.NVML_GPU_INSTANCE_PROFILE_COUNT):
        quiet = Driver(nvml.NVMLError)
        info = quiet.ask(nvml.nvmlDeviceGetGpuInstanceProfileInfo, handle, index)
        if info is not None:
            name = info.name.decode() if isinstance(info.name, bytes) else str(info.name)
            profiles[name] = {
                "compute_slices": int(info.sliceCount),
                "memory_bytes": int(info.memorySizeMB) * _MIB,
                "multiprocessors": int(info.multiprocessorCount),
            }
    if not profiles:
        return None
    largest = profiles.values()
    counters = {key: max(p[key] for p in largest) for key in next(iter(largest))}
    return Partitions(
        counters=counters,
        profiles=tuple(PartitionProfile(name=n, consumes=c) for n, c in profiles.items()),
    )


def _slice(nvml: ModuleType, handle: Any, part: Any) -> Found:
    driver = Driver(nvml.NVMLError)
    has = nvml.nvmlDeviceGetAttributes_v2(part)
    facts: dict[str, Fact] = {
        "parent": nvml.nvmlDeviceGetUUID(handle),
        "compute_slices": int(has.computeInstanceSliceCount),
        "memory_slices": int(has.gpuInstanceSliceCount),
    }
    paths = ("/subject", "/operating_point", "/software", "/engines", "/memories")
    return Found(
        subject=_subject(
            nvml, part, driver, scope="SLICE", unit=nvml.nvmlDeviceGetUUID(part)
        ),
        operating_point=OperatingPoint(name="default", partition_mode="mig"),
        software=_software(nvml, driver),
        engines=(Engine(id="sm", kind="VECTOR", count=int(has.multiprocessorCount)),),
        memories=(
            Memory(
                id="memory", kind="dram", role="DEVICE", instances=1, managed="SW",
                capacity_bytes_per_instance=int(has.memorySizeMB) * _MIB,
            ),
        ),
        provenance=(told(paths, NVML),),
        facts=facts | ({"untold": driver.untold} if driver.untold else {}),
    )  # fmt: skip


def _torch_properties(uuid: str) -> Any:
    """Return what torch tells of the GPU with this UUID; None if torch is not there or lacks it."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    if not torch.cuda.is_available() or torch.version.hip:
        return None
    plain = uuid.removeprefix("GPU-")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        if str(getattr(properties, "uuid", "")) == plain:
            return properties
    return None
