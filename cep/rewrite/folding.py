"""Constants that were computed when the plan was made, and what it takes to compute them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Final, TypeAlias

from cep.opset.definition import BOOLEAN, INTEGERS
from cep.rewrite.definitions import Definitions, RewriteError
from cep.rewrite.rules import name_of

if TYPE_CHECKING:
    from cep.graph import Node
    from cep.opset.definition import TensorType
    from cep.v1.graph import Constant

MAX_FOLDED: Final = 2**26
"""Most elements that are computed for all folded constants of a plan together."""
LEAST_COUNTED: Final = 4096
"""What the result of an op counts for at least, in elements."""

MOVES: Final = frozenset({
    "view", "permute", "unsqueeze", "squeeze.dims", "expand", "slice.Tensor", "select.int", "cat",
    "full", "arange.start_step", "embedding", "gather", "index.Tensor", "where.self", "clone",
})  # fmt: skip
"""Operations that put elements in other places, or make some from nothing."""
_DECIDES: Final = frozenset({
    "logical_not", "logical_and", "logical_or", "bitwise_and.Tensor", "bitwise_or.Tensor",
    "eq.Tensor", "ge.Tensor", "gt.Tensor", "le.Tensor", "lt.Tensor", "ne.Tensor",
    "eq.Scalar", "ge.Scalar", "gt.Scalar", "le.Scalar", "lt.Scalar", "ne.Scalar",
})  # fmt: skip
_ROUNDED: Final = frozenset({"neg", "abs", "mul.Tensor", "mul.Scalar"})
_ADDS: Final = frozenset({"add.Tensor", "add.Scalar", "sub.Tensor", "sub.Scalar"})
_WRAPPED: Final = frozenset({"relu", "clamp", "maximum", "minimum"})
FOLDABLE: Final = MOVES | _DECIDES | _ROUNDED | _ADDS | _WRAPPED | {"_to_copy"}
"""Operations that a constant may be folded from, some of them for some dtypes only."""


def unfoldable(node: Node, types: Mapping[str, TensorType]) -> str:
    """Return why no constant may be folded from an operation, or nothing.

    What may be folded has one result, to the bit: nothing is rounded, or the exact result once, to
    nearest even. Which zero is the larger one is left open by IEEE 754, and so are conversions of
    floats to integers that are too large.
    """
    name = name_of(node)
    if name not in FOLDABLE:
        return f"{name} has no result that is the same to the bit everywhere"
    whole = types[node.outputs[0]].dtype in INTEGERS | BOOLEAN
    if name == "_to_copy" and whole and types[node.inputs[0]].dtype not in INTEGERS | BOOLEAN:
        return "floats that are too large for an integer are not converted alike everywhere"
    if name in _ADDS and not whole and node.attributes["alpha"] != 1:
        return f"{name} of floats with an alpha other than 1 rounds twice"
    if name in _WRAPPED and not whole:
        return f"{name} of floats may give either zero"
    return ""


@dataclass(frozen=True, slots=True)
class Fold:
    """A constant of a plan, and what it was computed from.

    Attributes:
        constant: The constant.
        nodes: Operations that compute it, each after those it depends on.
        sources: Constants that they read.
        types: Types of all values that occur.
        work: Elements that are computed.
    """

    constant: Constant
    nodes: tuple[Node, ...]
    sources: tuple[Constant, ...]
    types: Mapping[str, TensorType]
    work: int

    @property
    def refusal(self) -> str:
        """Why no constant may be folded from these operations, or nothing."""
        return next(filter(None, (unfoldable(node, self.types) for node in self.nodes)), "")


Recompute: TypeAlias = Callable[[Fold, Mapping[str, memoryview]], bytes]
"""From a fold and the elements of its sources to those of its constant; ValueError if it can't."""


def elements(kind: TensorType) -> int:
    """Return the number of elements of a type of fixed sizes."""
    return prod(size.value or 0 for size in kind.shape)


def fold(graph: Definitions, value: str, constant: Constant | None, room: int) -> Fold:
    """Replace what makes a value by a constant, at the cost of at most `room` elements.

    Raises:
        RewriteError: There is no such constant, the value depends on an input or a symbol, or it
            costs too much.
    """
    if constant is None:
        raise RewriteError(f"there is no constant {value!r}")
    nodes = tuple(graph.live([value]))
    used = dict.fromkeys(v for node in nodes for v in (*node.inputs, *node.outputs))
    made = {v for node in nodes for v in node.outputs}
    if value not in made:
        raise RewriteError(f"no operation makes {value!r}, which is to be a constant")
    for name in used:
        if name not in made and name not in graph.constants:
            raise RewriteError(f"{value!r} depends on {name!r}, which is no constant")
        if any(size.value is None for size in graph.type(name).shape):
            raise RewriteError(f"{value!r} depends on {name!r}, which has no fixed sizes")
    sources = tuple(graph.constants[name] for name in used if name not in made)
    types = {name: graph.type(name) for name in used}
    work = sum(max(LEAST_COUNTED, elements(types[node.outputs[0]])) for node in nodes)
    if work > room:
        raise RewriteError(f"{value!r} takes {work} elements to compute; {room} are left")
    done = Fold(constant, nodes, sources, types, work)
    graph.nodes.pop(value)
    graph.constants[value] = constant
    return done
