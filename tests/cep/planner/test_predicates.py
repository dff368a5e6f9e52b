from __future__ import annotations

import pytest

from cep.planner.devices import PlanningError
from tests.cep.planner.systems import System, line


def compiled(predicates, domains=("host", "host"), **options):
    found = System.of(list(domains))
    return found, found.compile(line(4), predicates=predicates, **options).plan


def test_a_demanded_device_has_a_predicate_and_the_plan_its_feature():
    found, plan = compiled({"d0": 'subject.model == "d0"'}, regions="spread")
    assert [d.slot for d in plan.devices] == ["d0", "d1"]
    assert plan.devices[0].predicate == 'subject.model == "d0"'
    assert plan.devices[0].descriptor_digest is None
    assert plan.devices[1].predicate is None
    assert plan.features == ("predicates",)
    report = found.verify(plan)
    assert report.ok, report.diagnostics
    assert report.descriptors["d0"].subject.model == "d0"


def test_a_demand_of_a_device_that_is_not_used_changes_nothing():
    _, plan = compiled({"d1": 'subject.model == "d1"'}, only=("d0", "d1"), regions="one")
    assert [d.slot for d in plan.devices] == ["d0"]
    assert plan.features == ()


@pytest.mark.parametrize(
    ("predicates", "reason"),
    [
        ({"d2": "1 == 1"}, "there is no device 'd2'; there are d0, d1"),
        ({"d0": "fast"}, "is no condition: 'the end'"),
        ({"d0": 'subject.model == "d1"'}, 'subject.model is "d0"'),
        ({"d0": "memories[hbm].usable_bytes >= 1"}, "is not stated"),
    ],
)
def test_demands_that_cannot_be_met_are_refused(predicates, reason):
    with pytest.raises(PlanningError, match="CEP-X4") as refusal:
        compiled(predicates)
    assert reason in str(refusal.value)


def test_a_device_without_queues_that_copy_copies_in_the_one_that_computes():
    for most, kinds in ((1, {"COMPUTE", "COPY"}), (0, {"COMPUTE"})):
        found = System.of([None, None], queues=[{"kind": "COPY", "max": most}])
        plan = found.compile(line(4), regions="spread").plan
        assert {queue.kind for queue in plan.queues} == kinds
        assert any(step.transfer is not None for step in plan.steps)
        report = found.verify(plan)
        assert report.ok, report.diagnostics
