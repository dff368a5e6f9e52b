from __future__ import annotations

import re

import pytest

from cep.machine import Event, Kind, Machine, explain, explore
from cep.v1.plan import Plan
from tests.cep.plans import (
    all_of,
    at,
    buffer,
    chain,
    collective,
    fork,
    mutated,
    op,
    run,
    transfer,
)


def joint(*kinds):
    """The sum of the fork as a collective of both devices."""
    left, right = kinds[0], kinds[-1]

    def change(case):
        case.plan["buffers"].append(buffer("y", "right", 384))
        case.plan["steps"][2:] = [
            collective("left", "g", left, [2], [1], [3]),
            collective("right", "g", right, [2], [2], [4]),
        ]

    return change


def again(case):
    """One member takes part a second time."""
    case.plan["steps"].append(collective("left", "g", "ALL_REDUCE", [2], [1], [3]))


WRONG = {
    "two steps write one place": (
        "fork", at("buffers/2", buffer("n", "left", 128)), Kind.RACE, 1, 0, ("left", 128, 256),
    ),
    "a step comes too early": (
        "fork", at("steps/2/waits", ...), Kind.WRONG_CONTENT, 2, 1, ("right", 0, 128),
    ),
    "part of a value is overwritten": (
        "chain",
        all_of(
            at("buffers/4", buffer("x", "right", 64, 64)),
            at("steps/3", transfer("left", 0, 4, ("right", 1))),
            at("steps/2/waits", [{"queue": "left", "epoch": 2}]),
        ),
        Kind.WRONG_CONTENT, 2, 3, ("right", 64, 128),
    ),
    "nothing is there": (
        "chain", at("steps/1/reads", [3]), Kind.WRONG_CONTENT, 1, 2, ("right", 128, 256),
    ),
    "overwrites what it reads": (
        "chain", at("buffers/3", buffer("y", "right", 64)), Kind.IN_PLACE, 2, 2, ("right", 64, 128),
    ),
    "writes a place twice": (
        "chain", at("steps/2/writes", [3, 3]), Kind.IN_PLACE, 2, 2, ("right", 128, 256),
    ),
    "writes over a constant": (
        "chain", at("buffers/4", buffer("w", "right", 160, 64)), Kind.CONSTANT, 2, None,
        ("right", 160, 224),
    ),
    "two things are there from the start": (
        "chain", at("buffers/4", buffer("w", "left", 64, 64)), Kind.START, None, None,
        ("left", 64, 128),
    ),
    "an output is overwritten": (
        "chain",
        all_of(
            at("buffers/4", buffer("x", "right", 128)),
            at("steps/3", transfer("right", 0, 4)),
        ),
        Kind.OUTPUT, None, None, ("right", 128, 256),
    ),
    "an output is nowhere": (
        "chain", at("steps/2/writes", ...), Kind.OUTPUT, None, None, None,
    ),
    "an epoch never comes": (
        "fork", at("steps/2/waits/0/epoch", 2), Kind.STUCK, 2, None, None,
    ),
    "members of a collective disagree": (
        "fork", joint("ALL_REDUCE", "ALL_GATHER"), Kind.COLLECTIVE, 2, 3, None,
    ),
    "a member of a collective never comes": (
        "fork", all_of(joint("ALL_REDUCE"), again), Kind.STUCK, 4, None, None,
    ),
    "steps wait for each other": (
        "chain", at("steps/0/waits", [{"queue": "right", "epoch": 1}]), Kind.STUCK, 0, 1, None,
    ),
}  # fmt: skip


def document(base, change=lambda _: None):
    return Plan.from_json(mutated(base, change).plan)


@pytest.mark.parametrize("base", [chain, fork])
def test_every_interleaving_of_a_good_plan_ends_well(base):
    tried = explore(Plan.from_json(base().plan))
    assert tried.safe
    assert tried.events == ()
    assert tried.states >= 7


@pytest.mark.parametrize(
    ("base", "change", "kind", "step", "other", "where"), WRONG.values(), ids=WRONG
)
def test_what_goes_wrong_is_named_with_steps_and_bytes(base, change, kind, step, other, where):
    fault = explore(document(base, change)).fault
    extent = fault.extent and (fault.extent.arena, fault.extent.start, fault.extent.end)
    assert (fault.kind, fault.step, fault.other, extent) == (kind, step, other, where)
    for index in {step, other} - {None}:
        assert re.search(rf"\bstep {index}\b", fault.message)
    if where:
        assert f"bytes {where[1]} to {where[2] - 1} of arena '{where[0]}'" in fault.message


def test_every_kind_of_fault_has_a_case():
    trips = {Kind.TRIP}  # tests/cep/machine/test_trips.py
    assert {kind for _, _, kind, _, _, _ in WRONG.values()} == set(Kind) - trips


@pytest.mark.parametrize(
    ("change", "safe"),
    [
        (at("buffers/3", buffer("y", "right", 0) | {"in_place_of": 2}), True),
        (at("buffers/3", buffer("y", "right", 0)), False),
        (at("buffers/3", buffer("y", "right", 64) | {"in_place_of": 2}), False),
        (
            all_of(
                at("buffers/3", buffer("y", "right", 0) | {"in_place_of": 2}),
                at("ops/1", op("softmax.int", ["h"], "y")),
            ),
            False,
        ),
        (
            all_of(
                at("buffers/3", buffer("y", "right", 0) | {"in_place_of": 2}),
                at("values/3/dtype", "i32"),
            ),
            False,
        ),
    ],
    ids=["declared", "not declared", "begins elsewhere", "not pointwise", "another type"],
)
def test_a_step_may_overwrite_what_it_reads_only_element_by_element(change, safe):
    tried = explore(document("chain", change))
    assert tried.safe == safe
    assert safe or tried.fault.kind is Kind.IN_PLACE


def test_a_collective_begins_and_ends_as_one_step():
    machine = Machine(document("fork", joint("ALL_REDUCE")))
    state = machine.start()
    for event in (("BEGIN", 0), ("END", 0)):
        state = machine.after(state, Event(*event))
    assert list(machine.events(state)) == [Event("BEGIN", 1)], "the right member is not ready"
    for event in (("BEGIN", 1), ("END", 1)):
        state = machine.after(state, Event(*event))
    assert list(machine.events(state)) == [Event("BEGIN", 2)]
    begun = machine.after(state, Event("BEGIN", 2))
    assert begun.flying == {2, 3}
    assert list(machine.events(begun)) == [Event("END", 2)]
    ended = machine.after(begun, Event("END", 2))
    assert ended.ended == (2, 2)
    assert machine.final_fault(ended) is None
    assert explain(document("fork", joint("ALL_REDUCE", "ALL_GATHER"))).events[-1] == (
        "BEGIN(2) on 'left' and 'right'"
    )


def test_a_stream_gives_inputs_and_takes_outputs_for_each_micro_batch():
    change = all_of(
        at("stream", {"microbatches": 2, "ring_depth": 1}),
        at("steps/0/waits", [{"queue": "right", "epoch": 1, "lag": 1}]),
    )
    machine = Machine(document("fork", change))
    assert [machine.title(unit) for unit in range(10)] == [
        *(f"step {i} of micro-batch {m}" for m in (0, 1) for i in (0, 1, 2)),
        *(f"the caller who gives the inputs of micro-batch {m}" for m in (0, 1)),
        *(f"the caller who takes the outputs of micro-batch {m}" for m in (0, 1)),
    ]
    assert list(machine.events(machine.start())) == [Event("BEGIN", 6)]
    assert machine.needs[3] == [(1, 1), (2, 2), (3, 1)], "the lag, the inputs, the outputs"
    assert machine.needs[7] == [(0, 2), (1, 1)]
    assert machine.needs[8] == [(0, 2)]
    assert explain(document("fork", at("stream", {"microbatches": 2, "ring_depth": 1}))) is None


def test_events_change_the_state_as_the_rules_say():
    machine = Machine(document("fork"))
    start = machine.start()
    x, a, n, y = range(4)
    nothing = -1
    assert start[:3] == ((0, 0), frozenset(), (x, nothing, nothing, nothing))
    assert list(machine.events(start)) == [Event("BEGIN", 0), Event("BEGIN", 1)]
    begun = machine.after(start, Event("BEGIN", 0))
    assert begun[:3] == ((0, 0), {0}, (x, -2, nothing, nothing))
    assert list(machine.events(begun)) == [Event("END", 0), Event("BEGIN", 1)]
    ended = machine.after(begun, Event("END", 0))
    assert ended[:3] == ((1, 0), frozenset(), (x, a, nothing, nothing))
    assert list(machine.events(ended)) == [Event("BEGIN", 1)], "step 2 waits for the queue 'right'"
    state = ended
    for event in (("BEGIN", 1), ("END", 1), ("BEGIN", 2), ("END", 2)):
        state = machine.after(state, Event(*event))
    assert state[:3] == ((2, 1), frozenset(), (x, a, y, n))
    assert list(machine.events(state)) == []
    assert machine.final_fault(state) is None


def test_the_way_to_a_fault_is_a_shortest_one():
    def late(case):
        case.plan["steps"] += [run("right", [1], [0], [2]), run("right", [1], [0], [2])]

    found = explore(document("fork", all_of(at("steps/2/waits", ...), late)))
    assert found.fault.kind is Kind.WRONG_CONTENT
    assert found.events == (("BEGIN", 0), ("END", 0), ("BEGIN", 2))


def test_the_explorer_says_when_it_gave_up():
    tried = explore(document("fork"), limit=3)
    assert (tried.fault, tried.complete, tried.safe, tried.states) == (None, False, False, 3)


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("steps/0/queue", "nowhere"),
        ("steps/0/reads", [99]),
        ("buffers/0/arena", "nowhere"),
        ("steps/0/run/ops", [99]),
        ("steps/2/waits/0/queue", "nowhere"),
    ],
)
def test_a_reference_to_nothing_is_an_error(path, new):
    with pytest.raises(ValueError, match="does not have"):
        Machine(document("fork", at(path, new)))
