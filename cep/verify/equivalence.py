"""Rules of family E: is the plan the model that it claims to be?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from acp.diagnostics import Refused
from cep.graph import graph_digest
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
    from cep.verify.subject import Subject


@rule("CEP-E1", stage=3)
def same_graph(s: Subject) -> Iterator[Finding]:
    """Without placement and transfers, the plan is the source graph."""
    found, claimed = graph_digest(s.plan, s.view), s.plan.source.graph_digest
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
