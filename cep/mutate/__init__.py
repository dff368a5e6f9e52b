"""Plans with one fault each, to test a verifier with.

An operator makes one kind of fault, and says which rules are there to refuse it. A mutant that is
accepted although it is not proven to mean the same as the original is a fault of the verifier.

    >>> from cep.mutate import OPERATORS
    >>> sorted(OPERATORS["wait-forever"].trips)
    ['CEP-O2']
"""

from __future__ import annotations

from cep.mutate.change import Change, Operator, Surroundings
from cep.mutate.engine import OPERATORS, Bench, Judgement, Mutant, Tally, Verdict, mutants
from cep.mutate.equivalence import ancestors, unproven

__all__ = [
    "OPERATORS", "Bench", "Change", "Judgement", "Mutant", "Operator", "Surroundings", "Tally",
    "Verdict", "ancestors", "mutants", "unproven",
]  # fmt: skip
