"""Makes mutants of a plan, and asks the verifier about each."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from acp.canonical import canonicalize, decode
from acp.diagnostics import Severity
from acp.vouching import vouch
from cep.mutate import (
    artifacts,
    computation,
    devices,
    identity,
    placement,
    promises,
    rewriting,
    safety,
    schedule,
    together,
)
from cep.mutate.change import Change, Document, Operator, Surroundings
from cep.mutate.equivalence import unproven
from cep.verify import Report
from cep.verify import verify as judge

if TYPE_CHECKING:
    from acp.policy import TrustPolicy
    from acp.vouching import Vouched
    from cep.rewrite import Recompute
    from cep.store import Store

FAMILIES: Final = (
    artifacts,
    identity,
    devices,
    computation,
    schedule,
    placement,
    promises,
    rewriting,
    safety,
    together,
)
OPERATORS: Final[Mapping[str, Operator]] = MappingProxyType(
    {
        name: operator
        for family in FAMILIES
        for name, operator in sorted(family.FAMILY.operators.items())
    }
)
"""Every operator, by name."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A plan that differs from a valid one in one place.

    Attributes:
        operator: What made it.
        change: What is different.
        payload: The bare plan in canonical JSON, unsigned.
        document: The same as a JSON value, of which much is shared with other mutants.
    """

    operator: Operator
    change: Change
    payload: bytes
    document: Document


def mutants(  # noqa: PLR0913 - all that mutants depend on
    plan: bytes,
    *,
    now: datetime,
    least_revision: int = 1,
    weights: bool = False,
    doubted: Iterable[str] = (),
    recomputed: bool = False,
    operators: Iterable[str] = OPERATORS,
    seed: int = 0,
    count: int | None = None,
) -> Iterator[Mutant]:
    """Yield mutants of a plan, each different from the plan and from each other.

    The operators take turns, so that the rare kinds are not drowned by the frequent ones.

    Args:
        plan: The bare plan, valid, in canonical JSON.
        now: The moment that the mutants will be judged by, aware of its time zone.
        least_revision: Oldest revision that the policy allows; 1 for any.
        weights: The judge has the weights, so that their digests are checked.
        doubted: Digests of descriptors that the judge was given and does not believe.
        recomputed: The judge computes folded constants again.
        operators: Names of the operators to use.
        seed: Chooses which mutants come first. The same arguments give the same mutants.
        count: Most mutants; None for all there are.
    """
    document = decode(plan)
    if not isinstance(document, dict):
        raise TypeError("a plan is a JSON object")
    around = Surroundings(
        now=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        least_revision=least_revision,
        weights=weights,
        doubted=tuple(sorted(doubted)),
        recomputed=recomputed and weights,
    )
    turns: list[tuple[Operator, list[Change]]] = []
    for name in operators:
        changes = list(OPERATORS[name].changes(document, around))
        random.Random(f"{seed}:{name}").shuffle(changes)  # noqa: S311 - no secret
        turns.append((OPERATORS[name], changes))
    seen = {plan}
    while turns and (count is None or len(seen) <= count):
        for operator, changes in turns:
            if changes and (count is None or len(seen) <= count):
                change = changes.pop()
                changed = change.applied(document)
                payload = canonicalize(changed)
                if payload not in seen:
                    seen.add(payload)
                    yield Mutant(operator, change, payload, changed)
        turns = [(operator, changes) for operator, changes in turns if changes]


class Verdict(StrEnum):
    """What became of a mutant."""

    INTENDED = "refused by the intended rule"
    ANOTHER = "refused by another rule"
    EQUIVALENT = "equivalent"
    ACCEPTED = "ACCEPTED"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the verifier says of a mutant.

    Attributes:
        mutant: The mutant.
        verdict: What became of it.
        codes: Rules that refused it, sorted.
        reason: Where the proof of equivalence ends, if it was accepted.
    """

    mutant: Mutant
    verdict: Verdict
    codes: tuple[str, ...]
    reason: str = ""


@dataclass
class Bench:
    """A valid plan, and all that its mutants are judged against.

    Attributes:
        plan: The bare plan, in canonical JSON.
        descriptors: Capability and system descriptors in their envelopes.
        policy: Which key may sign what for whom.
        now: The moment to judge by, aware of its time zone.
        store: Weights.
        recompute: Computes folded constants again.
    """

    plan: bytes
    descriptors: Sequence[bytes]
    policy: TrustPolicy
    now: datetime
    store: Store | None = None
    recompute: Recompute | None = None

    @cached_property
    def _known(self) -> Vouched:
        return vouch(self.descriptors, policy=self.policy, now=self.now)

    @cached_property
    def report(self) -> Report:
        """The verdict on the plan itself."""
        return self._verify(self.plan)

    def _verify(self, payload: bytes) -> Report:
        return judge(
            payload,
            descriptors=self._known,
            policy=self.policy,
            now=self.now,
            store=self.store,
            recompute=self.recompute,
            unsigned=True,
        )

    @cached_property
    def _original(self) -> Document:
        document = decode(self.plan)
        if not isinstance(document, dict):
            raise TypeError("a plan is a JSON object")
        return document

    def mutants(
        self, operators: Iterable[str] = OPERATORS, *, seed: int = 0, count: int | None = None
    ) -> Iterator[Mutant]:
        """Yield mutants of the plan, as `mutants` does."""
        issuer, uri = str(self._original["issuer"]), str(self._original["uri"])
        return mutants(
            self.plan,
            now=self.now,
            least_revision=self.policy.min_revision(issuer, uri),
            weights=self.store is not None,
            doubted=filter(None, self._known.refused),
            recomputed=self.recompute is not None,
            operators=operators,
            seed=seed,
            count=count,
        )

    def judge(self, mutant: Mutant) -> Judgement:
        """Verify a mutant; where it is accepted, try to prove that it is equivalent."""
        report = self._verify(mutant.payload)
        errors = {d.code for d in report.diagnostics if d.severity is Severity.ERROR}
        codes = tuple(sorted(errors))
        if not report.ok:
            meant = errors & mutant.operator.trips
            return Judgement(mutant, Verdict.INTENDED if meant else Verdict.ANOTHER, codes)
        reason = unproven(
            self._original, mutant.document, self.report.descriptors, self._known.systems
        )
        return Judgement(mutant, Verdict.ACCEPTED if reason else Verdict.EQUIVALENT, codes, reason)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of what became of mutants.

    Attributes:
        counts: By operator, then by verdict.
        rules: How often each rule refused a mutant that was meant for it.
        remarkable: Mutants that were accepted without proof, or refused by another rule.
    """

    counts: dict[str, Counter[Verdict]] = field(default_factory=dict)
    rules: Counter[str] = field(default_factory=Counter)
    remarkable: list[Judgement] = field(default_factory=list)

    def add(self, judgement: Judgement) -> None:
        """Count a judgement."""
        operator = judgement.mutant.operator
        self.counts.setdefault(operator.name, Counter())[judgement.verdict] += 1
        if judgement.verdict in (Verdict.ACCEPTED, Verdict.ANOTHER):
            self.remarkable.append(judgement)
        self.rules.update(operator.trips.intersection(judgement.codes))

    def total(self, verdict: Verdict | None = None) -> int:
        """Return the number of mutants, or of those with a verdict."""
        found = self.counts.values()
        return sum(c.total() if verdict is None else c[verdict] for c in found)

    @property
    def intended_ppm(self) -> int:
        """Share of the mutants that are not equivalent that the intended rule refused, in ppm."""
        mattering = self.total() - self.total(Verdict.EQUIVALENT)
        return self.total(Verdict.INTENDED) * 1_000_000 // mattering if mattering else 1_000_000

    def table(self) -> str:
        """Return the counts as a table, an operator a line."""
        heads = ("mutants", "intended", "another", "equivalent", "ACCEPTED")
        lines = [f"{'operator':24}" + "".join(f"{h:>11}" for h in heads)]
        rows = [*sorted(self.counts.items()), ("all", sum(self.counts.values(), Counter()))]
        for name, counts in rows:
            cells = (counts.total(), *(counts[v] for v in Verdict))
            lines.append(f"{name:24}" + "".join(f"{c:>11}" for c in cells))
        return "\n".join(lines)
