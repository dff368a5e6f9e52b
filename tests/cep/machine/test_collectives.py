"""The verdict against every interleaving, for all plans with collectives of a small scope."""

from __future__ import annotations

import itertools

import pytest

from cep.graph import GraphView
from cep.machine import HappensBefore, Kind, explore
from cep.v1.plan import Plan
from cep.verify import RULES
from tests.cep.machine.scope import BLOCK, judged, subject
from tests.cep.plans import buffer, collective, op, plan, run, value

ADD = {"alpha": {"integer": "1"}}


def base(names, ops, steps):
    """A plan of two queues of two devices that see one arena; values that begin with x are IN."""
    roles = {"x": "IN", "y": "OUT"}
    inputs = sorted(n for n in set(names) if n.startswith("x"))
    return plan(
        ("p", "q"),
        values=[value(n, roles.get(n[0], "TEMP"), "b", "4") for n in sorted(set(names))],
        inputs=[{"name": n, "value": n} for n in inputs],
        outputs=[{"name": n, "value": n} for n in sorted(set(names)) if n.startswith("y")],
        ops=ops,
        buffers=[buffer(n, "p", BLOCK * i) for i, n in enumerate(names)],
        steps=steps,
    )


def waiting(steps, options, most):
    """The steps with waits chosen from the options, at most so many of the steps."""
    for chosen in itertools.product([None, *options], repeat=len(steps)):
        if sum(wait is not None for wait in chosen) <= most:
            yield [
                step | ({"waits": [{"queue": w[0], "epoch": w[1]}]} if w else {})
                for step, w in zip(steps, chosen, strict=True)
            ]


def one(most):
    """An ALL_REDUCE and a step that reads a result of it: every order, placement and wait."""
    names = ["x0", "x1", "s", "s", "y"]
    ops = [op("add.Tensor", ["x0", "x1"], "s", **ADD), op("relu", ["s"], "y")]
    members = [
        collective("p", "g", "ALL_REDUCE", [0], [0], [2]),
        collective("q", "g", "ALL_REDUCE", [0], [1], [3]),
    ]
    start = base(names, ops, members)
    view = GraphView.of(Plan.from_json(start))
    epochs = [("p", 1), ("p", 2), ("q", 1), ("q", 2)]
    for read, order in itertools.product((2, 3), ((0, 1, 2), (2, 0, 1))):
        three = [*members, run("p", [1], [read], [4])]
        for steps in waiting([three[i] for i in order], epochs, most):
            for places in placements():
                yield Plan.from_json(start | {"steps": steps, "buffers": places}), view


def placements():
    """Every placement of the results in three places, with and without `in_place_of`."""
    for s0, s1, y in itertools.product(range(3), repeat=3):
        places = [
            buffer(n, "p", BLOCK * i)
            for n, i in (("x0", 0), ("x1", 1), ("s", s0), ("s", s1), ("y", y))
        ]
        yield places
        taken = [dict(b) for b in places]
        for mine, other in ((2, 0), (3, 1)):
            if places[mine]["offset"] == places[other]["offset"]:
                taken[mine]["in_place_of"] = other
        if taken != places:
            yield taken


def two():
    """Two ALL_REDUCEs of one group or of two: every order and wait, and each member left out."""
    names = ["x0", "x1", "x2", "x3", "y0", "y0", "y1", "y1"]
    ops = [op("add.Tensor", ["x0", "x1"], "y0", **ADD), op("add.Tensor", ["x2", "x3"], "y1", **ADD)]
    start = base(names, ops, [run("p", [0], [0], [4])])
    view = GraphView.of(Plan.from_json(start))
    epochs = [(q, e) for q in "pq" for e in (1, 2)]
    for second, swapped, missing in itertools.product("gh", (False, True), (None, 1, 3)):
        if missing is not None and second == "h":
            continue  # A group of one device goes well; it is refused for what it is.
        groups = (("g", 0), (second, 1))
        left = [collective("p", g, "ALL_REDUCE", [n], [2 * n], [4 + 2 * n]) for g, n in groups]
        right = [collective("q", g, "ALL_REDUCE", [n], [2 * n + 1], [5 + 2 * n]) for g, n in groups]
        steps = [*left, *(reversed(right) if swapped else right)]
        steps = [step for i, step in enumerate(steps) if i != missing]
        for made in waiting(steps, epochs, 1):
            for places in (start["buffers"], [*start["buffers"][:7], buffer("y1", "p", 4 * BLOCK)]):
                yield Plan.from_json(start | {"steps": made, "buffers": places}), view


def compared(plans):
    count, kinds, alone = 0, set(), set()
    for document, view in plans:
        count += 1
        tried, codes = explore(document), judged(document, view)
        assert tried.complete
        assert tried.safe != bool(codes), (codes, tried, document.steps, document.buffers)
        kinds.add(tried.fault and tried.fault.kind)
        if len(codes) == 1 and codes[0] not in alone and not judged(document, view, without=codes):
            alone.update(codes)
    return count, kinds, alone


def test_every_plan_of_one_collective_and_a_step():
    count, kinds, alone = compared(one(most=1))
    assert count > 2_000
    assert kinds == {None, Kind.RACE, Kind.WRONG_CONTENT, Kind.IN_PLACE, Kind.STUCK}
    assert alone >= {"CEP-O2", "CEP-M2", "CEP-M3", "CEP-M4"}


def test_every_plan_of_two_collectives():
    count, kinds, alone = compared(two())
    assert count > 200
    assert kinds == {None, Kind.COLLECTIVE, Kind.STUCK, Kind.RACE, Kind.OUTPUT}
    assert "CEP-O3" in alone, "without O3, the verdict would be wrong"


@pytest.mark.slow
def test_every_plan_of_one_collective_and_a_step_that_wait_as_they_like():
    count, kinds, _ = compared(one(most=3))
    assert count > 20_000
    assert None in kinds


def test_happens_before_is_that_of_the_verifier():
    agreed = 0
    for plans in (one(most=1), two()):
        seen = set()
        for document, view in plans:
            if document.steps in seen:
                continue
            seen.add(document.steps)
            clocks, bits = subject(document, view), HappensBefore(document)
            refused = bool(list(RULES["CEP-O1"].diagnostics(clocks)))
            assert refused == bits.cyclic
            pairs = itertools.product(range(len(document.steps)), repeat=2)
            if not refused:
                assert all(clocks.before(a, b) == bits.before(a, b) for a, b in pairs)
                agreed += 1
    assert agreed > 50
