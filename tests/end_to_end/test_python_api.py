"""The Python of the README, run as it stands, where the README says that it runs."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.docs.fences import ROOT, fences

pytestmark = pytest.mark.xdist_group("end_to_end")


def python_of_readme():
    return [
        fence
        for fence in fences(ROOT / "README.md")
        if fence.language == "python" and "run" in fence.flags
    ]


def test_ten_lines_of_the_readme(bench, tmp_path):
    blocks = python_of_readme()
    if not blocks:
        pytest.skip("README.md has no block marked `python run` yet")
    (block,) = blocks
    demo = bench.copy(tmp_path / "out" / "demo")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.content],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    shutil.rmtree(demo.folder)
    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
