from __future__ import annotations

import pytest

from acp.distribution.simulator.world import staged


@pytest.fixture
def world(tmp_path):
    """A served registry with two issuers, and a client that knows it by its root only."""
    with staged(tmp_path) as world:
        yield world
