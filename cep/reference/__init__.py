"""Reference semantics of CEP-Core: what every operation computes, written once.

The reference runs over any array namespace with the common part of NumPy 2 and ``jax.numpy``, and
imports none: `evaluate` takes the namespace. It is slow and says what is right.
"""

from __future__ import annotations

from cep.reference.accuracy import allowed_error, class_of
from cep.reference.evaluation import FUNCTIONS, EvaluationError, apply, at_sizes, evaluate
from cep.reference.folding import recompute
from cep.reference.namespace import NamespaceError

__all__ = [
    "FUNCTIONS",
    "EvaluationError",
    "NamespaceError",
    "allowed_error",
    "apply",
    "at_sizes",
    "class_of",
    "evaluate",
    "recompute",
]
