"""Rules that compute several operations as one: identities of the reals, which round anew."""

from __future__ import annotations

from math import pi, sqrt
from typing import TYPE_CHECKING, Final

from cep.rewrite.definitions import Definitions, Term
from cep.rewrite.rules import rule

if TYPE_CHECKING:
    from cep.graph import Node

_CUBIC: Final = 0.044715
_TRANSPOSED: Final = ((1, 0), (-1, 0), (1, -2), (-1, -2))


def _pairs(node: Node) -> tuple[tuple[str, str], ...]:
    """Return the two operands of a commutative operation in both orders."""
    one, other = node.inputs
    return ((one, other), (other, one))


def _transposed(graph: Definitions, value: str) -> str | None:
    """Return the matrix that a value is the transpose of."""
    node = graph.made_by(value, "permute")
    return (
        node.inputs[0] if node is not None and node.attributes.get("dims") in _TRANSPOSED else None
    )


@rule("mm-linear", "fusion", "mm", error="sum")
def _mm_linear(graph: Definitions, node: Node) -> Term | None:
    weight = _transposed(graph, node.inputs[1])
    return None if weight is None else Term("linear", (node.inputs[0], weight))


@rule("addmm-linear", "fusion", "addmm", error="sum")
def _addmm_linear(graph: Definitions, node: Node) -> Term | None:
    bias, operand, matrix = node.inputs
    weight = _transposed(graph, matrix)
    plain = node.attributes["beta"] == 1 and node.attributes["alpha"] == 1
    if weight is None or not plain or graph.type(bias).rank != 1:
        return None
    if graph.type(bias).shape[0] != graph.type(weight).shape[0]:
        return None
    return Term("linear", (operand, weight, bias))


@rule("linear-bias", "fusion", "add.Tensor", error="sum")
def _linear_bias(graph: Definitions, node: Node) -> Term | None:
    if node.attributes["alpha"] != 1:
        return None
    for product, bias in _pairs(node):
        inner = graph.made_by(product, "linear")
        if inner is None or len(inner.inputs) > 2 or graph.type(bias).rank != 1:  # noqa: PLR2004 - no bias yet
            continue
        if graph.type(bias).shape[0] == graph.type(inner.inputs[1]).shape[0]:
            return Term("linear", (*inner.inputs, bias))
    return None


@rule("mm-bias", "fusion", "add.Tensor", error="sum")
def _mm_bias(graph: Definitions, node: Node) -> Term | None:
    if node.attributes["alpha"] != 1:
        return None
    for product, bias in _pairs(node):
        inner = graph.made_by(product, "mm")
        columns = graph.type(product).shape[-1:]
        if inner is not None and graph.type(bias).shape == columns:
            return Term("addmm", (bias, *inner.inputs), {"beta": 1, "alpha": 1})
    return None


@rule("silu", "fusion", "mul.Tensor", error="elementary")
def _silu(graph: Definitions, node: Node) -> Term | None:
    for value, factor in _pairs(node):
        inner = graph.made_by(factor, "sigmoid")
        if inner is not None and inner.inputs[0] == value:
            return Term("silu", (value,))
    return None


@rule("gelu-tanh", "fusion", "mul.Tensor", error="terms")
def _gelu_tanh(graph: Definitions, node: Node) -> Term | None:
    """0.5 * x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x^3)))."""
    for half, other in _pairs(node):
        value = _scaled(graph, half, 0.5)
        plus = graph.made_by(other, "add.Scalar")
        if value is None or plus is None or not _number(plus, 1.0):
            continue
        tanh = graph.made_by(plus.inputs[0], "tanh")
        inner = None if tanh is None else _scaled(graph, tanh.inputs[0], sqrt(2.0 / pi))
        if inner is not None and _is_cubic(graph, inner, value):
            return Term("gelu", (value,), {"approximate": "tanh"})
    return None


def _is_cubic(graph: Definitions, sum_: str, value: str) -> bool:
    added = graph.made_by(sum_, "add.Tensor")
    if added is None or added.attributes["alpha"] != 1:
        return False
    for one, other in _pairs(added):
        cube = _scaled(graph, other, _CUBIC)
        power = None if cube is None else graph.made_by(cube, "pow.Tensor_Scalar")
        if one == value and power is not None and power.inputs[0] == value:
            return power.attributes["exponent"] == 3  # noqa: PLR2004 - a cube
    return False


def _scaled(graph: Definitions, value: str, factor: float) -> str | None:
    """Return what a value is `factor` times of."""
    node = graph.made_by(value, "mul.Scalar")
    return node.inputs[0] if node is not None and node.attributes["other"] == factor else None


def _number(node: Node, other: float) -> bool:
    return node.attributes["other"] == other and node.attributes["alpha"] == 1
