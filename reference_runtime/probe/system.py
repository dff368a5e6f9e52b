"""What the system tells about the host's processor and memory; what it does not is left out."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

from acp.v1.capability import (
    Engine,
    Memory,
    OperatingPoint,
    Operation,
    Provenance,
    QueueLimit,
    Software,
    Subject,
)
from reference_runtime.adapter import DescribedDevice

ENGINE: Final = "cores"
"""Id of the one engine of a host device: its cores with their vector units."""

MAIN_MEMORY: Final = "dram"
"""Id of the memory in which a host device's arenas lie."""

CPUINFO: Final = Path("/proc/cpuinfo")
CPUS: Final = Path("/sys/devices/system/cpu")

_VENDORS: Final[Mapping[str, str]] = {
    "AuthenticAMD": "amd.com",
    "GenuineIntel": "intel.com",
    "HygonGenuine": "hygon.cn",
    "CentaurHauls": "zhaoxin.com",
    "0x41": "arm.com",
    "0x48": "hisilicon.com",
    "0x4e": "nvidia.com",
    "0x51": "qualcomm.com",
    "0x61": "apple.com",
    "0xc0": "amperecomputing.com",
}
_EXTENSIONS: Final = (
    "sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni",
    "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16",
    "asimd", "asimdhp", "asimddp", "sve", "sve2", "i8mm", "bf16", "sme",
)  # fmt: skip
_MACHINES: Final[Mapping[str, str]] = {"AMD64": "x86-64", "x86_64": "x86-64", "aarch64": "arm64"}
"""Registered names of architectures by what the system calls them."""
_UNITS: Final[Mapping[str, int]] = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


@dataclass(frozen=True, slots=True)
class Cache:
    """Caches of one level that are alike.

    Attributes:
        level: 1 is nearest to the core.
        instances: How many this process's processors reach.
        nbytes: Size of each, in bytes.
        line_bytes: Size of a line, in bytes.
    """

    level: int
    instances: int
    nbytes: int
    line_bytes: int


@dataclass(frozen=True, slots=True)
class Processor:
    """The host's processor, as far as this process may use it.

    Attributes:
        vendor: DNS name of the maker; under ``.invalid`` if it is not known.
        model: The maker's name for it.
        arch: Instruction set with its extensions, such as ``x86-64:avx2``.
        cores: Physical cores.
        caches: Data and unified caches, nearest first.
        governor: Policy that sets the clock; empty if the system does not tell.
    """

    vendor: str
    model: str
    arch: tuple[str, ...]
    cores: int
    caches: tuple[Cache, ...]
    governor: str


@cache
def processor() -> Processor:
    """Return the host's processor."""
    facts = cpu_facts(text(CPUINFO))
    maker = facts.get("vendor_id") or facts.get("CPU implementer") or "unknown"
    plain = re.sub(r"[^a-z0-9]+", "-", maker.lower()).strip("-")
    machine = _MACHINES.get(platform.machine(), platform.machine())
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    return Processor(
        vendor=_VENDORS.get(maker, f"{plain}.invalid"),
        model=facts.get("model name") or platform.processor() or machine,
        arch=(machine, *(f"{machine}:{name}" for name in _EXTENSIONS if name in flags)),
        cores=_cores(),
        caches=tuple(_caches()),
        governor=text(CPUS / "cpu0/cpufreq/scaling_governor"),
    )


def clock_hz() -> int | None:
    """Return the clock that the kernel reports for the first processor, in hertz, if it does."""
    megahertz = re.fullmatch(r"(\d+)(?:\.(\d{1,6}))?", cpu_facts(text(CPUINFO)).get("cpu MHz", ""))
    if megahertz is None:
        return None
    return int(megahertz[1]) * 10**6 + int((megahertz[2] or "0").ljust(6, "0"))


def cpu_facts(text: str) -> dict[str, str]:
    """Return the members of the first processor of ``/proc/cpuinfo``."""
    first = text.partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def nbytes(size: str) -> int:
    """Return a size in bytes that sysfs writes as ``32768K``.

    Raises:
        ValueError: The text is no size.
    """
    match = re.fullmatch(r"(\d+)([KMG]?)", size)
    if match is None:
        raise ValueError(f"{size!r} is not a size such as '32768K'")
    return int(match[1]) * _UNITS[match[2]]


def total_memory() -> int:
    """Return the size of main memory that the system has, in bytes."""
    return int(psutil.virtual_memory().total)


def usable_memory() -> int:
    """Return how much main memory this process's control group may use, in bytes."""
    limits = [total_memory()]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        limit = text(Path(path))
        limits += [int(limit)] if limit.isdecimal() else []
    return min(limits)


@cache
def host_id() -> str:
    """Return 16 hexadecimal digits that name this machine, stable over restarts.

    A digest of the machine id (which must not be published itself, machine-id(5)), or of the host
    name where there is none, and of the processor's model.
    """
    machine = text(Path("/etc/machine-id")) or text(Path("/var/lib/dbus/machine-id"))
    here = processor()
    words = ("acp unit", machine or platform.node(), here.vendor, here.model)
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]


def host_device(
    stack: str, packages: Sequence[str], claims: Callable[[str], tuple[Operation, ...]]
) -> DescribedDevice:
    """Return the host's processor as one software stack drives it.

    All stacks' devices are the same silicon with the same memory: their main memories name one
    coherence domain, so their steps may read each other's buffers in place. A queue is a thread,
    and as many threads run at the same time as there are cores.

    Args:
        stack: Short name of the stack, the last part of the unit id.
        packages: Distributions whose versions matter to numbers or speed, besides the adapter's.
        claims: Returns the operations that the stack runs on the named engine.
    """
    here = processor()
    engines, memories, provenance = silicon()
    return DescribedDevice(
        subject=host_subject(f"{host_id()}:{stack}"),
        operating_point=OperatingPoint(name="default", clock_policy=here.governor or None),
        software=tuple(
            Software(component=name, version_range=f"=={version(name)}")
            for name in (*packages, "acp-cep")
        ),
        engines=engines,
        memories=memories,
        ops=claims(ENGINE),
        queues=(
            QueueLimit(kind="COMPUTE", max=here.cores),
            QueueLimit(kind="COPY", max=here.cores),
        ),
        provenance=(
            *provenance,
            _told(("/queues",), "file:///proc/cpuinfo"),
            Provenance(paths=("/software", "/ops"), basis="VENDOR_CLAIM"),
        ),
    )


def host_subject(unit_id: str) -> Subject:
    """Return the host's processor as the subject of a descriptor, or of one stack's on it."""
    here = processor()
    return Subject(
        scope="UNIT",
        vendor=here.vendor,
        model=here.model,
        device_class="cpu",
        arch=here.arch,
        unit_id=unit_id,
    )


def silicon() -> tuple[tuple[Engine, ...], tuple[Memory, ...], tuple[Provenance, ...]]:
    """Return engines and memories of the host, which all stacks share, and who told of them."""
    here = processor()
    sources = (
        _told(("/subject", "/engines/0/count"), "file:///proc/cpuinfo"),
        _told(("/operating_point", "/memories"), "file:///sys/devices/system/cpu"),
        _told((f"/memories/{len(here.caches)}",), "file:///proc/meminfo"),
    )
    return (
        (Engine(id=ENGINE, kind="VECTOR", count=here.cores),),
        (*_cache_memories(here.caches), _main_memory(here.caches)),
        sources,
    )


def _told(paths: tuple[str, ...], source: str) -> Provenance:
    """Return the provenance of values that the kernel tells."""
    return Provenance(paths=paths, basis="DERIVED", source_uri=source)


def _cache_memories(caches: tuple[Cache, ...]) -> Iterator[Memory]:
    for nearest, after in zip(caches, (*caches[1:], None), strict=True):
        yield Memory(
            id=f"l{nearest.level}",
            kind="sram",
            role="CACHE",
            level=nearest.level,
            instances=nearest.instances,
            capacity_bytes_per_instance=nearest.nbytes,
            line_bytes=nearest.line_bytes,
            managed="HW",
            backing_id=f"l{after.level}" if after else MAIN_MEMORY,
        )


def _main_memory(caches: tuple[Cache, ...]) -> Memory:
    line = max((c.line_bytes for c in caches), default=None)
    return Memory(
        id=MAIN_MEMORY,
        kind="dram",
        role="SHARED",
        instances=1,
        capacity_bytes_per_instance=total_memory(),
        usable_bytes=usable_memory(),
        line_bytes=line,
        alignment_bytes=line,
        granule_bytes=os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else None,
        managed="SW",
        coherence_domain=f"host:{host_id()}",
    )


def _cores() -> int:
    """Return the number of physical cores among the processors that this process may use."""
    siblings = {
        text(CPUS / f"cpu{n}/topology/thread_siblings_list") or str(n) for n in usable_processors()
    }
    return len(siblings)


def usable_processors() -> list[int]:
    """Return the numbers of the logical processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _caches() -> Iterator[Cache]:
    """Yield data and unified caches by level."""
    found: dict[tuple[int, int, int], set[str]] = {}
    for number in usable_processors():
        for index in sorted((CPUS / f"cpu{number}/cache").glob("index*")):
            if text(index / "type") in ("Data", "Unified"):
                level, line = text(index / "level"), text(index / "coherency_line_size")
                key = (int(level), nbytes(text(index / "size")), int(line))
                found.setdefault(key, set()).add(text(index / "shared_cpu_list"))
    for (distance, size, width), groups in sorted(found.items()):
        yield Cache(distance, len(groups), size, width)


def text(path: Path) -> str:
    """Return the content of a file that the system may have; empty if it has not."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
