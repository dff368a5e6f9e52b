"""Folded constants have one value, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cep.graph import Node
from cep.opset import OPERATIONS, PREFIX
from cep.reference import EvaluationError, NamespaceError, class_of, recompute
from cep.rewrite import Definitions, RewriteError, fold, unfoldable
from cep.rewrite.folding import FOLDABLE, MAX_FOLDED, MOVES
from cep.v1.graph import Constant
from tests.cep.rewrite.drafts import RANGES, TensorType, dims

FLOATS = st.floats(width=32, allow_nan=False)


def constant(value):
    digest = "sha256:" + "0" * 64
    return Constant(value=value, digest=digest, store_digest=digest, key=value)


def folded(name, *arrays, kind="f32", room=MAX_FOLDED, **attributes):
    """What a constant is that an operation makes of some others."""
    names = {np.dtype("bool"): "i1", np.dtype("int64"): "i64"}
    kinds = {
        f"c{i}": TensorType(names.get(a.dtype, kind), dims(*a.shape)) for i, a in enumerate(arrays)
    }
    graph = Definitions(kinds, {}, {value: constant(value) for value in kinds}, RANGES)
    node = Node(PREFIX + name, tuple(kinds), attributes, ("y",))
    (graph.types["y"],) = graph.infer(node)
    graph.nodes["y"] = node
    made = fold(graph, "y", constant("y"), room)
    assert made.refusal == unfoldable(node, graph.types)
    contents = {f"c{i}": memoryview(a.tobytes()) for i, a in enumerate(arrays)}
    return made.refusal or recompute(made, contents)


@given(FLOATS, FLOATS, st.sampled_from(["add.Tensor", "sub.Tensor", "mul.Tensor"]))
def test_arithmetic_of_floats_rounds_once(one, other, name):
    pair = [np.array([x], dtype="<f4") for x in (one, other)]
    direct = {"add": np.add, "sub": np.subtract, "mul": np.multiply}[name[:3]]
    with np.errstate(all="ignore"):
        expected = direct(*pair)
    assume(not np.isnan(expected).any())
    alpha = {} if name == "mul.Tensor" else {"alpha": 1}
    assert folded(name, *pair, **alpha) == expected.tobytes()


def test_a_nan_may_be_moved_and_not_made():
    odd = np.array([np.nan, 1.0], dtype="<f4")
    odd.view("<u4")[0] = 0x7FC12345
    assert folded("cat", odd, dim=0) == odd.tobytes()
    infinite = np.array([np.inf], dtype="<f4")
    with pytest.raises(EvaluationError, match="makes a NaN"):
        folded("sub.Tensor", infinite, infinite, alpha=1)


def test_what_numpy_cannot_is_refused():
    with pytest.raises(NamespaceError):
        folded("clone", np.zeros(2, dtype="<u2"), kind="bf16")
    table, index = np.zeros((2, 3), dtype="<f4"), np.array([7])
    with pytest.raises(EvaluationError, match="out of bounds"):
        folded("embedding", table, index)
    with pytest.raises(EvaluationError, match="negative"):
        folded("embedding", table, np.array([-1]))


def test_work_is_bounded():
    with pytest.raises(RewriteError, match="takes 4096 elements to compute; 4095 are left"):
        folded("clone", np.zeros(2, dtype="<f4"), room=4095)


@pytest.mark.parametrize(
    ("name", "arrays", "attributes", "reason"),
    [
        ("exp", ["<f4"], {}, "exp has no result"),
        ("div.Tensor", ["<f4", "<f4"], {}, "div.Tensor has no result"),
        ("_to_copy", ["<f4"], {"dtype": "i64"}, "too large for an integer"),
        ("_to_copy", ["<f4"], {"dtype": "i1"}, "too large for an integer"),
        ("add.Tensor", ["<f4", "<f4"], {"alpha": 2}, "rounds twice"),
        ("maximum", ["<f4", "<f4"], {}, "either zero"),
        ("relu", ["<f4"], {}, "either zero"),
    ],
)
def test_what_may_come_out_otherwise_is_not_folded(name, arrays, attributes, reason):
    assert reason in folded(name, *(np.ones(2, dtype=d) for d in arrays), **attributes)


def test_what_is_folded_rounds_at_most_once():
    rounding = {name for name in FOLDABLE if class_of(name) != "exact"}
    assert rounding == {
        "add.Tensor", "add.Scalar", "sub.Tensor", "sub.Scalar", "mul.Tensor", "mul.Scalar",
    }  # fmt: skip
    assert all(class_of(name) == "exact" for name in MOVES)
    assert all(len(OPERATIONS[PREFIX + name].results) == 1 for name in FOLDABLE)


def test_integers_wrap_around():
    numbers = np.array([2**62, -1])
    assert folded("mul.Scalar", numbers, other=2) == (numbers * 2).tobytes()
    assert folded("add.Tensor", numbers, numbers, alpha=3) == (numbers * 4).tobytes()
    assert folded("relu", numbers) == np.array([2**62, 0]).tobytes()
