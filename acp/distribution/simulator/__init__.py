"""A registry that is attacked in every known way, and what a client made of it.

Each attack runs against the client of `acp.distribution.client` over HTTP on this machine: a fetch
that succeeds, the attack, a fetch that must be refused with the right code and without a trace in
the client's state, and, once the registry is well again, a fetch that succeeds::

    for outcome in map(run, attacks()):
        print(outcome.name, outcome.code, outcome.ok)
"""

from __future__ import annotations

from acp.distribution.simulator import documents, keys, network, versions  # noqa: F401 - register
from acp.distribution.simulator.attack import Attack, Outcome, attacks, run

__all__ = ["Attack", "Outcome", "attacks", "run"]
