"""Predicates: what the caller demands of a device in place of naming its descriptor.

The plan is made for the devices of the system all the same. Whether it fits others too is for the
verifier to say, about each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from acp.conditions import ConditionError, parse, paths, unmet
from cep.planner.devices import Device, PlanningError
from cep.v1.plan import Device as PlanDevice

if TYPE_CHECKING:
    from cep.v1.plan import Plan


def check_predicates(devices: Sequence[Device], predicates: Mapping[str, str]) -> None:
    """Refuse demands that the devices that were planned for do not meet themselves.

    Raises:
        PlanningError: There is no such device, the text is no condition, or it isn't met (CEP-X4).
    """
    known = {device.slot: device for device in devices}
    for slot, predicate in predicates.items():
        if slot not in known:
            reason = f"there is no device {slot!r}; there are {', '.join(known)}"
            raise PlanningError.because("CEP-X4", reason)
        try:
            condition = parse(predicate)
        except ConditionError as error:
            reason = f"what is demanded of {slot!r} is no condition: {error}"
            raise PlanningError.because("CEP-X4", reason) from None
        why = unmet(condition, paths(known[slot].descriptor.to_json()))
        if why is not None:
            reason = f"{slot!r} does not meet what is demanded of it: {why}"
            raise PlanningError.because("CEP-X4", reason)


def demanding(plan: Plan, predicates: Mapping[str, str]) -> Plan:
    """Return a plan with predicates in place of the digests of some devices."""
    devices = tuple(
        PlanDevice(slot=device.slot, predicate=predicates[device.slot])
        if device.slot in predicates
        else device
        for device in plan.devices
    )
    if devices == plan.devices:
        return plan
    features = tuple(sorted({*plan.features, "predicates"}))
    return plan.replace(devices=devices, features=features)
