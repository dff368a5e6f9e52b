"""One byte is changed in each thing that is signed or named by digest, at many places."""

from __future__ import annotations

import base64
import json
import shutil
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from acp.diagnostics import Refused, Severity
from acp.dsse import Envelope
from cep.receipt import verify_receipt
from cep.store import Store, StoreError
from cep.v1.plan import Plan
from cep.verify import verify
from reference_runtime.runtime import Runtime
from tests.end_to_end.workbench import DEVICES, SPREAD, TORCH, now

pytestmark = pytest.mark.xdist_group("end_to_end")

SAMPLES = 120
DESCRIPTOR = "descriptors/openvino-cpu.descriptor.dsse.json"
WELL_FORMED = ("ENV-J", "ENV-E")


def places(data, *marks, samples=SAMPLES):
    """Return positions over all of `data`, and those in and around what stands there by name."""
    # An odd stride meets every remainder by 3 and 4: every position within a Base64 group.
    spread = range(0, len(data), max(1, len(data) // samples) | 1)
    near = {
        position
        for mark in marks
        for position in range(data.index(mark) - 1, data.index(mark) + len(mark) + 3)
    }
    return sorted({*spread, *near, 0, 1, len(data) - 2, len(data) - 1} & set(range(len(data))))


def flipped(data, marks=(), samples=SAMPLES):
    """Yield `data` with one bit of one byte changed: the place, and the bytes."""
    for number, position in enumerate(places(data, *marks, samples=samples)):
        changed = bytearray(data)
        changed[position] ^= 1 << number % 8
        yield position, bytes(changed)


def says_the_same(changed, original):
    """Tell whether an envelope has the signed bytes, their type and the signatures of another.

    The key id is a hint that nobody signs, as are members that DSSE does not know.
    """
    one, other = Envelope.from_bytes(changed), Envelope.from_bytes(original)
    return (one.signed_bytes, [s.sig for s in one.signatures]) == (
        other.signed_bytes,
        [s.sig for s in other.signatures],
    )


def is_in_keyid(original, position):
    """Tell whether a position lies in a hint, from the name's first letter to the last digit."""
    begin = original.index(b'"keyid"')
    return begin < position < original.index(b'"sig"') - 1


def errors(diagnostics):
    return [d for d in diagnostics if d.severity is Severity.ERROR]


ENVELOPE = (b'"payload"', b'"payloadType"', b'"signatures"', b'"keyid"', b'"sig"', b'"}]}')


def test_plan(bench):
    original = (bench / SPREAD).read_bytes()
    descriptors, policy, moment = bench.descriptors, bench.policy, now()
    refused = accepted = 0
    for position, changed in flipped(original, ENVELOPE):
        report = verify(changed, descriptors=descriptors, policy=policy, now=moment)
        if report.ok:
            accepted += 1
            assert says_the_same(changed, original), position
            assert is_in_keyid(original, position), position
        else:
            refused += 1
            assert {d.code for d in errors(report.diagnostics)} == {"CEP-I1"}, position
            assert report.plan is None
    assert refused >= SAMPLES
    assert accepted < refused / 5


def test_plan_by_its_own_bytes(bench):
    """Without a signature, a changed plan is still no canonical plan or another plan."""
    original = (bench / "plan.json").read_bytes()
    identity = Plan.from_text(original)
    for position, changed in flipped(original):
        report = verify(
            changed, descriptors=bench.descriptors, policy=bench.policy, now=now(), unsigned=True
        )
        assert not report.ok or report.plan != identity, position


@pytest.mark.parametrize("slot", DEVICES)
def test_descriptor(bench, slot):
    plan, policy, moment = (bench / SPREAD).read_bytes(), bench.policy, now()
    files = sorted((bench / "descriptors").glob("*.json"))
    others = [file.read_bytes() for file in files if file.name != f"{slot}.descriptor.dsse.json"]
    assert len(others) == len(files) - 1
    original = (bench / f"descriptors/{slot}.descriptor.dsse.json").read_bytes()
    refused = 0
    for position, changed in flipped(original, ENVELOPE, samples=60):
        report = verify(plan, descriptors=[*others, changed], policy=policy, now=moment)
        if report.ok:
            assert says_the_same(changed, original), position
            assert is_in_keyid(original, position), position
            continue
        refused += 1
        found = errors(report.diagnostics)
        codes = {d.code for d in found}
        assert codes in ({"CEP-I2"}, {"CEP-C5"}), (position, codes)
        assert all(slot in d.message for d in found), position
    assert refused >= 60


@pytest.mark.parametrize("name", ["system.dsse.json", "torch-cpu.measurement.dsse.json"])
def test_document_that_is_not_part_of_the_plan(bench, name):
    original = (bench / "descriptors" / name).read_bytes()
    verdicts = set()
    for position, changed in flipped(original, ENVELOPE, samples=60):
        from acp.acceptance import accept

        try:
            accepted = accept(changed, bench.policy, now=now())
        except Refused as refusal:
            verdicts |= {d.code for d in refusal.diagnostics}
        else:
            assert says_the_same(changed, original), position
            assert accepted.payload == Envelope.from_bytes(original).payload
    assert "ENV-T1" in verdicts
    assert all(code == "ENV-T1" or code.startswith(WELL_FORMED) for code in verdicts)


@pytest.fixture(scope="module")
def receipt(bench):
    """A receipt of one run."""
    with np.load(bench / "inputs/000.npz", allow_pickle=False) as batch:
        inputs = dict(batch)
    with Runtime(policy=bench.policy) as runtime:
        bound = runtime.load(
            (bench / TORCH).read_bytes(), descriptors=bench.descriptors, store=bench.store
        )
        bound.run(inputs)
        return bound.receipt(bench.key("operator"), "operator.example").to_bytes()


def test_receipt(bench, receipt):
    plan, policy, moment = (bench / "plan-one.json").read_bytes(), bench.policy, now()
    assert verify_receipt(receipt, plan, policy=policy, now=moment).ok
    codes = []
    for position, changed in flipped(receipt, ENVELOPE, samples=240):
        report = verify_receipt(changed, plan, policy=policy, now=moment)
        if report.ok:
            assert says_the_same(changed, receipt), position
            assert is_in_keyid(receipt, position), position
            continue
        assert report.receipt is None
        codes += [d.code for d in errors(report.diagnostics)]
    assert len(codes) >= 240
    assert Counter(codes).most_common(1)[0][0] == "ENV-T1"
    assert {c for c in codes if c != "ENV-T1" and not c.startswith(WELL_FORMED)} == set()


def test_receipt_against_a_changed_plan(bench, receipt):
    original = (bench / TORCH).read_bytes()
    refused = 0
    for position, changed in flipped(original, ENVELOPE, samples=60):
        report = verify_receipt(receipt, changed, policy=bench.policy, now=now())
        if report.ok:
            assert says_the_same(changed, original), position
            continue
        refused += 1
        assert all(d.message.startswith("the plan: ") for d in errors(report.diagnostics))
    assert refused >= 60


@pytest.fixture(scope="module")
def weights(bench, tmp_path_factory):
    """A copy of the weights to change, in a store of its own."""
    folder = tmp_path_factory.mktemp("store")
    yield Path(shutil.copy(bench.weights, folder))
    shutil.rmtree(folder)


@contextmanager
def changed_at(file, position, mask):
    """Change one byte of a file for a while."""
    with file.open("r+b") as stream:
        stream.seek(position)
        byte = stream.read(1)[0]
        stream.seek(position)
        stream.write(bytes([byte ^ mask]))
        stream.flush()
        yield
        stream.seek(position)
        stream.write(bytes([byte]))


def positions(file):
    """Return places in the length, the header, at its end, and all over the data."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        header = 8 + int.from_bytes(stream.read(8), "little")
    spread = range(header, size, size // 48)
    return [0, 3, 7, 8, 9, header // 2, header - 1, header, *spread, size - 2, size - 1]


def test_weights(bench, weights):
    constant = Plan.from_text((bench / "plan.json").read_bytes()).constants[0]
    Store(weights.parent).tensor(constant)
    tried = positions(weights)
    assert len(tried) >= 58
    for number, position in enumerate(tried):
        with (
            changed_at(weights, position, 1 << number % 8),
            pytest.raises(StoreError) as refusal,
        ):
            Store(weights.parent).tensor(constant)
        assert [d.code for d in refusal.value.diagnostics] == ["CEP-I2"]
    Store(weights.parent).tensor(constant)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_plan_with_changed_weights(bench, weights, share):
    with changed_at(weights, int(share * weights.stat().st_size), 4):
        report = verify(
            (bench / SPREAD).read_bytes(),
            descriptors=bench.descriptors,
            policy=bench.policy,
            now=now(),
            store=Store(weights.parent),
        )
    assert {d.code for d in errors(report.diagnostics)} == {"CEP-I2"}


def test_weights_that_change_once_they_are_bound(bench, weights):
    """What was hashed is what is used, whatever happens to the file after that."""
    with np.load(bench / "inputs/000.npz", allow_pickle=False) as batch:
        inputs = dict(batch)
    original = weights.read_bytes()
    with Runtime(policy=bench.policy) as runtime:
        bound = runtime.load(
            (bench / TORCH).read_bytes(),
            descriptors=bench.descriptors,
            store=Store(weights.parent),
        )
        expected = bound.run(inputs)["embedding"]
        with weights.open("r+b") as stream:
            stream.seek(len(original) // 2)
            stream.write(b"\x3e" * (len(original) // 2))
        found = bound.run(inputs)["embedding"]
    weights.write_bytes(original)
    np.testing.assert_array_equal(found, expected)


def flip(file, share=0.5):
    data = bytearray(file.read_bytes())
    data[int(share * len(data))] ^= 1
    file.write_bytes(data)


def flip_weights(own):
    file = own.weights
    target = file.resolve()
    file.unlink()
    shutil.copy(target, file)
    flip(file)


def spoil_signature(path):
    """Change a bit of the signature, in Base64 that stays well formed whatever the key."""
    envelope = json.loads(path.read_bytes())
    spoil(envelope["signatures"][0], "sig")
    path.write_text(json.dumps(envelope))


def spoil_payload(path):
    """Change a bit of the payload, in Base64 that stays well formed whatever it says."""
    envelope = json.loads(path.read_bytes())
    spoil(envelope, "payload")
    path.write_text(json.dumps(envelope))


def spoil(members, name):
    raw = bytearray(base64.b64decode(members[name]))
    raw[len(raw) // 2] ^= 1
    members[name] = base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("spoil", "codes"),
    [
        (lambda own: flip(own / SPREAD), ["CEP-I1"]),
        (lambda own: flip(own / "descriptors/openvino-cpu.descriptor.dsse.json"), ["CEP-I2"]),
        (
            lambda own: spoil_signature(own / "descriptors/openvino-cpu.descriptor.dsse.json"),
            ["CEP-C5"],
        ),
        (flip_weights, ["CEP-I2"]),
    ],
    ids=["plan", "descriptor", "signature of a descriptor", "weights"],
)
def test_nothing_runs_or_is_written(own, spoil, codes):
    spoil(own)
    before = own.snapshot()
    answer = own.cep(
        *("run", SPREAD, "--inputs", "inputs/000.npz", "--key", "operator.pem"),
        *("--outputs", "y.npz", "--receipt", "r.json", "--timeline", "t.json"),
    )
    assert (answer.status, answer.codes) == (1, codes)
    answer = own.cep("verify", SPREAD, "--descriptors", "descriptors", "--policy", "policy.json")
    assert (answer.status, answer.codes) == (1, codes)
    assert own.snapshot() == before


def test_changed_receipt_on_the_command_line(own, receipt):
    (own / "r.json").write_bytes(receipt)
    line = ("receipt", "verify", "r.json", "--plan", TORCH, "--policy", "policy.json")
    assert own.cep(*line).status == 0
    spoil_payload(own / "r.json")
    answer = own.cep(*line)
    assert (answer.status, answer.codes) == (1, ["ENV-T1"])
