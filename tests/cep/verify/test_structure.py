from __future__ import annotations

import pytest

from tests.cep.plans import all_of, at, buffer, op, run, value
from tests.cep.verify.cases import refused_by, test_cases


def one_region(case):
    """All of `fork` as one region on left."""
    case.plan["steps"] = [run("left", [0, 1, 2], [0], [3])]


def entangled(case):
    """Left needs what right makes from what left makes: the region of left is not convex."""
    case.plan["ops"][1]["inputs"] = ["a"]
    case.plan["steps"] = [run("left", [0, 2], [0, 2], [1, 3]), run("right", [1], [1], [2])]


CASES = {
    # S1
    "an op in no step": (
        "fork",
        lambda case: (case.plan["steps"].pop(1), case.plan["steps"][1].pop("waits")),
        "CEP-S1",
    ),
    "an op in two steps": ("fork", at("steps/1/run/ops", [0, 1]), "CEP-S1"),
    "an op twice in one step": ("fork", at("steps/0/run/ops", [0, 0]), "CEP-S1"),
    "an op more than the steps have": ("fork", lambda case: (
        case.plan["ops"].append(op("neg", ["x"], "z")),
        case.plan["values"].append(value("z", "TEMP", "b", "4")),
    ), "CEP-S1"),
    # S2
    "a region that another interrupts": ("fork", entangled, "CEP-S2"),
    # S3
    "a read too few": ("fork", at("steps/2/reads", [1]), "CEP-S3"),
    "no reads": ("fork", at("steps/0/reads", ...), "CEP-S3"),
    "a read too many": ("fork", at("steps/0/reads", [0, 3]), "CEP-S3"),
    "a read of another value": ("fork", at("steps/2/reads", [1, 0]), "CEP-S3"),
    "the same value from two places": (
        "fork",
        all_of(at("buffers/4", buffer("x", "right", 256)), at("steps/0/reads", [0, 4])),
        "CEP-S3",
    ),
    "a write too few": ("fork", at("steps/0/writes", ...), "CEP-S3"),
    "a write too many": ("fork", at("steps/0/writes", [1, 3]), "CEP-S3"),
    "a write to another value's place": ("fork", at("steps/0/writes", [2]), "CEP-S3"),
    "an inner value written": (
        "fork", all_of(one_region, at("steps/0/writes", [1, 3])), "CEP-S3",
    ),
    # S4
    "an op before what it needs": (
        "fork", lambda case: case.plan["ops"].reverse(), "CEP-S4",
    ),
    "an op that needs itself": ("fork", at("ops/0/inputs", ["a"]), "CEP-S4"),
    "ops of a step out of order": (
        "fork", all_of(one_region, at("steps/0/run/ops", [2, 0, 1])), "CEP-S4",
    ),
}  # fmt: skip


@pytest.mark.parametrize(**test_cases(CASES))
def test_changed_plans_are_refused(base, change, codes):
    found = refused_by(base, change)
    if codes == ["CEP-S4"]:
        # Operations in another order carry out other operations of the graph too.
        assert "CEP-S4" in found
        assert set(found) <= {"CEP-S4", "CEP-T3", "CEP-S1"}
    else:
        assert found == codes


def test_one_region_is_accepted():
    assert refused_by("fork", one_region) == []


def test_independent_ops_of_a_step_may_come_in_any_order():
    assert refused_by("fork", all_of(one_region, at("steps/0/run/ops", [1, 0, 2]))) == []


def test_reads_may_come_in_any_order():
    assert refused_by("fork", at("steps/2/reads", [2, 1])) == []


def test_a_result_that_nobody_wants_is_not_written():
    def change(case):
        case.plan["ops"].append(op("neg", ["x"], "z"))
        case.plan["values"].append(value("z", "TEMP", "b", "4"))
        case.plan["steps"][2]["run"]["ops"] = [2, 3]
        case.plan["steps"][2]["reads"] = [0, 1, 2]

    assert refused_by("fork", change) == []


def test_convexity_names_the_region():
    from tests.cep.plans import mutated

    report = mutated("fork", entangled).verify()
    assert {d.path for d in report.diagnostics if d.code == "CEP-S2"} == {
        "/steps/0/run/ops",
        "/steps/1/run/ops",
    }
