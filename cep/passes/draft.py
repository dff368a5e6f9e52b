"""A graph under optimization, with the log of what was done to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from cep.graph import GraphView
from cep.rewrite import FOLD, Definitions, Log, RewriteError, name_of, written
from cep.v1.graph import Binding, Constant, Graph, Value

if TYPE_CHECKING:
    from cep.graph import Node
    from cep.opset.definition import TensorType
    from cep.rewrite import Rule
    from cep.store import Store

_HEAVY: Final = frozenset({
    "mm", "bmm", "addmm", "linear", "scaled_dot_product_attention", "native_layer_norm",
    "convolution", "_softmax",
})  # fmt: skip
"""Operations that must not become more numerous."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What a pass did, for people to see.

    Attributes:
        name: Name of the pass.
        seconds: Time it took.
        before: Number of operations before it.
        after: Number of operations after it.
        did: What it did, by rule or kind, with the number of times.
    """

    name: str
    seconds: float
    before: int
    after: int
    did: Mapping[str, int]

    @property
    def outcome(self) -> str:
        """The same in words."""
        what = ", ".join(f"{count}×{name}" for name, count in sorted(self.did.items()))
        return f"{self.before} operations became {self.after}: {what or 'nothing to do'}"


@dataclass
class Draft:
    """A graph under optimization.

    Attributes:
        source: The graph as it was captured.
        store: Where weights are.
        exact: Only rules that keep every bit may be used.
        graph: The graph as it is by now.
        log: Rewrites so far: rule and value.
        folded: Elements of folded constants.
    """

    source: Graph
    store: Store
    exact: bool = False
    graph: Definitions = field(init=False)
    log: list[tuple[str, str]] = field(default_factory=list)
    folded: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.graph = Definitions.of(GraphView.of(self.source), self.source.ops)
        self.results = frozenset(binding.value for binding in self.source.outputs)

    def nodes(self) -> list[Node]:
        """Return the operations that an output depends on, in order."""
        return self.graph.live(binding.value for binding in self.source.outputs)

    def apply(self, rule: Rule, value: str) -> bool:
        """Use a rule on a value if it matches and does not make the graph worse; say whether."""
        if value not in self.graph.nodes or (self.exact and not rule.exact):
            return False
        result = rule.result(self.graph, value)
        # An output is made by an operation, never an input or constant as it is.
        if result is None or (isinstance(result, str) and value in self.results):
            return False
        before = None if rule.exact else self.graph.copy()
        worth = None if rule.exact else self._cost()
        try:
            self.graph.define(value, result, len(self.log))
        except RewriteError:
            return False
        if before is not None and worth is not None and self._cost() > worth:
            self.graph = before
            return False
        self.log.append((rule.id, value))
        return True

    def _cost(self) -> tuple[int, int]:
        nodes = self.nodes()
        return sum(name_of(node) in _HEAVY for node in nodes), len(nodes)

    def merge(self) -> Counter[str]:
        """Compute each expression once, and drop what is not used. No log needs to say so."""
        did: Counter[str] = Counter()
        seen: dict[object, Node] = {}
        for node in self.nodes():
            inputs = tuple(map(self.graph.resolve, node.inputs))
            key = (node.target, inputs, tuple(sorted(written(node).attributes, key=str)))
            first = seen.setdefault(key, node)
            if first is node or self.results.intersection(node.outputs):
                continue
            for value, other in zip(node.outputs, first.outputs, strict=True):
                self.graph.nodes.pop(value)
                self.graph.same[value] = other
            did[name_of(node)] += 1
        return did

    def document(self, constants: Mapping[str, Constant]) -> Graph:
        """Return the graph as it is by now.

        Args:
            constants: Where folded constants are stored.
        """
        nodes = self.nodes()
        used = {v for node in nodes for v in node.inputs}
        stored = {v: c for v, c in {**self.graph.constants, **constants}.items() if v in used}
        given = [binding.value for binding in self.source.inputs]
        made = [v for node in nodes for v in node.outputs]
        roles: dict[str, Literal["IN", "CONST", "TEMP", "OUT"]] = {
            **dict.fromkeys(made, "TEMP"),
            **dict.fromkeys(stored, "CONST"),
            **dict.fromkeys(self.results, "OUT"),
            **dict.fromkeys(given, "IN"),
        }
        return Graph(
            spec=self.source.spec,
            opsets=self.source.opsets,
            symbols=self.source.symbols,
            values=tuple(
                _value(v, self.graph.type(v), roles[v]) for v in (*given, *sorted(stored), *made)
            ),
            constants=tuple(sorted(stored.values(), key=lambda c: c.value)),
            ops=tuple(written(node) for node in nodes),
            inputs=self.source.inputs,
            outputs=tuple(Binding(name=b.name, value=b.value) for b in self.source.outputs),
        )

    def written_log(self, result: Graph) -> Log | None:
        """Return what a verifier needs to find the source graph in a plan; None if that is it."""
        if not self.log:
            return None
        kept = {op.outputs: op for op in result.ops}
        there = {constant.value for constant in result.constants}
        original = Definitions.of(GraphView.of(self.source), self.source.ops)
        nodes = original.live(binding.value for binding in self.source.outputs)
        ops = tuple(op for op in map(written, nodes) if kept.get(op.outputs) != op)
        read = {v for op in ops for v in op.inputs}
        constants = [c for c in self.source.constants if c.value in read - there]
        types = original.types
        return Log(
            values=tuple(_value(c.value, types[c.value], "CONST") for c in constants),
            constants=tuple(constants),
            ops=ops,
            rewrites=tuple(self.log),
        )

    def fold(self, value: str, elements: bytes) -> None:
        """Write down that a value was folded to a constant of these elements."""
        self.folded[value] = elements
        self.log.append((FOLD, value))


def _value(name: str, kind: TensorType, role: Literal["IN", "CONST", "TEMP", "OUT"]) -> Value:
    return Value(id=name, dtype=kind.dtype, shape=tuple(map(str, kind.shape)), role=role)
