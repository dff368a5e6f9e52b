"""Rule CEP-O3: collectives are matched, and do together what their kind says.

The n-th COLLECTIVE steps of the queues of a group are one *instance*: its members begin together
and end together, and carry out one joint region. That groups are met in the same order everywhere
needs no rule of its own: where they are not, happens-before has a cycle (CEP-O1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cep.patterns import PATTERNS, fits
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
    from cep.verify.subject import Subject


@rule("CEP-O3", stage=2)
def matched(s: Subject) -> Iterator[Finding]:
    """The members of a group take part equally often, in the same thing, which is of its kind."""
    for (group, n), members in s.instances.items():
        path = ("steps", members[0], "collective")
        if n == 1 and len({s.device_of(i) for i in members}) < max(2, len(members)):
            message = f"group {group!r} needs two devices or more, each with one queue"
            yield Finding((*path, "group"), message)
        if len(members) < len(s.instances[group, 1]):
            yield Finding((*path, "group"), f"not every queue of {group!r} has step {n} of it")
            continue
        body = s.plan.steps[members[0]].collective
        others = [i for i in members if s.plan.steps[i].collective != body]
        for i in others:
            message = f"has another kind or other ops than step {members[0]}, its counterpart"
            yield Finding(("steps", i, "collective"), message)
        if body is not None and not others and not fits(s, members, body.kind):
            yield Finding(path, f"is no {body.kind}, in which {PATTERNS[body.kind]}")


def unconnected(s: Subject) -> Iterator[Finding]:
    """Check what CEP-O5 says of the devices of a group: data gets from each to each."""
    digests, visible = s.binding.digests, s.sight.visible
    for (group, n), members in s.instances.items():
        waiting = {s.device_of(i) for i in members} if n == 1 else set()
        near = sorted(waiting)[:1]
        waiting -= {*near}
        for one in near:
            found = {
                other
                for other in waiting
                if (digests[one], digests[other]) in s.sight.joined or visible[one] & visible[other]
            }
            waiting -= found
            near += found
        if waiting:
            message = f"nothing connects {min(waiting)!r} with the other devices of {group!r}"
            yield Finding(("steps", members[0], "collective"), message)
