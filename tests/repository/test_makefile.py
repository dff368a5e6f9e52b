from __future__ import annotations

import re
import subprocess

import pytest

CONTRACT = ["demo", "test", "lint", "schemas", "bench", "docs"]


@pytest.fixture(scope="module")
def makefile(repository):
    return (repository / "Makefile").read_text(encoding="utf-8")


def make(repository, *arguments):
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def test_make_alone_lists_every_target_with_one_line(repository, makefile):
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE).group(1).split()
    done = make(repository)
    assert done.returncode == 0, done.stderr
    listed = dict(re.findall(r"^ +make (\S+) +(\S.+)$", done.stdout, re.MULTILINE))
    assert list(listed) == phony
    assert set(CONTRACT) <= set(listed)


@pytest.mark.parametrize("target", CONTRACT)
def test_target_makes_the_environment_first(repository, target):
    done = make(repository, "--dry-run", "--always-make", target)
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("pip install") < done.stdout.rindex(".venv/bin/")


def test_old_python_is_refused_with_the_way_out(repository, tmp_path):
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((repository / name).read_bytes())
    done = make(tmp_path, f"PYTHON={old}", "test")
    assert done.returncode != 0
    assert f"{old} is missing or older than 3.11: make PYTHON=" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_ci_runs_lint_and_test_and_no_other_target(repository):
    script = (repository / ".ci" / "run").read_text(encoding="utf-8")
    workflow = (repository / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    for text, pattern in ((script, r"^make (.+)$"), (workflow, r"- run: make (.+)$")):
        assert re.findall(pattern, text, re.MULTILINE) == ["lint", "test"]
