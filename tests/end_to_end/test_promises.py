"""What a plan promises, from the options of `cep compile` to the verdict."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.workbench import compile_plan

pytestmark = pytest.mark.xdist_group("end_to_end")

KNOWN = ("--descriptors", "descriptors", "--policy", "policy.json")
MODEL = ("compile", "graph.json", "--system", "devices/system.json", "--descriptors", "devices")


def constraints(bench, name):
    return json.loads((bench / f"{name}.json").read_bytes())["constraints"]


def test_the_plan_states_its_budget_and_a_deadline(own):
    compile_plan(own, "kept", "graph.json", "--regions", "spread", "--deadline", str(10**12))
    said = constraints(own, "kept")
    assert (said["numeric"], said["deadline_ns"]) == ("RELATIVE", str(10**12))
    assert int(said["numeric_tolerance"]) > 0
    assert own.cep("verify", "kept.dsse.json", *KNOWN).status == 0
    plan = json.loads((own / "kept.json").read_bytes())
    plan["constraints"] |= {"numeric_tolerance": "1", "deadline_ns": "1"}
    (own / "broken.json").write_text(json.dumps(plan, sort_keys=True, separators=(",", ":")))
    refused = own.cep("verify", "broken.json", "--unsigned", *KNOWN)
    assert (refused.status, refused.codes) == (1, ["CEP-K1", "CEP-K3"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tolerance", "1"), "the rounding budget"),
        (("--numeric", "BITWISE"), "promise ULP or RELATIVE"),
        (("--deadline", "1"), "the steps take"),
        (("--energy", "1"), "power.tdp_mw"),
        (("--stay-in", "nowhere"), "no device of the system is in nowhere"),
    ],
)
def test_what_cannot_be_kept_is_refused(own, words, said):
    refused = own.cep(*MODEL, "-o", "new.json", *words)
    assert (refused.status, refused.codes) == (1, ["CEP-X8"])
    assert said in refused.stdout + refused.stderr
    assert not (own / "new.json").exists()


def test_units_in_the_last_place(own):
    compile_plan(own, "units", "graph.json", "--numeric", "ULP", "--tolerance", "1000000")
    assert constraints(own, "units") | {"peak_bytes": None} == {
        "numeric": "ULP", "numeric_tolerance": "1000000", "peak_bytes": None,
    }  # fmt: skip
    assert own.cep("verify", "units.dsse.json", *KNOWN).status == 0
