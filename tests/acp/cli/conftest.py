from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from acp.cli import main
from tests.acp.examples import descriptor

NOW = "2026-11-20T00:00:00Z"


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    status: int
    text: str
    errors: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.text)

    @property
    def found(self) -> list[tuple[str, str]]:
        return [(one["code"], one["path"]) for one in self.json["diagnostics"]]


@pytest.fixture
def run(monkeypatch):
    """Run `acp` in this process."""
    monkeypatch.delenv("NO_COLOR", raising=False)

    def run(*words, stdin=None):
        # An exception that no command expected fails the test with its traceback.
        result = CliRunner(catch_exceptions=False).invoke(main, list(map(str, words)), input=stdin)
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def folder(tmp_path: Path, run) -> Path:
    """A folder with a descriptor, two key pairs and a policy that trusts the first."""
    (tmp_path / "device.json").write_text(json.dumps(descriptor()), encoding="utf-8")
    for name in ("vendor", "stranger"):
        assert run("keygen", "-o", tmp_path / f"{name}.pem").status == 0
    types = ("capability-descriptor", "system-descriptor", "measurement-record", "status-list")
    policy = ["policy", "create", "--key", tmp_path / "vendor.pub.pem", "--issuer", "example.com"]
    policy += [word for kind in types for word in ("--type", kind)]
    assert run(*policy, "-o", tmp_path / "policy.json").status == 0
    return tmp_path


@pytest.fixture
def write(tmp_path: Path):
    """Write a JSON value, or bytes, to a file."""

    def write(value, name="written.json"):
        path = tmp_path / name
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        return path

    return write


@pytest.fixture
def sign(run, write, folder):
    """Sign a JSON value in an envelope, by default with the key that the policy trusts."""

    def sign(value, name="signed", key="vendor"):
        bare = write(value, f"{name}.json")
        output = folder / f"{name}.dsse.json"
        answer = run("sign", bare, "--key", folder / f"{key}.pem", "-o", output, "--now", NOW)
        assert answer.status == 0, answer.errors
        return output

    return sign
