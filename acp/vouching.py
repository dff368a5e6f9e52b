"""Sort the envelopes of descriptors: which are believed, and why the others are not.

Whoever judges a plan is given a heap of descriptors, some of which the plan names. One that is not
believed is no error by itself; it is one when something depends on it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from acp import canonical
from acp.acceptance import accept
from acp.diagnostics import Diagnostic, Refused
from acp.dsse import CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR, Envelope
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor

if TYPE_CHECKING:
    from acp.policy import TrustPolicy
    from acp.v1.status import StatusList


@dataclass(slots=True)
class Vouched:
    """What became of the envelopes of descriptors.

    Attributes:
        found: Believed descriptors by digest.
        refused: Why a descriptor is not believed, by digest.
        systems: Believed system descriptors.
        refused_systems: Why others are not believed.
        warnings: What was found that refuses nothing.
    """

    found: dict[str, CapabilityDescriptor] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    systems: list[SystemDescriptor] = field(default_factory=list)
    refused_systems: list[str] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)


def vouch(
    envelopes: Sequence[bytes],
    *,
    policy: TrustPolicy,
    now: datetime,
    status_lists: Sequence[StatusList] = (),
    wanted: Collection[str] | None = None,
) -> Vouched:
    """Sort the envelopes of descriptors into what is believed and what is not.

    Which descriptor an envelope holds is read from its payload before the signature is checked, but
    only to tell which slot a refusal is about: nothing is used before it is verified.

    Args:
        envelopes: Capability and system descriptors in their DSSE envelopes.
        policy: Which key may sign what for whom.
        now: The moment to judge by, aware of its time zone.
        status_lists: Revocations, already verified.
        wanted: Digests of the descriptors that matter; None for all capability descriptors.
    """
    kinds = (CapabilityDescriptor, SystemDescriptor)
    known = Vouched()
    for data in envelopes:
        claimed, is_system = "", False
        try:
            envelope = Envelope.from_bytes(data)
            is_system = envelope.payload_type == SYSTEM_DESCRIPTOR
            claimed = canonical.digest(canonical.decode(envelope.payload))
            others = envelope.payload_type != CAPABILITY_DESCRIPTOR
            if not is_system and (others if wanted is None else claimed not in wanted):
                continue
            accepted = accept(data, policy, now=now, expected=kinds, status_lists=status_lists)
        except Refused as refusal:
            first = refusal.diagnostics[0]
            reason = f"{first.message} ({first.code})"
            if claimed:
                known.refused.setdefault(claimed, reason)
            known.refused_systems += [reason] if is_system else []
            continue
        known.warnings += accepted.warnings
        if isinstance(accepted.document, CapabilityDescriptor):
            known.found[claimed] = accepted.document
        elif isinstance(accepted.document, SystemDescriptor):
            known.systems.append(accepted.document)
    for claimed in known.found:
        known.refused.pop(claimed, None)
    return known
