"""Alternates and guards from the command line: compiled, proven, signed, run, and told of."""

from __future__ import annotations

import json

import numpy as np
import pytest

from acp.dsse import Envelope
from cep.arrays import read_npz
from cep.v1.plan import Plan
from cep.v1.receipt import Statement
from reference_runtime.carriers import Carriers
from tests.end_to_end.workbench import DEVICES, SPREAD, compile_plan

pytestmark = pytest.mark.xdist_group("end_to_end")

GUARDS = ("--alternates", "--watchdog-ppm", "1000000000", "--nan-guard")
NAME = "guarded"


def run(bench, plan, given):
    return bench.cep(
        "run", plan, "--inputs", given, "--outputs", "out.npz", "--receipt", "receipt.json",
        "--key", "operator.pem",
    )  # fmt: skip


def told(path):
    """What a receipt says of trips and alternates."""
    statement = Statement.from_text(Envelope.from_bytes(path.read_bytes()).payload)
    receipt = statement.predicate
    return receipt.trips, receipt.alternates_taken


@pytest.mark.slow
def test_a_guarded_plan_from_the_model_to_the_receipt(own, monkeypatch):
    given = min((own / "inputs").glob("*.npz"))
    assert run(own, SPREAD, given).status == 0
    before = read_npz(own / "out.npz")

    compile_plan(own, NAME, "graph.json", "--regions", "spread", *GUARDS)
    plan = Plan.from_text((own / f"{NAME}.json").read_bytes())
    assert {"alternates", "safety"} <= set(plan.features)
    assert all(len(step.alternates) == len(DEVICES) - 1 for step in plan.steps)
    place = ("--store", "store", "--descriptors", "descriptors", "--policy", "policy.json")
    verified = own.cep("verify", f"{NAME}.dsse.json", *place)
    assert verified.status == 0, verified

    done = run(own, f"{NAME}.dsse.json", given)
    assert done.status == 0, done.stderr
    assert told(own / "receipt.json") == ((), ())
    for name, array in read_npz(own / "out.npz").items():
        np.testing.assert_allclose(array, before[name], atol=1e-5)
    judged = ("--plan", f"{NAME}.dsse.json", "--policy", "policy.json")
    checked = ("receipt", "verify", "receipt.json", *judged)
    assert own.cep(*checked).status == 0

    # The same with a device whose first region fails every time.
    failing = next(s for s in plan.devices if s.slot == plan.steps[0].queue.rpartition(".")[0])
    breaking(monkeypatch, failing.slot)
    done = run(own, f"{NAME}.dsse.json", given)
    assert done.status == 0, done.stderr
    trips, taken = told(own / "receipt.json")
    assert trips
    assert {(t.quantity, t.action) for t in trips} == {("failure", "alternate")}
    assert {t.step for t in trips} == {a.step for a in taken}
    assert own.cep(*checked).status == 0
    for name, array in read_npz(own / "out.npz").items():
        np.testing.assert_allclose(array, before[name], atol=1e-5)


def breaking(monkeypatch, slot):
    """Let the regions of a device fail whenever they run."""
    prepare = Carriers._prepare

    class Broken:
        def __init__(self, executable):
            self._executable = executable

        def bind(self, *args):
            self._executable.bind(*args)

            def fail():
                raise RuntimeError("the device is on fire")

            return fail

    def spoilt(self, index, region, device, *rest):
        executable = prepare(self, index, region, device, *rest)
        return Broken(executable) if device.slot == slot else executable

    monkeypatch.setattr(Carriers, "_prepare", spoilt)


def test_what_cannot_be_watched_here_is_refused_before_anything_runs(own):
    compile_plan(own, NAME, "graph.json", "--regions", "one", "--limit", "power_mw=1000")
    given = min((own / "inputs").glob("*.npz"))
    done = run(own, f"{NAME}.dsse.json", given)
    assert (done.status, done.codes) == (1, ["RUN-A3"])
    assert "cannot be measured here" in done.said["diagnostics"][0]["message"]


def test_a_limit_of_memory_is_kept_or_ends_the_run(own):
    given = min((own / "inputs").glob("*.npz"))
    plan = json.loads((own / "plan-one.json").read_bytes())
    needed = int(plan["constraints"]["peak_bytes"][0]["bytes"])
    for most, codes in ((needed, ["RUN-X3"]), (8_000_000_000, [])):
        limit = ("--limit", f"memory_bytes={most}")
        compile_plan(own, NAME, "graph.json", "--regions", "one", *limit)
        done = run(own, f"{NAME}.dsse.json", given)
        assert (done.status, done.codes) == (1 if codes else 0, codes), done


def test_options_that_say_nothing_are_refused(own):
    place = ("--system", "devices/system.json", "--descriptors", "devices", "-o", "x.json")
    for words in (
        ("--limit", "noise=3"),
        ("--limit", "power_mw"),
        ("--limit", "power_mw=-3"),
        ("--limit", f"power_mw={2**64}"),
        ("--watchdog-ppm", "1000000"),
        ("--on-trip", "HOPE"),
    ):
        assert own.cep("compile", "graph.json", *place, *words).status == 2
    alone = ("--on-trip", "ALTERNATE", "--nan-guard", "--regions", "one")
    assert own.cep("compile", "graph.json", *place, *alone).codes == ["CEP-X7"]
