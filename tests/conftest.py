from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent

# For a bare `pytest` what the Makefile sets for its targets; it must precede the import of torch.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# No test fails because the machine is slow. Where a change is judged, the examples are those of the
# last time; elsewhere they are new ones, which find what nobody has thought of.
settings.register_profile(
    "untimed",
    settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
    database=None if "CI" in os.environ else settings().database,
)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public data sets that are not part of the repository; skips where there is none.

    A folder that `ACP_CEP_DATA` names but that does not exist fails: somebody meant to run
    these tests.
    """
    named = os.environ.get("ACP_CEP_DATA")
    if named:
        folder = Path(named)
        if not folder.is_dir():
            pytest.fail(f"ACP_CEP_DATA={named} is not a folder")
        return folder
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("public data sets not found: set ACP_CEP_DATA or put them in ../shared/data")
    return folder
