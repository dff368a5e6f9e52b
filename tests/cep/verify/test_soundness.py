"""The verdict against every interleaving, on samples of larger plans than are tried exhaustively.

All plans of three steps are in tests/cep/machine/test_exhaustive.py.
"""

from __future__ import annotations

import itertools
import random

import pytest

from cep.machine import explore
from cep.v1.plan import Plan
from tests.cep.machine.scope import BLOCK, judged
from tests.cep.plans import at, buffer, chain, fork, op, plan, run, value


def wrong(document):
    """Whether some interleaving goes wrong."""
    tried = explore(document)
    assert tried.complete
    return not tried.safe


def small(ops, values, reads, places, queues, waits, order):
    """A plan of three steps on up to two queues, with buffers at any of the given blocks."""
    steps = [run(q, [i], r, [i + 1]) for i, (q, r) in enumerate(zip(queues, reads, strict=True))]
    for step, wait in zip(steps, waits, strict=True):
        if wait:
            step["waits"] = [{"queue": wait[0], "epoch": wait[1]}]
    return plan(
        ("p",),
        queues=[{"id": q, "device": "p", "kind": "COMPUTE"} for q in ("p", "q")],
        values=values,
        ops=ops,
        buffers=[buffer(v["id"], "p", b * BLOCK) for v, b in zip(values, places, strict=True)],
        steps=[steps[i] for i in order],
    )


GRAPHS = {
    "a line": (
        [op("abs", ["x"], "a"), op("neg", ["a"], "c"), op("relu", ["c"], "y")],
        [[0], [1], [2]],
    ),
    "a fork": (
        [op("abs", ["x"], "a"), op("neg", ["x"], "c"), op("mul.Tensor", ["a", "c"], "y")],
        [[0], [0], [1, 2]],
    ),
}
VALUES = [
    value(n, r, "b", "4") for n, r in (("x", "IN"), ("a", "TEMP"), ("c", "TEMP"), ("y", "OUT"))
]
WAITS = [None, ("p", 1), ("p", 2), ("q", 1), ("q", 2)]


def every_small_plan(graph):
    """Three steps, two queues, four buffers in three or four blocks, at most one wait a step."""
    ops, reads = GRAPHS[graph]
    placements = [(0, *rest) for rest in itertools.product(range(4), repeat=3)]
    for queues in itertools.product("pq", repeat=3):
        for order in ((0, 1, 2), (1, 0, 2), (2, 1, 0)):
            for waits in itertools.product(WAITS, repeat=3):
                for places in placements:
                    yield ops, VALUES, reads, places, queues, waits, order


def documents(graph, count, seed):
    """`count` of all small plans, half of them near a valid one, as parsed plans."""
    chosen = random.Random(seed)  # noqa: S311 - a sample, reproducible
    every = list(every_small_plan(graph))
    for parts in chosen.sample(every, count):
        yield Plan.from_json(small(*parts))
    # Plans in the graph's order whose steps wait for all that came before, with any placement.
    ops, reads = GRAPHS[graph]
    for queues in itertools.product("pq", repeat=3):
        for places in itertools.product(range(4), repeat=3):
            others = [[q for q in queues[:i] if q != queues[i]] for i in range(3)]
            waits = [(earlier[-1], len(earlier)) if earlier else None for earlier in others]
            for missing in (None, 1, 2):
                kept = [None if i == missing else w for i, w in enumerate(waits)]
                made = small(ops, VALUES, reads, (0, *places), queues, kept, (0, 1, 2))
                yield Plan.from_json(made)


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_verdict_is_that_of_every_interleaving(graph):
    accepted = refused = 0
    alone = set()
    for document in documents(graph, 4000, seed=2026):
        bad, codes = wrong(document), judged(document)
        assert bool(codes) == bad, (codes, document.steps, document.buffers)
        accepted += not bad
        refused += bad
        if len(codes) == 1:
            alone.update(codes)
    assert accepted > 100
    assert refused > 1000
    assert alone >= {"CEP-O1", "CEP-O2", "CEP-M2"}, "without them, the verdict would be wrong"


def longer(chosen):
    """A random plan of four steps with overlaps of every kind, and copies."""
    names = ["x", "a", "c", "d", "y"]
    ops = [op("abs", ["x"], "a"), op("neg", ["a"], "c"), op("relu", ["x"], "d")]
    ops.append(op("mul.Tensor", chosen.sample(["a", "c", "d"], 2), "y"))
    values = [
        value(n, "IN" if n == "x" else "OUT" if n == "y" else "TEMP", "b", "4") for n in names
    ]
    places = [
        buffer(n, "p", BLOCK * chosen.randrange(6), BLOCK * chosen.choice((1, 1, 2))) for n in names
    ]
    queues = [chosen.choice("pq") for _ in ops]
    steps = []
    for i, (made, queue) in enumerate(zip(ops, queues, strict=True)):
        step = run(queue, [i], [names.index(n) for n in made["inputs"]], [i + 1])
        counts = [(q, queues[:i].count(q)) for q in "pq" if q != queue and q in queues[:i]]
        if counts and chosen.random() < 0.8:
            step["waits"] = [{"queue": q, "epoch": chosen.randint(1, n)} if chosen.random() < 0.3
                             else {"queue": q, "epoch": n} for q, n in counts]  # fmt: skip
        steps.append(step)
    if chosen.random() < 0.4:
        at_step = chosen.choice((len(steps), chosen.randrange(1, len(steps) + 1)))
        which = chosen.randrange(len(names))
        places.append(buffer(names[which], "p", BLOCK * chosen.randrange(6)))
        steps.insert(
            at_step,
            {"queue": chosen.choice("pq"), "transfer": {}, "reads": [which],
             "writes": [len(places) - 1]},
        )  # fmt: skip
    return plan(
        ("p",),
        queues=[{"id": q, "device": "p", "kind": "COMPUTE"} for q in "pq"],
        values=values, ops=ops, buffers=places, steps=steps,
    )  # fmt: skip


def test_the_verdict_is_that_of_every_interleaving_of_longer_plans():
    chosen = random.Random(7)  # noqa: S311 - a sample, reproducible
    accepted = 0
    alone = set()
    for _ in range(4000):
        document = Plan.from_json(longer(chosen))
        bad, codes = wrong(document), judged(document)
        assert bool(codes) == bad, (codes, document.steps, document.buffers)
        accepted += not bad
        if len(codes) == 1:
            alone.update(codes)
    assert accepted > 50
    memory = {"CEP-M2", "CEP-M3", "CEP-M4", "CEP-M5", "CEP-M6"}
    assert alone >= memory, "without one of them, the verdict would be wrong somewhere"


WITHOUT = {
    "CEP-O2": ("fork", at("steps/2/waits", [{"queue": "right", "epoch": 9}])),
    "CEP-O1": ("fork", at("steps/0/waits", [{"queue": "left", "epoch": 2}])),
    "CEP-M3": ("fork", at("buffers/2", buffer("n", "left", 128))),
    "CEP-M4": ("fork", at("steps/2/waits", ...)),
}


@pytest.mark.parametrize("base", [chain, fork])
def test_the_machine_finds_no_fault_in_the_accepted_plans(base):
    assert not wrong(Plan.from_json(base().plan))


@pytest.mark.parametrize(("base", "change"), WITHOUT.values(), ids=WITHOUT)
def test_the_machine_finds_what_the_rules_find(base, change):
    case = {"chain": chain, "fork": fork}[base]()
    change(case)
    assert wrong(Plan.from_json(case.plan))
