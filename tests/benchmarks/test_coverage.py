from __future__ import annotations

import json

import pytest

from benchmarks.coverage import LEVELS, judged, problem
from tests.cep.reference.coverage import CAPTURES, captures

GOOD = """
import torch
size = 2**20
class Model(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = torch.nn.Linear(size, width)
    def forward(self, x):
        return torch.relu(self.inner(x))
def get_inputs():
    return [torch.rand(2, size)]
def get_init_inputs():
    return [2**20]
"""
READS = GOOD.replace("super().__init__()", "super().__init__(); torch.ones(2)[0].item()").replace(
    "2**20", "2**4"
)
LACKS = GOOD.replace("torch.relu(", "torch.logcumsumexp(dim=0, input=")
RECURRENT = """
import torch
seq_len = 4096
class Model(torch.nn.GRU):
    pass
def get_inputs():
    return [torch.rand(seq_len, 3, 4)]
def get_init_inputs():
    return [4, 4]
"""


@pytest.fixture
def written(tmp_path):
    def write(text, name="1_Any.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_problem_of_any_size_is_captured_without_memory(written):
    model, inputs = problem(written(GOOD))
    assert model.inner.weight.is_meta
    assert inputs[0].is_meta
    found = judged({"level1/1_Any": lambda: (model, inputs)})
    assert (found["captured"], found["by_group"], found["refused"]) == (1, {"level1": [1, 1]}, {})
    assert found["core_operations"] == {"aten.linear.default": 1, "aten.relu.default": 1}


def test_a_constructor_that_reads_numbers_is_run_on_the_processor(written):
    model, _ = problem(written(READS))
    assert not model.inner.weight.is_meta


def test_what_is_lacking_is_named(written):
    found = judged({"level1/1_Any": lambda: problem(written(LACKS))})
    assert found["captured"] == 0
    assert "'logcumsumexp'" in found["refused"]["level1/1_Any"][0]


def test_what_was_captured_is_not_tried_again(written):
    before = judged({"level1/1_Any": lambda: problem(written(LACKS))})
    again = judged(
        {
            "level1/0_Other": lambda: pytest.fail("tried"),
            "level1/1_Any": lambda: problem(written(GOOD)),
        },
        before,
    )
    assert (again["captured"], again["refused"]) == (2, {})
    assert again["core_operations"] == before["core_operations"]


def test_what_cannot_be_exported_is_refused_not_dropped(written):
    found = judged({"level1/1_Any": lambda: problem(written("import nothing_of_this_name"))})
    assert (found["total"], found["captured"]) == (1, 0)
    assert "ModuleNotFoundError" in found["refused"]["level1/1_Any"][0]


def test_recurrent_problems_are_shortened(written):
    _, (x,) = problem(written(RECURRENT, "39_GRU.py"))
    assert tuple(x.shape) == (16, 3, 4)


def test_nine_of_ten_problems_are_captured():
    record = json.loads(CAPTURES.read_text())
    bench = record["kernelbench"]
    assert set(bench["by_group"]) == {f"level{n}" for n in LEVELS}
    assert bench["total"] == 250
    assert bench["captured"] >= 225
    assert record["models"]["captured"] == record["models"]["total"] >= 18
    assert f"{bench['captured']} of" in captures(record)
