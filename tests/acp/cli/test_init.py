from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest

from acp import reference
from acp.authoring import descriptor as kind
from acp.yaml_text import decode

NOW = ("--now", "2026-11-20T00:00:00Z")
ENOUGH = (
    "--issuer", "example.com", "--model", "E 100", "--device-class", "gpu",
    "--engine", "id=tensor,kind=MATRIX,count=528,clock_hz=1.83GHz",
    "--rate", "a=f16,acc=f32,peak_ops_per_s=989.4T,ops_per_unit_per_clock=1024",
    "--rate", "engine=tensor,a=f16,acc=f32,sparsity=2:4,peak_ops_per_s=1978.9T",
    "--memory", "id=hbm,kind=hbm3,role=DEVICE,instances=5,capacity_bytes_per_instance=16GiB",
    "--op", "op=cep-core/1:mm,dtypes=f16,acc=f32",
    "--basis", "VENDOR_CLAIM", "--source", "https://example.com/e100.pdf",
    "--set", "power.tdp_mw=700_000", "--arch", "cuda:sm_90a",
)  # fmt: skip


@pytest.fixture
def file(tmp_path):
    return tmp_path / "e100.yaml"


def test_enough_options_make_a_valid_descriptor(run, file):
    answer = run("init", *ENOUGH, "-o", file, *NOW)
    assert answer.status == 0, answer.errors
    assert "it is valid as it is" in answer.text
    checked = run("validate", file, *NOW)
    assert checked.status == 0, checked.errors
    value = decode(file.read_bytes())
    assert value["uri"] == "https://example.com/acp/e-100"
    assert value["subject"] == {
        "scope": "MODEL",
        "vendor": "example.com",
        "model": "E 100",
        "device_class": "gpu",
        "arch": ["cuda:sm_90a"],
    }
    assert value["expires_at"] == "2027-11-20T00:00:00Z"
    assert value["engines"][0]["rates"][0]["peak_ops_per_s"] == "989400000000000"
    assert value["engines"][0]["rates"][1]["b"] == "f16"
    assert value["provenance"][0]["paths"] == ["/engines", "/memories", "/ops", "/power"]


def test_what_is_left_to_fill_in_is_what_validate_asks_for(run, file):
    answer = run("init", "--model", "E100", "-o", file, *NOW, "--format", "json")
    assert answer.status == 0
    assert answer.json["valid"] is False
    checked = run("validate", file, *NOW, "--format", "json")
    assert checked.status == 1
    assert [("ENV-S1", path) for path in answer.json["missing"]] == checked.found
    assert "/engines" in answer.json["missing"]
    assert "REQUIRED" in file.read_text("utf-8")


def test_a_reference_descriptor_to_begin_with(run, file):
    words = ("--like", "h100-sxm", "--issuer", "example.com", "--model", "E100")
    answer = run("init", *words, "-o", file, *NOW)
    assert answer.status == 0
    assert "to be filled in: /provenance/0/basis" in answer.text
    words = (*words, "--basis", "ESTIMATED", "--force")
    assert run("init", *words, "-o", file, *NOW).status == 0
    assert run("validate", file, *NOW).status == 0
    value = decode(file.read_bytes())
    assert value["engines"] == reference.load("h100-sxm").to_json()["engines"]
    assert value["subject"]["vendor"] == "example.com"


def test_a_file_to_begin_with(run, file, tmp_path):
    assert run("init", *ENOUGH, "-o", file, *NOW).status == 0
    other = tmp_path / "other.json"
    words = ("--like", file, "--issuer", "example.org", "--model", "X", "--basis", "ESTIMATED")
    assert run("init", *words, "-o", other, *NOW).status == 0
    assert json.loads(other.read_text())["issuer"] == "example.org"
    assert run("validate", other, *NOW).status == 0


def test_a_file_is_not_overwritten_unless_forced(run, file):
    file.write_text("mine")
    answer = run("init", "-o", file, *NOW, "--format", "json")
    assert answer.status == 1
    assert answer.found == [("ENV-F2", "")]
    assert file.read_text() == "mine"
    assert run("init", "-o", file, "--force", *NOW).status == 0


def test_what_breaks_a_rule_is_said_at_once(run, file):
    words = [word.replace("989.4T", "1979T") for word in ENOUGH]
    answer = run("init", *words, "-o", file, *NOW)
    assert answer.status == 0
    assert "ACP-C01" in answer.errors
    assert "it is valid" not in answer.text


@pytest.mark.parametrize(
    ("words", "told"),
    {
        "unknown member": (["--engine", "id=a,clock=1"], "did you mean clock_hz"),
        "no member": (["--engine", "tensor"], "is not MEMBER=VALUE"),
        "no engine": (["--rate", "a=f16,peak_ops_per_s=1T"], "give one with --engine"),
        "another engine": (["--engine", "id=a", "--rate", "engine=b,a=f16"], "no engine 'b'"),
        "no dtype": (["--engine", "id=a", "--rate", "peak_ops_per_s=1T"], "a rate has a dtype"),
        "no whole number": (["--memory", "instances=1.5"], "no whole number"),
        "no operation": (["--op", "engine=a"], "an operation has op"),
        "no path": (["--set", "power"], "is not PATH=VALUE"),
        "no issuer": (["--issuer", "Example"], "DNS name"),
        "no class": (["--device-class", "GPU"], "a token of lower-case letters"),
        "no opset": (["--engine", "id=a", "--op", "op=mm"], "did you mean cep-core/1:mm?"),
        "no dtype's form": (["--engine", "id=a", "--rate", "a=F16"], "'F16' is not a token"),
        "no sparsity": (["--engine", "id=a", "--rate", "a=f16,sparsity=2-4"], "n:m such as"),
        "long model": (["--model", "x" * 999], "at most 256 characters"),
        "no reference": (["--like", "h1000-sxm"], "did you mean"),
        "no output": (["--model", "X"], "Missing option '-o'"),
    }.values(),
)
def test_wrong_usage(run, file, words, told):
    output = [] if "-o" in told else ["-o", file]
    answer = run("init", *words, *output)
    assert answer.status == 2
    assert told in answer.errors
    assert not file.exists()


def test_it_asks_on_a_terminal(file):
    answers = [
        # issuer, which is a name, vendor, model, class, scope
        "https://example.com", "example.com", "", "E100", "gpuu", "", "",
        "y", "tensor", "MATRIX", "528", "1.83GHz",
        "y", "f16", "", "f32", "", "", "989.4T", "1024", "n", "n",  # a rate; no more, nor engines
        "y", "hbm", "hbm3", "5", "DEVICE", "", "lots", "80GiB", "", "n",
        "cep-core/1:mm", "", "",  # an operation, on the engine; no more
        "VENDOR_CLAIM", "https://example.com/e100.pdf",
    ]  # fmt: skip
    main, other = pty.openpty()
    command = [sys.executable, "-m", "acp.cli", "init", "-o", str(file), *NOW]
    code = "import sys; from acp.cli import main; sys.argv[0] = 'acp'; main()"
    command = [sys.executable, "-c", code, *command[3:]]
    with subprocess.Popen(
        command, stdin=other, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        os.write(main, ("\n".join(answers) + "\n").encode())
        text, errors = process.communicate(timeout=60)
    os.close(main)
    os.close(other)
    assert process.returncode == 0, errors
    assert "it is valid as it is" in text, errors
    assert "Did you mean gpu?" in errors
    assert "'lots' is no quantity" in errors
    value = decode(file.read_bytes())
    assert value["subject"]["device_class"] == "gpu"
    assert value["engines"][0]["rates"][0]["out"] == "f32"
    # What ACP-C01 holds the peak against, and ACP-M03 the rate of the memory.
    assert value["engines"][0]["rates"][0]["ops_per_unit_per_clock"] == "1024"
    assert value["memories"][0]["stacks"] == 5
    assert value["ops"][0]["variants"] == [
        {"engine": "tensor", "operands": {"*": {"dtypes": ["f16"]}}}
    ]
    assert kind().member("engines").description in errors


def test_a_token_that_no_registry_has_is_told_at_once(run, file):
    words = [word.replace("kind=hbm3", "kind=hbm") for word in ENOUGH]
    answer = run("init", *words, "-o", file, *NOW)
    assert answer.status == 0
    assert "VAL-A1 /memories/0/kind" in answer.errors
    assert "it is valid" in answer.text
