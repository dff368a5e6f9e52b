"""From bytes to a verdict: signature first, then encoding, then every rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from acp import canonical, trust
from acp.diagnostics import Diagnostic, Refused, Severity
from acp.dsse import PLAN
from acp.vouching import Vouched, vouch
from cep.graph import GraphView
from cep.prove import Grid
from cep.v1.plan import Plan
from cep.verify.rules import RULES
from cep.verify.subject import Subject

if TYPE_CHECKING:
    from acp.policy import TrustPolicy
    from acp.v1.capability import CapabilityDescriptor
    from acp.v1.status import StatusList
    from cep.rewrite import Recompute
    from cep.store import Store
    from cep.v1.graph import Graph

ENTRY_RULES: Final = ("CEP-I1", "CEP-I3")


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on a plan.

    Attributes:
        diagnostics: Everything that was found.
        rules: Ids of all rules that were run, sorted.
        plan: The plan, if it could be read.
        plan_digest: Its digest, if it could be read.
        descriptors: Verified descriptors by slot.
        binding: Their digests.
        choices: For slots with a predicate that are not bound, the descriptors that will do, by
            digest.
    """

    diagnostics: tuple[Diagnostic, ...]
    rules: tuple[str, ...]
    plan: Plan | None = None
    plan_digest: str = ""
    descriptors: Mapping[str, CapabilityDescriptor] = field(default_factory=dict)
    binding: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, Mapping[str, CapabilityDescriptor]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """The plan is accepted: every rule ran, and none found an error."""
        return self.plan is not None and not any(
            d.severity is Severity.ERROR for d in self.diagnostics
        )


@canonical.collector_paused()
def verify(  # noqa: PLR0913 - a verdict depends on all of this
    plan: bytes,
    *,
    descriptors: Sequence[bytes] | Vouched,
    policy: TrustPolicy,
    now: datetime,
    store: Store | None = None,
    status_lists: Sequence[StatusList] = (),
    source: Graph | None = None,
    binding: Mapping[str, str] | None = None,
    recompute: Recompute | None = None,
    unsigned: bool = False,
) -> Report:
    """Return the verdict on a plan. Bad input of any kind gives diagnostics, never an exception.

    Args:
        plan: The plan in its DSSE envelope, or the bare plan with `unsigned`.
        descriptors: Capability and system descriptors in their DSSE envelopes. Where no slot has a
            predicate, those that the plan does not name are not looked at. Whoever judges many
            plans gives what `vouch` made of them, under the same policy and at the same moment.
        policy: Which key may sign what for whom.
        now: The moment to judge by, aware of its time zone.
        store: Weights. Without them a warning says that they were not checked.
        status_lists: Revocations, already verified.
        source: The source graph, to compare the plan with something that did not come with it.
        binding: Digests of descriptors by slot, where a predicate leaves the choice (CEP-C1).
        recompute: Computes folded constants again, as `cep.reference.recompute` does. Without it,
            or without weights, a warning says that they were not checked.
        unsigned: The plan is not signed yet; CEP-I1 is left out, all else is checked.

    Raises:
        ValueError: `now` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("now must be aware of its time zone")
    entry = tuple(r for r in ENTRY_RULES if not (unsigned and r == "CEP-I1"))
    try:
        payload, document, is_canonical, warnings = (
            _bare(plan) if unsigned else _signed(plan, policy, now)
        )
        if not is_canonical:
            message = (
                "the plan is not written in canonical JSON (RFC 8785); it has one encoding only"
            )
            raise Refused.because("CEP-I3", message)
        view = GraphView.of(document)
    except Refused as refusal:
        return Report(refusal.diagnostics, entry)
    if isinstance(descriptors, Vouched):
        known = descriptors
    else:
        wanted = _wanted(document, binding or {})
        known = vouch(descriptors, policy=policy, now=now, status_lists=status_lists, wanted=wanted)
    identity = canonical.digest_bytes(payload)
    subject = Subject(
        plan=document,
        view=view,
        policy=policy,
        now=now,
        descriptors=known.found,
        refused=known.refused,
        systems=known.systems,
        plan_digest=identity,
        status_lists=status_lists,
        refused_systems=known.refused_systems,
        store=store,
        source=source,
        asked=binding or {},
        recompute=recompute,
    )
    diagnostics, ran = _run(subject)
    return Report(
        diagnostics=(*warnings, *known.warnings, *diagnostics, *_consulted(subject)),
        rules=tuple(sorted((*entry, *ran))),
        plan=document,
        plan_digest=identity,
        descriptors=subject.by_slot,
        binding={slot: subject.binding.digests[slot] for slot in subject.by_slot},
        choices={
            slot: {digest: known.found[digest] for digest in digests}
            for slot, digests in subject.binding.choices.items()
        },
    )


def _consulted(subject: Subject) -> Iterator[Diagnostic]:
    """Say which proofs the rules of types, or of conditions, have from Z3 alone."""
    for question in Grid.over(subject.view.ranges).consulted:
        message = f"only Z3 has proven that {question}; a verifier without it refuses this plan"
        yield Diagnostic("CEP-T4", Severity.WARNING, "/values", message)


def _wanted(plan: Plan, binding: Mapping[str, str]) -> set[str] | None:
    """Return the digests of the descriptors that matter; None where any can."""
    named = {d.slot: d.descriptor_digest or binding.get(d.slot) for d in plan.devices}
    return None if None in named.values() else {digest for digest in named.values() if digest}


def _run(subject: Subject) -> tuple[tuple[Diagnostic, ...], list[str]]:
    diagnostics: list[Diagnostic] = []
    ran: list[str] = []
    for stage in sorted({r.stage for r in RULES.values()}):
        for code, rule in sorted(RULES.items()):
            if rule.stage == stage:
                diagnostics += rule.diagnostics(subject)
                ran.append(code)
        if any(d.severity is Severity.ERROR for d in diagnostics):
            break
    return tuple(diagnostics), ran


def _signed(
    envelope: bytes, policy: TrustPolicy, now: datetime
) -> tuple[bytes, Plan, bool, tuple[Diagnostic, ...]]:
    """Return payload, plan, whether it is canonical, and warnings, if it is trusted (CEP-I1)."""
    try:
        verified = trust.verify(envelope, policy, now=now, expected={PLAN: Plan})
    except Refused as refusal:
        raise Refused(
            *(
                Diagnostic("CEP-I1", d.severity, "", f"{d.message} ({d.code})")
                for d in refusal.diagnostics
            )
        ) from None
    return verified.payload, verified.document(Plan), verified.canonical, verified.diagnostics


def _bare(payload: bytes) -> tuple[bytes, Plan, bool, tuple[Diagnostic, ...]]:
    """Return what `_signed` does, of a plan that is not signed."""
    is_canonical = canonical.read(payload).canonical
    return payload, Plan.from_text(payload), is_canonical, ()
