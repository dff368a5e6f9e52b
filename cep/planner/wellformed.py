"""Whether a graph can be planned at all: declared once, typed as it says, of sizes that exist.

A graph document comes from anywhere. The planner relies on its types, and the verifier, which
checks them again in the plan (CEP-T1 to CEP-T5), is not asked here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from acp.diagnostics import pointer
from cep.expr import Dim
from cep.graph import GraphError, GraphView, Node
from cep.opset import OPERATIONS
from cep.opset.definition import DTYPE_BYTES, Call
from cep.planner.devices import PlanningError
from cep.planner.work import most_bytes

MAX_SYMBOL: Final = 2**48
"""Largest size that a symbol may have (CEP-T5)."""

MAX_BYTES: Final = 2**62
"""Most bytes that the values of a graph may have together, at the symbols' largest sizes."""


def check_graph(view: GraphView) -> None:
    """Refuse a graph that no plan can carry out.

    Raises:
        GraphError: A value is not declared, or made twice (CEP-T1), an operation is unknown
            (CEP-T2), has not the types that it says (CEP-T3), or there is no size (CEP-T5).
        PlanningError: The values are too large (CEP-X6).
    """
    for name, span in view.ranges.items():
        if not span.min <= span.max <= MAX_SYMBOL:
            message = f"symbol {name} is {span.min} to {span.max}; the largest size is {MAX_SYMBOL}"
            raise GraphError.because("CEP-T5", message, pointer("symbols"))
    for value, kind in view.types.items():
        if kind.dtype not in DTYPE_BYTES:
            message = f"CEP-Core does not compute with dtype {kind.dtype!r}, that of {value!r}"
            raise GraphError.because("CEP-T5", message, pointer("values"))
        _check_symbols(view, kind.shape, pointer("values"))
    made = {*view.constants, *(binding.value for binding in view.inputs)}
    for index, node in enumerate(view.nodes):
        _check_node(view, node, made, pointer("ops", index))
    if sum(most_bytes(kind, view.ranges) for kind in view.types.values()) > MAX_BYTES:
        raise PlanningError.because(
            "CEP-X6",
            f"the model's values have more than {MAX_BYTES} bytes at the largest sizes of its "
            "symbols: export it with smaller ranges",
        )


def _check_node(view: GraphView, node: Node, made: set[str], path: str) -> None:
    for value in node.inputs:
        if value not in made:
            raise GraphError.because(
                "CEP-S4", f"value {value!r} is read before anything makes it", path
            )
    for value in node.outputs:
        if value in made or value not in view.types:
            reason = "made twice" if value in made else "not declared in values"
            raise GraphError.because("CEP-T1", f"value {value!r} is {reason}", path)
        made.add(value)
    for attribute in node.attributes.values():
        _check_symbols(view, attribute if isinstance(attribute, tuple) else (attribute,), path)
    if node.target not in OPERATIONS:
        raise GraphError.because("CEP-T2", f"there is no operation {node.target}", path)
    operands = tuple(view.types[value] for value in node.inputs)
    try:
        inferred = OPERATIONS[node.target].types(Call(operands, node.attributes, view.ranges))
    except ValueError as error:
        raise GraphError.because("CEP-T3", f"{node.target}: {error}", path) from None
    declared = tuple(view.types[value] for value in node.outputs)
    if declared != inferred:
        message = (
            f"{node.target} makes {', '.join(map(str, inferred))}; declared is "
            f"{', '.join(map(str, declared))}"
        )
        raise GraphError.because("CEP-T3", message, path)


def _check_symbols(view: GraphView, items: Iterable[object], path: str) -> None:
    used = {name for item in items if isinstance(item, Dim) for name in item.symbols}
    unknown = sorted(used - set(view.ranges))
    if unknown:
        raise GraphError.because("CEP-T5", f"symbol {unknown[0]!r} is not declared", path)
