"""What the members of each kind of collective do together, and whether an instance does that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from cep.opset import PREFIX

if TYPE_CHECKING:
    from cep.graph import Node
    from cep.indexed import IndexedPlan

ADD, CAT, SLICE = PREFIX + "add.Tensor", PREFIX + "cat", PREFIX + "slice.Tensor"
PATTERNS: Final[Mapping[str, str]] = {
    "BROADCAST": "one member reads a buffer, each other one writes one of the same value, no ops",
    "ALL_REDUCE": "the ops add up what the members read, and each writes the sum",
    "ALL_GATHER": "one cat joins what the members read, and each writes the result",
    "REDUCE_SCATTER": "adds sum up what the members read, and each writes another slice of the sum",
    "ALL_TO_ALL": "for each member that writes, one cat joins one slice of what each member reads",
}


def fits(s: IndexedPlan, members: tuple[int, ...], kind: str) -> bool:
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


def _total(s: IndexedPlan, nodes: Sequence[Node], parts: Sequence[str]) -> str | None:
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
