"""Trips: what follows them in every interleaving, and that CEP-R2 is what makes that go well."""

from __future__ import annotations

import itertools
import json

import pytest

from cep.machine import Event, Kind, Machine, explain, explore
from cep.v1.plan import Alternate, Plan, Safety
from cep.verify import RULES
from tests.cep.machine.scope import judged, plans, subject
from tests.cep.plans import all_of, at, chain, fork, mutated, together
from tests.cep.spec_example import SPEC, blocks, example, patched, rule_texts
from tests.cep.verify.test_alternates import alternate
from tests.cep.verify.test_safety import safe

FOLLOWS = (None, "ALTERNATE", "DRAIN", "ABORT")
GUARDS = ({}, {"nan_guard": True}, {"watchdog_ppm": 2_000_000})
OTHER = Alternate(queue="q")


def guarded(graph, places, most):
    """Every plan of a graph with every way to guard it, and its `GraphView`."""
    safeties = [
        Safety(on_trip=follows, **{"nan_guard": False, **guard})
        for follows, guard in itertools.product(FOLLOWS, GUARDS)
    ]
    for document, view in plans(graph, places):
        for counts in itertools.product(range(most + 1), repeat=len(document.steps)):
            steps = tuple(
                step.replace(alternates=(OTHER,) * count)
                for step, count in zip(document.steps, counts, strict=True)
            )
            for safety in safeties:
                yield document.replace(steps=steps, safety=safety), view


def overwrites(document):
    """Whether a step with alternates takes the place of what it reads."""
    return any(
        document.buffers[b].in_place_of is not None
        for step in document.steps
        for b in (step.writes if step.alternates else ())
    )


def compared(graph, places, most):
    """Compare all plans of a scope; return how they ended, and which only CEP-R2 refuses."""
    count, kinds, alone = 0, set(), set()
    known = {}
    for document, view in guarded(graph, places, most):
        count += 1
        key = (
            tuple((t.queue, t.waits, t.reads, t.writes) for t in document.steps),
            document.buffers,
        )
        if key not in known:
            known[key] = judged(document, view)
        codes = list(known[key])
        refused = any(True for _ in RULES["CEP-R2"].diagnostics(subject(document, view)))
        tried = explore(document)
        assert tried.complete
        follows = document.safety.on_trip
        if follows in {"DRAIN", "ABORT"} and overwrites(document):
            assert refused, "alternates that nothing takes are refused all the same"
        else:
            assert tried.safe != bool(codes or refused), (codes, refused, tried, document.steps)
        kinds.add(tried.fault and tried.fault.kind)
        if refused and not codes and not tried.safe:
            alone.add((follows, overwrites(document)))
    return count, kinds, alone


@pytest.fixture(scope="module")
def small_scope():
    return compared("pair", places=2, most=1)


def test_every_way_to_guard_two_steps(small_scope):
    count, kinds, _ = small_scope
    assert count > 10_000
    assert {None, Kind.TRIP} <= kinds


def test_without_r2_plans_go_wrong_that_all_other_rules_accept(small_scope):
    _, _, alone = small_scope
    assert alone == {(None, False), (None, True), ("ALTERNATE", False), ("ALTERNATE", True)}


@pytest.mark.slow
def test_every_way_to_guard_two_steps_with_up_to_two_alternates_each():
    count, kinds, _ = compared("pair", places=3, most=2)
    assert count > 70_000
    assert {None, Kind.TRIP} <= kinds


def machine(base, change):
    return Machine(Plan.from_json(mutated(base, change).plan))


def after(m, *events):
    state = m.start()
    for event in events:
        assert event in m.events(state)
        state = m.after(state, event)
    return state


BEGIN, END, TRIP = ([Event(kind, i) for i in range(3)] for kind in ("BEGIN", "END", "TRIP"))


def test_an_alternate_goes_on_in_the_place_of_its_step():
    m = machine("fork", all_of(safe(nan_guard=True), at("safety/on_trip", "ALTERNATE"),
                               alternate(0, "right")))  # fmt: skip
    begun = after(m, BEGIN[0])
    tripped = after(m, BEGIN[0], TRIP[0])
    assert tripped == begun._replace(trips=(1, 0, 0))
    assert after(m, BEGIN[0], TRIP[0], END[0])[:3] == after(m, BEGIN[0], END[0])[:3]
    over = after(m, BEGIN[0], BEGIN[1], TRIP[0], TRIP[0])
    assert over.over, "no alternate is left"
    assert not list(m.events(over))
    assert m.final_fault(over) is None


def test_draining_lets_others_end_and_aborting_does_not():
    for follows, left in (("DRAIN", [END[1], TRIP[1]]), ("ABORT", [])):
        m = machine("fork", safe(on_trip=follows))
        state = after(m, BEGIN[0], BEGIN[1], TRIP[0])
        assert list(m.events(state)) == left
        assert state.over
        if left:
            state = m.after(state, END[1])
            assert not list(m.events(state))
        assert m.final_fault(state) is None
        assert explore(m).safe


def test_without_safety_nothing_trips():
    for base in (chain, fork):
        m = Machine(Plan.from_json(base().plan))
        assert TRIP[0] not in m.events(after(m, BEGIN[0]))


IN = "in bytes 128 to 255 of arena 'left'"
WRONG = {
    "nobody says what follows": (
        safe(on_trip=None, nan_guard=True), "step 0 trips, and nobody says what follows",
    ),
    "a guarded step without an alternate": (
        safe(on_trip="ALTERNATE", nan_guard=True), "a guard stops step 0, which has no alternate",
    ),
    "what the step has read is overwritten": (
        all_of(
            safe([(2, "right")], on_trip="ALTERNATE"),
            at("buffers/3/offset", "128"),
            at("buffers/3/in_place_of", 1),
        ),
        f"an alternate of step 2 needs 'a' (buffer 1) {IN}, where the step has begun to write",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("limit", [20_000, 1])
def test_a_trip_that_leads_nowhere_is_shown(change, message, limit):
    found = explain(Plan.from_json(mutated("fork", change).plan), limit=limit)
    assert found is not None
    assert found.events[-1].startswith("TRIP")
    assert found.fault == f"a trip that leads nowhere: {message}"


def test_the_example_of_the_rule_goes_wrong():
    text = SPEC.read_text(encoding="utf-8")
    (rule,) = (value for name, value in rule_texts(text) if name == "CEP-R2")
    document = patched(json.loads(blocks(text)["plan"]), example(rule))
    assert explain(Plan.from_json(document)).events[-1].startswith("TRIP(0)")


def test_a_guard_that_stops_any_member_stops_a_collective():
    case = together("BROADCAST")  # Only the second member writes what a guard looks at.
    case.plan["features"] = ["collectives", "safety"]
    case.plan["safety"] = {"on_trip": "ALTERNATE", "nan_guard": True}
    alternate_first = case.plan["steps"][0] | {"alternates": [{"queue": "right"}]}
    case.plan["steps"][0] = alternate_first
    document = Plan.from_json(case.plan)
    assert [f.path for f in RULES["CEP-R2"].check(subject(document))] == [("steps", 2)]
    assert explore(document).fault.kind is Kind.TRIP
    assert "step 2, which has no alternate" in explain(document, limit=1).fault
    case.plan["safety"] = {"on_trip": "DRAIN", "nan_guard": True}
    assert explore(Plan.from_json(case.plan)).safe
