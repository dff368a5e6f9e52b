from __future__ import annotations

from itertools import pairwise

import pytest

from acp.diagnostics import Refused
from cep.planner.guarding import Guards
from cep.planner.promises import Promises
from tests.cep.planner.systems import System, graph, line
from tests.cep.plans import op

MM = 3815
"""Parts per billion of one mm in f32: 32 units of 2^-23."""


def products(count):
    """x -> mm -> mm … -> y."""
    names = ["x", *(f"v{i}" for i in range(count - 1)), "y"]
    ops = [op("mm", [a, "w"], b) for a, b in pairwise(names)]
    return graph(ops, constants=("w",))


def powered(*domains, mw="2000"):
    found = System.of(domains)
    for descriptor in found.descriptors.values():
        descriptor["power"] = {"tdp_mw": mw}
    return found


def refusal(found, made, **promises):
    with pytest.raises(Refused) as refused:
        found.compile(made, promises=Promises(**promises))
    (said,) = refused.value.diagnostics
    assert said.code == "CEP-X8"
    return said.message


@pytest.mark.parametrize(
    ("numeric", "least"), [("RELATIVE", [MM, 7630]), ("ULP", [32, 64]), ("BITWISE", [None, None])]
)
def test_the_tolerance_is_the_budget(numeric, least):
    for made, count in ((products(1), 1), (products(4), 4)):
        found = System.of([None])
        if numeric == "BITWISE":
            for claim in found.descriptors["d0"]["ops"]:
                claim["variants"][0]["numerics"] = {"determinism": "CROSS_MODEL"}
        plan = found.compile(made, promises=Promises(numeric)).plan
        assert plan.constraints.numeric == numeric
        assert plan.constraints.numeric_tolerance == least[count // 4]
        assert found.verify(plan).ok
        if least[0] is not None:
            looser = plan.constraints.replace(
                numeric_tolerance=plan.constraints.numeric_tolerance - 1
            )
            closer = plan.replace(constraints=looser)
            assert {d.code for d in found.verify(closer).diagnostics} == {"CEP-I2", "CEP-K3"}


def test_a_tolerance_may_be_larger_and_not_smaller():
    found = System.of([None])
    plan = found.compile(products(1), promises=Promises(tolerance=10_000)).plan
    assert plan.constraints.numeric_tolerance == 10_000
    assert f"the rounding budget of the plan, {MM}" in refusal(found, products(1), tolerance=1)
    assert "does not claim that its bits" in refusal(found, products(1), numeric="BITWISE")
    assert "no tolerance" in refusal(found, line(2), numeric="BITWISE", tolerance=1)


def test_what_an_alternate_rounds_counts():
    found = System.of(["h", "h"])
    for slot, millionths in (("d0", 1), ("d1", 2)):
        for claim in found.descriptors[slot]["ops"]:
            bound = {"form": "ABS_REL", "coeff_ppm": str(millionths)}
            claim["variants"][0]["numerics"] = {"bound": bound}
    ulp = Promises("ULP")
    alone = found.compile(products(1), regions="one", only=("d0",), promises=ulp).plan
    both = found.compile(
        products(1), regions="one", promises=ulp, guards=Guards(alternates=True)
    ).plan
    # A unit of f32 is 2^-23, so that 8.4 of them are one part per million.
    assert alone.constraints.numeric_tolerance == 9
    assert both.constraints.numeric_tolerance == 17
    assert found.verify(both).ok


@pytest.mark.parametrize("domains", [[None], ["h", "h"], [None, None]])
def test_a_deadline_and_an_energy_that_the_steps_keep(domains):
    found = powered(*domains)
    free = found.compile(line(16), regions="spread").plan
    time = sum(step.estimate.p99_ns for step in free.steps)
    energy = sum(step.estimate.femtojoules for step in free.steps)
    assert energy == time * 2000 * 1000
    kept = Promises(deadline_ns=time, energy_fj=energy)
    plan = found.compile(line(16), regions="spread", promises=kept).plan
    assert plan.features == ("deadline", "energy")
    assert found.verify(plan).ok
    for member in ("deadline_ns", "energy_fj"):
        less = {member: getattr(kept, member) - 1}
        said = refusal_spread(found, less)
        assert str(getattr(kept, member)) in said
        late = plan.constraints.replace(**less)
        report = found.verify(plan.replace(constraints=late))
        rule = {"deadline_ns": "CEP-K1", "energy_fj": "CEP-K2"}[member]
        assert {d.code for d in report.diagnostics if d.severity == "error"} == {rule}


def refusal_spread(found, promises):
    with pytest.raises(Refused, match="CEP-X8") as refused:
        found.compile(line(16), regions="spread", promises=Promises(**promises))
    return refused.value.diagnostics[0].message


def test_nothing_is_promised_of_energy_that_nobody_states():
    found = System.of([None])
    assert found.compile(line(2)).plan.steps[0].estimate.femtojoules is None
    assert "power.tdp_mw" in refusal(found, line(2), energy_fj=10**18)


def test_data_stay_where_the_caller_wants():
    found = System.of(["h", "h", "h"])
    found.nodes = {"d1": {"labels": ["eu", "rack-7"]}, "d2": {"labels": ["eu"]}}
    plan = found.compile(line(16), regions="spread", promises=Promises(labels=("eu",))).plan
    assert [d.slot for d in plan.devices] == ["d1", "d2"]
    assert plan.features == ("locality",)
    assert found.verify(plan).ok
    one = found.compile(line(16), promises=Promises(labels=("eu", "rack-7"))).plan
    assert [d.slot for d in one.devices] == ["d1"]
    assert found.verify(one).ok
    assert "no device of the system is in us" in refusal(found, line(16), labels=("us",))


def test_a_node_elsewhere_with_the_same_descriptor_counts():
    found = System.of(["h", "h"])
    found.descriptors["d1"] = found.descriptors["d0"]
    found.nodes = {"d0": {"labels": ["eu"]}}
    assert "no device" in refusal(found, line(2), labels=("eu",))


def test_a_phase_says_what_is_promised():
    found = powered(None)
    found.nodes = {"d0": {"labels": ["eu"]}}
    wanted = Promises(deadline_ns=10**12, energy_fj=10**18, labels=("eu",))
    (phase,) = [
        p for p in found.compile(products(1), promises=wanted).phases if p.name == "promise"
    ]
    assert phase.outcome == (f"within {MM} parts per billion, {10**12} ns, {10**18} fJ, in eu")
