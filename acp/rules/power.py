"""Power: ACP-P01 (limits are in order, and the operating point is within them)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from acp.rules.registry import Breach, Context, rule
from acp.v1.capability import CapabilityDescriptor


@rule("ACP-P01", CapabilityDescriptor)
def limits(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Idle ≤ TDP ≤ highest cap, lowest ≤ highest cap, and the cap in force lies between."""
    power = document.power
    if power is None:
        return
    idle, tdp = ("idle_mw", power.idle_mw), ("tdp_mw", power.tdp_mw)
    low, high = ("cap_min_mw", power.cap_min_mw), ("cap_max_mw", power.cap_max_mw)
    for chain in ((idle, tdp, high), (low, high)):
        present = ((name, value) for name, value in chain if value is not None)
        for (below, less), (above, more) in pairwise(present):
            if less > more:
                yield Breach(
                    ("power", below),
                    f"{below} is {less}, above {above}, which is {more}; correct one of them",
                )
    cap = document.operating_point.power_cap_mw
    for (name, limit), is_beyond in ((low, int.__lt__), (high, int.__gt__)):
        if cap is not None and limit is not None and is_beyond(cap, limit):
            yield Breach(
                ("operating_point", "power_cap_mw"),
                f"found {cap}, but {name} is {limit}; such a cap cannot be set",
            )
