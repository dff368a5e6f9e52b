"""The phase to which each rule belongs.

A reader may do things in another order where the specification lets it; a phase is a kind of
check, and the phase of a rejection is the earliest among the rules it reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

PHASES: Final = (
    "decode",
    "schema",
    "canonical",
    "signature",
    "trust",
    "freshness",
    "semantics",
    "plan",
)

_RULES: Final = (
    (r"ENV-[JPY]\d+", "decode"),
    (r"ENV-S\d+|ACP-U01", "schema"),
    (r"CEP-I3", "canonical"),
    (r"ENV-E\d+|ENV-T1|CEP-I1", "signature"),
    (r"ENV-[KT]\d+", "trust"),
    (r"ACP-T0[12]|CEP-I5", "freshness"),
    (r"ACP-.*|CEP-P\d+", "semantics"),
    (r"CEP-.*", "plan"),
)


def phase_of(codes: Iterable[str]) -> str:
    """Return the earliest phase among the rules.

    Raises:
        ValueError: There is no rule, or one that belongs to no phase.
    """
    return min((_phase(code) for code in codes), key=PHASES.index)


def _phase(code: str) -> str:
    for pattern, phase in _RULES:
        if re.fullmatch(pattern, code):
            return phase
    raise ValueError(f"{code} belongs to no phase")
