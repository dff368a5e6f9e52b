"""Clocks say what happens before what, however a plan lists its steps."""

from __future__ import annotations

import pytest

from cep.verify.order import deadlock_free
from tests.cep.machine.scope import subject
from tests.cep.test_timing import ladder


def by_queue(s):
    """The same plan, with the steps of one queue listed after those of another."""
    document = s.plan.to_json()
    document["steps"].sort(key=lambda step: step["queue"])
    found = subject(type(s.plan).from_json(document))
    assert not list(deadlock_free(found))
    return found


def clocks(s):
    """The clock of each step, by its queue and epoch."""
    places = zip(s.queue_of, s.epochs, strict=True)
    return {place: list(clock) for place, clock in zip(places, s.clocks, strict=True)}


def ended_before(s, step):
    """The steps that must have ended before another begins, by following who waits for whom."""
    found, pending = set(), s.predecessors(step)
    while pending:
        at = pending.pop()
        if at not in found:
            found.add(at)
            pending += s.predecessors(at)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_clocks_say_which_steps_have_ended(seed):
    for s in (ladder(seed), by_queue(ladder(seed))):
        steps = range(len(s.plan.steps))
        assert sorted(s.order) == [*steps]
        for step in steps:
            assert {other for other in steps if s.before(other, step)} == ended_before(s, step)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_in_which_a_plan_lists_its_steps_changes_no_clock(seed):
    listed, elsewhere = ladder(seed), by_queue(ladder(seed))
    assert clocks(elsewhere) == clocks(listed)


def test_a_step_that_is_listed_before_what_it_waits_for_is_put_after_it():
    s = by_queue(ladder(1))
    assert [*s.order] != [*range(len(s.plan.steps))]
    assert all(s.order.index(b) < s.order.index(i) for i in s.order for b in s.predecessors(i))
