"""The rule that finds attention where a model spells it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cep.rewrite.definitions import Definitions, Term
from cep.rewrite.rules import name_of, rule

if TYPE_CHECKING:
    from cep.expr import Dim
    from cep.graph import Node


@rule("attention", "attention", "bmm view", error="composite")
def _attention(graph: Definitions, node: Node) -> Term | None:
    """softmax(query @ key^T * scale + mask) @ value, with batches and heads apart or as one axis.

    A `view` may merge the axes before the last two for a product, and take them apart after it.
    """
    outer = _product(graph, node.outputs[0])
    if outer is None:
        return None
    weights = _apart(graph, outer.inputs[0])
    softmax = graph.made_by(weights, "_softmax")
    if softmax is None:
        return None
    (scores,) = softmax.inputs
    rank = graph.type(scores).rank
    if softmax.attributes["dim"] not in (-1, rank - 1):
        return None
    scores, mask = _masked(graph, scores)
    scores, scale = _scaled(graph, scores)
    inner = _product(graph, scores)
    if inner is None:
        return None
    lead = graph.type(node.outputs[0]).shape[:-2]
    if any(graph.type(v).shape[:-2] != lead for v in (weights, scores)):
        return None
    query, turned, value = (_led(graph, v, lead) for v in (*inner.inputs, outer.inputs[1]))
    return Term(
        "scaled_dot_product_attention",
        (query, _transposed(graph, turned, len(lead)), value, *mask),
        {"is_causal": False, "scale": scale},
    )


def _led(graph: Definitions, value: str, lead: tuple[Dim, ...]) -> Term | str:
    """Return a value with its axes before the last two as `lead`."""
    apart = _apart(graph, value)
    if graph.type(apart).shape[:-2] == lead:
        return apart
    return Term("view", (value,), {"size": (*lead, *graph.type(value).shape[-2:])})


def _product(graph: Definitions, value: str) -> Node | None:
    """Return the product that a value is, or is a view of with the same last two axes."""
    return graph.made_by(_apart(graph, value), "bmm")


def _apart(graph: Definitions, value: str) -> str:
    """Return the value that this one is a view of, where the view keeps the last two axes.

    Elements are in row-major order, so that the axes before them are merged or taken apart.
    """
    node = graph.made_by(value, "view")
    if node is None:
        return value
    before, after = graph.type(node.inputs[0]), graph.type(value)
    kept = before.rank > 2 < after.rank and before.shape[-2:] == after.shape[-2:]  # noqa: PLR2004 - a matrix
    return node.inputs[0] if kept else value


def _masked(graph: Definitions, value: str) -> tuple[str, tuple[str, ...]]:
    """Return the scores and the mask that was added to them, if there is one."""
    node = graph.made_by(value, "add.Tensor")
    if node is None or node.attributes["alpha"] != 1:
        return value, ()
    for scores, mask in (node.inputs, node.inputs[::-1]):
        plain = _scaled(graph, scores)[0]
        if graph.type(scores) == graph.type(value) and _product(graph, plain) is not None:
            return scores, (mask,)
    return value, ()


def _scaled(graph: Definitions, value: str) -> tuple[str, float]:
    """Return the scores and what they were multiplied by: 1 over a number that divides them."""
    node = graph.made_by(value, "mul.Scalar", "div.Scalar")
    number = 1.0 if node is None else node.attributes["other"]
    if node is None or not isinstance(number, int | float) or not number:
        return value, 1.0
    return node.inputs[0], float(number) if name_of(node) == "mul.Scalar" else 1.0 / number


def _transposed(graph: Definitions, value: Term | str, lead: int) -> Term | str:
    """Return a value with its last two axes exchanged, without an op where that was its making."""
    swap = (*range(lead), lead + 1, lead)
    node = graph.made_by(value, "permute") if isinstance(value, str) else None
    if node is not None and node.attributes.get("dims") == swap:
        return node.inputs[0]
    return Term("permute", (value,), {"dims": swap})
