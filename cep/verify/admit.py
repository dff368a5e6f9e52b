"""From bytes to a verdict: signature first, then encoding, then every rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from acp import canonical, trust
from acp.acceptance import accept
from acp.diagnostics import Diagnostic, Refused, Severity
from acp.dsse import PLAN, SYSTEM_DESCRIPTOR, Envelope
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor
from cep.graph import GraphView
from cep.v1.plan import Plan
from cep.verify.rules import RULES
from cep.verify.subject import Subject

if TYPE_CHECKING:
    from acp.canonical import JsonValue
    from acp.message import Message
    from acp.policy import TrustPolicy
    from acp.v1.status import StatusList
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
    """

    diagnostics: tuple[Diagnostic, ...]
    rules: tuple[str, ...]
    plan: Plan | None = None
    plan_digest: str = ""
    descriptors: Mapping[str, CapabilityDescriptor] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """The plan is accepted: every rule ran, and none found an error."""
        return self.plan is not None and not any(
            d.severity is Severity.ERROR for d in self.diagnostics
        )


def verify(
    plan: bytes,
    *,
    descriptors: Sequence[bytes],
    policy: TrustPolicy,
    now: datetime,
    store: Store | None = None,
    status_lists: Sequence[StatusList] = (),
    source: Graph | None = None,
    unsigned: bool = False,
) -> Report:
    """Return the verdict on a plan. Bad input of any kind gives diagnostics, never an exception.

    Args:
        plan: The plan in its DSSE envelope, or the bare plan with `unsigned`.
        descriptors: Capability and system descriptors in their DSSE envelopes. Those that the plan
            does not name are not looked at.
        policy: Which key may sign what for whom.
        now: The moment to judge by, aware of its time zone.
        store: Weights. Without them a warning says that they were not checked.
        status_lists: Revocations, already verified.
        source: The source graph, to compare the plan with something that did not come with it.
        unsigned: The plan is not signed yet; CEP-I1 is left out, all else is checked.

    Raises:
        ValueError: `now` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("now must be aware of its time zone")
    entry = tuple(r for r in ENTRY_RULES if not (unsigned and r == "CEP-I1"))
    try:
        payload = plan if unsigned else _signed(plan, policy, now)
        value, document = _decoded(payload)
        view = GraphView.of(document)
    except Refused as refusal:
        return Report(refusal.diagnostics, entry)

    def believe(envelope: bytes) -> Message:
        kinds = (CapabilityDescriptor, SystemDescriptor)
        return accept(envelope, policy, now=now, expected=kinds, status_lists=status_lists).document

    found, refused, systems = _descriptors(document, descriptors, believe)
    subject = Subject(
        plan=document,
        view=view,
        policy=policy,
        now=now,
        descriptors=found,
        refused=refused,
        systems=systems,
        store=store,
        source=source,
    )
    diagnostics, ran = _run(subject)
    return Report(
        diagnostics=diagnostics,
        rules=tuple(sorted((*entry, *ran))),
        plan=document,
        plan_digest=canonical.digest(value),
        descriptors={
            d.slot: found[d.descriptor_digest]
            for d in document.devices
            if d.descriptor_digest in found
        },
    )


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


def _signed(envelope: bytes, policy: TrustPolicy, now: datetime) -> bytes:
    """Return the plan's bytes, if the policy trusts their signature (CEP-I1)."""
    try:
        return trust.verify(envelope, policy, now=now, expected=(PLAN,)).payload
    except Refused as refusal:
        raise Refused(
            *(
                Diagnostic("CEP-I1", d.severity, "", f"{d.message} ({d.code})")
                for d in refusal.diagnostics
            )
        ) from None


def _decoded(payload: bytes) -> tuple[JsonValue, Plan]:
    """Return the plan, if it is in its one encoding (CEP-I3)."""
    value = canonical.decode(payload)
    document = Plan.from_text(payload)
    if canonical.canonicalize(value) != payload:
        raise Refused.because(
            "CEP-I3",
            "the plan is not written in canonical JSON (RFC 8785); it has one encoding only",
        )
    return value, document


def _descriptors(
    plan: Plan, envelopes: Sequence[bytes], believe: Callable[[bytes], Message]
) -> tuple[dict[str, CapabilityDescriptor], dict[str, str], list[SystemDescriptor]]:
    """Return the believed descriptors, why others are not believed, and the systems.

    Which descriptor an envelope holds is read from its payload before the signature is checked, but
    only to tell which slot a refusal is about: nothing is used before it is verified.
    """
    wanted = {d.descriptor_digest for d in plan.devices}
    found: dict[str, CapabilityDescriptor] = {}
    refused: dict[str, str] = {}
    systems: list[SystemDescriptor] = []
    for data in envelopes:
        claimed = ""
        try:
            envelope = Envelope.from_bytes(data)
            claimed = canonical.digest(canonical.decode(envelope.payload))
            if claimed in wanted or envelope.payload_type == SYSTEM_DESCRIPTOR:
                document = believe(data)
                if isinstance(document, CapabilityDescriptor):
                    found[claimed] = document
                elif isinstance(document, SystemDescriptor):
                    systems.append(document)
        except Refused as refusal:
            first = refusal.diagnostics[0]
            refused[claimed] = f"{first.message} ({first.code})"
    return found, {k: v for k, v in refused.items() if k not in found}, systems
