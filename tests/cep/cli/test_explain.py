from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from acp.canonical import canonicalize
from cep.cli import main
from tests.cep.plans import POLICY, all_of, at, buffer, fork, mutated, op, together, transfer
from tests.cep.verify.test_safety import safe


@pytest.fixture
def cep():
    def invoke(*words):
        return CliRunner(catch_exceptions=False).invoke(main, list(map(str, words)))

    return invoke


@pytest.fixture
def verify(tmp_path, cep):
    """Run `cep verify --explain` on a case; --explain stands in front of the plan."""

    def invoke(case, *words, explain=("--explain",)):
        case.seal()
        (tmp_path / "plan.json").write_bytes(canonicalize(case.plan))
        (tmp_path / "devices").mkdir()
        for number, envelope in enumerate(case.envelopes):
            (tmp_path / "devices" / f"{number}.json").write_bytes(envelope)
        (tmp_path / "policy.json").write_bytes(POLICY.to_bytes())
        options = ["--unsigned", "--descriptors", tmp_path / "devices"]
        options += ["--policy", tmp_path / "policy.json", "--now", "2026-11-20T12:00:00Z"]
        return cep("verify", *explain, tmp_path / "plan.json", *options, *words)

    return invoke


def lines(result, code):
    """The lines that explain a code, as JSON has them."""
    (rule,) = [one for one in json.loads(result.stdout)["explanations"] if one["code"] == code]
    return [line for place in rule["places"] for line in place["lines"]]


@pytest.mark.parametrize("words", [("explain", "cep-m3"), ("verify", "--explain", "CEP-M3")])
def test_a_rule_is_printed_without_any_plan(cep, words):
    result = cep(*words)
    assert result.exit_code == 0
    assert result.stdout.startswith("CEP-M3 (spec/cep.md, 12.4 Memory)")
    assert "Reason: otherwise the result depends" in result.stdout
    assert '{"op": "add", "path": "/buffers/-"' in result.stdout
    shown = json.loads(cep(*words, "--format", "json").stdout)
    assert [rule["code"] for rule in shown["rules"]] == ["CEP-M3"]


@pytest.mark.parametrize("words", [("explain", "CEP-Q9"), ("verify", "--explain", "CEP-Q9")])
def test_an_unknown_code_is_a_wrong_usage(cep, words):
    result = cep(*words)
    assert result.exit_code == 2
    assert "CEP-" in result.stderr


def test_codes_of_every_document_and_of_the_runtime_are_known(cep):
    result = cep("explain", "ENV-T1", "ACP-C01", "CEP-P4", "CEP-X3", "RUN-X2")
    assert result.exit_code == 0
    assert "(docs/errors.md, Execution)" in result.stdout


def test_a_race_names_both_steps_the_bytes_and_the_values(verify):
    result = verify(mutated("fork", at("steps/2/waits", ...)))
    assert result.exit_code == 1
    for said in (
        "MUST happen before the other",
        "step 2 (queue 'left' of 'left': run add.Tensor) reads 'n' from bytes 0 to 127",
        "step 1 (queue 'right' of 'right': run neg) writes 'n' to bytes 0 to 127",
        "both use bytes 0 to 127 of arena 'right': 128 bytes",
        "let step 2 wait for epoch 1 of queue 'right'",
    ):
        assert said in result.stdout


def test_the_common_bytes_are_those_that_overlap(verify):
    change = all_of(at("buffers/2", buffer("n", "left", 192)), at("buffers/3/offset", "512"))
    result = verify(mutated("fork", change), "--format", "json")
    assert "both use bytes 192 to 255 of arena 'left': 64 bytes" in lines(result, "CEP-M3")


def test_what_a_wait_orders_is_no_race(verify):
    overlapping = at("buffers/2", buffer("n", "left", 128))
    ordered = at("steps/1/waits", [{"queue": "left", "epoch": 1}])
    result = verify(mutated("fork", all_of(overlapping, ordered)), "--format", "json")
    found = lines(result, "CEP-M5")
    assert found[0].startswith("step 2 (queue 'left' of 'left': run add.Tensor) reads 'a'")
    (writer,) = [line for line in found if line.startswith("step 1 ")]
    assert "writes 'n' to bytes 128 to 255" in writer
    assert "it has ended before step 2 begins" in writer


def test_a_value_that_nobody_makes(verify):
    change = all_of(at("buffers/4", buffer("n", "left", 512)), at("steps/2/reads", [1, 4]))
    found = lines(verify(mutated("fork", change), "--format", "json"), "CEP-M4")
    assert "no step writes buffer 4" in found
    assert any(line.startswith("elsewhere, step 1 ") for line in found)


def test_an_output_that_is_lost(verify):
    def change(case):
        case.plan["buffers"].append(buffer("x", "left", 256))
        case.plan["steps"].append(transfer("left", 0, 4))

    found = lines(verify(mutated("fork", change), "--format", "json"), "CEP-M6")
    assert [line.partition(" (")[0] for line in found] == ["step 2", "step 3"]


def test_a_deadlock_is_a_cycle_of_waits(verify):
    case = mutated("fork", at("steps/1/waits", [{"queue": "left", "epoch": 2}]))
    found = lines(verify(case, "--format", "json"), "CEP-O1")
    assert [line.partition(" (")[0] for line in found] == ["step 1", "step 2"]
    assert "before step 2 has ended, since it waits for epoch 2 of queue 'left'" in found[0]
    assert "before step 1 has ended, since it waits for epoch 1 of queue 'right'" in found[1]


def test_a_type_error_has_both_types_and_the_operands(verify):
    result = verify(mutated("fork", at("values/1/shape", ["b", "5"])))
    assert "'a' is declared f32[b, 5]; cep-core/1:relu makes f32[b, 4]" in result.stdout
    assert "operand 'x': f32[b, 4]" in result.stdout


@pytest.mark.parametrize(
    ("change", "events", "fault"),
    [
        (
            at("buffers/2", buffer("n", "left", 128)),
            ["BEGIN(0) on 'left'", "BEGIN(1) on 'right'"],
            "a race: step 1 writes bytes 128 to 255",
        ),
        (at("steps/1/waits", [{"queue": "left", "epoch": 2}]), None, "a deadlock"),
    ],
    ids=["race", "deadlock"],
)
def test_a_run_that_goes_wrong_is_shown(verify, change, events, fault):
    found = json.loads(verify(mutated("fork", change), "--format", "json").stdout)["interleaving"]
    assert fault in found["fault"]
    assert events is None or found["events"] == events


def test_what_is_no_matter_of_runs_shows_none(verify):
    result = verify(mutated("fork", at("values/1/shape", ["b", "5"])), "--format", "json")
    assert json.loads(result.stdout)["interleaving"] is None


def test_a_plan_that_cannot_be_read_has_its_rule_explained(verify):
    case = fork()
    case.plan["colour"] = "blue"
    result = verify(case)
    assert result.exit_code == 1
    assert "ENV-S2 (spec/envelope.md, Structure)" in result.stdout


def test_an_accepted_plan_needs_no_explanation(verify):
    result = verify(fork(), "--format", "json")
    assert result.exit_code == 0
    assert "explanations" not in json.loads(result.stdout)


def test_nothing_is_explained_unasked(verify):
    result = verify(mutated("fork", at("steps/2/waits", ...)), explain=())
    assert "MUST happen before" not in result.stdout
    assert "refused by CEP-M3, CEP-M4" in result.stdout


def test_many_unordered_steps_are_counted(verify):
    def change(case):
        case.plan["queues"] += [
            {"id": f"q{n}", "device": "right", "kind": "COPY"} for n in range(6)
        ]
        case.descriptors["right"]["queues"] = [{"kind": "COPY", "max": 6}]
        case.plan["buffers"].append(buffer("x", "right", 1024))
        case.plan["steps"] += [transfer(f"q{n}", 0, 4) for n in range(6)]

    found = lines(verify(mutated("fork", change), "--format", "json"), "CEP-M3")
    assert any(line.startswith("and ") and line.endswith("more uses like these") for line in found)


def test_a_verdict_does_not_load_the_texts():
    program = "import sys, cep.cli.verify; assert 'cep.rule_texts' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_collective_that_does_not_match_shows_its_members(verify):
    change = at("steps/3/collective/kind", "ALL_GATHER")
    result = verify(mutated("together", change), "--format", "json")
    told = lines(result, "CEP-O3")
    assert "step 2 (queue 'left' of 'left': ALL_REDUCE in group 'both')" in told
    assert "step 3 (queue 'right' of 'right': ALL_GATHER in group 'both')" in told
    assert "queue 'left' takes part 1 times" in told
    shown = json.loads(result.stdout)["interleaving"]
    assert shown["fault"].startswith("a collective whose members do different things")


def test_a_cycle_through_a_collective_names_the_member_that_waits(verify):
    case = together()
    case.plan["steps"][1]["waits"] = [{"queue": "left", "epoch": 2}]
    told = lines(verify(case, "--format", "json"), "CEP-O1")
    assert any("which begins together with it" in line for line in told)


def test_a_stream_that_goes_wrong_is_shown(verify):
    plain = all_of(at("ops/0", op("neg", ["x"], "h")), at("constants", ...), at("values/1", ...))
    case = mutated("pipeline", all_of(plain, at("steps/0/waits", ...)))
    result = verify(case, "--format", "json")
    shown = json.loads(result.stdout)["interleaving"]
    assert shown["events"][-1] == "BEGIN(0, micro-batch 2) on 'left'"
    assert shown["fault"].startswith(
        "a race: step 0 of micro-batch 2 writes bytes 128 to 255 of copy"
    )


def test_show_names_collectives_and_streams(cep, tmp_path):
    for name, base, said in (
        ("t", "together", "ALL_REDUCE in group both"),
        ("p", "pipeline", "after right@1 of 2 micro-batches before"),
    ):
        case = mutated(base, lambda _: None)
        case.seal()
        (tmp_path / name).write_bytes(canonicalize(case.plan))
        assert said in cep("show", tmp_path / name).stdout


def test_show_names_guards_and_alternates(cep, tmp_path):
    limits = [{"device": "left", "quantity": "power_mw", "max": "9000"}]
    guards = safe([(2, "right")], on_trip="ALTERNATE", watchdog_ppm="2500000", limits=limits)
    case = mutated("fork", guards)
    case.seal()
    (tmp_path / "plan.json").write_bytes(canonicalize(case.plan))
    shown = cep("show", tmp_path / "plan.json").stdout
    assert (
        "guard   failures, more than 2.5 times the p99, power_mw of left above 9000: "
        "ALTERNATE follows"
    ) in shown
    assert ", after right@1, or else on right" in shown


def test_a_trip_that_leads_nowhere_is_shown(verify):
    case = mutated("fork", safe(on_trip="ALTERNATE", nan_guard=True))
    shown = json.loads(verify(case, "--format", "json").stdout)["interleaving"]
    assert shown["events"] == ["BEGIN(0) on 'left'", "TRIP(0) on 'left'"]
    assert shown["fault"].endswith("a guard stops step 0, which has no alternate")
