"""Trusted rewriting: rules that keep what a graph computes, and logs of their use.

The compiler rewrites graphs by these rules only, and writes down where; the verifier rewrites the
source graph again and compares digests (CEP-E2). So this package is part of what must be believed:
its rules are short, each has a sentence in spec/rewrites.md, and tests compare both its sides.
"""

from __future__ import annotations

from cep.rewrite import attention, fusion, layout
from cep.rewrite.definitions import Definitions, RewriteError, Term, attributes_of, written
from cep.rewrite.folding import MAX_FOLDED, Fold, Recompute, elements, fold, unfoldable
from cep.rewrite.log import CHECKER, FOLD, KIND, Log, Replay, replay
from cep.rewrite.rules import RULES, Rule, name_of

FAMILIES = (layout, fusion, attention)
"""Modules that declare rules."""

__all__ = [
    "CHECKER", "FAMILIES", "FOLD", "KIND", "MAX_FOLDED", "RULES", "Definitions", "Fold", "Log",
    "Recompute", "Replay", "RewriteError", "Rule", "Term", "attributes_of", "elements", "fold",
    "name_of", "replay", "unfoldable", "written",
]  # fmt: skip
