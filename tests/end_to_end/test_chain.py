from __future__ import annotations

import json
import sys
import warnings

import numpy as np
import pytest

from reference_runtime.runtime import Runtime
from tests.end_to_end.workbench import DEVICES, EXAMPLE, QUESTIONS, SPREAD, TORCH, now

pytestmark = pytest.mark.xdist_group("end_to_end")

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def batches(bench):
    """The model's inputs by file, in the order of the files."""
    arrays = {}
    for file in sorted((bench / "inputs").glob("*.npz")):
        with np.load(file, allow_pickle=False) as batch:
            arrays[file] = dict(batch)
    return arrays


@pytest.fixture(scope="module")
def ran(bench, batches, tmp_path_factory):
    """Where `cep run` put its outputs, its receipt and its times, and what it answered."""
    folder = tmp_path_factory.mktemp("ran")
    inputs = [word for file in batches for word in ("--inputs", file)]
    answer = bench.shell(
        *("cep", "run", SPREAD, *inputs, "--key", "operator.pem", "--format", "json"),
        *("--outputs", folder / "y.npz", "--receipt", folder / "receipt.dsse.json"),
        *("--timeline", folder / "timeline.json"),
    )
    return folder, answer


@pytest.fixture(scope="module")
def eager(batches):
    """The model's own outputs in PyTorch eager, by batch."""
    sys.path.insert(0, str(EXAMPLE))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of transformers
            import torch
            from encoder import encoder

            model = encoder()
    finally:
        sys.path.remove(str(EXAMPLE))
    with torch.inference_mode():
        return [
            model(*(torch.from_numpy(batch[n]) for n in ("input_ids", "attention_mask")))[
                "embedding"
            ].numpy()
            for batch in batches.values()
        ]


def outputs_of(folder, count):
    with np.load(folder / "y.npz", allow_pickle=False) as arrays:
        assert arrays.files == [f"{number}/embedding" for number in range(count)]
        return [arrays[name] for name in arrays.files]


def test_text_is_real_and_varies_in_length(bench, batches):
    index = json.loads((bench / "inputs/texts.json").read_text())
    lengths = np.concatenate([b["attention_mask"].sum(axis=1) for b in batches.values()])
    assert sorted(index["rows"]) == list(range(len(index["texts"])))
    assert len(lengths) == len(index["texts"])
    assert len(set(index["texts"]) - set(QUESTIONS)) >= 200
    assert len(set(lengths.tolist())) >= 50
    assert lengths.min() <= 16
    assert lengths.max() >= 128


def test_outputs_equal_eager(ran, batches, eager):
    outputs = outputs_of(ran[0], len(batches))
    assert [y.shape for y in outputs] == [(b["input_ids"].shape[0], 384) for b in batches.values()]
    assert {y.dtype for y in outputs} == {np.dtype(np.float32)}
    for found, expected in zip(outputs, eager, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_outputs_tell_texts_apart(bench, ran, batches):
    index = json.loads((bench / "inputs/texts.json").read_text())
    vectors = np.concatenate(outputs_of(ran[0], len(batches)))
    ordered = np.empty_like(vectors)
    ordered[index["rows"]] = vectors
    likeness = ordered @ ordered.T
    np.testing.assert_allclose(np.diag(likeness), 1, atol=1e-4)
    expired = [place for place, text in enumerate(index["texts"]) if "expire" in text]
    others = [place for place in range(len(QUESTIONS), len(ordered)) if place not in expired]
    assert likeness[0, expired[1:]].max() > likeness[0, others].mean() + 0.2


def test_answer_of_run(bench, ran, batches):
    folder, answer = ran
    said = answer.said
    assert (said["ok"], said["diagnostics"]) == (True, [])
    assert (said["runs"], said["issuer"]) == (len(batches), "operator.example")
    assert said["outputs"] == str(folder / "y.npz")
    assert said["receipt"] == str(folder / "receipt.dsse.json")
    assert said["p50_ns"] > 0
    assert said["plan"] == bench.acp("digest", SPREAD).said["documents"][0]["digest"]
    assert [one["slot"] for one in said["devices"]] == list(DEVICES)
    assert answer.stderr == ""


def test_all_three_stacks_worked(bench, ran, batches):
    statement = bench.acp("digest", ran[0] / "receipt.dsse.json")
    assert statement.status == 0
    plan = bench.cep("show", SPREAD).said["plan"]
    receipt = payload(ran[0] / "receipt.dsse.json")["predicate"]
    assert [one["adapter"] for one in receipt["binding"]] == list(DEVICES)
    assert not any("simulated" in one for one in receipt["binding"])
    device = {queue["id"]: queue["device"] for queue in plan["queues"]}
    worked = {device[s["queue"]]: n for n, s in enumerate(plan["steps"]) if "run" in s}
    assert sorted(worked) == list(DEVICES)
    measured = {int(one["step"]): one for one in receipt["measured"]}
    for step in worked.values():
        assert int(measured[step]["n"]) == len(batches)
        assert int(measured[step]["p50_ns"]) > 0


def payload(file):
    from acp.dsse import Envelope

    return json.loads(Envelope.from_bytes(file.read_bytes()).payload)


def verify_receipt(bench, receipt, *words):
    line = ("receipt", "verify", receipt, "--plan", SPREAD, "--policy", "policy.json", *words)
    return bench.cep(*line)


def test_receipt_holds_with_inputs_and_outputs(bench, ran, batches):
    inputs = [word for file in batches for word in ("--inputs", file)]
    data = [*inputs, "--outputs", ran[0] / "y.npz"]
    answer = verify_receipt(bench, ran[0] / "receipt.dsse.json", *data)
    assert (answer.status, answer.codes) == (0, [])
    assert {"plan", "descriptors", "step_chain", "inputs_root", "outputs_root"} <= set(
        answer.said["recomputed"]
    )
    assert (answer.said["runs"], answer.said["simulated"]) == (len(batches), False)


def test_receipt_does_not_hold_for_other_data(bench, ran, batches, tmp_path):
    first, second, *_ = batches
    inputs = [word for file in batches for word in ("--inputs", file)]
    swapped = [{first: second, second: first}.get(word, word) for word in inputs]
    answer = verify_receipt(bench, ran[0] / "receipt.dsse.json", *swapped)
    assert (answer.status, answer.codes) == (1, ["CEP-P5"])
    changed = dict(enumerate(outputs_of(ran[0], len(batches))))
    changed[2][0, 0] = np.nextafter(changed[2][0, 0], 1)
    np.savez(tmp_path / "y.npz", **{f"{n}/embedding": y for n, y in changed.items()})
    answer = verify_receipt(bench, ran[0] / "receipt.dsse.json", "--outputs", tmp_path / "y.npz")
    assert (answer.status, answer.codes) == (1, ["CEP-P5"])


def test_report_shows_every_device(bench, ran, tmp_path):
    line = ("report", ran[0] / "receipt.dsse.json", "--plan", SPREAD, "--policy", "policy.json")
    more = ("--timeline", ran[0] / "timeline.json", "--trace", tmp_path / "trace.json")
    answer = bench.cep(*line, *more, "-o", tmp_path / "report.html")
    assert (answer.status, answer.codes) == (0, [])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.lstrip().startswith("<!")
    assert all(slot in page for slot in DEVICES)
    assert answer.said["plan"] in page
    trace = (tmp_path / "trace.json").read_text()
    assert all(slot in trace for slot in DEVICES)


def test_documents_are_valid_and_trusted(bench):
    answer = bench.acp("validate", "devices")
    assert (answer.status, answer.codes) == (0, [])
    assert len(answer.said["documents"]) == 2 * len(DEVICES) + 1
    answer = bench.acp(
        "verify", *sorted((bench / "descriptors").iterdir()), "--policy", "policy.json"
    )
    assert (answer.status, answer.codes) == (0, [])
    assert all(one["ok"] for one in answer.said["documents"])


@pytest.mark.parametrize("name", ["plan", "plan-one"])
def test_plan_is_accepted_signed_and_unsigned(bench, name):
    known = ("--descriptors", "descriptors", "--policy", "policy.json", "--source", "graph.json")
    for line in ((f"{name}.dsse.json",), (f"{name}.json", "--unsigned")):
        answer = bench.cep("verify", *line, *known)
        assert (answer.status, answer.codes) == (0, [])
        assert len(answer.said["rules"]) >= 20
    assert "CEP-E1" in answer.said["rules"]


def test_one_stack_from_python_equals_eager(bench, batches, eager):
    with Runtime(policy=bench.policy) as runtime:
        bound = runtime.load(
            (bench / TORCH).read_bytes(), descriptors=bench.descriptors, store=bench.store
        )
        assert [d.slot for d in bound.plan.devices] == ["torch-cpu"]
        for inputs, expected in list(zip(batches.values(), eager, strict=True))[:3]:
            found = bound.run(inputs)["embedding"]
            np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
        receipt = bound.receipt(bench.key("operator"), issuer="operator.example")
    from cep import receipt as receipts

    report = receipts.verify_receipt(
        receipt.to_bytes(), (bench / TORCH).read_bytes(), policy=bench.policy, now=now()
    )
    assert report.ok
    assert (report.receipt.runs, report.simulated) == (3, False)


@pytest.mark.parametrize(
    "line",
    [
        ("acp", "validate"),
        ("acp", "frobnicate"),
        ("acp", "verify", "plan.json"),
        ("cep", "verify", SPREAD, "--descriptors", "descriptors"),
        ("cep", "run", SPREAD, "--inputs", "inputs/000.npz", "--outputs", "y.npz"),
        ("cep", "receipt", "verify", "r.json", "--policy", "policy.json"),
        ("cep", "compile", "graph.json", "-o", "p.json"),
    ],
    ids=lambda line: " ".join(line[:2]),
)
def test_wrong_usage_has_status_2(bench, line):
    before = sorted(bench.folder.iterdir())
    command = bench.acp if line[0] == "acp" else bench.cep
    answer = command(*line[1:])
    assert answer.status == 2
    assert answer.stdout == ""
    assert "Usage:" in answer.stderr
    assert sorted(bench.folder.iterdir()) == before
