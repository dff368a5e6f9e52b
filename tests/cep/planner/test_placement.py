from __future__ import annotations

import itertools
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cep.graph import GraphView
from cep.planner.devices import PlanningError
from cep.planner.placement import Costs, Link, alive_bytes, place
from tests.cep.planner.systems import graph
from tests.cep.plans import op

COST = st.one_of(st.integers(0, 100).map(float), st.just(inf))


@st.composite
def tables(draw):
    count, length = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    links = {
        (i, j): Link("", inf, 0) if i == j else draw(
            st.sampled_from([None, Link("", inf, 0), Link("l", 1e9, 5), Link("m", 1e6, 50)])
        )
        for i in range(count)
        for j in range(count)
    }  # fmt: skip
    return Costs(
        times=[[draw(COST) for _ in range(count)] for _ in range(length)],
        alive=[draw(st.integers(0, 100)) for _ in range(length)],
        handover_ns=[draw(st.integers(0, 3)) for _ in range(count)],
        links=links,
        calls=[float(draw(st.integers(0, 30))) for _ in range(count)],
    )


def cost_of(costs, chosen):
    total = costs.calls[chosen[0]] + costs.times[0][chosen[0]]
    for at in range(1, len(chosen)):
        if chosen[at] != chosen[at - 1]:
            total += costs.switch(chosen[at - 1], chosen[at], at)
        total += costs.times[at][chosen[at]]
    return total


def best_of_all(costs, *, spread, least):
    """The cost of the cheapest of all placements; infinite where there is none."""
    count, found = len(costs.calls), inf
    for chosen in itertools.product(range(count), repeat=len(costs.times)):
        runs = [len(list(run)) for _, run in itertools.groupby(chosen)]
        if (spread and len(set(chosen)) < count) or (len(runs) > 1 and min(runs) < least):
            continue
        found = min(found, cost_of(costs, chosen))
    return found


@pytest.mark.parametrize("spread", [False, True])
@given(costs=tables(), least=st.integers(1, 3))
def test_no_placement_is_cheaper(spread, costs, least):
    best = best_of_all(costs, spread=spread, least=least)
    if best == inf:
        with pytest.raises(PlanningError, match="CEP-X5"):
            place(costs, spread=spread, least=least)
        return
    stretches = place(costs, spread=spread, least=least)
    chosen = [s.device for s in stretches for _ in range(s.start, s.end)]
    assert [s.start for s in stretches] == [0, *(s.end for s in stretches[:-1])]
    assert len(chosen) == len(costs.times)
    assert cost_of(costs, chosen) == pytest.approx(best)


def test_what_is_alive_between_operations():
    made = graph(
        [op("relu", ["x"], "a"), op("neg", ["a"], "c"), op("abs", ["x"], "dead"),
         op("mul.Tensor", ["a", "c"], "y")]
    )  # fmt: skip
    # 8 rows of 4 floats are 128 bytes; inputs and what nobody reads do not count.
    assert alive_bytes(GraphView.of(made), {"b": 8}) == [0, 128, 256, 256]


def test_outputs_stay_alive():
    made = graph(
        [op("relu", ["x"], "y"), op("neg", ["x"], "z"), op("abs", ["x"], "q")],
        outputs=("y", "z", "q"),
    )
    assert alive_bytes(GraphView.of(made), {"b": 8}) == [0, 128, 256]


def test_more_devices_than_can_be_spread_over():
    costs = Costs([[1.0] * 9], [0], [0] * 9, {}, [0.0] * 9)
    with pytest.raises(PlanningError, match="9 devices"):
        place(costs, spread=True)
