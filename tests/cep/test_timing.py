from __future__ import annotations

import random

import pytest

from cep.timing import Timing
from cep.verify.order import deadlock_free
from tests.cep.machine.scope import base, subject
from tests.cep.plans import run


def ladder(seed):
    """A plan of a dozen steps on three queues, which wait for steps before them."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    start, epochs, steps = base("line"), dict.fromkeys("pqr", 0), []
    for _ in range(12):
        queue = chance.choice("pqr")
        waits = [
            (q, chance.randint(1, e)) for q, e in epochs.items() if e and chance.random() < 0.4
        ]
        steps.append(run(queue, [0], [0], [1], *waits))
        epochs[queue] += 1
    document = start.to_json()
    document["queues"] = [{"id": q, "device": "p", "kind": "COMPUTE"} for q in "rpq"]
    document["steps"] = steps
    found = subject(type(start).from_json(document))
    assert not list(deadlock_free(found))
    return found


def paths(s, step):
    """Every path over happens-before that ends in a step."""
    before = list(s.predecessors(step))
    return [[*path, step] for b in before for path in paths(s, b)] or [[step]]


@pytest.mark.parametrize("seed", range(20))
def test_times_are_those_of_the_longest_of_all_paths(seed):
    s = ladder(seed)
    took = [7 * (i + seed) % 11 for i in range(len(s.plan.steps))]
    timing = Timing.of(s, took, s.order)
    every = [path for i in range(len(took)) for path in paths(s, i)]
    assert timing.whole == max(sum(took[i] for i in path) for path in every)
    for step, usual in enumerate(took):
        for other in (usual, 0, 1000):
            longest = max(
                sum(other if i == step else took[i] for i in path) for path in every if step in path
            )
            assert timing.through(step, other) == longest


def test_nothing_takes_no_time():
    s = subject(base("line").replace(steps=()))
    assert not list(deadlock_free(s))
    assert Timing.of(s, [], []).whole == 0
