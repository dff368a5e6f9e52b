"""A plan with another descriptor in place of one that it was made for: does it still hold?

A plan names a descriptor by its digest, or says by a condition which will do. With a new revision
of the descriptor, the first must be made to name the new digest, and signed again; whether that is
safe is for the verifier to say, with everything else as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from acp import rules
from acp.canonical import canonicalize, digest
from acp.changes.plans import Standing
from acp.conditions import ConditionError, parse, paths, unmet
from acp.diagnostics import Refused, Severity
from acp.policy import TrustPolicy
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor
from acp.vouching import Vouched
from cep.v1.plan import Plan
from cep.verify import verify

if TYPE_CHECKING:
    from acp.conditions import Paths
    from acp.diagnostics import Diagnostic
    from acp.message import Message


def recheck(
    plan: bytes,
    old: CapabilityDescriptor,
    new: CapabilityDescriptor,
    others: Sequence[Message],
    now: datetime,
) -> Standing:
    """Return how a plan stands with one descriptor in place of another; an `acp.plans` entry point.

    Neither signatures nor weights are looked at: the question is about descriptors.

    Raises:
        Refused: The plan cannot be read (ENV-J1 to ENV-S4), or no device of it is `old` (CEP-C1).
    """
    document = Plan.from_text(plan)
    named, by_condition = _slots(document, old)
    if not named and not by_condition:
        message = f"no device of the plan is {digest(old.to_json())}, the old descriptor"
        raise Refused.because("CEP-C1", message, "/devices")
    moved = document.replace(
        devices=tuple(
            one.replace(descriptor_digest=digest(new.to_json())) if one.slot in named else one
            for one in document.devices
        )
    )
    return Standing(
        slots=(*named, *by_condition),
        before=_found(document, old, old, others, by_condition, now),
        after=_found(moved, old, new, others, by_condition, now),
    )


def _slots(plan: Plan, old: CapabilityDescriptor) -> tuple[list[str], list[str]]:
    """Return the slots that name a descriptor, and those whose condition it meets."""
    identity, form = digest(old.to_json()), paths(old.to_json())
    named = [one.slot for one in plan.devices if one.descriptor_digest == identity]
    return named, [one.slot for one in plan.devices if _meets(one.predicate, form)]


def _meets(predicate: str | None, form: Paths) -> bool:
    try:
        return predicate is not None and unmet(parse(predicate), form) is None
    except ConditionError:
        return False


def _found(
    plan: Plan,
    old: CapabilityDescriptor,
    now_there: CapabilityDescriptor,
    others: Sequence[Message],
    by_condition: Sequence[str],
    now: datetime,
) -> tuple[Diagnostic, ...]:
    """Return what the verifier finds with a descriptor in place of the old one."""
    was, is_ = digest(old.to_json()), digest(now_there.to_json())
    known = Vouched()
    for one in (now_there, *others):
        if isinstance(one, SystemDescriptor):
            known.systems.append(_moved(one, {was: is_}))
        elif isinstance(one, CapabilityDescriptor):
            _believe(known, one, now)
    report = verify(
        canonicalize(plan.to_json()),
        descriptors=known,
        policy=TrustPolicy.unsafe_accept_anything(),
        now=now,
        binding=dict.fromkeys(by_condition, is_),
        unsigned=True,
    )
    return report.diagnostics


def _believe(known: Vouched, descriptor: CapabilityDescriptor, now: datetime) -> None:
    """Take a descriptor for believed where its rules hold, whoever signed it."""
    identity = digest(descriptor.to_json())
    wrong = [
        one
        for one in rules.check(descriptor, rules.Context(now=now))
        if one.severity is Severity.ERROR
    ]
    if wrong:
        known.refused[identity] = f"{wrong[0].message} ({wrong[0].code})"
    else:
        known.found[identity] = descriptor


def _moved(system: SystemDescriptor, digests: Mapping[str, str]) -> SystemDescriptor:
    """Return a system in which other descriptors stand for some nodes."""
    return system.replace(
        nodes=tuple(
            node.replace(
                descriptor_digest=digests.get(node.descriptor_digest, node.descriptor_digest)
            )
            for node in system.nodes
        )
    )
