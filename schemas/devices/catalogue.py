"""All devices that have a reference descriptor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.devices import amd, google, groq, laptops, nvidia

if TYPE_CHECKING:
    from schemas.devices.book import Device

DEVICES: Final[tuple[Device, ...]] = (
    *nvidia.DEVICES,
    *amd.DEVICES,
    *google.DEVICES,
    *groq.DEVICES,
    *laptops.DEVICES,
)
