"""The plan under judgement, with what the caller says: policy, clock, descriptors, weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cep.indexed import IndexedPlan
from cep.rewrite import KIND, Replay, replay
from cep.sight import Sight
from cep.verify.binding import Binding, bind

if TYPE_CHECKING:
    from acp.policy import TrustPolicy
    from acp.v1.capability import CapabilityDescriptor, OperationVariant
    from acp.v1.status import StatusList
    from acp.v1.system import SystemDescriptor
    from cep.rewrite import Recompute
    from cep.store import Store
    from cep.v1.graph import Graph

MAX_ALTERNATES: Final = 1_000_000
"""Most ops, reads and writes of alternates together, and alternates, that are checked."""
INT64_MAX: Final = 2**63 - 1
MAX_SYMBOL: Final = 2**48


@dataclass
class Subject(IndexedPlan):
    """A plan and what it is judged against.

    Attributes:
        policy: Whom the caller trusts.
        now: The moment to judge by.
        descriptors: Verified descriptors by digest.
        refused: Why a descriptor that the plan names is not believed, by digest.
        systems: Verified system descriptors.
        plan_digest: Identity of the plan.
        status_lists: Revocations, already verified.
        refused_systems: Why a system descriptor that was given is not believed.
        store: Weights; None if they are not at hand.
        source: The source graph, where the caller has it apart from the plan.
        asked: Digests of the descriptors that the caller wants slots to stand for.
        recompute: Computes folded constants again; None if nothing at hand can.
        order: Steps in an order that agrees with happens-before (CEP-O1 finds it).
        clocks: How far each queue has come when a step begins, its own epoch included.
        told: Names a step for people.
    """

    policy: TrustPolicy
    now: datetime
    descriptors: Mapping[str, CapabilityDescriptor]
    refused: Mapping[str, str]
    systems: Sequence[SystemDescriptor] = ()
    plan_digest: str = ""
    status_lists: Sequence[StatusList] = ()
    refused_systems: Sequence[str] = ()
    store: Store | None = None
    source: Graph | None = None
    asked: Mapping[str, str] = field(default_factory=dict)
    recompute: Recompute | None = None
    order: Sequence[int] = ()
    clocks: Sequence[Sequence[int]] = ()
    told: Callable[[int], str] = "step {}".format

    @cached_property
    def replay(self) -> Replay | None:
        """What the plan's log of rewrites leads to; None where it has none."""
        logs = (entry for entry in self.plan.evidence if entry.kind == KIND)
        log = next(logs, None)
        return None if log is None else replay(log, self.plan, self.view)

    @cached_property
    def binding(self) -> Binding:
        """What each slot stands for."""
        return bind(self.plan, self.descriptors, self.refused, self.asked)

    @cached_property
    def by_slot(self) -> dict[str, CapabilityDescriptor]:
        """Verified descriptors by slot."""
        named = self.binding.digests.items()
        return {slot: self.descriptors[d] for slot, d in named if d in self.descriptors}

    @cached_property
    def sight(self) -> Sight:
        """Which device sees which memory."""
        return Sight(self.plan.arenas, self.by_slot, self.binding.digests, self.systems)

    @cached_property
    def claims(self) -> dict[str, dict[str, Sequence[OperationVariant]]]:
        """Claimed variants of operations by slot."""
        return {slot: {c.op: c.variants for c in d.ops} for slot, d in self.by_slot.items()}

    @cached_property
    def alternates(self) -> list[tuple[int, int]] | None:
        """Step and index of each alternate; None if they are too many to check (CEP-C6)."""
        work = sum(
            len(self.plan.steps[i].alternates)
            * (1 + len(self.reads[i]) + len(self.writes[i]) + len(self.ops_of[i]))
            for i in self.replaceable
        )
        if work > MAX_ALTERNATES:
            return None
        return [(i, k) for i in self.replaceable for k in range(len(self.plan.steps[i].alternates))]

    def before(self, first: int, then: int) -> bool:
        """Say whether step `first` has ended whenever step `then` begins (happens-before)."""
        ended = self.clocks[then][self.lines[first]] >= self.epochs[first]
        return ended and self.party[first] is not self.party[then]
