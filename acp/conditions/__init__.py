"""Conditions: a tiny total language in which a document says what must hold of something else.

A condition is a conjunction of comparisons. It has no variables, no calls and no recursion, and is
judged in time linear in its length. It is used for what an operation is used with (`where` of a
variant, `acp.conditions.operations`) and for which descriptor will do for a device of a plan
(`acp.conditions.documents`). Normative text: spec/acp.md, section 2.5.

    >>> from acp.conditions import parse, unmet
    >>> required = parse('subject.device_class == "gpu" and memories[hbm].usable_bytes >= 80')
    >>> unmet(required, {"subject": {"device_class": "cpu"}})
    'subject.device_class == "gpu": subject.device_class is "cpu"'
"""

from __future__ import annotations

from acp.conditions.documents import Paths, paths, unmet
from acp.conditions.grammar import Comparison, Condition, ConditionError, Name, Term, parse
from acp.conditions.operations import Property, parse_where, property_of

__all__ = [
    "Comparison", "Condition", "ConditionError", "Name", "Paths", "Property", "Term", "parse",
    "parse_where", "paths", "property_of", "unmet",
]  # fmt: skip
