"""Passes on the command line: what is run, what is said, what a plan tells afterwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from acp.canonical import canonicalize
from acp.dsse import CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR
from cep.cli import main
from cep.opset import OPERATIONS
from cep.reference import folding
from cep.store import Store
from tests.cep.planner.systems import System, graph
from tests.cep.plans import POLICY, WEIGHTS, WEIGHTS_FILE, op, sha256, signed, system


@pytest.fixture
def place(tmp_path):
    """A folder with a graph, its weights, devices and a policy."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0)
    issued, ends = ((today + timedelta(days=d)).strftime("%Y-%m-%dT%H:%M:%SZ") for d in (-1, 90))
    term = {"issued_at": issued, "expires_at": ends}
    variant = {"engine": "core", "numerics": {"determinism": "CROSS_MODEL"}}
    claims = [{"op": name, "variants": [variant]} for name in sorted(OPERATIONS)]
    devices = System.of([None], ops=claims, **term)
    document = system(devices.descriptors, []) | term
    for folder in ("devices", "signed", "store"):
        (tmp_path / folder).mkdir()
    (tmp_path / "system.json").write_bytes(canonicalize(document))
    for name, one in devices.descriptors.items():
        (tmp_path / "devices" / f"{name}.json").write_bytes(canonicalize(one))
        envelope = signed(one, CAPABILITY_DESCRIPTOR)
        (tmp_path / "signed" / f"{name}.dsse.json").write_bytes(envelope)
    (tmp_path / "signed" / "system.dsse.json").write_bytes(signed(document, SYSTEM_DESCRIPTOR))
    (tmp_path / "policy.json").write_bytes(POLICY.to_bytes())
    Store(tmp_path / "store").add(WEIGHTS_FILE)
    made = graph(
        [
            op("permute", ["w"], "t", dims={"integers": {"items": ["1", "0"]}}),
            op("mm", ["x", "t"], "h"),
            op("neg", ["h"], "n"),
            op("neg", ["n"], "m"),
            op("sigmoid", ["m"], "s"),
            op("mul.Tensor", ["m", "s"], "y"),
        ],
        constants=("w",),
    ).to_json()
    made["values"] = [v | {"shape": ["4", "4"]} if v["id"] == "t" else v for v in made["values"]]
    made["constants"] = [
        {"value": "w", "digest": sha256(WEIGHTS), "store_digest": sha256(WEIGHTS_FILE), "key": "w"}
    ]
    (tmp_path / "graph.json").write_bytes(canonicalize(made))
    return tmp_path


def cep(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def compiled(place, *words):
    return cep(
        "compile", place / "graph.json", "--system", place / "system.json",
        "--descriptors", place / "devices", "-o", place / "plan.json",
        "--issuer", "example.com", *words,
    )  # fmt: skip


def verified(place, *words):
    return cep(
        "verify", place / "plan.json", "--unsigned", "--descriptors", place / "signed",
        "--policy", place / "policy.json", "--source", place / "graph.json",
        "--format", "json", *words,
    )  # fmt: skip


def test_passes_run_by_default_and_are_verified(place):
    answer = compiled(place, "--format", "json")
    assert answer.exit_code == 0, answer.output
    passes = {p["name"]: p for p in json.loads(answer.stdout)["passes"]}
    assert passes["fusion"]["did"] == {"mm-linear": 1, "silu": 1}
    assert (passes["dead-code"]["before"], passes["common"]["after"]) == (6, 2)
    assert all(p["nanoseconds"] > 0 for p in passes.values())
    answer = verified(place)
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["diagnostics"] == []
    shown = cep("show", place / "plan.json").output
    assert "rewrite 1×mm-linear\n" in shown
    assert "rewrite 1×negative-negative\n" in shown


def test_constants_are_folded_and_shown_and_computed_again(place):
    answer = compiled(place, "--passes", "fold,layout")
    assert answer.exit_code == 0, answer.output
    assert "fold: " in answer.output
    assert "rewrite t was folded\n" in cep("show", place / "plan.json").output
    assert verified(place).exit_code == 0
    document = json.loads((place / "plan.json").read_bytes())
    (constant,) = document["constants"]
    assert constant["value"] == "t"
    constant.update(digest=sha256(WEIGHTS), store_digest=sha256(WEIGHTS_FILE), key="w")
    (place / "plan.json").write_bytes(canonicalize(document))
    answer = verified(place)
    assert answer.exit_code == 1
    assert {d["code"] for d in json.loads(answer.stdout)["diagnostics"]} == {"CEP-E4"}


def test_without_numpy_nothing_is_folded_or_computed_again(place, monkeypatch):
    assert compiled(place, "--passes", "fold").exit_code == 0
    monkeypatch.setattr(folding, "available", lambda: False)
    answer = verified(place)
    assert answer.exit_code == 0
    (found,) = json.loads(answer.stdout)["diagnostics"]
    assert (found["code"], found["severity"]) == ("CEP-E4", "warning")
    answer = compiled(place, "--passes", "fold")
    assert "fold: 6 operations became 6: 1×skipped, without NumPy" in answer.output


def test_no_passes_leave_the_graph_as_it_is(place):
    for words in (("--passes", "none"), ("--passes", "fold", "--fold-elements", "15")):
        assert compiled(place, *words).exit_code == 0
        document = json.loads((place / "plan.json").read_bytes())
        assert len(document["ops"]) == 6
        assert "evidence" not in document
        assert verified(place).exit_code == 0


def test_the_same_bits_allow_exact_rules_only(place):
    answer = compiled(place, "--numeric", "BITWISE")
    assert answer.exit_code == 0, answer.output
    assert "fusion: 4 operations became 4: nothing to do" in answer.output
    assert verified(place).exit_code == 0


def test_an_unknown_pass_is_refused(place):
    answer = compiled(place, "--passes", "layout,magic")
    assert answer.exit_code == 2
    assert "there is no pass 'magic'" in answer.output
