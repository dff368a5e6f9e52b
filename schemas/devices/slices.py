"""Partitions of the H100: what nvidia-smi shows of them, and the rest in proportion.

Multiprocessors and bytes are those of the profile; rates follow from the multiprocessors, caches
and bandwidth from the eighths of the memory. A partition has no NVLink.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from acp.canonical import digest
from acp.quantities import read
from schemas.devices.nvidia import H100
from schemas.devices.sources import Source

if TYPE_CHECKING:
    from acp.v1.capability import Engine, Memory
    from schemas.devices.book import Device

_MIG: Final = Source(
    "DERIVED",
    "https://docs.nvidia.com/datacenter/tesla/mig-user-guide/supported-mig-profiles.html",
)
_SMI: Final = Source("THIRD_PARTY", "https://jbarrow.ai/field_notes/nvidia-mig/", 900_000)
_TORCH: Final = Source(
    "DERIVED", "https://docs.pytorch.org/docs/stable/torch.compiler_ir.html", 900_000
)

_MULTIPROCESSORS: Final = 132
_EIGHTHS: Final = 8


def _slice(profile: str, multiprocessors: int, eighths: int, usable: str) -> Device:
    """Return the descriptor of a partition.

    Args:
        profile: Name of the profile.
        multiprocessors: Streaming multiprocessors that it has.
        eighths: Eighths of memory, bandwidth and cache.
        usable: Memory that programs can have.
    """
    whole = digest(json.loads(H100.text()))
    return replace(
        H100,
        name=f"slices/h100-sxm-{profile}",
        subject=H100.subject.replace(scope="SLICE", parent_digest=whole),
        operating_point=H100.operating_point.replace(power_cap_mw=None, partition_mode=profile),
        engines=tuple(_part(engine, multiprocessors) for engine in H100.engines),
        memories=tuple(
            _share(memory, multiprocessors, eighths, usable) for memory in H100.memories
        ),
        power=None,
        partitions=None,
        ports=(),
        sources=(
            _MIG.says("subject", "operating_point", "engines", "memories"),
            _SMI.says("engines/*/count", "memories/memory/usable_bytes"),
            _TORCH.says("ops", "software"),
        ),
    )


def _part(engine: Engine, multiprocessors: int) -> Engine:
    """Return what some of the multiprocessors have of an engine."""
    return engine.replace(
        count=(engine.count or 0) * multiprocessors // _MULTIPROCESSORS,
        rates=tuple(
            rate.replace(peak_ops_per_s=rate.peak_ops_per_s * multiprocessors // _MULTIPROCESSORS)
            for rate in engine.rates
        ),
    )


def _share(memory: Memory, multiprocessors: int, eighths: int, usable: str) -> Memory:
    """Return what a partition has of a memory."""
    if memory.instances == _MULTIPROCESSORS:
        return memory.replace(instances=multiprocessors)
    capacity = memory.instances * memory.capacity_bytes_per_instance * eighths // _EIGHTHS
    rate = memory.combined_bytes_per_s
    return memory.replace(
        instances=1,
        stacks=None,
        capacity_bytes_per_instance=capacity,
        usable_bytes=None if memory.usable_bytes is None else read(usable),
        combined_bytes_per_s=None if rate is None else rate * eighths // _EIGHTHS,
    )


SLICES: Final = (
    _slice("1g.10gb", 16, 1, "9.75GiB"),
    _slice("3g.40gb", 60, 4, "39.5GiB"),
)
