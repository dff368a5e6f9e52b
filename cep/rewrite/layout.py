"""Rules that move, repeat and pick elements in fewer steps; none changes a bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cep.opset.definition import INTEGERS, axis
from cep.rewrite.definitions import Definitions, Term
from cep.rewrite.rules import name_of, rule

if TYPE_CHECKING:
    from cep.graph import Node

_RESHAPES: Final = "view unsqueeze squeeze.dims"
_BROADCASTS: Final = (
    "add.Tensor sub.Tensor mul.Tensor div.Tensor maximum minimum bitwise_and.Tensor "
    "bitwise_or.Tensor logical_and logical_or eq.Tensor ge.Tensor gt.Tensor le.Tensor lt.Tensor "
    "ne.Tensor where.self scaled_dot_product_attention"
)


@rule("same-shape", "layout", f"clone _to_copy expand slice.Tensor cat {_RESHAPES}")
def _same_shape(graph: Definitions, node: Node) -> str | None:
    """An op that keeps order and number of elements, and the type, changes nothing."""
    (operand, *others) = node.inputs
    return None if others or graph.type(operand) != graph.type(node.outputs[0]) else operand


@rule("permute-nothing", "layout", "permute")
def _permute_nothing(graph: Definitions, node: Node) -> str | None:
    (operand,) = node.inputs
    return operand if _order(graph, node) == list(range(graph.type(operand).rank)) else None


@rule("permute-permute", "layout", "permute")
def _permute_permute(graph: Definitions, node: Node) -> Term | None:
    inner = graph.made_by(node.inputs[0], "permute")
    if inner is None:
        return None
    first = _order(graph, inner)
    return Term("permute", inner.inputs, {"dims": tuple(first[i] for i in _order(graph, node))})


def _order(graph: Definitions, node: Node) -> list[int]:
    rank = graph.type(node.inputs[0]).rank
    dims = node.attributes.get("dims", ())
    return [axis(d, rank) for d in dims if isinstance(d, int)] if isinstance(dims, tuple) else []


@rule("reshape-reshape", "layout", _RESHAPES)
def _reshape_reshape(graph: Definitions, node: Node) -> Term | None:
    inner = graph.made_by(node.inputs[0], *_RESHAPES.split())
    if inner is None:
        return None
    shape = graph.type(node.outputs[0]).shape
    return Term("view", inner.inputs, {"size": shape})


@rule("expand-expand", "layout", "expand")
def _expand_expand(graph: Definitions, node: Node) -> Term | None:
    inner = graph.made_by(node.inputs[0], "expand")
    return None if inner is None else Term("expand", inner.inputs, node.attributes)


@rule("expand-broadcast", "layout", _BROADCASTS)
def _expand_broadcast(graph: Definitions, node: Node) -> Term | None:
    """An op that broadcasts does what an expansion of an operand did; attention, of its mask."""
    first = 3 if name_of(node) == "scaled_dot_product_attention" else 0
    for position in range(first, len(node.inputs)):
        inner = graph.made_by(node.inputs[position], "expand")
        if inner is not None:
            operands = (*node.inputs[:position], *inner.inputs, *node.inputs[position + 1 :])
            if graph.infer(node._replace(inputs=operands)) == (graph.type(node.outputs[0]),):
                return Term(name_of(node), operands, node.attributes)
    return None


@rule("neutral-number", "layout", "mul.Scalar div.Scalar add.Scalar sub.Scalar pow.Tensor_Scalar")
def _neutral_number(graph: Definitions, node: Node) -> str | None:
    """Times 1, by 1, to the power of 1, less 0; plus 0 of integers only, since -0 + 0 is 0."""
    name, operand = name_of(node), node.inputs[0]
    given = node.attributes.get("exponent" if name == "pow.Tensor_Scalar" else "other")
    if name.startswith(("add", "sub")):
        if node.attributes.get("alpha") != 1 or given != 0:
            return None
        minus = name.startswith("sub") and str(given) != "-0.0"
        return operand if minus or graph.type(operand).dtype in INTEGERS else None
    return operand if given == 1 else None


@rule("negative-negative", "layout", "neg")
def _negative_negative(graph: Definitions, node: Node) -> str | None:
    inner = graph.made_by(node.inputs[0], "neg")
    return None if inner is None else inner.inputs[0]


@rule("and-true", "layout", "bitwise_and.Tensor logical_and")
def _and_true(graph: Definitions, node: Node) -> str | None:
    """Of two truth values, one of which is true everywhere, and the other has the result's type."""
    for one, other in (node.inputs, node.inputs[::-1]):
        full = graph.made_by(one, "full")
        true = full is not None and full.attributes["fill_value"] == 1
        if (
            true
            and graph.type(one).dtype == "i1"
            and graph.type(other) == graph.type(node.outputs[0])
        ):
            return other
    return None
