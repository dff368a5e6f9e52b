from __future__ import annotations

import pytest

from acp.distribution.simulator import attack as stage
from acp.distribution.simulator import attacks, run

NEEDED = {
    "rollback-timestamp",
    "rollback-snapshot",
    "rollback-role",
    "rollback-status",
    "freeze",
    "mix-snapshot",
    "mix-role",
    "mix-document",
    "arbitrary-metadata",
    "forged-document",
    "endless-timestamp",
    "endless-document",
    "slow-header",
    "slow-body",
    "stolen-key-after-rotation",
    "root-below-threshold",
    "wrong-delegation",
    "revoked-document",
    "cut-document",
    "altered-document",
    "fast-forward",
}


@pytest.mark.parametrize("one", attacks(), ids=lambda one: one.name)
def test_attack_is_refused_without_a_trace(one):
    outcome = run(one)
    assert outcome.code == one.code, outcome.message
    assert outcome.state_unchanged
    assert outcome.recovered, outcome.message
    assert outcome.seconds < 20


def test_the_known_attacks_are_there():
    assert {one.name for one in attacks()} >= NEEDED


def harmless(_):
    """Attack with nothing at all."""


def test_an_attack_that_succeeds_is_told():
    outcome = run(stage.Attack("harmless", "REG-M1", "does nothing", harmless))
    assert outcome.code == ""
    assert not outcome.ok


def test_a_trace_in_the_state_is_told(monkeypatch):
    monkeypatch.setattr("acp.distribution.state.Draft.restart", lambda draft, _: draft.commit())
    outcome = run(next(one for one in attacks() if one.name == "altered-document"))
    assert outcome.code == "REG-M4"
    assert not outcome.state_unchanged
    assert not outcome.ok
