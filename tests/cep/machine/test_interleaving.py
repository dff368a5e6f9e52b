from __future__ import annotations

import random

import pytest

from cep.machine import Interleaving, Kind, explain, explore
from cep.v1.plan import Plan
from tests.cep.machine.scope import plans
from tests.cep.plans import at, buffer, chain, fork, mutated, op, plan, run, value


def explained(base, change, **kwargs):
    return explain(Plan.from_json(mutated(base, change).plan), **kwargs)


@pytest.mark.parametrize("base", [chain, fork])
def test_nothing_goes_wrong_with_a_good_plan(base):
    document = Plan.from_json(base().plan)
    assert explain(document) is None
    assert explain(document, limit=1) is None


@pytest.mark.parametrize("limit", [20_000, 1])
def test_a_race_names_both_steps_the_bytes_and_how_it_comes_about(limit):
    found = explained("fork", at("buffers/2", buffer("n", "left", 128)), limit=limit)
    assert found == Interleaving(
        ("BEGIN(0) on 'left'", "BEGIN(1) on 'right'"),
        "a race: step 1 writes bytes 128 to 255 of arena 'left' while step 0 is writing them",
    )


@pytest.mark.parametrize("limit", [20_000, 1])
def test_a_deadlock_names_what_each_step_waits_for(limit):
    change = at("steps/0/waits", [{"queue": "right", "epoch": 1}])
    found = explained("chain", change, limit=limit)
    assert found == Interleaving(
        (),
        "a deadlock: nothing can move: step 0 waits for epoch 1 of queue 'right', which is at 0 "
        "of 2; step 1 waits for epoch 1 of queue 'left', which is at 0 of 1",
    )


def test_suspects_are_enough_without_exploring():
    chosen = random.Random(3)  # noqa: S311 - a sample, reproducible
    wrong = 0
    for graph in ("line", "fork", "copy", "constant"):
        for document, _ in plans(graph):
            if chosen.random() < 0.05:
                fault = explore(document).fault
                assert (explain(document, limit=1) is None) == (fault is None), document
                wrong += fault is not None and fault.kind is not Kind.STUCK
    assert wrong > 100


def wide(queues, length):
    """Queues that each turn x into a value, step by step; the last race with the first."""
    names = ["x", *(f"v{q}_{i}" for q in range(queues) for i in range(length)), "y"]
    ops, steps = [], []
    for q in range(queues):
        for i in range(length):
            source = f"v{q}_{i - 1}" if i else "x"
            steps.append(run(f"q{q}", [len(ops)], [names.index(source)], [len(ops) + 1]))
            ops.append(op("neg", [source], f"v{q}_{i}"))
    last = names.index(f"v{queues - 1}_{length - 1}")
    steps.append(run("q0", [len(ops)], [last], [len(names) - 1]))
    ops.append(op("neg", [names[last]], "y"))
    roles = {"x": "IN", "y": "OUT"}
    return plan(
        ("p",),
        queues=[{"id": f"q{q}", "device": "p", "kind": "COMPUTE"} for q in range(queues)],
        values=[value(n, roles.get(n, "TEMP"), "b", "4") for n in names],
        ops=ops,
        buffers=[buffer(n, "p", 128 * i) for i, n in enumerate(names)],
        steps=steps,
    )


def test_a_race_is_found_where_there_are_too_many_interleavings_to_try():
    document = wide(6, 30)
    found = explain(Plan.from_json(document))
    assert found.fault.startswith("a race: ")
    assert found.events[-2:] == ("BEGIN(179) on 'q5'", "BEGIN(180) on 'q0'")
    document["steps"][-1]["waits"] = [{"queue": "q5", "epoch": 30}]
    assert explain(Plan.from_json(document)) is None


def test_a_plan_with_too_many_operands_is_not_explained():
    document = plan(
        ("p",),
        values=[value("x", "IN"), value("y", "OUT")],
        ops=[op("neg", ["x"], "y")],
        buffers=[buffer("x", "p", 0, 4), buffer("y", "p", 0, 4)],
        steps=[run("p", [0], [0] * 8000, [1] * 8000)],
    )
    assert explain(Plan.from_json(document)) is None
