from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cep.machine import explain, explore
from cep.planner.streaming import streamed
from cep.v1.plan import Plan, Stream
from tests.cep.planner.systems import System, line
from tests.cep.planner.test_compile import graphs
from tests.cep.plans import chain


def stream(microbatches, ring_depth):
    return Stream(microbatches=microbatches, ring_depth=ring_depth)


@settings(max_examples=150)
@given(
    graphs(),
    st.lists(st.sampled_from([None, "host", "island"]), min_size=1, max_size=3),
    st.sampled_from(["auto", "spread"]),
    st.sampled_from([(1, 1), (2, 1), (5, 2), (4, 3), (3, 3)]),
)
def test_every_compiled_stream_is_accepted(made, domains, regions, sizes):
    found = System.of(domains)
    if regions == "spread" and len(made.ops) < len(domains):
        return
    compiled = found.compile(made, regions=regions, stream=stream(*sizes))
    report = found.verify(compiled.plan, source=made)
    assert report.ok, [str(d) for d in report.diagnostics]


def test_stages_wait_for_those_behind_them():
    found = System.of([None, None, None])
    plan = found.compile(line(3), regions="spread", stream=stream(9, 2)).plan
    assert plan.features == ("streams",)
    lags = [
        [(w.queue.partition(".")[0], w.lag) for w in step.waits if w.lag] for step in plan.steps
    ]
    assert all(lag == 2 for waits in lags for _, lag in waits)
    assert any(lags)
    assert explain(plan) is None


def test_stages_overlap_with_two_copies():
    """With two copies, a third micro-batch begins before the first has ended."""
    found = System.of([None, None, None])
    plan = found.compile(line(3), regions="spread", stream=stream(3, 2)).plan
    assert found.verify(plan).ok
    serial = plan.replace(stream=stream(3, 1))
    assert not found.verify(serial).ok, "waits for two copies are not enough for one"


def test_without_its_waits_the_stream_goes_wrong():
    found = System.of([None, None])
    plan = found.compile(line(2), regions="spread", stream=stream(3, 1)).plan
    assert explore(plan).safe
    steps = tuple(
        step.replace(waits=tuple(w for w in step.waits if w.lag is None)) for step in plan.steps
    )
    bare = plan.replace(steps=steps)
    assert not explore(bare).safe
    assert {d.code for d in found.verify(bare).diagnostics if d.severity.name == "ERROR"} == {
        "CEP-O4"
    }


def test_copies_for_all_need_no_waits():
    plan = Plan.from_json(chain().plan)
    made = streamed(plan, stream(2, 2))
    assert [step.waits for step in made.steps] == [step.waits for step in plan.steps]
    assert streamed(plan, None) is plan


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ring-depth", "2"), "--ring-depth is for --microbatches"),
        (("--microbatches", "2", "--ring-depth", "3"), "--ring-depth 3 is more than"),
    ],
)
def test_wrong_usage(words, said, tmp_path):
    from click.testing import CliRunner

    from cep.cli import main

    (tmp_path / "m.json").write_text(json.dumps({}))
    (tmp_path / "s.json").write_text(json.dumps({}))
    line_ = [
        "compile",
        tmp_path / "m.json",
        "--system",
        tmp_path / "s.json",
        "--issuer",
        "a.example",
    ]
    line_ += ["--descriptors", tmp_path, "--output", tmp_path / "p.json", *words]
    result = CliRunner().invoke(main, list(map(str, line_)))
    assert result.exit_code == 2
    assert said in result.output
