"""A graph while it is rewritten: what makes each value, and which values stand for others.

A rewrite gives one value a new definition, or says that another value stands for it. Since ops
are functional, that is sound wherever the value is used if both definitions compute the same; what
is no longer used is dead, and the graph digest does not see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from cep.graph import GraphView, Node, attribute_form, graph_digest
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import AttributeValue, Call
from cep.v1.graph import Attribute, Constant, Graph, Op

if TYPE_CHECKING:
    from cep.expr import Ranges
    from cep.opset.definition import AttributeKind, TensorType
    from cep.v1.plan import Plan


class RewriteError(ValueError):
    """A rewrite that cannot be done, or a graph that nothing can be done with."""


class Term(NamedTuple):
    """An operation that a rule writes: its name without the opset, operands and attributes."""

    name: str
    operands: tuple[Term | str, ...]
    attributes: Mapping[str, AttributeValue] = {}


@dataclass
class Definitions:
    """What defines each value.

    Attributes:
        types: Type of each value, inferred but for inputs and constants.
        nodes: The operation that makes each value that one makes.
        constants: Where stored values come from.
        ranges: Admissible sizes of each symbol.
        same: The value that stands for another, where a rewrite said so.
        known: Operations as a document has them, by first result.
        resolved: How many values had a substitute when an operation's operands were last looked
            at, by first result.
    """

    types: dict[str, TensorType]
    nodes: dict[str, Node]
    constants: dict[str, Constant]
    ranges: Ranges
    same: dict[str, str] = field(default_factory=dict)
    known: dict[str, tuple[Node, Op]] = field(default_factory=dict)
    resolved: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, view: GraphView, ops: Sequence[Op]) -> Definitions:
        """Return the definitions of a graph whose types are as they must be (CEP-T3)."""
        graph = cls(dict(view.types), {}, dict(view.constants), view.ranges)
        graph.add(view.nodes, ops)
        return graph

    def add(self, nodes: Iterable[Node], ops: Iterable[Op]) -> None:
        """Let some operations of a document make what they make."""
        for node, op in zip(nodes, ops, strict=True):
            self.nodes.update(dict.fromkeys(node.outputs, node))
            self.known[node.outputs[0]] = (node, op)

    def copy(self) -> Definitions:
        """Return the same definitions, to change them apart."""
        return replace(
            self,
            types=dict(self.types),
            nodes=dict(self.nodes),
            constants=dict(self.constants),
            same=dict(self.same),
            resolved=dict(self.resolved),
        )

    def resolve(self, value: str) -> str:
        """Return the value that stands for `value` by now: often itself."""
        found = value
        while found in self.same:
            found = self.same[found]
        while value in self.same:
            self.same[value], value = found, self.same[value]
        return found

    def node(self, value: str) -> Node | None:
        """Return the operation that makes a value, with operands as they are by now."""
        node = self.nodes.get(self.resolve(value))
        if node is None or self.resolved.get(node.outputs[0], 0) == len(self.same):
            return node
        if any(v in self.same for v in node.inputs):
            node = node._replace(inputs=tuple(map(self.resolve, node.inputs)))
            self.nodes.update(dict.fromkeys(node.outputs, node))
        self.resolved[node.outputs[0]] = len(self.same)
        return node

    def made_by(self, value: str, *names: str) -> Node | None:
        """Return the operation that makes a value as its first result, if it is one of `names`."""
        found = self.nodes.get(self.resolve(value))
        if found is None or found.target.removeprefix(PREFIX) not in names:
            return None  # before its operands are looked at, of which there may be many
        node = self.node(value)
        return node if node is not None and node.outputs[0] == self.resolve(value) else None

    def type(self, value: str) -> TensorType:
        """Return the type of a value."""
        return self.types[value]

    def live(self, wanted: Iterable[str]) -> list[Node]:
        """Return the operations that some values depend on, each after those it depends on.

        Raises:
            RewriteError: Nothing makes a value, or it depends on itself.
        """
        order: list[Node] = []
        done: dict[str, bool] = {}
        stack = [self.resolve(value) for value in wanted][::-1]
        while stack:
            node = self.node(stack[-1])
            if node is None:
                if stack[-1] not in self.types:
                    raise RewriteError(f"nothing makes {stack[-1]!r}")
                stack.pop()
                continue
            name = node.outputs[0]
            if name in done:
                stack.pop()
                if not done[name]:
                    done[name] = True
                    order.append(node)
                continue
            done[name] = False
            for value in reversed(node.inputs):
                maker = self.nodes.get(value)
                if maker is None or maker.outputs[0] not in done:
                    stack.append(value)
                elif not done[maker.outputs[0]]:
                    raise RewriteError(f"{name!r} depends on itself")
        return order

    def infer(self, node: Node) -> tuple[TensorType, ...]:
        """Return the types of the results of an operation.

        Raises:
            RewriteError: There is no such operation, or it does not fit its type rule.
        """
        if node.target not in OPERATIONS:
            raise RewriteError(f"there is no operation {node.target}")
        operands = tuple(self.types[value] for value in node.inputs)
        try:
            made = OPERATIONS[node.target].types(Call(operands, node.attributes, self.ranges))
        except ValueError as error:
            raise RewriteError(f"{node.target}: {error}") from None
        if len(made) != len(node.outputs):
            raise RewriteError(f"{node.target} makes {len(made)} values, not {len(node.outputs)}")
        return made

    def define(self, value: str, result: Term | str, number: int) -> None:
        """Give a value another definition of the same type.

        Args:
            value: The value.
            result: What makes it now, or the value that stands for it.
            number: Number of the rewrite, after which new inner values are named.

        Raises:
            RewriteError: The type is another, or the name of an inner value is taken.
        """
        if isinstance(result, str):
            self._expect(value, self.types[result])
            self.nodes.pop(value)
            self.same[value] = self.resolve(result)
            return
        made: list[Node] = []
        try:
            node = self._built(result, value, number, made)
            self._expect(value, self.infer(node)[0])
        except RewriteError:
            for inner in made:
                del self.types[inner.outputs[0]]
            raise
        self.nodes.update({inner.outputs[0]: inner for inner in (*made, node)})

    def _expect(self, value: str, found: TensorType) -> None:
        if found != self.types[value]:
            raise RewriteError(f"{value!r} is {self.types[value]}; rewritten, it would be {found}")

    def _built(self, term: Term, value: str, number: int, made: list[Node]) -> Node:
        operands = tuple(
            self._inner(o, number, made) if isinstance(o, Term) else o for o in term.operands
        )
        # A list without items is never written.
        attributes = {key: given for key, given in term.attributes.items() if given != ()}
        return Node(PREFIX + term.name, operands, attributes, (value,))

    def _inner(self, term: Term, number: int, made: list[Node]) -> str:
        node = self._built(term, "", number, made)
        name = f"rewrite.{number}.{len(made)}"
        if name in self.types:
            raise RewriteError(f"the name {name!r} is taken")
        node = node._replace(outputs=(name,))
        (self.types[name],) = self.infer(node)
        made.append(node)
        return name

    def written(self, node: Node) -> Op:
        """Return an operation as a document has it."""
        first, op = self.known.get(node.outputs[0], (None, None))
        return op if op is not None and first is node else written(node)

    def digest(self, like: Graph | Plan) -> str:
        """Return the graph digest, with the inputs, outputs, symbols and opsets of a document."""
        nodes = tuple(self.live(binding.value for binding in like.outputs))
        outputs = tuple(b.replace(value=self.resolve(b.value)) for b in like.outputs)
        document = Graph(
            spec=like.spec,
            opsets=like.opsets,
            symbols=like.symbols,
            values=(),
            constants=tuple(self.constants.values()),
            ops=tuple(map(self.written, nodes)),
            inputs=like.inputs,
            outputs=outputs,
        )
        view = GraphView(nodes, self.types, {}, self.constants, self.ranges, like.inputs, outputs)
        return graph_digest(document, view)


@cache
def _kinds(target: str) -> dict[str, AttributeKind]:
    return {p.name: p.kind for p in OPERATIONS[target].parameters}


def attributes_of(node: Node) -> tuple[Attribute, ...]:
    """Return the attributes of an operation in the one form that they have in documents."""
    kinds = _kinds(node.target)
    return tuple(
        attribute_form(name, kinds[name], value) for name, value in sorted(node.attributes.items())
    )


def written(node: Node) -> Op:
    """Return an operation as a document has it."""
    return Op(
        target=node.target,
        inputs=node.inputs,
        attributes=attributes_of(node),
        outputs=node.outputs,
    )
