from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PACKAGES = {"acp", "cep", "reference_runtime", "conformance"}
FOLDERS = PACKAGES | {"spec", "schemas", "tests", "benchmarks", "examples", "docs"}
HIDDEN = {".ci", ".github"}
FILES = {
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "constraints.txt",
    "pyproject.toml",
}
LARGEST_BYTES = 1 << 20


@pytest.fixture(scope="module")
def tracked(repository):
    if not (repository / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout
    paths = [Path(name) for name in listing.split("\0") if name]
    return [path for path in paths if (repository / path).is_file()]


def test_top_level_is_fixed(tracked):
    assert {path.parts[0] for path in tracked if len(path.parts) > 1} <= FOLDERS | HIDDEN
    assert {path.name for path in tracked if len(path.parts) == 1} <= FILES


def test_no_large_file(repository, tracked):
    large = [p for p in tracked if (repository / p).stat().st_size > LARGEST_BYTES]
    assert large == []


def test_no_catch_all_module(tracked):
    vague = {"util", "utils", "common", "misc", "helper", "helpers"}
    assert [path for path in tracked if path.suffix == ".py" and path.stem in vague] == []


def test_no_path_of_one_machine(repository, tracked):
    home = re.compile(rb"(?<![\w.])/(?:root|home/\w+|Users/\w+|work)/\w")
    assert [p for p in tracked if home.search((repository / p).read_bytes())] == []


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_package_says_that_it_is_typed(repository, package):
    assert (repository / package / "py.typed").is_file()


def test_every_decision_is_indexed_in_order_and_complete(repository):
    folder = repository / "docs" / "adr"
    records = sorted(path.name for path in folder.glob("[0-9]*.md") if path.name > "0001")
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^- \[\d{4}\]\((.+?)\)", index, re.MULTILINE) == records
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    for name in records:
        text = (folder / name).read_text(encoding="utf-8")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
            "Context",
            "Decision",
            "Consequences",
        ]
