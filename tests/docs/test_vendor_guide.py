"""The blocks of docs/vendor-guide.md, run as they stand, in their order, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.fences import ROOT, commands, fences

GUIDE = ROOT / "docs" / "vendor-guide.md"
BLOCKS = [fence for fence in fences(GUIDE) if fence.language == "sh"]


def run(folder, fence):
    """Run a block; return what it said."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "NO_COLOR": "1",
    }
    environment.pop("XDG_STATE_HOME", None)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", fence.content],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    said = done.stdout + done.stderr
    assert done.returncode == (1 if "fails" in fence.flags else 0), f"{fence}\n{said}"
    assert "Traceback" not in said
    return said


def test_every_block_says_that_it_runs():
    assert len(BLOCKS) > 10
    assert all("run" in fence.flags for fence in BLOCKS)
    called = {tuple(words[:2]) for fence in BLOCKS for words in commands(fence.content)}
    steps = "init validate show schema keygen policy sign verify convert digest registry"
    steps += " probe measure publish fetch diff revoke"
    assert {("acp", step) for step in steps.split()} <= called


@pytest.mark.parametrize(
    "slow", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["in short", "whole"]
)
def test_the_guide_works(tmp_path, slow):
    said = {}
    for fence in BLOCKS:
        if slow or "slow" not in fence.flags:
            said[fence] = run(tmp_path, fence)
    whole = "".join(said.values())
    assert "no device shipped with this firmware" in whole
    digests = re.findall(r"^(sha256:[0-9a-f]{64})  (\S+)$", whole, re.MULTILINE)
    found = {}
    for digest, file in digests:
        found.setdefault(digest, []).append(file)
    assert sorted(found.values()) == [
        ["e100-r2.yaml", "reader/e100.dsse.json"],
        ["e100.yaml", "e100.json", "e100.yaml", "reader/e100.dsse.json"],
    ]
    assert not (tmp_path / "reader" / "old.dsse.json").exists()


def test_what_the_guide_shows_is_what_is_said(tmp_path):
    """The refusal that the page prints, but for where its lines are broken."""
    begin, check = (
        next(f for f in BLOCKS if f"acp {c} " in f.content) for c in ("init", "validate")
    )
    (shown,) = (fence.content for fence in fences(GUIDE) if fence.language == "text")
    run(tmp_path, begin)
    assert " ".join(shown.split()) == " ".join(run(tmp_path, check).split())
