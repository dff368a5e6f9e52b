"""benchmarks/lattice.py: what is measured is valid, runs, and computes what it says."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.lattice import ISSUER, adapters, lattice
from cep.verify import verify
from reference_runtime.runtime import Runtime


@pytest.mark.parametrize(("steps", "lanes"), [(1, 1), (7, 1), (4, 2), (40, 4), (36, 3)])
def test_a_lattice_is_valid(steps, lanes):
    plan = lattice(steps, lanes=lanes)
    report = verify(
        plan.plan, descriptors=plan.descriptors, policy=plan.policy, now=datetime.now(UTC)
    )
    assert report.ok, report.diagnostics
    assert plan.steps >= steps
    assert len(report.plan.queues) == lanes


def test_one_lane_negates_with_each_step():
    plan = lattice(3)
    with Runtime(policy=plan.policy, adapters=adapters(1)) as runtime:
        bound = runtime.load(plan.plan, descriptors=plan.descriptors)
        assert np.array_equal(bound.run(plan.inputs())["y0"], -plan.inputs()["x0"])


def test_the_largest_number_reaches_every_lane():
    plan = lattice(2 * 3 * 2, lanes=3)
    inputs = {name: value * number for number, (name, value) in enumerate(plan.inputs().items())}
    with Runtime(policy=plan.policy, adapters=adapters(3)) as runtime:
        bound = runtime.load(plan.plan, descriptors=plan.descriptors)
        outputs = bound.run(inputs)
        assert [float(outputs[f"y{lane}"].max()) for lane in range(3)] == [2, 2, 2]
        assert bound.receipt(plan.key, ISSUER)
