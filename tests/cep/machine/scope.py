"""All plans of a few steps on two queues, with values in two places of one memory.

What two plans have in common but for a name is enumerated once: queues may be swapped, so the
first step is on queue p; places may be swapped, so the first value is in place 0; and what a step
waits for is a step, itself included, or an epoch that never comes.
"""

from __future__ import annotations

import itertools

from cep.graph import GraphView
from cep.v1.plan import Plan, Step
from cep.verify import RULES
from cep.verify.subject import Subject
from tests.cep.plans import NOW, POLICY, buffer, op, plan, run, transfer, value

BLOCK = 128
ORDER_AND_MEMORY = ("CEP-O1", "CEP-O2", "CEP-M2", "CEP-M3", "CEP-M4", "CEP-M5", "CEP-M6", "CEP-M7")
RULES_OF_RUNS = (*ORDER_AND_MEMORY, "CEP-O3", "CEP-O4")
NEVER = "never"

A, C, Y = op("abs", ["x"], "a"), op("neg", ["a"], "c"), op("relu", ["c"], "y")
GRAPHS = {
    # Operations, the value of each buffer, and what each step reads and writes.
    "pair": ((A, op("relu", ["a"], "y")), "xay", (([0], [1]), ([1], [2]))),
    "line": ((A, C, Y), "xacy", (([0], [1]), ([1], [2]), ([2], [3]))),
    "fork": (
        (A, op("neg", ["x"], "c"), op("mul.Tensor", ["a", "c"], "y")),
        "xacy",
        (([0], [1]), ([0], [2]), ([1, 2], [3])),
    ),
    "copy": ((A, op("neg", ["a"], "y")), "xayx", (([0], [1]), ([1], [2]), ([0], [3]))),
    "constant": (
        (op("abs", ["w"], "a"), C, Y),
        "wacy",
        (([0], [1]), ([1], [2]), ([2], [3])),
    ),
    "longer": (
        (A, C, op("relu", ["x"], "d"), op("mul.Tensor", ["c", "d"], "y")),
        "xacdy",
        (([0], [1]), ([1], [2]), ([0], [3]), ([2, 3], [4])),
    ),
}
ROLES = {"x": "IN", "w": "CONST", "y": "OUT"}


def lines(count):
    """Every way to put steps on the queues p and q, up to the names of the queues."""
    for order in itertools.permutations(range(count)):
        for cut in range(1, count + 1):
            if cut == count or order[0] < order[cut]:
                yield {"p": order[:cut], "q": order[cut:]}


def base(graph):
    ops, names, _ = GRAPHS[graph]
    document = plan(
        ("p",),
        queues=[{"id": q, "device": "p", "kind": "COMPUTE"} for q in "pq"],
        values=[value(n, ROLES.get(n, "TEMP"), "b", "4") for n in sorted(set(names) | {"x"})],
        **stored(names),
        ops=list(ops),
        buffers=[buffer(n, "p", 0, BLOCK) for n in names],
        steps=[run("p", [0], [0], [1])],
    )
    return Plan.from_json(document)


def stored(names):
    """The member that says where the constants among the names are, if there are any."""
    nothing = "sha256:" + "0" * 64
    found = [
        {"value": n, "digest": nothing, "store_digest": nothing, "key": n}
        for n in names
        if ROLES.get(n) == "CONST"
    ]
    return {"constants": found} if found else {}


def plans(graph, places=2):
    """Every plan of a graph, with its `GraphView`."""
    ops, names, accesses = GRAPHS[graph]
    start = base(graph)
    view = GraphView.of(start)
    count = len(accesses)
    known = {}

    def step(index, queue, wait):
        if (index, queue, wait) not in known:
            reads, writes = accesses[index]
            waits = [wait] if wait else []
            made = (
                run(queue, [index], reads, writes, *waits)
                if index < len(ops)
                else transfer(queue, *reads, *writes, *waits)
            )
            known[index, queue, wait] = Step.from_json(made)
        return known[index, queue, wait]

    layouts = [
        layout
        for rest in itertools.product(range(places), repeat=len(names) - 1)
        for layout in layouts_of(start, (0, *rest), accesses)
    ]
    for queues in lines(count):
        where = {i: (q, n + 1) for q, line in queues.items() for n, i in enumerate(line)}
        epochs = [None, *where.values(), ("q", len(queues["q"]) + 1)]
        listed = [*queues["p"], *queues["q"]]
        for waits in itertools.product(epochs, repeat=count):
            steps = tuple(step(i, where[i][0], waits[i]) for i in listed)
            for buffers in layouts:
                yield start.replace(steps=steps, buffers=buffers), view


def layouts_of(start, placed, accesses):
    """The buffers in their places; with and without `in_place_of` where a step reads and writes."""
    plain = tuple(b.replace(offset=BLOCK * n) for b, n in zip(start.buffers, placed, strict=True))
    yield plain
    declared = list(plain)
    for reads, writes in accesses:
        for r, w in itertools.product(reads, writes):
            if placed[r] == placed[w]:
                declared[w] = plain[w].replace(in_place_of=r)
    if declared != list(plain):
        yield tuple(declared)


def subject(document, view=None):
    return Subject(
        plan=document, view=view or GraphView.of(document), policy=POLICY, now=NOW,
        descriptors={}, refused={},
    )  # fmt: skip


def judged(document, view=None, *, without=()):
    """Codes of the rules on runs that refuse a plan, as the stages run.

    The rules in `without` run, since others use what they derive, but are not listened to.
    """
    judged_by = subject(document, view)
    for stage in STAGES:
        found = [
            r.code
            for r in stage
            if any(True for _ in r.diagnostics(judged_by)) and r.code not in without
        ]
        if found:
            return found
    return []


STAGES = [
    [r for r in map(RULES.__getitem__, RULES_OF_RUNS) if r.stage == stage]
    for stage in sorted({RULES[code].stage for code in RULES_OF_RUNS})
]
