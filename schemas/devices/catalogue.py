"""All that has a reference descriptor: devices, partitions of them, and systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.devices import amd, google, groq, laptops, lunar_lake, nvidia, slices, systems

if TYPE_CHECKING:
    from schemas.devices.book import Device
    from schemas.devices.systems import System

DEVICES: Final[tuple[Device, ...]] = (
    *nvidia.DEVICES,
    *amd.DEVICES,
    *google.DEVICES,
    *groq.DEVICES,
    *laptops.DEVICES,
    *lunar_lake.DEVICES,
)

SLICES: Final[tuple[Device, ...]] = slices.SLICES

SYSTEMS: Final[tuple[System, ...]] = systems.SYSTEMS
