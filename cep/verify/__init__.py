"""The verifier: the trusted base of CEP, small enough to be read in one sitting.

It proves from a plan alone that every interleaving of its steps ends without a fault and computes
the source graph, on devices whose signed descriptors say that they can. It shares no code with the
planner, imports neither tensor libraries nor device stacks, and believes nothing that it can
recompute. One module holds one family of rules; each rule is one function with its id.

What follows from a plan or from descriptors alone, the rules that look at it read from rooms
of its own, which are trusted as the rules are: `cep.indexed`, `cep.clocks`, `cep.sight`,
`cep.features`, `cep.timing` and `cep.unrolled`.

    >>> from cep.verify import RULESET
    >>> "CEP-M3" in RULESET
    True
"""

from __future__ import annotations

from typing import Final

from cep.verify import (
    alternates,
    artifacts,
    capability,
    collectives,
    constraints,
    equivalence,
    integrity,
    memory,
    numeric,
    order,
    safety,
    streams,
    structure,
    types,
)
from cep.verify.admit import ENTRY_RULES, Report, verify
from cep.verify.rules import RULES, Rule

__all__ = ["FAMILIES", "RULES", "RULESET", "Report", "Rule", "verify"]

FAMILIES: Final = (
    integrity,
    types,
    structure,
    order,
    collectives,
    streams,
    memory,
    capability,
    artifacts,
    alternates,
    constraints,
    numeric,
    equivalence,
    safety,
)
RULESET: Final = tuple(sorted((*ENTRY_RULES, *RULES)))
"""Ids of all rules that this version checks."""
