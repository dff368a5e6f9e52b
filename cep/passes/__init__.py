"""The compiler's passes over a graph: what they change, anybody can check (CEP-E2, CEP-E4).

A pass is a frozen dataclass; its fields are options of ``cep compile``. Passes choose where the
trusted rules of `cep.rewrite` are used, and write it down; they are not trusted themselves.
"""

from __future__ import annotations

from cep.passes.draft import Draft, Passed
from cep.passes.pipeline import PASSES, PIPELINE, Optimized, Pass, optimize

__all__ = ["PASSES", "PIPELINE", "Draft", "Optimized", "Pass", "Passed", "optimize"]
