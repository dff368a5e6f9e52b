from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from cep.capture.exported import capture
from cep.expr import Dim, Range, parse
from cep.graph import GraphView, Node
from cep.opset import PREFIX
from cep.opset.definition import TensorType, TypeRuleError
from cep.reference import EvaluationError, NamespaceError, apply, class_of, evaluate
from cep.reference.error_function import erf
from cep.v1.graph import Binding
from tests.cep.capture.models import Attention, exported, mlp

X = torch.linspace(-2, 2, 12).reshape(3, 4)


def constants_of(captured, model):
    state = {k: v.detach().numpy() for k, v in model.state_dict().items()}
    return {c.value: state[c.key] for c in captured.graph.constants}


@pytest.mark.parametrize(("model", "width"), [(mlp(), (4,)), (Attention(), (5, 8))])
def test_a_captured_model_for_several_batches(model, width):
    captured = capture(exported(model, torch.randn(3, *width), dynamic=(0,)))
    view = GraphView.of(captured.graph)
    (name,) = (b.name for b in view.inputs)
    for batch in (1, 3, 7):
        x = torch.randn(batch, *width)
        (result,) = evaluate(view, {name: x.numpy()}, constants_of(captured, model), np).values()
        np.testing.assert_allclose(result, model(x).detach().numpy(), rtol=1e-4, atol=1e-5)


def graph(*, ranges, shape="b", nodes=()):
    kind = TensorType("f32", (parse(shape),))
    made = nodes or (Node(f"{PREFIX}relu", ("x",), {}, ("y",)),)
    return GraphView(
        nodes=made,
        types={"x": kind, "y": kind},
        roles={"x": "IN", "y": "OUT"},
        constants={},
        ranges=ranges,
        inputs=(Binding(name="in", value="x"),),
        outputs=(Binding(name="out", value="y"),),
    )


EVEN = {"b": Range(2, 8, 2)}


def test_a_graph_gives_its_outputs_by_name():
    made = evaluate(graph(ranges=EVEN), {"in": np.float32([-1, 2])}, {}, np)
    assert made["out"].dtype == np.float32
    assert made["out"].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("view", "given", "said"),
    [
        (graph(ranges=EVEN), {}, "'in' is not given"),
        (graph(ranges=EVEN), {"in": np.ones(3, np.float32)}, "b is 3; allowed"),
        (graph(ranges=EVEN), {"in": np.ones(10, np.float32)}, "b is 10; allowed"),
        (graph(ranges=EVEN), {"in": np.ones(4)}, "'x' is f64"),
        (graph(ranges=EVEN), {"in": np.ones((4, 1), np.float32)}, "'x' is f32"),
        (graph(ranges=EVEN, shape="2*b"), {"in": np.ones(4, np.float32)}, "no axis"),
        (
            graph(ranges=EVEN, nodes=(Node(f"{PREFIX}melt", ("x",), {}, ("y",)),)),
            {"in": np.ones(4, np.float32)},
            "no operation 'melt'",
        ),
    ],
)
def test_what_does_not_fit_is_refused(view, given, said):
    with pytest.raises(EvaluationError, match=said):
        evaluate(view, given, {}, np)


def test_a_type_error_and_a_missing_dtype_are_refused():
    with pytest.raises(TypeRuleError):
        apply("mm", (np.ones((2, 3)), np.ones((2, 3))), {}, np)
    size = (Dim.constant(2),)
    with pytest.raises(NamespaceError, match="bf16"):
        apply("full", (), {"size": size, "fill_value": 1, "dtype": "bf16"}, np)
    with pytest.raises(NamespaceError, match="complex128"):
        apply("neg", (np.ones(2, complex),), {}, np)
    with pytest.raises(KeyError):
        class_of("melt")


def test_the_error_function_is_that_of_the_c_library():
    edges = [0.84375, 1.25, 1 / 0.35, 6.0]
    near = [math.nextafter(e, d) for e in edges for d in (0, 9)]
    x = np.array([*np.linspace(-7, 7, 20001), *edges, *near, 1e-300, 5e-324, 0.0, math.inf])
    ours = np.concatenate([erf(np, x), erf(np, -x)])
    exact = np.array([math.erf(v) for v in (*x, *-x)])
    assert (np.abs(ours - exact) <= 2 * np.spacing(np.abs(exact))).all()
    assert np.isnan(erf(np, np.array([math.nan]))).all()


def test_a_number_has_the_dtype_of_self():
    (equal,) = apply("eq.Scalar", (np.float32([0.1]),), {"other": 0.1}, np)
    assert equal.tolist() == [True]


def test_the_reference_imports_no_array_library():
    sources = set(Path(erf.__code__.co_filename).parent.glob("*.py"))
    # To fold constants is to choose an array library: NumPy, when it is asked to.
    sources = {source for source in sources if source.name != "folding.py"}
    words = [line.split()[:2] for s in sources for line in s.read_text().splitlines()]
    found = {w[1].partition(".")[0] for w in words if w[:1] in (["import"], ["from"])}
    assert found.isdisjoint({"numpy", "jax", "torch"})
