"""Documents in words: one card for each kind, for `acp show`."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from acp.cli.cards import device, records, system
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.status import StatusList
from acp.v1.system import SystemDescriptor

if TYPE_CHECKING:
    from acp.message import Message

__all__ = ["card"]


@singledispatch
def card(document: Message) -> str:
    """Return a document in words, some lines.

    Raises:
        TypeError: There is no card for this kind.
    """
    raise TypeError(f"no card for {type(document).__name__}")


card.register(CapabilityDescriptor, device.card)
card.register(SystemDescriptor, system.card)
card.register(MeasurementRecord, records.measurement)
card.register(StatusList, records.status)
