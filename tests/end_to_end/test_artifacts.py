"""Regions compiled ahead of time: made, signed, verified, run, checked again, and broken."""

from __future__ import annotations

import json

import numpy as np
import pytest

from acp.canonical import canonicalize
from cep.arrays import read_npz
from cep.v1.plan import Plan
from tests.end_to_end.workbench import SPREAD

BESIDE = ("--descriptors", "descriptors", "--policy", "policy.json", "--store", "store")

pytestmark = pytest.mark.xdist_group("end_to_end")


def outputs_of(bench, plan):
    """What a plan makes of the first inputs."""
    given = min((bench / "inputs").glob("*.npz"))
    out = bench.cep(
        "run", plan, "--inputs", given, "--outputs", "out.npz", "--receipt", "receipt.json",
        "--key", "operator.pem",
    )  # fmt: skip
    assert out.status == 0, out.stderr
    return read_npz(bench / "out.npz")


def test_a_plan_brings_its_compiled_code_along(own):
    before = outputs_of(own, SPREAD)

    made = own.cep("artifact", "make", SPREAD, "-o", "compiled.json")
    assert made.status == 0, made.stdout
    compiled = Plan.from_text((own / "compiled.json").read_bytes())
    assert {a.abi for a in compiled.artifacts} == {"onnxruntime", "openvino"}
    uncertified = json.loads((own / "compiled.json").read_bytes())
    uncertified["evidence"] = uncertified["evidence"][:-1]
    (own / "broken.json").write_bytes(canonicalize(uncertified))
    refused = own.cep("verify", "broken.json", "--unsigned", *BESIDE)
    assert (refused.status, refused.codes) == (1, ["CEP-E3"])

    certificates = [entry for entry in compiled.evidence if entry.kind == "differential"]
    assert len(made.said["artifacts"]) == len(certificates) == len(compiled.artifacts)
    signed = own.cep("sign", "compiled.json", "--key", "planner.pem", "-o", "compiled.dsse.json")
    assert signed.status == 0, signed.stdout
    judged = own.cep("verify", "compiled.dsse.json", *BESIDE)
    assert judged.status == 0, judged.stdout

    after = outputs_of(own, "compiled.dsse.json")
    for name, array in before.items():
        assert np.array_equal(array, after[name])

    checked = own.cep("artifact", "check", "compiled.dsse.json")
    assert checked.status == 0, checked.stderr
    for artifact in checked.said["artifacts"]:
        assert int(artifact["worst"]) <= compiled.constraints.numeric_tolerance

    path = own.store.artifact_path(compiled.artifacts[0].digest)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    spoiled = own.cep("verify", "compiled.dsse.json", *BESIDE)
    assert (spoiled.status, spoiled.codes) == (1, ["CEP-I2"])
    path.unlink()
    assert own.cep("artifact", "check", "compiled.dsse.json").codes == ["CEP-I2"]
