"""The verdict against every interleaving, for all streams of a small scope.

The verifier writes out `ring_depth` + 1 micro-batches. The machine runs as many as it is told; that
more of them change nothing is tested here, and argued in spec/semantics.md.
"""

from __future__ import annotations

import itertools
import random

import pytest

from cep.graph import GraphView
from cep.machine import Kind, explain, explore
from cep.v1.plan import Plan
from tests.cep.machine.scope import BLOCK, ROLES, judged, stored
from tests.cep.plans import buffer, op, plan, run, value

GRAPHS = {
    "line": ("xay", [op("abs", ["x"], "a"), op("neg", ["a"], "y")], (([0], [1]), ([1], [2]))),
    "constant": (
        "xway",
        [op("abs", ["w"], "a"), op("mul.Tensor", ["x", "a"], "y")],
        (([1], [2]), ([0, 2], [3])),
    ),
}


def streams(graph, lags):
    """Two steps on one queue or two, each with a wait at most: every order, wait and placement."""
    names, ops, accesses = GRAPHS[graph]
    start = plan(
        ("p",),
        features=["streams"],
        values=[value(n, ROLES.get(n, "TEMP"), "b", "4") for n in names],
        **stored(names),
        ops=ops,
        queues=[{"id": q, "device": "p", "kind": "COMPUTE"} for q in "pq"],
        buffers=[buffer(n, "p", 0) for n in names],
        steps=[run("p", [0], [0], [1])],
    )
    view = GraphView.of(Plan.from_json(start))
    for queues, order in (("pp", (0, 1)), ("pp", (1, 0)), ("pq", (0, 1))):
        epochs = [(q, e) for q in sorted(set(queues)) for e in range(1, queues.count(q) + 1)]
        options = [None, *((q, e, lag) for q, e in epochs for lag in lags)]
        for waits in itertools.product(options, repeat=2):
            steps = []
            for i in order:
                step = run(queues[i], [i], *accesses[i])
                if waits[i]:
                    q, e, lag = waits[i]
                    step["waits"] = [{"queue": q, "epoch": e} | ({"lag": lag} if lag else {})]
                steps.append(step)
            for placed in itertools.product(range(len(names)), repeat=2):
                places = (*range(len(names) - 2), *placed)
                buffers = [buffer(n, "p", BLOCK * i) for n, i in zip(names, places, strict=True)]
                yield start | {"steps": steps, "buffers": buffers}, view


def compared(plans, depth, counts):
    """Compare the verdict on each plan as a stream with every interleaving; say what came out."""
    total, kinds, alone = 0, set(), set()
    for document, view in plans:
        codes = None
        for count in counts:
            stream = {"microbatches": count, "ring_depth": depth}
            parsed = Plan.from_json(document | {"stream": stream})
            tried = explore(parsed)
            codes = judged(parsed, view)
            assert tried.complete
            assert tried.safe != bool(codes), (codes, tried, parsed.steps, parsed.buffers)
            kinds.add(tried.fault and tried.fault.kind)
            total += 1
        if codes == ["CEP-O4"]:
            alone.add(tried.fault.kind)
    return total, kinds, alone


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize(("depth", "counts"), [(1, (1, 2)), (2, (2, 3))])
def test_every_stream_of_two_steps(graph, depth, counts):
    total, kinds, alone = compared(streams(graph, (0, depth)), depth, counts)
    assert total > 300
    assert kinds >= {None, Kind.RACE, Kind.STUCK}
    assert alone, "no plan needs CEP-O4"


@pytest.mark.slow
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize(("depth", "counts"), [(1, (1, 2, 3, 4)), (2, (2, 3, 4, 5)), (3, (3, 4))])
def test_every_stream_of_two_steps_with_more_micro_batches(graph, depth, counts):
    total, kinds, alone = compared(streams(graph, (0, 1, 2, 3)), depth, counts)
    assert total > 1_000
    assert None in kinds
    assert alone


def longer(chosen):
    """Three steps on up to three queues, with waits of all kinds, mostly as a pipeline needs."""
    ops = [op("abs", ["x"], "a"), op("neg", ["a"], "c"), op("relu", ["c"], "y")]
    depth = chosen.choice((1, 2))
    queues = [chosen.choice("pqr") for _ in ops]
    at = [(q, queues[: i + 1].count(q)) for i, q in enumerate(queues)]
    steps = []
    for i in range(3):
        waits = [(*at[i - 1], 0)] if i and chosen.random() < 0.95 else []
        if i < 2 and chosen.random() < 0.8:
            waits.append((*at[i + 1], chosen.choice((depth, depth, 1, 2, 3))))
        step = run(queues[i], [i], [i], [i + 1])
        if waits:
            step["waits"] = [
                {"queue": q, "epoch": e} | ({"lag": lag} if lag else {}) for q, e, lag in waits
            ]
        steps.append(step)
    places = [chosen.randrange(4) if chosen.random() < 0.3 else i for i in range(4)]
    document = plan(
        ("p",),
        features=["streams"],
        stream={"microbatches": chosen.choice((depth, depth + 1, 2 * depth + 1)),
                "ring_depth": depth},
        values=[value(n, ROLES.get(n, "TEMP"), "b", "4") for n in "xacy"],
        ops=ops,
        queues=[{"id": q, "device": "p", "kind": "COMPUTE"} for q in "pqr"],
        buffers=[buffer(n, "p", BLOCK * i) for n, i in zip("xacy", places, strict=True)],
        steps=steps,
    )  # fmt: skip
    return Plan.from_json(document)


@pytest.mark.parametrize("count", [150, pytest.param(3000, marks=pytest.mark.slow)])
def test_the_verdict_is_that_of_every_interleaving_of_longer_streams(count):
    chosen = random.Random(count)  # noqa: S311 - a sample, reproducible
    accepted = alone = 0
    for _ in range(count):
        document = longer(chosen)
        tried, codes = explore(document), judged(document)
        assert tried.complete
        assert tried.safe != bool(codes), (codes, tried, document.stream, document.steps)
        assert (explain(document) is None) == tried.safe
        assert (explain(document, limit=1) is None) == tried.safe
        accepted += tried.safe
        alone += codes == ["CEP-O4"]
    assert accepted > count // 50
    assert alone > count // 50
