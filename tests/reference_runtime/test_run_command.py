from __future__ import annotations

import json
import os
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from acp.policy import TrustPolicy
from cep.cli import main
from reference_runtime import admission, registry
from reference_runtime.registry import InstalledAdapter
from tests.reference_runtime.plans import ISSUER, KEY, POLICY, chain, chain_result
from tests.reference_runtime.simulated import Failing, SimulatedAdapter

X = np.arange(8, dtype=np.float32).reshape(2, 4)


class Place:
    """A folder with everything that `cep run` finds by itself beside the plan."""

    def __init__(self, folder, right=None):
        store = folder / "store"
        store.mkdir()
        self.folder = folder
        self.world = chain(store, right=right)
        (folder / "plan.cep").write_bytes(self.world.envelope)
        (folder / "descriptors").mkdir()
        for number, one in enumerate(self.world.signed_descriptors):
            (folder / "descriptors" / f"{number}.json").write_bytes(one)
        policy = TrustPolicy(
            spec="acp-trust/1", keys=POLICY.keys, grants=POLICY.grants, adapters=("sims",)
        )
        (folder / "policy.json").write_bytes(policy.to_bytes())
        KEY.save(folder / "key.pem")
        np.savez(folder / "x.npz", x=X)

    def __call__(self, *arguments, inputs=("x.npz",), env=None, outputs="y.npz"):
        line = ["run", "plan.cep", "--format", "json", "--outputs", outputs]
        line += ["--receipt", "r.json"]
        for name in inputs:
            line += ["--inputs", name]
        env = {"CEP_KEY": "key.pem", "CEP_POLICY": None, "CEP_ISSUER": None} | (env or {})
        return invoke(self.folder, *line, *arguments, env=env)


def invoke(folder, *line, env=None):
    before = Path.cwd()
    os.chdir(folder)
    try:
        result = CliRunner().invoke(main, line, env=env)
    finally:
        os.chdir(before)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def place(tmp_path, monkeypatch):
    return installed(Place(tmp_path), monkeypatch)


def installed(place, monkeypatch):
    made = {adapter.name: adapter for adapter in place.world.adapters}
    found = tuple(
        InstalledAdapter(name, "sims", "2.0", EntryPoint(name, "x:y", registry.ENTRY_POINT_GROUP))
        for name in made
    )
    monkeypatch.setattr(admission, "installed", lambda: found)
    monkeypatch.setattr(admission, "activate", lambda one: made[one.name])
    return place


def verify(place, *arguments):
    line = ["receipt", "verify", "r.json", "--plan", "plan.cep", "--policy", "policy.json"]
    result = invoke(place.folder, *line, "--format", "json", *arguments)
    return result.exit_code, json.loads(result.stdout)


def test_the_short_form(place):
    result = place()
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["ok"], answer["diagnostics"]) == (0, True, [])
    assert (answer["runs"], answer["issuer"]) == (1, ISSUER)
    assert [one["simulated"] for one in answer["devices"]] == [True, True]
    with np.load(place.folder / "y.npz", allow_pickle=False) as outputs:
        assert outputs.files == ["y"]
        np.testing.assert_array_equal(outputs["y"], chain_result(X))
    code, answer = verify(place, "--inputs", "x.npz", "--outputs", "y.npz")
    assert (code, answer["diagnostics"]) == (0, [])
    assert "outputs_root" in answer["recomputed"]
    assert answer["simulated"]


def test_several_inputs_are_several_runs(place):
    np.savez(place.folder / "z.npz", x=-X[:1])
    assert place("--repeat", "2", inputs=("x.npz", "z.npz")).exit_code == 0
    with np.load(place.folder / "y.npz", allow_pickle=False) as outputs:
        np.testing.assert_array_equal(outputs["0/y"], chain_result(X))
        np.testing.assert_array_equal(outputs["1/y"], chain_result(-X[:1]))
    both = ("--inputs", "x.npz", "--inputs", "z.npz", "--outputs", "y.npz")
    code, answer = verify(place, *both)
    assert (code, answer["runs"], answer["diagnostics"]) == (0, 4, [])
    code, answer = verify(place, "--inputs", "z.npz", "--inputs", "x.npz")
    assert (code, [d["code"] for d in answer["diagnostics"]]) == (1, ["CEP-P5"])


def test_the_text_says_what_matters(place):
    result = invoke(
        place.folder,
        *("run", "plan.cep", "--inputs", "x.npz", "--outputs", "y.npz", "--receipt", "r.json"),
        *("--key", "key.pem", "--timeline", "t.json"),
    )
    assert result.exit_code == 0
    assert "1 run of plan sha256:" in result.stdout
    assert "Simulated left through left (simulated: no result about hardware)" in result.stdout
    timeline = json.loads((place.folder / "t.json").read_bytes())
    assert len(timeline["runs"][0]["steps"]) == 3


def change(folder, name):
    path = folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def flip_weights(place):
    (path,) = (place.folder / "store").iterdir()
    change(place.folder / "store", path.name)


def hide_weights(place):
    (path,) = (place.folder / "store").iterdir()
    path.unlink()


BAD = {
    "no plan": (lambda p: (p.folder / "plan.cep").unlink(), "ENV-F1"),
    "changed plan": (lambda p: change(p.folder, "plan.cep"), "CEP-I1"),
    "no descriptors": (
        lambda p: [f.unlink() for f in (p.folder / "descriptors").iterdir()],
        "ENV-F1",
    ),
    "corrupt weights": (flip_weights, "CEP-I2"),
    "missing weights": (hide_weights, "CEP-I2"),
    "bad policy": (lambda p: (p.folder / "policy.json").write_text("{"), "ENV-J1"),
    "no inputs": (lambda p: (p.folder / "x.npz").unlink(), "ENV-F1"),
    "no zip": (lambda p: (p.folder / "x.npz").write_text("hello"), "ENV-F1"),
    "damaged zip": (lambda p: change(p.folder, "x.npz"), "ENV-F1"),
    "input name": (lambda p: np.savez(p.folder / "x.npz", z=X), "RUN-I1"),
    "input dtype": (lambda p: np.savez(p.folder / "x.npz", x=X.astype("f8")), "RUN-I2"),
    "input shape": (lambda p: np.savez(p.folder / "x.npz", x=X[:, :3]), "RUN-I3"),
    "pickle": (
        lambda p: np.savez(p.folder / "x.npz", x=np.array([{}], dtype=object)),
        "ENV-F1",
    ),
    "no adapters": (
        lambda p: (p.folder / "policy.json").write_bytes(POLICY.to_bytes()),
        "RUN-A1",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_diagnostic(place, name):
    spoil, code = BAD[name]
    spoil(place)
    result = place()
    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert not answer["ok"]
    assert code in {diagnostic["code"] for diagnostic in answer["diagnostics"]}
    assert all(diagnostic["message"] for diagnostic in answer["diagnostics"])
    assert not (place.folder / "y.npz").exists()


@pytest.mark.parametrize("outputs", ["no/such/y.npz", ".", "plan.cep/y.npz"])
def test_what_cannot_be_written_is_found_out_before_anything_runs(place, outputs):
    result = place(outputs=outputs)
    answer = json.loads(result.stdout)
    assert [d["code"] for d in answer["diagnostics"]] == ["ENV-F2"]
    assert place.world.adapters[0].calls == 0


def test_a_failing_step(tmp_path, monkeypatch):
    place = installed(Place(tmp_path, right=Failing("right", at=1)), monkeypatch)
    answer = json.loads(place().stdout)
    assert [d["code"] for d in answer["diagnostics"]] == ["RUN-X1"]
    assert answer["diagnostics"][0]["file"] == "plan.cep"
    assert not (tmp_path / "r.json").exists()


def test_a_refused_input_names_its_file(place):
    np.savez(place.folder / "z.npz", x=X[:, :3])
    answer = json.loads(place(inputs=("x.npz", "z.npz")).stdout)
    assert [d["file"] for d in answer["diagnostics"]] == ["z.npz"]


def test_missing_device(tmp_path, monkeypatch):
    place = installed(Place(tmp_path), monkeypatch)
    place.world.adapters[1].describe = SimulatedAdapter("other").describe
    answer = json.loads(place().stdout)
    assert [d["code"] for d in answer["diagnostics"]] == ["RUN-D1"]


@pytest.mark.parametrize(
    ("env", "arguments", "said"),
    [
        ({"CEP_KEY": None}, (), "give --key"),
        ({}, ("--repeat", "0"), "--repeat"),
        ({"CEP_KEY": "other.pem"}, (), "give another --key"),
    ],
)
def test_wrong_usage(place, env, arguments, said):
    from acp.keys import PrivateKey

    PrivateKey.generate().save(place.folder / "other.pem")
    result = place(*arguments, env=env)
    assert result.exit_code == 2
    assert said in result.stderr


def test_no_policy(place):
    (place.folder / "policy.json").unlink()
    result = place()
    assert result.exit_code == 2
    assert "give --policy" in result.stderr
