"""``acp measure``: micro-benchmarks of a device, as records that a descriptor's claims refer to."""

from __future__ import annotations
