"""A plan for any device that will do: compiled, verified, bound and run."""

from __future__ import annotations

import json

import pytest

from acp.canonical import decode, digest
from acp.dsse import Envelope
from tests.end_to_end.workbench import compile_plan

pytestmark = pytest.mark.xdist_group("end_to_end")

SLOT = "openvino-cpu"
ON_ONE = ("graph.json", "--regions", "one", "--device", SLOT)
KNOWN = ("--descriptors", "descriptors", "--policy", "policy.json")


def described(bench, name):
    return digest(json.loads((bench / "devices" / f"{name}.descriptor.json").read_bytes()))


def verified(bench, plan, *words):
    return bench.cep("verify", plan, *KNOWN, *words)


def run(bench, plan, *words):
    given = min((bench / "inputs").glob("*.npz"))
    line = ("run", plan, "--inputs", given, "--outputs", "out.npz", "--receipt", "receipt.json")
    done = bench.cep(*line, "--key", "operator.pem", *words)
    assert done.status == 0, done.stderr
    receipt = decode(Envelope.from_bytes((bench / "receipt.json").read_bytes()).payload)
    return receipt["predicate"]["descriptors"]


def test_a_plan_for_any_device_with_a_property(own):
    demand = f'{SLOT}=software[openvino].component == "openvino" and subject.device_class == "cpu"'
    compile_plan(own, "any", *ON_ONE, "--require", demand)
    answer = verified(own, "any.dsse.json")
    assert answer.status == 0, answer
    assert answer.said["binding"] == {SLOT: described(own, SLOT)}
    assert run(own, "any.dsse.json") == [described(own, SLOT)]
    words = ("--plan", "any.dsse.json", "--policy", "policy.json")
    assert own.cep("receipt", "verify", "receipt.json", *words).status == 0
    assert "software[openvino].component" in own.cep("show", "any.json").stdout


def test_where_several_devices_will_do_the_user_says_which(own):
    compile_plan(own, "free", *ON_ONE, "--require", f"{SLOT}=1 == 1")
    plan = "free.dsse.json"
    refused = verified(own, plan)
    assert (refused.status, refused.codes) == (1, ["CEP-C1"])
    assert f"--bind {SLOT}=DIGEST" in refused.stdout
    for choice in (described(own, SLOT), own / "descriptors" / f"{SLOT}.descriptor.dsse.json"):
        answer = verified(own, plan, "--bind", f"{SLOT}={choice}")
        assert answer.status == 0, answer
        assert answer.said["binding"] == {SLOT: described(own, SLOT)}
    assert run(own, plan, "--bind", f"{SLOT}={described(own, SLOT)}") == [described(own, SLOT)]


@pytest.mark.parametrize(
    ("choice", "status", "codes"),
    [
        ("devices/system.json", 1, ["CEP-C1"]),
        ("nothing.json", 1, ["ENV-F1"]),
        ("", 2, None),
    ],
)
def test_what_cannot_be_bound(own, choice, status, codes):
    answer = verified(own, "plan-one.dsse.json", "--bind", f"{SLOT}={choice}")
    assert answer.status == status
    assert codes is None or answer.codes == codes


def test_what_cannot_be_demanded(own):
    place = ("--system", "devices/system.json", "--descriptors", "devices", "-o", "new.json")
    for demand in (f"{SLOT}=fast", "nobody=1 == 1", f'{SLOT}=subject.device_class == "gpu"'):
        answer = own.cep("compile", *ON_ONE, *place, "--require", demand)
        assert (answer.status, answer.codes) == (1, ["CEP-X4"])
    assert own.cep("compile", *ON_ONE, *place, "--require", "fast").status == 2
