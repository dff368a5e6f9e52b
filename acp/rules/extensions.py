"""Extensions: ACP-X01 (critical ones are present and understood)."""

from __future__ import annotations

from collections.abc import Iterator

from acp.rules.registry import Breach, Context, rule
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.system import SystemDescriptor


@rule("ACP-X01", CapabilityDescriptor, SystemDescriptor, MeasurementRecord)
def critical(
    document: CapabilityDescriptor | SystemDescriptor | MeasurementRecord, context: Context
) -> Iterator[Breach]:
    """What must be understood is there, and is understood."""
    for i, name in enumerate(document.critical):
        if name not in document.extensions:
            yield Breach(
                ("critical", i),
                f"{name!r} is critical, but not among the extensions; add it there or remove it",
            )
        elif name not in context.understood:
            yield Breach(
                ("critical", i),
                f"the issuer forbids to use this document without understanding the extension "
                f"{name!r}, which this reader does not",
            )
