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
        choices: Digests of the descriptors that would do for a slot, where they are several.
        findings: What breaks CEP-C1.
    """

    digests: Mapping[str, str]
    choices: Mapping[str, Sequence[str]]
    findings: Sequence[Finding]


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
    digests: dict[str, str] = {}
    choices: dict[str, Sequence[str]] = {}
    findings: list[Finding] = []
    needed = any(device.predicate is not None for device in plan.devices)
    forms = {digest: paths(one.to_json()) for digest, one in found.items()} if needed else {}
    for i, device in enumerate(plan.devices):
        slot, wanted, named = device.slot, asked.get(device.slot), device.descriptor_digest
        if device.predicate is not None:
            try:
                digests[slot] = _chosen(slot, device.predicate, wanted, forms, refused)
            except (ConditionError, LookupError) as error:
                findings.append(Finding(("devices", i, "predicate"), str(error.args[0])))
                choices |= {slot: error.choices} if isinstance(error, _SeveralError) else {}
        elif named is not None:
            digests[slot] = named
            if wanted not in (None, named):
                message = f"{slot!r} is to be bound to {wanted}; the plan is for {named} alone"
                findings.append(Finding(("devices", i, "descriptor_digest"), message))
    lost = sorted(set(asked) - {device.slot for device in plan.devices})
    findings += (Finding(("devices",), f"there is no slot {slot!r} to be bound") for slot in lost)
    return Binding(digests, choices, findings)


class _SeveralError(LookupError):
    """Several descriptors will do."""

    def __init__(self, slot: str, choices: Sequence[str]) -> None:
        """Say which, and how to say which is meant."""
        which = f"{len(choices)} descriptors will do for {slot!r}: {_few(choices)}"
        super().__init__(f"{which}; say which one it is, as with --bind {slot}=DIGEST")
        self.choices = choices


def _chosen(
    slot: str,
    predicate: str,
    wanted: str | None,
    forms: Mapping[str, Paths],
    refused: Mapping[str, str],
) -> str:
    """Return the digest of the descriptor that a slot with a predicate stands for.

    Raises:
        ConditionError: The predicate is no condition.
        LookupError: No descriptor will do, or more than one.
    """
    condition = parse(predicate)
    candidates = forms if wanted is None else {d: form for d, form in forms.items() if d == wanted}
    why = {digest: unmet(condition, form) for digest, form in candidates.items()}
    fit = [digest for digest, reason in why.items() if reason is None]
    if len(fit) == 1:
        return fit[0]
    if fit:
        raise _SeveralError(slot, fit)
    told = [f"{digest}: {reason}" for digest, reason in why.items()]
    told += [
        f"{digest} is not believed: {reason}"
        for digest, reason in refused.items()
        if wanted in (None, digest)
    ]
    asked = "no descriptor that was given" if wanted is None else wanted
    raise LookupError(f"{asked} will not do for {slot!r}: {_few(told) or 'it was not given'}")


def _few(items: Sequence[str]) -> str:
    more = [f"and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    return "; ".join((*items[:_SHOWN], *more))
