"""Receipts, checked by a second computation that follows the sentences of spec/receipt.md."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
from datetime import timedelta

import pytest

from acp.canonical import canonicalize, digest
from acp.dsse import PLAN, RECEIPT, sign
from acp.keys import PrivateKey
from acp.policy import TrustPolicy
from cep.receipt import (
    MAX_STEPS,
    Account,
    ReceiptError,
    Root,
    RunForm,
    root,
    ruleset,
    seal,
    statement,
    step_chain,
    tensor_digest,
    verify_receipt,
)
from cep.v1.plan import Plan
from cep.v1.receipt import AlternateTaken, BoundDevice, MeasuredStep, Trip, Verification
from tests.reference_runtime.plans import ISSUER, KEY, NOW, POLICY, fork, signed

MEMBERS = fork().members | {"features": ["safety"], "safety": {"on_trip": "ABORT"}}
FALLS_BACK = copy.deepcopy(MEMBERS) | {
    "features": ["alternates", "safety"],
    "safety": {"on_trip": "ALTERNATE"},
}
FALLS_BACK["steps"][1]["alternates"] = [{"queue": FALLS_BACK["steps"][0]["queue"]}]
INPUTS = [[tensor_digest("x", "f32", (1, 4), bytes(16))], [tensor_digest("x", "f32", (0, 4), b"")]]
OUTPUTS = [[tensor_digest("y", "f32", (1, 4), bytes(range(16)))]] * 2


def account(members=MEMBERS, **changes):
    plan = Plan.from_json(members)
    return Account(
        **{
            "plan": plan,
            "descriptors": [device.descriptor_digest for device in plan.devices],
            "verifier": Verification(
                version="acp-cep 0.1.0", ruleset=ruleset(["CEP-M1"]), verdict="ACCEPTED"
            ),
            "binding": [
                BoundDevice(slot=d.slot, adapter="a", distribution="d 1", unit_id="u")
                for d in plan.devices
            ],
            "started_at": NOW - timedelta(seconds=5),
            "finished_at": NOW - timedelta(seconds=4),
            "runs": 2,
            "inputs_root": root(INPUTS),
            "outputs_root": root(OUTPUTS),
            "measured": [MeasuredStep(step=0, n=2, p50_ns=5, p99_ns=6)],
            "trips": [Trip(step=2, quantity="nan", action="abort")],
        }
        | changes
    )


def judge(value, members=MEMBERS, key=KEY, **kwargs):
    envelope = sign(canonicalize(value), RECEIPT, [key]).to_bytes()
    plan = signed(Plan.from_json(members))
    return verify_receipt(envelope, plan, **{"policy": POLICY, "now": NOW} | kwargs)


def value(**changes):
    return json.loads(canonicalize(statement(account(**changes), ISSUER).to_json()))


def test_a_good_receipt_holds():
    report = judge(value(), inputs=INPUTS, outputs=OUTPUTS)
    assert report.diagnostics == ()
    assert report.ok
    assert report.keyids == (KEY.public.keyid,)
    assert report.plan_digest == digest(MEMBERS)


def test_the_statement_is_in_totos():
    members = value()
    assert members["_type"] == "https://in-toto.io/Statement/v1"
    assert members["predicateType"] == "urn:cep:receipt:1"
    assert members["subject"] == [
        {
            "name": "https://example.com/plans/small",
            "digest": {"sha256": hashlib.sha256(canonicalize(MEMBERS)).hexdigest()},
        }
    ]


def test_chain_and_roots_follow_the_spec():
    """Sentence by sentence, with nothing of the implementation."""

    def h(*parts):
        return hashlib.sha256(b"".join(parts)).digest()

    predicate = value()["predicate"]
    c = h(bytes.fromhex(predicate["plan"][7:]), canonicalize(predicate["binding"]))
    for run in range(2):
        for step in range(3):
            c = h(c, run.to_bytes(8, "big"), step.to_bytes(4, "big"), bytes(4))
    assert predicate["step_chain"] == "sha256:" + c.hex()

    def elements(data):
        return "sha256:" + hashlib.sha256(data).hexdigest()

    first = canonicalize([["x", "f32", ["1", "4"], elements(bytes(16))]])
    second = canonicalize([["x", "f32", ["0", "4"], elements(b"")]])
    assert predicate["inputs_root"] == "sha256:" + h(h(first), h(second)).hex()


def test_the_chain_tells_alternates_runs_and_bindings_apart():
    binding = [BoundDevice(slot="a", adapter="a", distribution="d 1", unit_id="u")]
    other = [binding[0].replace(unit_id="v")]
    alternates = [AlternateTaken(step=1, alternate=0, run=1)]
    plan = digest(MEMBERS)
    chains = {
        step_chain(plan, binding, runs=2, steps=3),
        step_chain(plan, binding, runs=3, steps=2),
        step_chain(plan, other, runs=2, steps=3),
        step_chain(digest({}), binding, runs=2, steps=3),
        step_chain(plan, binding, runs=2, steps=3, alternates=alternates),
    }
    assert len(chains) == 5


def test_more_steps_than_can_be_checked_are_refused_at_once():
    with pytest.raises(ReceiptError, match="CEP-P4"):
        step_chain(digest({}), [], runs=MAX_STEPS, steps=2)
    members = value()
    members["predicate"]["runs"] = str(2**63)
    assert "CEP-P4" in {d.code for d in judge(members).diagnostics}


def test_nothing_ran():
    with pytest.raises(ReceiptError, match="CEP-P4"):
        seal(account(runs=0), ISSUER, [KEY])


TAKEN = [AlternateTaken(step=1, alternate=0, run=run) for run in (0, 1)]
TRIPS = [Trip(step=1, quantity="time", action="alternate")] * 2


@pytest.mark.parametrize(
    ("taken", "trips", "ok"),
    [
        (TAKEN, TRIPS, True),
        (TAKEN, [*TRIPS, Trip(step=1, quantity="nan", action="abort")], True),
        (TAKEN[:1], TRIPS, True),  # In a run that ended badly, a trip has no alternate here.
        (TAKEN, TRIPS[:1], False),
        (TAKEN[:1], [], False),
        (TAKEN, [TRIPS[0], Trip(step=1, quantity="time", action="abort")], False),
        (TAKEN, [*TRIPS, Trip(step=0, quantity="time", action="alternate")], False),
        ([], [Trip(step=1, quantity="time", action="drain")], False),
    ],
)
def test_an_alternate_is_not_taken_without_a_trip(taken, trips, ok):
    members = value(members=FALLS_BACK, alternates=taken, trips=trips)
    report = judge(members, FALLS_BACK)
    assert {d.code for d in report.diagnostics} == (set() if ok else {"CEP-P7"})


def test_a_plan_without_safety_has_no_trips():
    plain = fork().members
    assert judge(value(members=plain, trips=()), plain).ok
    assert {d.code for d in judge(value(members=plain), plain).diagnostics} == {"CEP-P7"}


def later(**offset):
    return (NOW + timedelta(**offset)).strftime("%Y-%m-%dT%H:%M:%SZ")


OTHER = "sha256:" + "0" * 64
BROKEN = {
    "two subjects": ("/subject/1", {"name": "z", "digest": {"sha256": "0" * 64}}, "CEP-P1"),
    "another algorithm": ("/subject/0/digest/sha512", "00", "CEP-P1"),
    "another subject": ("/subject/0/digest/sha256", "0" * 64, "CEP-P2"),
    "another plan": ("/predicate/plan", OTHER, "CEP-P2"),
    "another name": ("/subject/0/name", "nice plan", "CEP-P2"),
    "another descriptor": ("/predicate/descriptors/1", OTHER, "CEP-P3"),
    "a descriptor too many": ("/predicate/descriptors/2", OTHER, "CEP-P3"),
    "another slot": ("/predicate/binding/0/slot", "right", "CEP-P3"),
    "another unit": ("/predicate/binding/0/unit_id", "v", "CEP-P4"),
    "another chain": ("/predicate/step_chain", OTHER, "CEP-P4"),
    "more runs": ("/predicate/runs", "3", "CEP-P4"),
    "other inputs": ("/predicate/inputs_root", OTHER, "CEP-P5"),
    "other outputs": ("/predicate/outputs_root", OTHER, "CEP-P5"),
    "ended before it began": ("/predicate/started_at", later(seconds=-3), "CEP-P6"),
    "ended in the future": ("/predicate/finished_at", later(seconds=301), "CEP-P6"),
    "before the plan": ("/predicate/started_at", later(days=-30), "CEP-P6"),
    "no such step": ("/predicate/measured/0/step", 3, "CEP-P7"),
    "step twice": ("/predicate/measured/1", {"step": 0, "n": "1", "p50_ns": "1"}, "CEP-P7"),
    "more often than runs": ("/predicate/measured/0/n", "3", "CEP-P7"),
    "median above p99": ("/predicate/measured/0/p50_ns", "7", "CEP-P7"),
    "trip of no step": ("/predicate/trips/0/step", 3, "CEP-P7"),
    "a trip that something else follows": ("/predicate/trips/0/action", "drain", "CEP-P7"),
    "a trip that no alternate can follow": ("/predicate/trips/0/action", "alternate", "CEP-P7"),
    "no such alternate": (
        "/predicate/alternates_taken",
        [{"step": 0, "alternate": 0, "run": "0"}],
        "CEP-P7",
    ),
    "refused plan": ("/predicate/verifier/verdict", "REFUSED", "CEP-P8"),
    "unknown member": ("/predicate/nice", True, "ENV-S2"),
    "another type": ("/predicateType", "urn:cep:receipt:2", "ENV-S3"),
    "another statement": ("/_type", "https://in-toto.io/Statement/v0.1", "ENV-S3"),
    "another issuer": ("/predicate/issuer", "example.org", "ENV-T3"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_receipt_is_refused(name):
    path, found, code = BROKEN[name]
    members = copy.deepcopy(value())
    *tokens, last = path.split("/")[1:]
    inner = members
    for token in tokens:
        inner = inner[int(token)] if isinstance(inner, list) else inner[token]
    if isinstance(inner, list):
        inner[int(last) : int(last) + 1] = [found]
    else:
        inner[last] = found
    report = judge(members, inputs=INPUTS, outputs=OUTPUTS)
    assert not report.ok
    assert code in {diagnostic.code for diagnostic in report.diagnostics}


def test_a_skew_of_clocks_is_allowed():
    finished = NOW + timedelta(seconds=300)
    assert judge(value(started_at=NOW, finished_at=finished)).ok


def test_what_ran_after_the_plan_expired_is_refused():
    moment = NOW + timedelta(days=50)
    members = value(started_at=moment, finished_at=moment)
    assert {d.code for d in judge(members, now=moment).diagnostics} == {"CEP-P6"}


@pytest.mark.parametrize("given", [INPUTS[:1], INPUTS[::-1], [[], []], OUTPUTS])
def test_other_data_are_refused(given):
    report = judge(value(), inputs=given)
    assert [d.code for d in report.diagnostics] == ["CEP-P5"]


def test_a_signature_by_somebody_else_is_refused():
    report = judge(value(), key=PrivateKey.generate())
    assert [d.code for d in report.diagnostics] == ["ENV-T1"]
    assert report.receipt is None


def test_a_plan_that_nobody_trusted_signed_is_refused():
    envelope = seal(account(), ISSUER, [KEY]).to_bytes()
    plan = signed(Plan.from_json(MEMBERS), key=PrivateKey.generate())
    report = verify_receipt(envelope, plan, policy=POLICY, now=NOW)
    assert [d.code for d in report.diagnostics] == ["ENV-T1"]
    assert report.diagnostics[0].message.startswith("the plan: ")


def test_a_bare_plan_will_do():
    envelope = seal(account(), ISSUER, [KEY]).to_bytes()
    assert verify_receipt(envelope, canonicalize(MEMBERS), policy=POLICY, now=NOW).ok


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b"{}", b'{"payloadType":1}', b"\xff"])
def test_junk_is_refused(junk):
    envelope = seal(account(), ISSUER, [KEY]).to_bytes()
    plan = signed(Plan.from_json(MEMBERS))
    assert not verify_receipt(junk, plan, policy=POLICY, now=NOW).ok
    assert not verify_receipt(envelope, junk, policy=POLICY, now=NOW).ok


def test_every_byte_of_the_payload_counts():
    envelope = json.loads(seal(account(), ISSUER, [KEY]).to_bytes())
    plan = signed(Plan.from_json(MEMBERS))
    text = envelope["payload"]
    for place in range(0, len(text), 53):
        changed = "A" if text[place] != "A" else "B"
        broken = envelope | {"payload": text[:place] + changed + text[place + 1 :]}
        assert not verify_receipt(canonicalize(broken), plan, policy=POLICY, now=NOW).ok


def test_the_policy_that_trusts_everybody_says_so():
    policy = TrustPolicy.unsafe_accept_anything()
    report = judge(value(), key=PrivateKey.generate(), policy=policy)
    assert report.ok
    assert {d.code for d in report.diagnostics} == {"ENV-T6"}


def test_an_envelope_of_another_kind_is_refused():
    plan = signed(Plan.from_json(MEMBERS), PLAN)
    assert [d.code for d in verify_receipt(plan, plan, policy=POLICY, now=NOW).diagnostics] == [
        "ENV-E3"
    ]


def test_checking_a_receipt_needs_no_numbers():
    code = "import sys, cep.receipt, cep.cli.receipt; print({'numpy', 'torch'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize("name", ["x", "100%", "%s%%d", 'say "%s"', "ä\n%"])
def test_the_form_of_a_run_is_what_a_root_takes(name):
    tensors = [tensor_digest(name, "f32", (2, 3), b"abc"), tensor_digest("", "i64", (), b"")]
    form = RunForm.of((t.name, t.dtype, t.shape) for t in tensors)
    whole, quick = Root(), Root()
    whole.add(tensors)
    quick.append(form.digest(t.digest.removeprefix("sha256:") for t in tensors))
    assert quick.digest == whole.digest == root([tensors])
