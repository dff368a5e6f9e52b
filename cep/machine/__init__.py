"""The abstract machine of spec/semantics.md as executable code: what a plan means when it runs.

The verifier (`cep.verify`) says without running anything whether a plan can go wrong. The machine
says it by running every interleaving of the plan's steps. The two share the documents and the
table of operations, and nothing else; that they agree is the verifier's main test.

    >>> from cep.machine import Kind
    >>> sorted(kind.name for kind in Kind)  # doctest: +NORMALIZE_WHITESPACE
    ['COLLECTIVE', 'CONSTANT', 'IN_PLACE', 'OUTPUT', 'RACE', 'START', 'STUCK', 'TRIP',
     'WRONG_CONTENT']
"""

from __future__ import annotations

from cep.machine.explorer import Exploration, explore
from cep.machine.happens_before import HappensBefore
from cep.machine.interleaving import Interleaving, explain
from cep.machine.machine import Event, Extent, Fault, Kind, Machine, State

__all__ = [
    "Event",
    "Exploration",
    "Extent",
    "Fault",
    "HappensBefore",
    "Interleaving",
    "Kind",
    "Machine",
    "State",
    "explain",
    "explore",
]
