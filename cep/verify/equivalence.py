"""Rules of family E: is the plan the model that it claims to be?

Where the compiler has rewritten the graph, the plan carries a log from which the source graph is
rebuilt and rewritten again, by trusted rules only (`cep.rewrite`).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from acp.diagnostics import Refused, Severity
from cep.graph import graph_digest
from cep.rewrite import KIND, RULES, Fold
from cep.store import Store, StoreError
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
    from cep.rewrite import Recompute
    from cep.verify.subject import Subject


@rule("CEP-E1", stage=3)
def same_graph(s: Subject) -> Iterator[Finding]:
    """Without placement, transfers and rewrites, the plan is the source graph."""
    if s.replay is not None and not s.replay.source:
        return  # CEP-E2 says why the source graph is not to be had
    found = s.replay.source if s.replay else s.graph_digest
    claimed = s.plan.source.graph_digest
    if found != claimed:
        message = f"the plan computes graph {found}; it claims to be {claimed}"
        yield Finding(("source", "graph_digest"), message)
    if s.source is not None:
        try:
            given = graph_digest(s.source)
        except Refused as refusal:
            yield Finding((), f"the source that was given is no graph: {refusal.diagnostics[0]}")
            return
        if found != given:
            message = f"the plan computes graph {found}; the source that was given is {given}"
            yield Finding(("source", "graph_digest"), message)


@rule("CEP-E2", stage=3)
def replayed(s: Subject) -> Iterator[Finding]:
    """The log of rewrites leads from the source graph to the plan's, by trusted rules only."""
    logs = [i for i, entry in enumerate(s.plan.evidence) if entry.kind == KIND]
    yield from (Finding(("evidence", i), "a plan has one log of rewrites") for i in logs[1:])
    if s.replay is None:
        return
    place = ("evidence", logs[0])
    if s.replay.problem:
        yield Finding(place, f"the rewrites cannot be replayed: {s.replay.problem}")
    elif s.replay.result != s.graph_digest:
        message = f"the rewrites lead to graph {s.replay.result}; the plan's is {s.graph_digest}"
        yield Finding(place, message)
    if s.plan.constraints.numeric == "BITWISE":
        for name in sorted({n for n in s.replay.rules if n in RULES and not RULES[n].exact}):
            message = f"rule {name} rounds anew, and the plan promises the same bits"
            yield Finding(place, message)


@rule("CEP-E4", stage=3)
def recomputed(s: Subject) -> Iterator[Finding]:
    """Every folded constant is what its operations make of the constants that they read."""
    folds = s.replay.folds if s.replay else []
    places = {constant.value: i for i, constant in enumerate(s.plan.constants)}
    for fold in folds:
        place = ("constants", places[fold.constant.value])
        if refusal := fold.refusal:
            yield Finding(place, f"no constant may be folded here: {refusal}")
        elif problem := _differs(fold, s.store, s.recompute):
            yield Finding(place, problem)
    if folds and (s.store is None or s.recompute is None):
        missing = "store" if s.store is None else "way to compute"
        message = f"the folded constants were not recomputed: no {missing} was given"
        yield Finding(("constants",), message, Severity.WARNING)


def _differs(fold: Fold, store: Store | None, recompute: Recompute | None) -> str:
    """Return in what a constant is not what it was folded from, or nothing."""
    if store is None or recompute is None:
        return ""
    elements = {}
    try:
        for constant in fold.sources:
            entry, elements[constant.value] = store.tensor(constant)
            declared = fold.types[constant.value]
            sizes = tuple(d.value for d in declared.shape)
            if (entry.dtype, entry.shape) != (declared.dtype, sizes):
                return f"the store has {entry.dtype}{list(entry.shape)}, the log says {declared}"
        made = f"sha256:{sha256(recompute(fold, elements)).hexdigest()}"
    except StoreError as error:
        return f"it cannot be recomputed: {error.diagnostics[0].message}"
    except ValueError as error:
        return f"it cannot be recomputed: {error}"
    found = fold.constant.digest
    return "" if made == found else f"recomputed, it has digest {made}; the plan says {found}"
