"""Rules of family S: do the steps carry out the graph, each operation once?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from cep.indexed import cyclic
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
    from cep.verify.subject import Subject


@rule("CEP-S1", stage=2)
def each_once(s: Subject) -> Iterator[Finding]:
    """Every op is in exactly one region; the members of a collective have one together."""
    if sorted([op for i in s.regions for op in s.ops_of[i]]) == list(range(len(s.plan.ops))):
        return
    place: dict[int, int] = {}
    for i, members in enumerate(s.party):
        body, ops = s.work(i)
        for j, op in enumerate(ops if members[0] == i else ()):
            if op in place:
                message = f"op {op} is in step {place[op]} too"
                yield Finding(("steps", i, body, "ops", j), message)
            place[op] = i
    for op in range(len(s.plan.ops)):
        if op not in place:
            yield Finding(("ops", op), f"op {op} is in no step: nothing would compute it")


@rule("CEP-S2", stage=3)
def convex(s: Subject) -> Iterator[Finding]:
    """No path leaves a region and comes back to it."""
    region_of = {op: i for i in s.regions for op in s.ops_of[i]}
    if not [1 for op, maker in s.edges if region_of[op] < region_of[maker]]:
        return
    needs: dict[int, set[int]] = {i: set() for i in s.regions}
    for op, maker in s.edges:
        if region_of[op] != region_of[maker]:
            needs[region_of[op]].add(region_of[maker])
    for i in sorted(cyclic(needs)):
        message = "the region is not convex: it needs what another region makes from its results"
        yield Finding(("steps", i, s.work(i)[0], "ops"), message)


@rule("CEP-S3", stage=3)
def cut(s: Subject) -> Iterator[Finding]:
    """Steps read and write exactly the cut of their region, each value once.

    Of a joint region, its members together read the inputs; several may write an output.
    """
    nodes, value = s.view.nodes, s.values.__getitem__
    kept = {*chain.from_iterable([n.inputs for n in nodes]), *[b.value for b in s.plan.outputs]}
    unread = s.makers.keys() - kept
    ops_of, reads_of, writes_of = s.ops_of, s.reads, s.writes
    for i in s.regions:
        ops, members = ops_of[i], s.party[i]
        if len(ops) == len(members) == 1:
            _, inputs, _, outputs = nodes[ops[0]]
            if (
                tuple(map(value, reads_of[i])) == inputs
                and tuple(map(value, writes_of[i])) == outputs
                and len({*inputs}) == len(inputs)
                and unread.isdisjoint(outputs)
            ):
                continue  # the cut of one op whose results are all used
        region = s.cutter.cut(ops)
        reads = [value(b) for m in members for b in reads_of[m]]
        writes = [value(b) for m in members for b in writes_of[m]]
        if stored := {*region.constants}:
            reads = [v for v in reads if v not in stored]
        written = writes if len(members) == 1 else list(dict.fromkeys(writes))
        if (*reads,) != region.inputs:
            yield from _compare(("steps", i, "reads"), reads, region.inputs)
        if (*written,) != region.outputs:
            yield from _compare(("steps", i, "writes"), written, region.outputs)


def _compare(
    path: tuple[str | int, ...], found: list[str], wanted: tuple[str, ...]
) -> Iterator[Finding]:
    if len(set(found)) != len(found):
        yield Finding(path, "a value is named twice")
    for value in sorted(set(wanted) - set(found)):
        yield Finding(path, f"value {value!r} crosses the region's border, but is not here")
    for value in sorted(set(found) - set(wanted)):
        yield Finding(path, f"value {value!r} does not cross the region's border there")


@rule("CEP-S4", stage=2)
def acyclic(s: Subject) -> Iterator[Finding]:
    """Each op comes after those it depends on, in the plan and in its step."""
    late = [op for op, maker in s.edges if maker >= op]
    makers = s.makers
    for i, node in enumerate(s.view.nodes if late else ()):
        for j, value in enumerate(node.inputs):
            if makers.get(value, -1) >= i:
                message = f"{value!r} is made by op {makers[value]}, not before op {i}"
                yield Finding(("ops", i, "inputs", j), message)
    several = [i for i, ops in enumerate(s.ops_of) if len(ops) > 1]
    for i in several if late else [i for i in several if list(s.ops_of[i]) != sorted(s.ops_of[i])]:
        body, ops = s.work(i)
        place = {op: j for j, op in enumerate(ops)}
        for j, op in enumerate(ops):
            for value in s.view.nodes[op].inputs:
                if place.get(makers.get(value, -1), -1) > j:
                    message = f"op {op} comes before op {makers[value]}, on which it depends"
                    yield Finding(("steps", i, body, "ops", j), message)
