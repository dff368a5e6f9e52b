"""Pictures of descriptors. Drawing needs matplotlib: ``pip install 'acp-cep[plot]'``."""

from __future__ import annotations

from acp.plotting.roofline import Ceiling, Roofline, Slope, roofline

__all__ = ["Ceiling", "Roofline", "Slope", "roofline"]
