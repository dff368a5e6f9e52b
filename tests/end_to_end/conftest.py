from __future__ import annotations

import os
import shutil

import pytest

from tests.end_to_end.workbench import Bench, build, locked, missing


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """The chain as far as the signed plans. It is built once, whichever worker comes first.

    Tests read it; to break something they take a copy.
    """
    if missing():
        pytest.skip(
            f"not installed: {', '.join(missing())}; install them with: pip install 'acp-cep[demo]'"
        )
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, whole = shared / "workbench", shared / "workbench.complete"
    with locked(shared / "workbench.lock"):
        if whole.exists():
            return Bench(folder)
        assert not folder.exists(), "another worker failed to build the workbench, and says why"
        built = build(folder)
        whole.touch()
    return built


@pytest.fixture
def own(bench, tmp_path):
    """A copy of the workbench, to break things in."""
    copy = bench.copy(tmp_path / "own")
    yield copy
    shutil.rmtree(copy.folder)
