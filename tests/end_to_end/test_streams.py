"""A stream from the command line: compiled, proven, signed, run, and accounted for."""

from __future__ import annotations

import numpy as np
import pytest

from acp.dsse import Envelope
from cep.arrays import read_npz
from cep.v1.plan import Plan
from cep.v1.receipt import Statement
from tests.end_to_end.workbench import SPREAD, compile_plan

pytestmark = pytest.mark.xdist_group("end_to_end")

BATCHES = 4


def test_a_stream_from_the_model_to_the_receipt(own):
    found = sorted((own / "inputs").glob("*.npz"))
    given = [found[m % len(found)] for m in range(BATCHES)]
    words = [word for file in given for word in ("--inputs", file)]
    rest = ("--outputs", "out.npz", "--receipt", "receipt.json", "--key", "operator.pem")
    one_by_one = own.cep("run", SPREAD, *words, *rest)
    assert one_by_one.status == 0, one_by_one.stderr
    before = read_npz(own / "out.npz")

    stream = ("--regions", "spread", "--microbatches", str(BATCHES))
    compile_plan(own, "stream", "graph.json", *stream)
    plan = Plan.from_text((own / "stream.json").read_bytes())
    assert "streams" in plan.features
    assert (plan.stream.microbatches, plan.stream.ring_depth) == (BATCHES, 2)
    assert any(wait.lag == 2 for step in plan.steps for wait in step.waits)

    done = own.cep("run", "stream.dsse.json", *words, *rest)
    assert done.status == 0, done.stderr
    after = read_npz(own / "out.npz")
    assert after.keys() == before.keys()
    for name, array in after.items():
        np.testing.assert_allclose(array, before[name], atol=1e-5)
    statement = Statement.from_text(
        Envelope.from_bytes((own / "receipt.json").read_bytes()).payload
    )
    assert statement.predicate.runs == BATCHES
    judged = ("--plan", "stream.dsse.json", "--policy", "policy.json")
    assert own.cep("receipt", "verify", "receipt.json", *judged).status == 0

    few = own.cep("run", "stream.dsse.json", *words[:2], *rest)
    assert few.status == 2
    assert "give --inputs 4 times" in few.stderr
