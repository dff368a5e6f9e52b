"""Rule CEP-O3: collectives are matched, and do together what their kind says.

The n-th COLLECTIVE steps of the queues of a group are one *instance*: its members begin together
and end together, and carry out one joint region. That groups are met in the same order everywhere
needs no rule of its own: where they are not, happens-before has a cycle (CEP-O1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from cep.opset import PREFIX
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
    from cep.graph import Node
    from cep.verify.subject import Subject

ADD, CAT, SLICE = PREFIX + "add.Tensor", PREFIX + "cat", PREFIX + "slice.Tensor"
PATTERNS: Final[Mapping[str, str]] = {
    "BROADCAST": "one member reads a buffer, each other one writes one of the same value, no ops",
    "ALL_REDUCE": "the ops add up what the members read, and each writes the sum",
    "ALL_GATHER": "one cat joins what the members read, and each writes the result",
    "REDUCE_SCATTER": "adds sum up what the members read, and each writes another slice of the sum",
    "ALL_TO_ALL": "for each member that writes, one cat joins one slice of what each member reads",
}


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
        if body is not None and not others and not _fits(s, members, body.kind):
            yield Finding(path, f"is no {body.kind}, in which {PATTERNS[body.kind]}")


def _fits(s: Subject, members: tuple[int, ...], kind: str) -> bool:
    """Say whether ops and accesses of an instance have the pattern of a kind."""
    steps = [s.plan.steps[i] for i in members]
    nodes = [s.view.nodes[op] for op in s.work(members[0])[1]]
    read = sorted(s.plan.buffers[b].value for step in steps for b in step.reads)
    written = sorted(s.plan.buffers[b].value for step in steps for b in step.writes)
    made = sorted(v for n in nodes for v in n.outputs)
    ends = sorted((len(step.reads), len(step.writes)) for step in steps)
    if kind == "BROADCAST":
        roles = [(0, 1)] * (len(steps) - 1) + [(1, 0)]
        return ends == roles and not nodes and {*read} == {*written}
    if ends != [(1, 1)] * len(steps) or len({*read}) < len(read):
        return False
    if kind == "ALL_REDUCE":
        return {*written} == {_total(s, nodes, read)}
    if kind == "ALL_GATHER":
        joined = [(n.target, sorted(n.inputs)) for n in nodes] == [(CAT, read)]
        return joined and {*written} == {*made}
    if kind == "REDUCE_SCATTER":
        shares = nodes[len(read) - 1 :]
        whole = (_total(s, nodes[: len(read) - 1], read),)
        sliced = all(n.target == SLICE and n.inputs == whole for n in shares)
        return sliced and written == sorted(v for n in shares for v in n.outputs)
    of = {v: part for n in nodes if n.target == SLICE for v in n.outputs for part in n.inputs}
    cats = [n for n in nodes if n.target == CAT]
    each = all(sorted(of.get(v, "") for v in n.inputs) == read for n in cats)
    used = sorted([*written, *(v for n in cats for v in n.inputs)])
    return each and used == made and written == sorted(v for n in cats for v in n.outputs)


def _total(s: Subject, nodes: Sequence[Node], parts: Sequence[str]) -> str | None:
    """Return the sum of all parts, each added once, if the nodes make that and no more."""
    left = set(parts)
    for node in nodes:
        types = {s.view.types[v] for v in (*node.inputs, *node.outputs)}
        plain = node.target == ADD and node.attributes.get("alpha") == 1 and len(types) == 1
        if not plain or not left.issuperset(node.inputs) or len({*node.inputs}) < len(node.inputs):
            return None
        left.difference_update(node.inputs)
        left.update(node.outputs)
    return left.pop() if len(left) == 1 else None


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
