from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.docs.fences import (
    ROOT,
    BadFenceError,
    Fence,
    broken_links,
    check,
    check_command_line,
    commands,
    fences,
    markdown_files,
)

FENCES = [fence for file in markdown_files() for fence in fences(file)]
RUNNABLE = [
    fence
    for fence in FENCES
    # What the README shows needs the demo's folder: tests/end_to_end/test_python_api.py runs it.
    if fence.language == "python" and "run" in fence.flags and fence.file != ROOT / "README.md"
]


@pytest.mark.parametrize("fence", FENCES, ids=str)
def test_fence_says_what_is_so(fence):
    check(fence)


@pytest.mark.parametrize("file", markdown_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_relative_links_resolve(file):
    assert broken_links(file) == []


def test_python_run_blocks_run(tmp_path):
    for fence in RUNNABLE:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", fence.content],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"{fence}\n{done.stderr}"


def fence(language, content):
    return Fence(ROOT / "README.md", 1, language, frozenset(), content)


@pytest.mark.parametrize(
    ("language", "content", "reason"),
    [
        ("python", "def f(:", "invalid syntax"),
        ("json", '{"a": 1,}', "double quotes"),
        ("jsonl", '{"a": 1}\n{', "property name"),
        ("toml", "a = ", "Invalid value"),
        ("yaml", "a: [", "expected"),
        ("sh", "make lint no-such-target", "no such target"),
        ("console", "$ make no-such-target\nanything", "no such target"),
        ("sh", "cat x | make no-such-target", "no such target"),
        ("sh", "echo 'unclosed", "No closing quotation"),
        ("", "anything", "unknown language"),
        ("basic", "10 GOTO 10", "unknown language"),
    ],
)
def test_bad_fence_is_found(language, content, reason):
    with pytest.raises(BadFenceError, match=reason):
        check(fence(language, content))


@pytest.mark.parametrize(
    ("language", "content"),
    [
        ("python", "from __future__ import annotations\nprint('x')"),
        ("sh", "make PYTHON=python3.12 test  # with another interpreter\nCI=1 make -j2 lint"),
        ("console", "$ make test\nmake no-such-target"),
        ("text", "{"),
    ],
)
def test_good_fence_is_accepted(language, content):
    check(fence(language, content))


@click.group()
def tool():
    """A command line like ours."""


@tool.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--key", required=True)
@click.option("--format", "output", type=click.Choice(["text", "json"]))
def sign(files, key, output):
    """Sign files."""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("tool sing a.json --key k", "no command 'sing'"),
        ("tool sign a.json --kee k", "No such option"),
        ("tool sign a.json", r"missing \['key'\]"),
        ("tool sign --key k", r"missing \['files'\]"),
        ("tool sign a.json --key k --format xml", "'xml' is not one of"),
        ("tool sign a.json --key", "requires an argument"),
    ],
)
def test_wrong_command_line_is_found(line, reason):
    with pytest.raises(BadFenceError, match=reason):
        check_command_line(tool, line.split())


@pytest.mark.parametrize(
    "line",
    ["tool", "tool --help", "tool sign --help", "tool sign a b --key k --format json"],
)
def test_right_command_line_is_accepted(line):
    check_command_line(tool, line.split())


def test_commands_of_a_script():
    script = (
        "A=1 acp show \\\n  x.json > out.json && cep show y | tee z; (acp digest w) # done\nB=2\n"
    )
    assert list(commands(script)) == [
        ["acp", "show", "x.json"],
        ["cep", "show", "y"],
        ["tee", "z"],
        ["acp", "digest", "w"],
    ]


def test_broken_link_is_found(tmp_path):
    file = tmp_path / "a.md"
    file.write_text("[a](a.md#x) [b](b.md) <https://example.org> ![c](c.svg) [d](#d)\n")
    assert broken_links(Path(file)) == ["b.md", "c.svg"]
