from __future__ import annotations

import pytest

from cep.planner.devices import PlanningError
from cep.planner.guarding import Guards
from tests.cep.planner.systems import System, graph, line
from tests.cep.plans import descriptor, op

ALL = Guards(
    alternates=True, watchdog_ppm=3_000_000, nan_guard=True, limits={"memory_bytes": 500_000}
)


def alternates(plan):
    """Queues of the alternates by step."""
    return [[a.queue for a in step.alternates] for step in plan.steps]


def test_every_device_that_can_do_a_step_is_an_alternate():
    found = System.of(["h", "h", "h", None])
    found.descriptors["d1"]["ops"] = [
        {"op": "cep-core/1:relu", "variants": [{"engine": "core"}]},
    ]
    found.descriptors["d2"]["memories"][0]["combined_bytes_per_s"] = "1000000000"
    made = graph([op("mm", ["x", "w"], "h"), op("relu", ["h"], "y")], constants=("w",))
    plan = found.compile(made, regions="one", only=("d0", "d1", "d2", "d3"), guards=ALL).plan
    (own,) = {step.queue for step in plan.steps}
    others = {"d0.compute": [["d2.compute"]], "d3.compute": [[]]}[own]
    assert alternates(plan) == others
    assert [d.slot for d in plan.devices] == ["d0", "d2"]
    assert {p.device: p.bytes for p in plan.constraints.peak_bytes} == {
        "d0": plan.arenas[0].bytes + 64, "d2": 64,
    }  # fmt: skip
    assert plan.features == ("alternates", "safety")
    assert found.verify(plan).ok


@pytest.mark.parametrize("regions", ["one", "auto", "spread"])
@pytest.mark.parametrize("domains", [["h", "h"], ["h", "h", "h"], ["h", "h", "g", "g"]])
@pytest.mark.parametrize(
    "guards",
    [
        ALL,
        Guards(alternates=True),
        Guards(nan_guard=True),
        Guards(on_trip="DRAIN", watchdog_ppm=1_500_000, limits={"temperature_mdegc": 90_000}),
    ],
)
def test_guarded_plans_are_accepted(domains, regions, guards):
    found = System.of(domains)
    plan = found.compile(line(16), regions=regions, guards=guards).plan
    report = found.verify(plan)
    assert report.ok, [str(d) for d in report.diagnostics]
    assert plan.safety.on_trip == (
        guards.on_trip or ("ALTERNATE" if guards.alternates else "ABORT")
    )
    assert all(alternates(plan)) == guards.alternates


def test_the_fastest_alternate_comes_first():
    found = System.of(["h", "h", "h"])
    for name, rate in (("d0", 5), ("d1", 1), ("d2", 3)):
        found.descriptors[name]["memories"][0]["combined_bytes_per_s"] = str(rate * 10**6)
    plan = found.compile(line(16), regions="one", guards=Guards(alternates=True)).plan
    assert plan.steps[0].queue == "d0.compute"
    assert alternates(plan) == [["d2.compute", "d1.compute"]]
    times = [a.estimate.p50_ns for a in plan.steps[0].alternates]
    assert times == sorted(times)


def test_the_p99_holds_for_the_largest_sizes():
    small = System.of([None]).compile(line(16), sizes={"b": 1}).plan.steps[0].estimate
    large = System.of([None]).compile(line(16), sizes={"b": 8}).plan.steps[0].estimate
    assert small.p50_ns < large.p50_ns
    assert small.p99_ns == large.p99_ns >= 2 * large.p50_ns


@pytest.mark.parametrize(("claims", "listed"), [("CROSS_MODEL", 1), ("SAME_MODEL", 0)])
def test_where_bits_must_be_the_same_alternates_claim_that_they_are(claims, listed):
    ops = descriptor("any")["ops"]
    for claim in ops:
        claim["variants"] = [{"engine": "core", "numerics": {"determinism": claims}}]
    found = System.of(["h", "h"], ops=ops)
    guards = Guards(alternates=True)
    plan = found.compile(line(3), regions="one", deterministic=True, guards=guards).plan
    assert [len(queues) for queues in alternates(plan)] == [listed]
    assert found.verify(plan).ok


@pytest.mark.parametrize("guards", [ALL, Guards(on_trip="ALTERNATE", nan_guard=True)])
def test_a_guard_that_nothing_can_follow_is_refused(guards):
    with pytest.raises(PlanningError) as caught:
        System.of([None, None]).compile(line(3), regions="one", guards=guards)
    (found,) = caught.value.diagnostics
    assert found.code == "CEP-X7"
    assert "no other device can do step 0 of 'd0'" in found.message


def test_without_guards_nothing_is_said_of_them():
    plan = System.of(["h", "h"]).compile(line(3)).plan
    assert (plan.safety, plan.features, alternates(plan)) == (None, (), [[]])
