"""Checking needs no numbers: what an auditor runs works where no tensor library is installed."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.end_to_end.workbench import TORCH

pytestmark = pytest.mark.xdist_group("end_to_end")

STACKS = ("torch", "onnx", "onnxruntime", "onnxscript", "openvino", "transformers", "tokenizers")
NUMERICS = (*STACKS, "numpy", "psutil", "safetensors", "sympy")
HOOK = '''
import os
import sys


class NotInstalled:
    """Finds no package of the list, as if nobody had installed it."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in os.environ["NOT_INSTALLED"].split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


sys.meta_path.insert(0, NotInstalled())
'''


@pytest.fixture(scope="module")
def hook(tmp_path_factory):
    """A folder whose `sitecustomize` hides packages from every Python that starts."""
    folder = tmp_path_factory.mktemp("hook")
    (folder / "sitecustomize.py").write_text(HOOK)
    return folder


@pytest.fixture(scope="module")
def place(bench, tmp_path_factory):
    """A folder to write in, with a receipt."""
    place = bench.copy(tmp_path_factory.mktemp("light") / "own")
    line = ("run", TORCH, "--inputs", "inputs/000.npz", "--key", "operator.pem")
    answer = place.cep(*line, "--outputs", "y.npz", "--receipt", "r.json")
    assert answer.status == 0, answer
    return place


def run(place, hook, hidden, *words, status=0):
    path = os.pathsep.join(filter(None, (str(hook), os.environ.get("PYTHONPATH"))))
    env = {"NOT_INSTALLED": " ".join(hidden), "PYTHONPATH": path}
    return place.shell(*words, "--format", "json", env=env, status=status)


KNOWN = ("--descriptors", "descriptors", "--policy", "policy.json")
CHECKS = {
    "acp validate": ("acp", "validate", "devices/torch-cpu.descriptor.json"),
    "acp verify": ("acp", "verify", "descriptors/system.dsse.json", "--policy", "policy.json"),
    "acp show": ("acp", "show", "descriptors/torch-cpu.descriptor.dsse.json"),
    "cep verify": ("cep", "verify", TORCH, *KNOWN),
    "cep verify --source": ("cep", "verify", TORCH, *KNOWN, "--source", "graph.json"),
    "cep show": ("cep", "show", TORCH),
    "cep sign": ("cep", "sign", "plan-one.json", "--key", "planner.pem", "-o", "signed.json"),
    "cep receipt verify": (
        *("cep", "receipt", "verify", "r.json", "--plan", TORCH, "--policy", "policy.json"),
    ),
    "cep report": (
        *("cep", "report", "r.json", "--plan", TORCH, "--policy", "policy.json"),
        *("-o", "report.html"),
    ),
    "cep compile of a graph": (
        *("cep", "compile", "graph.json", "--system", "devices/system.json"),
        *("--descriptors", "devices", "-o", "new.json"),
    ),
}


def test_hook_hides(place, hook):
    with pytest.raises(AssertionError, match="No module named 'numpy'"):
        run(place, hook, NUMERICS, "python", "-c", "import numpy.linalg")


@pytest.mark.parametrize("name", CHECKS)
def test_checking_needs_no_numbers(place, hook, name):
    answer = run(place, hook, NUMERICS, *CHECKS[name])
    assert answer.said["ok"], answer
    assert answer.codes == []


NEEDS = {
    "acp measure": (
        ("acp", "measure", "devices/torch-cpu.descriptor.json", "-o", "probed"),
        "measure",
    ),
    "acp probe": (("acp", "probe", "-o", "probed"), "probe"),
    "cep run": (
        (
            *("cep", "run", TORCH, "--inputs", "inputs/000.npz", "--key", "operator.pem"),
            *("--outputs", "new.npz", "--receipt", "new.json"),
        ),
        "runtime",
    ),
    "cep compile": (
        (
            *("cep", "compile", "model.pt2", "--system", "devices/system.json"),
            *("--descriptors", "devices", "-o", "new.json"),
        ),
        "adapters",
    ),
    "cep receipt verify --inputs": (
        (*CHECKS["cep receipt verify"], "--inputs", "inputs/000.npz"),
        "runtime",
    ),
}


@pytest.mark.parametrize("name", NEEDS)
def test_what_needs_more_says_what_to_install(place, hook, name):
    line, extra = NEEDS[name]
    before = place.snapshot()
    answer = run(place, hook, NUMERICS, *line, status=1)
    assert answer.codes == ["ENV-F3"]
    (diagnostic,) = answer.said["diagnostics"]
    assert f"pip install 'acp-cep[{extra}]'" in diagnostic["message"]
    assert place.snapshot() == before


def test_probe_without_any_stack_says_what_to_install(place, hook):
    answer = run(place, hook, STACKS, "acp", "probe", "-o", "devices", status=1)
    (diagnostic,) = answer.said["diagnostics"]
    assert diagnostic["code"] == "RUN-A2"
    assert "pip install 'acp-cep[adapters]'" in diagnostic["message"]


def test_run_without_the_stack_of_the_plan(place, hook, tmp_path):
    batch = np.ones((1, 4), np.int64)
    np.savez(tmp_path / "x.npz", input_ids=batch, attention_mask=batch)
    line = ("cep", "run", TORCH, "--inputs", tmp_path / "x.npz", "--key", "operator.pem")
    where = ("--outputs", tmp_path / "y.npz", "--receipt", tmp_path / "r.json")
    answer = run(place, hook, ("torch",), *line, *where, status=1)
    assert answer.codes == ["RUN-D1"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.npz"]
