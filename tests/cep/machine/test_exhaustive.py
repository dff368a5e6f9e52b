"""The verdict of families M and O against every interleaving, for all plans of a small scope."""

from __future__ import annotations

import pytest

from cep.machine import Kind, explore
from tests.cep.machine.scope import ORDER_AND_MEMORY, judged, plans

SMALL = ("line", "fork", "copy", "constant")
SMALL_PLANS = 22_500
"""Plans of each graph with two places."""


def compared(graph, places):
    """Compare all plans of a scope; return how they ended and which rules stood alone.

    A rule stands alone on a plan that goes wrong and that the others accept: without the rule, the
    verdict on it would be wrong.
    """
    count, kinds, alone = 0, set(), set()
    for document, view in plans(graph, places):
        count += 1
        tried, codes = explore(document), judged(document, view)
        assert tried.complete
        assert tried.safe != bool(codes), (codes, tried, document.steps, document.buffers)
        kinds.add(tried.fault and tried.fault.kind)
        if len(codes) == 1 and codes[0] not in alone and not judged(document, view, without=codes):
            alone.update(codes)
    return count, kinds, alone


@pytest.fixture(scope="module")
def small_scope():
    return {graph: compared(graph, places=2) for graph in SMALL}


def test_every_plan_of_three_steps_two_queues_and_two_places(small_scope):
    assert {graph: count for graph, (count, _, _) in small_scope.items()} == dict.fromkeys(
        SMALL, SMALL_PLANS
    )
    for graph, (_, kinds, _) in small_scope.items():
        assert None in kinds, f"no plan of {graph} goes well; the comparison would say little"
    seen = set.union(*(kinds for _, kinds, _ in small_scope.values()))
    assert seen == {None, *Kind} - {Kind.START, Kind.COLLECTIVE, Kind.TRIP}


@pytest.mark.parametrize("code", ORDER_AND_MEMORY)
def test_without_the_rule_some_small_plan_is_judged_wrongly(small_scope, code):
    assert any(code in alone for _, _, alone in small_scope.values())


@pytest.mark.slow
@pytest.mark.parametrize("graph", SMALL)
@pytest.mark.parametrize("places", [3, 4])
def test_every_plan_of_three_steps_and_more_places(graph, places):
    count, kinds, _ = compared(graph, places)
    assert count > 50_000
    assert None in kinds


@pytest.mark.slow
def test_every_plan_of_four_steps_two_queues_and_two_places():
    count, kinds, _ = compared("longer", places=2)
    assert count > 1_000_000
    assert None in kinds
