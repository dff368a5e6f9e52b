"""Everything that can be wrong with what a user hands over, on the command lines that take it."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from acp import dsse
from acp.canonical import canonicalize
from acp.dsse import Envelope
from acp.keys import PrivateKey
from tests.end_to_end.workbench import SPREAD, TORCH, compile_plan, now, sign_plan

pytestmark = pytest.mark.xdist_group("end_to_end")

CODE = re.compile(r"(ACP|CEP|ENV|RUN)-[A-Z]\d+")
DEVICE = "devices/torch-cpu.descriptor.json"
SIGNED_DEVICE = "descriptors/torch-cpu.descriptor.dsse.json"
LATER = "2099-01-01T00:00:00Z"


# --- What is done to the files ------------------------------------------------------------------


def nothing(own):
    """Leave everything as it is: the command line is at fault."""


def write(name, data):
    """Return what replaces the content of a file."""
    return lambda own: (own / name).write_bytes(data)


def remove(name):
    return lambda own: (own / name).unlink()


def truncate(name, share=0.5):
    def spoil(own):
        data = (own / name).read_bytes()
        (own / name).write_bytes(data[: int(share * len(data))])

    return spoil


def repeat_a_member(name):
    def spoil(own):
        text = (own / name).read_text().lstrip()
        (own / name).write_text('{"spec":"acp/1",' + text[1:])

    return spoil


def edit(name, **members):
    """Return what sets members of a JSON file, in canonical form; None removes one."""

    def spoil(own):
        document = json.loads((own / name).read_bytes())
        document |= members
        document = {key: value for key, value in document.items() if value is not None}
        (own / name).write_bytes(canonicalize(document))

    return spoil


def moment(days):
    return (now() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def reseal(name, *, key):
    """Return what signs the content of an envelope with another key."""

    def spoil(own):
        signer = PrivateKey.generate() if key == "stranger" else own.key(key)
        old = Envelope.from_bytes((own / name).read_bytes())
        new = dsse.sign(old.payload, old.payload_type, [signer])
        (own / name).write_bytes(new.to_bytes())

    return spoil


def changed_plan(name, **members):
    """Return what changes a plan and signs it, as its planner could."""

    def spoil(own):
        edit(f"{name}.json", **members)(own)
        sign_plan(own, name)

    return spoil


def seal_device(own):
    """Sign the descriptor of the PyTorch device, as its vendor could."""
    payload = (own / DEVICE).read_bytes()
    made = dsse.sign(payload, dsse.CAPABILITY_DESCRIPTOR, [own.key("vendor")])
    (own / SIGNED_DEVICE).write_bytes(made.to_bytes())


def changed_device(**members):
    """Return what changes the PyTorch device and its signature, not the plan for it."""

    def spoil(own):
        edit(DEVICE, **members)(own)
        seal_device(own)

    return spoil


def planned_for(change, **members):
    """Return what makes another PyTorch device, and a plan for it."""

    def spoil(own):
        from acp.canonical import digest

        document = json.loads((own / DEVICE).read_bytes())
        before = digest(document)
        change(document)
        document |= members
        (own / DEVICE).write_bytes(canonicalize(document))
        system = (own / "devices/system.json").read_text()
        (own / "devices/system.json").write_text(system.replace(before, digest(document)))
        seal_device(own)
        compile_plan(own, "plan-one", "graph.json", "--regions", "one", "--device", "torch-cpu")

    return spoil


def other_unit(document):
    document["subject"]["unit_id"] = "another-machine"


def other_software(document):
    document["software"][0]["version_range"] = "==1.0.0"


def nothing_changed(document):
    """Change nothing; members do."""


def save_input(**arrays):
    return lambda own: np.savez(own / "x.npz", **arrays)


def tensors(batch=2, tokens=5, **others):
    ids = np.full((batch, tokens), 1012, np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)} | others


def npy(header):
    """Return an array file with this header and no elements."""
    text = repr(header).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def pack(**members):
    """Return what writes the input file as an archive of these bytes."""

    def spoil(own):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, data in members.items():
                archive.writestr(f"{name}.npy", data)
        (own / "x.npz").write_bytes(packed.getvalue())

    return spoil


def replace_weights(data):
    """Return what puts other bytes under the name of the weights, or removes them."""

    def spoil(own):
        file = own.weights
        file.unlink()
        if data is not None:
            file.write_bytes(data)

    return spoil


def weights_are_a_folder(own):
    file = own.weights
    file.unlink()
    file.mkdir()


def no_store(own):
    own.weights.unlink()
    (own / "store").rmdir()


def open_to_all(name):
    return lambda own: (own / name).chmod(0o644)


def without_adapters(own):
    edit("policy.json", adapters=None)(own)


def receipt_by(key):
    """Return what has the receipt signed by somebody else."""
    return reseal("receipt.dsse.json", key=key)


def pickled_model(own):
    import torch

    torch.save({"weight": torch.zeros(2)}, own / "other.pt2")


def mistyped(name):
    """Return what turns the shape of a graph's last result around."""

    def spoil(own):
        document = json.loads((own / name).read_bytes())
        (document["values"][-1]["shape"]).reverse()
        (own / name).write_bytes(canonicalize(document))

    return spoil


def empty_archive(own):
    with zipfile.ZipFile(own / "other.pt2", "w"):
        pass


# --- Command lines ------------------------------------------------------------------------------

KNOWN = ("--descriptors", "descriptors", "--policy", "policy.json")
VALIDATE = ("acp", "validate", DEVICE)
VERIFY_DEVICE = ("acp", "verify", SIGNED_DEVICE, "--policy", "policy.json")
SIGN = ("acp", "sign", DEVICE, "--key", "vendor.pem", "-o", "new.json")
SIGN_PLAN = ("cep", "sign", "plan-one.json", "--key", "planner.pem", "-o", "new.json")
VERIFY = ("cep", "verify", TORCH, *KNOWN)
VERIFY_BARE = ("cep", "verify", "plan-one.json", "--unsigned", *KNOWN)
WRITES = ("--outputs", "y.npz", "--receipt", "r.json", "--timeline", "t.json")
RUN = ("cep", "run", TORCH, "--inputs", "x.npz", "--key", "operator.pem", *WRITES)
RECEIPT = ("cep", "receipt", "verify", "receipt.dsse.json", "--plan", TORCH)
RECEIPT = (*RECEIPT, "--policy", "policy.json")
PLACE = ("--system", "devices/system.json", "--descriptors", "devices", "-o", "new.json")
COMPILE = ("cep", "compile", "graph.json", *PLACE)
COMPILE_MODEL = ("cep", "compile", "other.pt2", *PLACE)


def instead(line, old, new):
    """Return a command line with one word replaced."""
    assert line.count(old) == 1
    return tuple(new if word == old else word for word in line)


# --- Cases: what is done, the command, the codes of its errors ----------------------------------

DOCUMENTS = {
    "truncated descriptor": (truncate(DEVICE), VALIDATE, {"ENV-J1"}),
    "truncated descriptor, signing": (truncate(DEVICE), SIGN, {"ENV-J1"}),
    "duplicate key": (repeat_a_member(DEVICE), VALIDATE, {"ENV-J2"}),
    "duplicate key, signing": (repeat_a_member(DEVICE), SIGN, {"ENV-J2"}),
    "duplicate key, planning": (repeat_a_member(DEVICE), COMPILE, {"ENV-J2"}),
    "no document at all": (write(DEVICE, b"[]"), VALIDATE, {"ENV-S3"}),
    "not UTF-8": (write(DEVICE, b'{"spec":"\xff"}'), VALIDATE, {"ENV-J1"}),
    "deeply nested": (write(DEVICE, b"[" * 100_000), VALIDATE, {"ENV-J3"}),
    "huge number": (write(DEVICE, b'{"n":' + b"9" * 10_000 + b"}"), VALIDATE, {"ENV-J4"}),
    "file that is not there": (remove(DEVICE), VALIDATE, {"ENV-F1"}),
    "unknown member": (edit(DEVICE, colour="red"), VALIDATE, {"ENV-S2"}),
    "missing member": (edit(DEVICE, issuer=None), VALIDATE, {"ENV-S1"}),
    "unknown critical extension": (
        edit(DEVICE, extensions={"new.example": {"a": "1"}}, critical=["new.example"]),
        VALIDATE,
        {"ACP-X01"},
    ),
    "unknown critical extension, signing": (
        edit(DEVICE, extensions={"new.example": {"a": "1"}}, critical=["new.example"]),
        SIGN,
        {"ACP-X01"},
    ),
    "unknown critical extension, signed": (
        changed_device(extensions={"new.example": {"a": "1"}}, critical=["new.example"]),
        VERIFY_DEVICE,
        {"ACP-X01"},
    ),
    "expired descriptor": (nothing, (*VERIFY_DEVICE, "--now", LATER), {"ACP-T01"}),
    "descriptor of a stranger": (reseal(SIGNED_DEVICE, key="stranger"), VERIFY_DEVICE, {"ENV-T1"}),
    "descriptor by the planner": (reseal(SIGNED_DEVICE, key="planner"), VERIFY_DEVICE, {"ENV-T3"}),
    "truncated envelope": (truncate(SIGNED_DEVICE), VERIFY_DEVICE, {"ENV-J1"}),
    "unsigned document": (nothing, instead(VERIFY_DEVICE, SIGNED_DEVICE, DEVICE), {"ENV-E1"}),
    "plan among descriptors": (nothing, instead(VERIFY_DEVICE, SIGNED_DEVICE, TORCH), {"ENV-E3"}),
}

KEYS = {
    "key that all can read": (open_to_all("vendor.pem"), SIGN, {"ENV-K2"}),
    "key that all can read, plan": (open_to_all("planner.pem"), SIGN_PLAN, {"ENV-K2"}),
    "key that all can read, run": (open_to_all("operator.pem"), RUN, {"ENV-K2"}),
    "key that is not there": (remove("vendor.pem"), SIGN, {"ENV-K3"}),
    "public key": (nothing, instead(SIGN, "vendor.pem", "vendor.pub.pem"), {"ENV-K1"}),
    "no key": (write("vendor.pem", b"hello"), SIGN, {"ENV-K1"}),
    "key that is there already": (nothing, ("acp", "keygen", "-o", "vendor.pem"), {"ENV-K3"}),
}

POLICIES = {
    "policy: truncated": (truncate("policy.json"), VERIFY, {"ENV-J1"}),
    "policy: truncated, run": (truncate("policy.json"), RUN, {"ENV-J1"}),
    "policy: no object": (write("policy.json", b"[1]"), VERIFY, {"ENV-T5"}),
    "policy: without keys": (edit("policy.json", keys=None), VERIFY, {"ENV-T5"}),
    "policy: unknown member": (edit("policy.json", colour="red"), RUN, {"ENV-T5"}),
    "policy: not there": (remove("policy.json"), VERIFY, {"ENV-F1"}),
    "policy: truncated, receipt": (truncate("policy.json"), RECEIPT, {"ENV-J1"}),
}

PLANS = {
    "truncated plan": (truncate("plan-one.json"), VERIFY_BARE, {"ENV-J1"}),
    "truncated plan, signing": (truncate("plan-one.json"), SIGN_PLAN, {"ENV-J1"}),
    "duplicate key in a plan": (repeat_a_member("plan-one.json"), VERIFY_BARE, {"ENV-J2"}),
    "plan that is not canonical": (
        lambda own: (own / "plan-one.json").write_text(
            json.dumps(json.loads((own / "plan-one.json").read_bytes()), indent=1)
        ),
        VERIFY_BARE,
        {"CEP-I3"},
    ),
    "truncated signed plan": (truncate(TORCH), VERIFY, {"CEP-I1"}),
    "truncated signed plan, run": (truncate(TORCH), RUN, {"CEP-I1"}),
    "no plan": (remove(TORCH), RUN, {"ENV-F1"}),
    "plan without a signature": (nothing, instead(VERIFY, TORCH, "plan-one.json"), {"CEP-I1"}),
    "plan without a signature, run": (nothing, instead(RUN, TORCH, "plan-one.json"), {"CEP-I1"}),
    "descriptor instead of a plan": (nothing, ("cep", "verify", SIGNED_DEVICE, *KNOWN), {"CEP-I1"}),
    "plan by the operator": (reseal(TORCH, key="operator"), VERIFY, {"CEP-I1"}),
    "plan by a stranger": (reseal(TORCH, key="stranger"), RUN, {"CEP-I1"}),
    "expired plan": (nothing, (*VERIFY, "--now", LATER), {"CEP-I5"}),
    "expired plan, run": (
        changed_plan("plan-one", issued_at=moment(-9), expires_at=moment(-8)),
        RUN,
        {"CEP-I5"},
    ),
    "plan of the future, run": (changed_plan("plan-one", not_before=moment(2)), RUN, {"CEP-I5"}),
    "feature that nobody knows": (
        changed_plan("plan-one", features=["teleport"]),
        RUN,
        {"CEP-I4"},
    ),
    "plan for other descriptors": (changed_device(revision="2"), VERIFY, {"CEP-I2"}),
    "plan for other descriptors, run": (changed_device(revision="2"), RUN, {"CEP-I2"}),
    "descriptor left out, run": (remove(SIGNED_DEVICE), RUN, {"CEP-I2"}),
    "truncated descriptor, run": (truncate(SIGNED_DEVICE), RUN, {"CEP-I2"}),
    "truncated descriptor, proof": (truncate(SIGNED_DEVICE), VERIFY, {"ENV-J1"}),
    "descriptor of a stranger, proof": (
        reseal(SIGNED_DEVICE, key="stranger"),
        VERIFY,
        {"CEP-C5"},
    ),
    "descriptor of a stranger, run": (reseal(SIGNED_DEVICE, key="planner"), RUN, {"CEP-C5"}),
    "descriptor that expires first": (
        planned_for(nothing_changed, expires_at=moment(2)),
        (*VERIFY, "--now", moment(3)),
        {"CEP-C5"},
    ),
    "descriptor with a critical extension": (
        planned_for(nothing_changed, extensions={"a.example": {"a": "1"}}, critical=["a.example"]),
        RUN,
        {"CEP-C5"},
    ),
    "no descriptors": (
        nothing,
        ("cep", "verify", TORCH, "--descriptors", "devices", "--policy", "policy.json"),
        {"ENV-F1"},
    ),
    "descriptors that are not there": (
        nothing,
        ("cep", "verify", TORCH, "--descriptors", "nowhere", "--policy", "policy.json"),
        {"ENV-F1"},
    ),
}

HARDWARE = {
    "no adapter is allowed": (without_adapters, RUN, {"RUN-A1"}),
    "only another adapter is allowed": (edit("policy.json", adapters=["cuda"]), RUN, {"RUN-A1"}),
    "device of another machine": (planned_for(other_unit), RUN, {"RUN-D1"}),
    "device with other software": (planned_for(other_software), RUN, {"RUN-D2"}),
}

WEIGHTS = {
    "weights missing": (replace_weights(None), RUN, {"CEP-I2"}),
    "weights missing, proof": (replace_weights(None), VERIFY, {"CEP-I2"}),
    "weights cut off": (replace_weights(bytes(1000)), RUN, {"CEP-I2"}),
    "weights empty": (replace_weights(b""), VERIFY, {"CEP-I2"}),
    "weights are a folder": (weights_are_a_folder, RUN, {"CEP-I2"}),
    "no store": (no_store, RUN, {"CEP-I2"}),
    "store elsewhere": (nothing, (*RUN, "--store", "inputs"), {"CEP-I2"}),
}

INPUTS = {
    "input of another name": (
        save_input(ids=tensors()["input_ids"], attention_mask=tensors()["attention_mask"]),
        RUN,
        {"RUN-I1"},
    ),
    "input missing": (save_input(input_ids=tensors()["input_ids"]), RUN, {"RUN-I1"}),
    "input too many": (save_input(**tensors(more=np.zeros(1))), RUN, {"RUN-I1"}),
    "no input": (save_input(), RUN, {"RUN-I1"}),
    "input of 32 bits": (
        save_input(**tensors(attention_mask=np.ones((2, 5), np.int32))),
        RUN,
        {"RUN-I2"},
    ),
    "input of floats": (save_input(**tensors(input_ids=np.ones((2, 5)))), RUN, {"RUN-I2"}),
    "input of big-endian numbers": (
        save_input(**tensors(input_ids=np.ones((2, 5), ">i8"))),
        RUN,
        {"RUN-I2"},
    ),
    "rank 1": (save_input(**tensors(input_ids=np.ones(5, np.int64))), RUN, {"RUN-I3"}),
    "rank 3": (save_input(**tensors(input_ids=np.ones((2, 5, 1), np.int64))), RUN, {"RUN-I3"}),
    "batch too large": (save_input(**tensors(batch=65)), RUN, {"RUN-I3"}),
    "batch of none": (save_input(**tensors(batch=0)), RUN, {"RUN-I3"}),
    "too many tokens": (save_input(**tensors(tokens=257)), RUN, {"RUN-I3"}),
    "too few tokens": (save_input(**tensors(tokens=1)), RUN, {"RUN-I3"}),
    "sizes that contradict": (
        save_input(**tensors(attention_mask=np.ones((2, 6), np.int64))),
        RUN,
        {"RUN-I3"},
    ),
    "token that the model lacks": (
        save_input(**tensors(input_ids=np.full((2, 5), 10**6))),
        RUN,
        {"RUN-X1"},
    ),
    "second input is wrong": (
        save_input(**tensors(batch=65)),
        (*RUN[:3], "--inputs", "inputs/000.npz", *RUN[3:]),
        {"RUN-I3"},
    ),
    "no file": (nothing, instead(RUN, "x.npz", "nowhere.npz"), {"ENV-F1"}),
    "folder as a file": (nothing, instead(RUN, "x.npz", "inputs"), {"ENV-F1"}),
    "no archive": (write("x.npz", b"input_ids"), RUN, {"ENV-F1"}),
    "archive cut off": (
        lambda own: (own / "x.npz").write_bytes((own / "inputs/000.npz").read_bytes()[:-30]),
        RUN,
        {"ENV-F1"},
    ),
    "pickled objects": (save_input(input_ids=np.array([{}], object)), RUN, {"ENV-F1"}),
    "pickle in the archive": (pack(input_ids=b"\x80\x04N."), RUN, {"ENV-F1"}),
    "array that claims too much": (
        pack(input_ids=npy({"descr": "<i8", "fortran_order": False, "shape": (1 << 40,)})),
        RUN,
        {"ENV-F1"},
    ),
    "array of a negative size": (
        pack(input_ids=npy({"descr": "<i8", "fortran_order": False, "shape": (-1,)})),
        RUN,
        {"ENV-F1"},
    ),
}

OUTPUTS = {
    "outputs in no folder": (nothing, instead(RUN, "y.npz", "no/y.npz"), {"ENV-F2"}),
    "outputs over a folder": (nothing, instead(RUN, "y.npz", "inputs"), {"ENV-F2"}),
    "receipt in no folder": (nothing, instead(RUN, "r.json", "no/r.json"), {"ENV-F2"}),
    "receipt below a file": (nothing, instead(RUN, "r.json", "x.npz/r.json"), {"ENV-F2"}),
    "times over a folder": (nothing, instead(RUN, "t.json", "store"), {"ENV-F2"}),
    "plan in no folder": (nothing, instead(COMPILE, "new.json", "no/p.json"), {"ENV-F2"}),
    "graph in no folder": (nothing, (*COMPILE, "--graph", "no/g.json"), {"ENV-F2"}),
    "envelope in no folder": (nothing, instead(SIGN, "new.json", "no/e.json"), {"ENV-F2"}),
    "envelope over a folder": (nothing, instead(SIGN_PLAN, "new.json", "store"), {"ENV-F2"}),
    "key in no folder": (nothing, ("acp", "keygen", "-o", "no/k.pem"), {"ENV-K3"}),
    "probe into a file": (nothing, ("acp", "probe", "-o", "x.npz/devices"), {"ENV-F2"}),
    "report in no folder": (
        nothing,
        ("cep", "report", "receipt.dsse.json", "--plan", TORCH, "-o", "no/r.html"),
        {"ENV-F2"},
    ),
}

RECEIPTS = {
    "receipt for another plan": (
        nothing,
        instead(RECEIPT, TORCH, SPREAD),
        {"CEP-P2", "CEP-P3", "CEP-P4"},
    ),
    "receipt by the vendor": (receipt_by("vendor"), RECEIPT, {"ENV-T3"}),
    "receipt by a stranger": (receipt_by("stranger"), RECEIPT, {"ENV-T1"}),
    "truncated receipt": (truncate("receipt.dsse.json"), RECEIPT, {"ENV-J1"}),
    "plan instead of a receipt": (
        nothing,
        instead(RECEIPT, "receipt.dsse.json", SPREAD),
        {"ENV-E3"},
    ),
    "receipt for a plan by a stranger": (reseal(TORCH, key="stranger"), RECEIPT, {"ENV-T1"}),
    "receipt for a truncated plan": (truncate(TORCH), RECEIPT, {"ENV-J1"}),
    "no receipt": (remove("receipt.dsse.json"), RECEIPT, {"ENV-F1"}),
    "receipt from the future": (
        nothing,
        (*RECEIPT, "--now", moment(-1)),
        {"CEP-P6"},
    ),
    "other inputs": (nothing, (*RECEIPT, "--inputs", "inputs/001.npz"), {"CEP-P5"}),
    "inputs as outputs": (nothing, (*RECEIPT, "--outputs", "inputs/000.npz"), {"CEP-P5"}),
    "outputs of nothing": (save_input(), (*RECEIPT, "--outputs", "x.npz"), {"CEP-P5"}),
    "outputs of two runs": (
        save_input(**{"0/embedding": np.zeros(1), "1/embedding": np.zeros(1)}),
        (*RECEIPT, "--outputs", "x.npz"),
        {"CEP-P5"},
    ),
}

MODELS = {
    "text as a model": (write("other.pt2", b"hello"), COMPILE_MODEL, {"CEP-X1"}),
    "empty archive as a model": (empty_archive, COMPILE_MODEL, {"CEP-X1"}),
    "pickle as a model": (pickled_model, COMPILE_MODEL, {"CEP-X1"}),
    "no model": (nothing, COMPILE_MODEL, {"ENV-F1"}),
    "truncated graph": (truncate("graph.json"), COMPILE, {"ENV-J1"}),
    "plan as a graph": (nothing, instead(COMPILE, "graph.json", "plan.json"), {"ENV-S2"}),
    "graph of other types": (mistyped("graph.json"), COMPILE, {"CEP-T3"}),
    "size of no symbol": (nothing, (*COMPILE, "--size", "s9=8"), {"CEP-X6"}),
    "size out of range": (nothing, (*COMPILE, "--size", "s0=1000"), {"CEP-X6"}),
    "enormous size": (nothing, (*COMPILE, "--size", "s0=" + "9" * 5000), {"CEP-X6"}),
    "no such device": (nothing, (*COMPILE, "--device", "tpu"), {"CEP-X4"}),
    "system of other devices": (
        edit(DEVICE, revision="2"),
        COMPILE,
        {"CEP-X4"},
    ),
    "descriptor as a system": (
        nothing,
        instead(COMPILE, "devices/system.json", DEVICE),
        {"ENV-S1"},
    ),
}

CASES = DOCUMENTS | KEYS | POLICIES | PLANS | HARDWARE | WEIGHTS | INPUTS | OUTPUTS | RECEIPTS
CASES |= MODELS
assert len(CASES) == sum(
    map(
        len,
        (
            *(DOCUMENTS, KEYS, POLICIES, PLANS, HARDWARE),
            *(WEIGHTS, INPUTS, OUTPUTS, RECEIPTS, MODELS),
        ),
    )
)


@pytest.fixture(scope="module")
def receipt(bench, tmp_path_factory):
    """The receipt of one good run."""
    folder = tmp_path_factory.mktemp("good")
    line = ("run", TORCH, "--inputs", "inputs/000.npz", "--key", "operator.pem")
    where = ("--outputs", folder / "y.npz", "--receipt", folder / "r.json")
    answer = bench.cep(*line, *where)
    assert answer.status == 0, answer
    return (folder / "r.json").read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_answered(own, receipt, name):
    spoil, (program, *line), codes = CASES[name]
    np.savez(own / "x.npz", **tensors())
    (own / "receipt.dsse.json").write_bytes(receipt)
    spoil(own)
    before = own.snapshot()
    answer = own.acp(*line) if program == "acp" else own.cep(*line)
    assert answer.status == 1, answer
    said = answer.said
    assert said["ok"] is False
    assert set(answer.codes) == codes, said["diagnostics"]
    for diagnostic in said["diagnostics"]:
        assert {"code", "severity", "path", "message"} <= set(diagnostic)
        assert set(diagnostic) <= {"code", "severity", "path", "message", "file"}
        assert CODE.fullmatch(diagnostic["code"])
        assert diagnostic["severity"] in {"error", "warning"}
        assert re.fullmatch(r"(/.*)?", diagnostic["path"])
        assert len(diagnostic["message"]) >= 10
        assert "Traceback" not in diagnostic["message"]
    assert own.snapshot() == before


def test_the_same_commands_are_fine_with_good_input(own, receipt):
    np.savez(own / "x.npz", **tensors())
    (own / "receipt.dsse.json").write_bytes(receipt)
    for program, *line in (
        VALIDATE, VERIFY_DEVICE, SIGN, SIGN_PLAN, VERIFY, VERIFY_BARE, RUN, RECEIPT, COMPILE,
    ):  # fmt: skip
        answer = own.acp(*line) if program == "acp" else own.cep(*line)
        assert (answer.status, answer.codes) == (0, []), line


def test_device_stack_that_is_not_installed(own, monkeypatch):
    """The PyTorch adapter cannot be loaded where PyTorch is not."""
    np.savez(own / "x.npz", **tensors())
    for name in [n for n in sys.modules if n.startswith("reference_runtime.adapters.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "reference_runtime.adapters.torch_cpu", None)
    before = own.snapshot()
    answer = own.cep(*RUN[1:])
    assert (answer.status, answer.codes) == (1, ["RUN-D1"])
    assert own.snapshot() == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (instead(RUN, "--key", "--kee"), "No such option"),
        ((*RUN, "--repeat", "0"), "--repeat"),
        (tuple(word for word in RUN if word not in {"--key", "operator.pem"}), "give --key"),
        (instead(RUN, "operator.pem", "vendor.pem"), "give another --key"),
        (instead(RUN, "r.json", "inputs/../y.npz"), "different files"),
        ((*VERIFY, "--now", "tomorrow"), "--now"),
        ((*COMPILE, "--size", "s0"), "SYMBOL=N"),
        ((*COMPILE, "--size", "s0=-1"), "SYMBOL=N"),
        ((*COMPILE, "--regions", "many"), "--regions"),
        ((*COMPILE, "--issuer", "some body"), "such as `example.com`"),
        ((*COMPILE, "--uri", "a line"), "an absolute URI"),
        ((*COMPILE, "--revision", str(2**64)), "--revision"),
        ((*COMPILE, "--tolerance", str(2**64)), "--tolerance"),
        ((*COMPILE, "--numeric", "roughly"), "--numeric"),
        ((*COMPILE, "--deadline", "0"), "--deadline"),
        ((*COMPILE, "--stay-in", "The EU"), "a token of lower-case letters"),
        (instead(VERIFY_BARE, "plan-one.json", TORCH), "leave --unsigned out"),
        ((*RUN, "--issuer", "some body"), "such as `example.com`"),
        (
            ("cep", "report", "r.json", "--plan", TORCH, "--trace", "t", "-o", "new.html"),
            "--trace needs --timeline",
        ),
        (("acp", "policy", "create", "-o", "new.json"), "--key"),
    ],
)
def test_wrong_usage(own, line, said):
    np.savez(own / "x.npz", **tensors())
    before = own.snapshot()
    answer = own.acp(*line[1:]) if line[0] == "acp" else own.cep(*line[1:])
    assert (answer.status, answer.stdout) == (2, "")
    assert said in answer.stderr
    assert own.snapshot() == before


def test_the_name_of_a_model_may_have_any_letters(own):
    (own / "graph.json").rename(own / "ein Graph, größer.json")
    line = instead(COMPILE, "graph.json", "ein Graph, größer.json")
    answer = own.cep(*line[1:])
    assert answer.status == 0, answer
    made = json.loads((own / "new.json").read_bytes())
    assert made["uri"] == "urn:cep:plan:ein%20Graph%2C%20gr%C3%B6%C3%9Fer"


def test_text_answer_names_file_code_and_path(own):
    (own / DEVICE).write_text("{")
    from acp.cli import main
    from tests.end_to_end.workbench import invoke

    answer = invoke(own.folder, main, "validate", DEVICE)
    assert (answer.status, answer.stdout) == (1, "")
    assert answer.stderr.startswith(f"{DEVICE}: error ENV-J1")
    assert Path(own / DEVICE).read_text() == "{"
