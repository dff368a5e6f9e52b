"""Binding: which descriptor each slot of a plan stands for (CEP-C1).

A slot with a digest stands for that descriptor. One with a predicate stands for what the caller
says, or else for the only believed descriptor that meets it. All other rules see what is bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from acp.conditions import ConditionError, Paths, parse, paths, unmet
from cep.verify.rules import Finding

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor
    from cep.v1.plan import Plan

_SHOWN: Final = 4


class Binding(NamedTuple):
    """What the slots of a plan stand for.

    Attributes:
        digests: Digest of the descriptor of each slot that has one, whether it was given or not.
        choices: Digests of the descriptors that will do for a slot, where that is not one.
        findings: What breaks CEP-C1.
    """

    digests: dict[str, str]
    choices: dict[str, list[str]]
    findings: list[Finding]


def bind(
    plan: Plan,
    found: Mapping[str, CapabilityDescriptor],
    refused: Mapping[str, str],
    asked: Mapping[str, str],
) -> Binding:
    """Bind the slots of a plan.

    Args:
        plan: The plan.
        found: Believed descriptors by digest.
        refused: Why others are not believed, by digest.
        asked: What the caller wants slots to stand for.
    """
    bound = Binding({}, {}, [])
    needed = any(device.predicate is not None for device in plan.devices)
    forms = {digest: paths(one.to_json()) for digest, one in found.items()} if needed else {}
    for i, device in enumerate(plan.devices):
        slot, wanted, named = device.slot, asked.get(device.slot), device.descriptor_digest
        if device.predicate is not None:
            fit, why = _fitting(device.predicate, wanted, forms, refused)
            if len(fit) == 1:
                bound.digests[slot] = fit[0]
                continue
            bound.choices[slot] = fit
            message = f"{wanted or 'no descriptor that was given'} will not do for {slot!r}: "
            if fit:
                message = f"say which one {slot!r} is, as with --bind {slot}=DIGEST: "
            message += _few(fit or why) or "it was not given"
            bound.findings.append(Finding(("devices", i, "predicate"), message))
        elif named is not None:
            bound.digests[slot] = named
            if wanted not in (None, named):
                message = f"{slot!r} is to be bound to {wanted}; the plan is for {named} alone"
                bound.findings.append(Finding(("devices", i, "descriptor_digest"), message))
    for slot in sorted(set(asked) - {device.slot for device in plan.devices}):
        bound.findings.append(Finding(("devices",), f"there is no slot {slot!r} to be bound"))
    return bound


def _fitting(
    predicate: str, wanted: str | None, forms: Mapping[str, Paths], refused: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Return the digests of the descriptors that will do, and why the others won't."""
    try:
        condition = parse(predicate)
    except ConditionError as error:
        return [], [str(error)]
    why = {d: unmet(condition, form) for d, form in forms.items() if wanted in (None, d)}
    lost = {d: f"not believed: {why}" for d, why in refused.items() if wanted in (None, d)}
    told = [f"{digest}: {reason}" for digest, reason in (why | lost).items() if reason]
    return [digest for digest, reason in why.items() if reason is None], told


def _few(items: Sequence[str]) -> str:
    more = [f"and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    return "; ".join((*items[:_SHOWN], *more))
