"""Power: ACP-P01 (limits are in order) and ACP-P02 (operations per joule are plausible)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from acp.diagnostics import Severity
from acp.rules.registry import Breach, Context, rule
from acp.rules.sparsity import DENSE
from acp.tokens import DEVICE_CLASSES, DTYPES
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


@rule("ACP-P02", CapabilityDescriptor, severity=Severity.WARNING)
def efficiency(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Dense operations per joule are within what the class of device is known for."""
    known = DEVICE_CLASSES.get(document.subject.device_class)
    power = None if document.power is None else document.power.tdp_mw
    if known is None or power is None:
        return
    dense = [
        (rate.peak_ops_per_s, max(a.bits, b.bits))
        for engine in document.engines
        for rate in engine.rates
        if rate.sparsity == DENSE
        and (a := DTYPES.get(rate.a)) is not None
        and (b := DTYPES.get(rate.b)) is not None
    ]
    if not dense:
        return
    path = ("power", "tdp_mw")
    peak, bits = max(dense, key=lambda row: row[0] * row[1])
    most = known.most_8bit_ops_per_joule
    if most is not None and peak * 1000 * bits > most * 8 * power:
        yield Breach(
            path,
            f"{peak} dense operations per second on {bits} bits at {power} mW are more than the "
            f"{most * 8 // bits} per joule that a {document.subject.device_class} is known to "
            "reach; likely: watts given as milliwatts, or a prefix of the rate mistaken",
        )
    least = known.least_ops_per_joule
    fastest = max(peak for peak, _ in dense)
    if least is not None and fastest * 1000 < least * power:
        yield Breach(
            path,
            f"{fastest} dense operations per second, the most of any dtype, at {power} mW are "
            f"fewer than the {least} per joule that a {document.subject.device_class} reaches at "
            "least; likely: microwatts given as milliwatts, or a prefix of the rate mistaken",
        )
