from __future__ import annotations

import pytest
from click.testing import CliRunner

from acp.canonical import canonicalize
from cep.cli import main
from tests.cep.plans import at, mutated


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        ({"numeric": "BITWISE"}, "the same bits"),
        ({"numeric": "ULP", "numeric_tolerance": "3"}, "within 3 units in the last place"),
        (
            {
                "numeric": "RELATIVE",
                "numeric_tolerance": "42000",
                "deadline_ns": "7",
                "energy_fj": "8",
                "locality_labels": ["eu", "rack-7"],
            },
            "within 42000 parts per billion, 7 ns, 8 fJ, in eu, in rack-7",
        ),
    ],
)
def test_promises_are_shown(tmp_path, constraints, words):
    case = mutated("chain", at("constraints", constraints))
    case.seal()
    file = tmp_path / "plan.json"
    file.write_bytes(canonicalize(case.plan))
    shown = CliRunner().invoke(main, ["show", str(file)])
    assert shown.exit_code == 0, shown.output
    assert f"promise {words}" in shown.output.splitlines()
