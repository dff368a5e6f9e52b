from __future__ import annotations

import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

from conformance.protocol import MAX_LINE_BYTES, ProtocolError, check, encode, hello, parse


@pytest.mark.parametrize(
    "name", ["answer", "expected-failures", "manifest", "report", "request", "vector"]
)
def test_schemas_are_schemas(repository, name):
    path = repository / "conformance" / "schemas" / f"{name}.schema.json"
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:acp-cep:conformance:1:{name}"


def test_a_request_is_one_line_of_ascii():
    line = encode({"cmd": "run", "id": "7", "operation": "canonical", "input": "e30="})
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert json.loads(encode(hello())) == {"cmd": "hello", "protocol": 1, "spec": "1"}


@pytest.mark.parametrize(
    "request_",
    [
        {"cmd": "run", "id": "7", "operation": "canonical"},
        {"cmd": "run", "id": "7", "operation": "divine", "input": ""},
        {"cmd": "run", "id": "7", "operation": "canonical", "input": "a"},
        {"cmd": "run", "id": "7", "operation": "canonical", "input": "", "expect": "accepted"},
    ],
)
def test_what_is_no_request_is_not_sent(request_):
    with pytest.raises(ProtocolError):
        encode(request_)


@pytest.mark.parametrize(
    "answer",
    [
        {"id": "7", "reply": "accepted", "digest": "sha256:" + "0" * 64},
        {"id": "7", "reply": "rejected", "phase": "decode", "codes": ["ENV-J1", "ENV-J2"]},
        {"id": "7", "reply": "unsupported", "feature": "plan"},
        {"id": "7", "reply": "error", "message": ""},
    ],
)
def test_answers(answer):
    assert parse(json.dumps(answer).encode() + b"\r\n") == answer


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b"{\n",
        b"\xff\n",
        b'{"id": "7", "reply": "accepted", "digest": NaN}\n',
        b'{"id": "7", "reply": "accepted", "digest": "sha256:ABC"}\n',
        b'{"id": "7", "reply": "accepted"}\n',
        b'{"id": "7", "reply": "rejected", "phase": "decode", "codes": ["bad input"]}\n',
        b'{"id": "7", "reply": "rejected", "phase": "later", "codes": ["ENV-J1"]}\n',
        b'{"id": 7, "reply": "error", "message": "m"}\n',
        b'{"reply": "error", "message": "m"}\n',
        b"[" * 100_000 + b"\n",
        b" " * MAX_LINE_BYTES + b"\n",
    ],
    ids=lambda line: line[:30].decode("latin-1"),
)
def test_what_is_no_answer_is_refused(line):
    with pytest.raises(ProtocolError):
        parse(line)


def test_a_message_names_the_place():
    with pytest.raises(ProtocolError, match="expected-failures/expected_failures/0"):
        check("expected-failures", {"expected_failures": [7]})


def test_the_runner_knows_nothing_of_the_library_that_it_judges():
    program = (
        "import sys, conformance.cli, conformance.runner, conformance.report, conformance.matrix\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "sys.exit(sorted(names & {'acp', 'cep', 'reference_runtime', 'torch', 'numpy'}) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_extra_the_message_names_it():
    program = (
        "import sys; sys.modules['jsonschema'] = None\n"
        "from conformance.cli import main; main(['list'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'acp-cep[conformance]'" in done.stderr
