from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cep.planner.devices import PlanningError
from tests.cep.planner.systems import System, graph, line
from tests.cep.plans import errors, op

UNARY = ("relu", "neg", "abs", "exp")
BINARY = ("add.Tensor", "mul.Tensor", "maximum")


@st.composite
def graphs(draw):
    """A random graph of up to twelve ops over inputs and constants of one shape."""
    inputs = [f"x{i}" for i in range(draw(st.integers(1, 3)))]
    constants = [f"w{i}" for i in range(draw(st.integers(0, 2)))]
    known, ops = list(inputs), []
    for n in range(draw(st.integers(1, 12))):
        kind = draw(st.integers(0, 2 if constants else 1))
        if kind == 0:
            made = op(draw(st.sampled_from(UNARY)), [draw(st.sampled_from(known))], f"v{n}")
        elif kind == 1:
            target = draw(st.sampled_from(BINARY))
            pair = [draw(st.sampled_from(known)) for _ in range(2)]
            alpha = {"alpha": {"integer": "1"}} if target == "add.Tensor" else {}
            made = op(target, pair, f"v{n}", **alpha)
        else:
            pair = [draw(st.sampled_from(known)), draw(st.sampled_from(constants))]
            made = op("mm", pair, f"v{n}")
        ops.append(made)
        known.append(f"v{n}")
    results = draw(st.sets(st.sampled_from([f"v{n}" for n in range(len(ops))]), min_size=1))
    return graph(
        ops, inputs=inputs, outputs=tuple(sorted(results | {f"v{len(ops) - 1}"})),
        constants=constants, most=draw(st.sampled_from(["0", "1", "8"])),
    )  # fmt: skip


@settings(max_examples=250)
@given(
    graphs(),
    st.lists(st.sampled_from([None, "host", "island"]), min_size=1, max_size=3),
    st.sampled_from(["auto", "one", "spread"]),
)
def test_every_compiled_plan_is_accepted(made, domains, regions):
    found = System.of(domains)
    if regions == "spread" and len(made.ops) < len(domains):
        with pytest.raises(PlanningError, match="CEP-X5"):
            found.compile(made, regions=regions)
        return
    compiled = found.compile(made, regions=regions)
    report = found.verify(compiled.plan, source=made)
    assert report.ok, [str(d) for d in report.diagnostics]


@pytest.mark.parametrize(
    ("domains", "copies"), [(["h", "h", "h"], 0), (["h", "h", None], 1), ([None, None, None], 2)]
)
def test_spreading_uses_every_device(domains, copies):
    found = System.of(domains)
    compiled = found.compile(line(24), regions="spread")
    assert {d.slot for d in compiled.plan.devices} == {"d0", "d1", "d2"}
    assert sum(s.transfer is not None for s in compiled.plan.steps) == copies
    assert found.verify(compiled.plan).ok


def test_one_region_is_one_step():
    compiled = System.of(["h", None]).compile(line(5), regions="one")
    (step,) = compiled.plan.steps
    assert step.run.ops == (0, 1, 2, 3, 4)
    assert len(compiled.plan.buffers) == 2


def test_the_fastest_single_device_is_chosen():
    found = System.of([None, None])
    found.descriptors["d1"]["memories"][0]["combined_bytes_per_s"] = "900000000000"
    compiled = found.compile(line(5), regions="one")
    assert [d.slot for d in compiled.plan.devices] == ["d1"]


def test_only_some_devices():
    found = System.of(["h", "h", "h"])
    compiled = found.compile(line(5), only=("d2",))
    assert [d.slot for d in compiled.plan.devices] == ["d2"]


def test_the_largest_memory_is_promised():
    found = System.of([None])
    made = graph([op("mm", ["x", "w"], "y")], constants=("w",))
    compiled = found.compile(made)
    (promise,) = compiled.plan.constraints.peak_bytes
    assert promise.bytes == compiled.plan.arenas[0].bytes + 64
    assert found.verify(compiled.plan).ok


def test_compilation_is_reproducible():
    plans = [System.of(["h", None]).compile(line(9)).plan for _ in range(2)]
    assert plans[0] == plans[1]


def test_the_phases_are_told():
    compiled = System.of(["h"]).compile(line(3))
    assert [p.name for p in compiled.phases] == ["cost", "place", "lay out", "promise"]
    assert all(p.outcome and p.seconds >= 0 for p in compiled.phases)


def claims_only(found, **ops):
    for name, targets in ops.items():
        found.descriptors[name]["ops"] = [
            {"op": f"cep-core/1:{t}", "variants": [{"engine": "core"}]} for t in targets
        ]
    return found


MIXED = [op("relu", ["x"], "a"), op("neg", ["a"], "y")]

REFUSED = {
    "a device that is not there": (lambda: System.of([None]).compile(line(3), only=("d9",)), "X4"),
    "an op that nobody claims": (
        lambda: claims_only(System.of([None]), d0=["neg"]).compile(line(3)), "X5",
    ),
    "an op that no single device claims": (
        lambda: claims_only(System.of(["h", "h"]), d0=["relu"], d1=["neg"]).compile(
            graph(MIXED), regions="one"
        ),
        "X5",
    ),
    "devices that cannot reach each other": (
        lambda: claims_only(
            System.of([None, None], linked=False), d0=["relu"], d1=["neg"]
        ).compile(graph(MIXED)),
        "X5",
    ),
    "more devices than operations": (
        lambda: System.of(["h"] * 4).compile(line(3), regions="spread"), "X5",
    ),
    "a symbol that the model has not": (
        lambda: System.of([None]).compile(line(3), sizes={"q": 1}), "X6",
    ),
    "a size outside the range": (
        lambda: System.of([None]).compile(line(3), sizes={"b": 9}), "X6",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("attempt", "code"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_planned_is_refused(attempt, code):
    with pytest.raises(PlanningError) as refusal:
        attempt()
    assert refusal.value.diagnostics[0].code == f"CEP-{code}"


def test_ops_go_where_they_are_claimed():
    found = claims_only(System.of([None, None]), d0=["relu"], d1=["neg"])
    compiled = found.compile(graph(MIXED))
    assert [(s.run.ops if s.run else "copy") for s in compiled.plan.steps] == [(0,), "copy", (1,)]
    assert found.verify(compiled.plan).ok


def test_a_plan_for_too_little_memory_is_not_accepted():
    memory = System.of([None]).descriptors["d0"]["memories"][0]
    found = System.of([None], memories=[memory | {"capacity_bytes_per_instance": "128"}])
    assert errors(found.verify(found.compile(line(3)).plan)) == ["CEP-M8"]


def test_the_planner_never_meets_the_verifier():
    code = (
        "import sys, cep.planner.compile\n"
        "assert not [m for m in sys.modules if m.startswith('cep.verify')]\n"
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
