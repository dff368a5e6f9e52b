"""The command line as a process of its own: what it imports, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest

from acp.cli import main
from acp.cli.output import Command
from tests.acp.cli.conftest import NOW
from tests.acp.examples import descriptor
from tests.docs.fences import check_script

ACP = "import sys; from acp.cli import main; main(prog_name='acp')"


def acp(*words, repository, code=ACP, **options):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, words)],
        check=False,
        cwd=repository,
        env=os.environ | options.pop("env", {}),
        timeout=60,
        **({"capture_output": True, "text": True} | options),
    )


def commands(group=main, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        if group is main and name not in main._lazy:
            continue
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield pytest.param(command, id=" ".join((*path, name)))


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_teaches_by_an_example_that_is_right(command):
    assert isinstance(command, Command)
    assert command.help
    check_script(command.example)


def test_validate_imports_nothing_heavy(repository, write):
    file = write(descriptor())
    code = (
        "import sys; from acp.cli import main\n"
        "try: main(prog_name='acp')\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    result = acp("validate", file, "--now", NOW, repository=repository, code=code)
    assert result.returncode == 0, result.stderr
    imported = set(result.stdout.splitlines()[-1].split())
    assert imported >= {"acp", "click", "msgspec"}
    assert not imported & {
        "cep",
        "conformance",
        "cryptography",
        "google",
        "jsonschema",
        "numpy",
        "onnx",
        "onnxruntime",
        "openvino",
        "psutil",
        "pydantic",
        "reference_runtime",
        "torch",
        "transformers",
    }


def test_version_and_help(repository):
    result = acp("--version", repository=repository)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("acp, version ")
    result = acp("--help", repository=repository)
    for name in ("validate", "sign", "verify", "digest", "show", "keygen", "policy"):
        assert f"  {name} " in result.stdout


def test_exit_status_of_the_process(repository, write):
    good, bad = write(descriptor(), "good.json"), write(b"{", "bad.json")
    assert acp("validate", good, "--now", NOW, repository=repository).returncode == 0
    assert acp("validate", bad, repository=repository).returncode == 1
    assert acp("validate", repository=repository).returncode == 2


def test_a_reader_that_leaves_early_is_no_crash(repository, write):
    file = write(descriptor())
    read, written = os.pipe()
    os.close(read)
    with os.fdopen(written, "wb") as closed:
        result = acp(
            *("show", file, "--format", "json"),
            repository=repository,
            capture_output=False,
            stdout=closed,
            stderr=subprocess.PIPE,
        )
    assert result.returncode == 1
    assert result.stderr == ""


def test_standard_output_that_is_full_is_reported(repository, write):
    file = write(descriptor())
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        result = acp(
            *("digest", file),
            repository=repository,
            capture_output=False,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert result.returncode == 1
    assert "ENV-F2" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_terminal_without_unicode(repository, write):
    file = write(descriptor())
    result = acp("show", file, repository=repository, env={"PYTHONIOENCODING": "ascii"})
    assert result.returncode == 0, result.stderr
    assert "f16 \\xd7 f16" in result.stdout
    result = acp(
        *("show", file, "--format", "json"),
        repository=repository,
        env={"PYTHONIOENCODING": "ascii"},
    )
    assert json.loads(result.stdout)["document"] == descriptor()


def test_file_names_that_are_not_unicode(repository, tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")
    with open(name, "w", encoding="utf-8") as file:  # noqa: PTH123 - bytes that are no text
        file.write("{")
    result = acp("validate", name, repository=repository)
    assert result.returncode == 1
    assert "error ENV-J1" in result.stderr
    assert "Traceback" not in result.stderr
    result = acp("validate", name, "--format", "json", repository=repository)
    assert json.loads(result.stdout)["ok"] is False


def test_the_whole_way_with_processes(repository, tmp_path, write):
    file = write(descriptor(), "device.json")
    script = f"""
        set -e
        cd {tmp_path}
        acp() {{ {sys.executable} -W error -c "{ACP}" "$@"; }}
        acp keygen -o vendor.pem
        acp policy create --key vendor.pub.pem --issuer example.com \\
            --type capability-descriptor -o policy.json
        acp validate {file.name} --now {NOW}
        acp sign {file.name} --key vendor.pem -o device.dsse.json --now {NOW}
        acp verify device.dsse.json --policy policy.json --now {NOW} --format json > verdict.json
    """
    result = subprocess.run(
        ["bash", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(repository)},
    )
    assert result.returncode == 0, result.stderr
    verdict = json.loads((tmp_path / "verdict.json").read_bytes())
    assert verdict["ok"] is True


@pytest.mark.parametrize(("shell", "word"), [("bash", "1"), ("zsh", "1"), ("fish", "val")])
def test_a_shell_completes_commands(repository, shell, word):
    source = {"_ACP_COMPLETE": f"{shell}_source"}
    assert "_ACP_COMPLETE" in acp(repository=repository, env=source).stdout
    asked = {"_ACP_COMPLETE": f"{shell}_complete", "COMP_WORDS": "acp val", "COMP_CWORD": word}
    assert "validate" in acp(repository=repository, env=asked).stdout
