"""`acp diff --plan`: a plan is verified with the new descriptor in place of the old one."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from acp.canonical import canonicalize
from acp.cli import main
from acp.dsse import CAPABILITY_DESCRIPTOR, PLAN, SYSTEM_DESCRIPTOR
from tests.cep.plans import chain, signed, system

NOW = "2026-11-20T12:00:00Z"


@pytest.fixture
def folder(tmp_path):
    """A plan in an envelope, the old descriptor, and a folder with all else that it needs."""
    case = chain()
    case.seal()
    (tmp_path / "plan.json").write_bytes(signed(case.plan, PLAN))
    (tmp_path / "old.json").write_bytes(canonicalize(case.descriptors["left"]))
    others = tmp_path / "others"
    others.mkdir()
    (others / "right.json").write_bytes(signed(case.descriptors["right"], CAPABILITY_DESCRIPTOR))
    box = system(case.descriptors, case.links)
    (others / "system.json").write_bytes(signed(box, SYSTEM_DESCRIPTOR))
    return tmp_path


def diff(folder, change, *words):
    new = json.loads((folder / "old.json").read_text())
    change(new)
    (folder / "new.json").write_text(json.dumps(new))
    words = ["diff", "old.json", "new.json", "--plan", "plan.json", "--now", NOW, *words]
    known = {path.name: str(path) for path in folder.iterdir()}
    return CliRunner(catch_exceptions=False).invoke(main, [known.get(w, w) for w in words])


def lower(new):
    new["engines"][0]["rates"][0]["peak_ops_per_s"] = "1"


def drop(new):
    new["ops"] = [one for one in new["ops"] if one["op"] != "cep-core/1:mm"]


def test_a_plan_that_holds_is_fine_though_something_is_worse(folder):
    result = diff(folder, lower, "--descriptors", "others")
    assert result.exit_code == 0, result.output
    assert "worse:" in result.output
    assert "plan.json: holds with NEW for left" in result.output


def test_a_plan_that_does_not_hold_fails_and_says_why(folder):
    result = diff(folder, drop, "--descriptors", "others", "--format", "json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert [one["code"] for one in answer["diagnostics"]] == ["CEP-C2", "DIF-A2"]
    (plan,) = answer["plans"]
    assert (plan["held"], plan["holds"], plan["slots"]) == (True, False, ["left"])


def test_what_is_missing_here_is_no_fault_of_the_new_descriptor(folder):
    result = diff(folder, lower)
    assert result.exit_code == 1
    assert "as it did not with OLD and what is given here" in result.output
