"""Graphs as the planner, the verifier and the adapters read them, and their canonical digest.

A graph is functional: each value is made once, by the caller, by a constant or by one operation.
`GraphView` is the parsed, indexed form of a `Graph` document, or of the part of a `Plan` that says
what is computed; it trusts nothing about the document but its structure.

The digest of a graph depends on what it computes, not on how it is written down: names, order of
independent operations, dead operations and repeated subexpressions do not matter (CEP-E1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from acp.canonical import canonicalize_message, digest_bytes
from acp.diagnostics import Refused, pointer
from cep import expr
from cep.expr import Dim, Range, Ranges
from cep.opset.definition import AttributeKind, AttributeValue, TensorType
from cep.prove import Grid
from cep.v1.graph import Attribute, Binding, Constant, DimList, Graph, IntList, Op, Value

if TYPE_CHECKING:
    from acp.canonical import JsonValue
    from cep.v1.plan import Plan


ItemT = TypeVar("ItemT")


class GraphError(Refused):
    """A graph that contradicts itself (codes ``CEP-T…``, ``CEP-I…``)."""


class Node(NamedTuple):
    """One operation, with its attributes as Python values.

    Attributes:
        target: Name with its opset: ``cep-core/1:add.Tensor``.
        inputs: Ids of the values that it reads.
        attributes: By name; numbers, tokens, dims, or tuples of them. In a parsed graph, equal
            attributes are one object.
        outputs: Ids of the values that it makes.
    """

    target: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GraphView:
    """A graph, parsed.

    Attributes:
        nodes: Operations in the document's order.
        types: Declared type of each value; equal types are one object.
        roles: Role of each value: IN, CONST, TEMP, STATE, OUT or TOKEN.
        constants: Where the values of role CONST come from.
        ranges: Admissible sizes of each symbol.
        inputs: What the caller gives, in order.
        outputs: What the caller gets, in order.
    """

    nodes: tuple[Node, ...]
    types: Mapping[str, TensorType]
    roles: Mapping[str, str]
    constants: Mapping[str, Constant]
    ranges: Ranges
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]

    @classmethod
    def of(cls, document: Graph | Plan) -> GraphView:
        """Parse the dims and attributes of a document.

        Raises:
            GraphError: A dim or attribute is not canonical (CEP-I3), or a name is defined twice
                (CEP-T1).
        """
        known: dict[object, Mapping[str, AttributeValue]] = {}
        plain: Mapping[str, AttributeValue] = {}
        nodes = [
            Node(
                op.target, op.inputs, _shared(op, i, known) if op.attributes else plain, op.outputs
            )
            for i, op in enumerate(document.ops)
        ]
        types: dict[object, TensorType] = {}
        roles = {v.id: v.role for v in document.values}
        values = enumerate(document.values)
        typed = ((v.id, types.get((v.dtype, v.shape)) or _type(v, i, types)) for i, v in values)
        distinct = len(roles) == len(document.values)
        return cls(
            nodes=tuple(nodes),
            types=dict(typed) if distinct else _unique(typed, "values", "value"),
            roles=roles,
            constants=_unique(((c.value, c) for c in document.constants), "constants", "constant"),
            ranges=Grid(
                _unique(
                    ((s.name, Range(s.min, s.max, s.divisor or 1)) for s in document.symbols),
                    "symbols",
                    "symbol",
                )
            ),
            inputs=document.inputs,
            outputs=document.outputs,
        )

    def producers(self) -> dict[str, int]:
        """Return the index of the node that makes each value."""
        return {value: i for i, node in enumerate(self.nodes) for value in node.outputs}

    def consumers(self) -> dict[str, list[int]]:
        """Return the indices of the nodes that read each value, in order."""
        readers: dict[str, list[int]] = {}
        for i, node in enumerate(self.nodes):
            for value in dict.fromkeys(node.inputs):
                readers.setdefault(value, []).append(i)
        return readers


class Cut(NamedTuple):
    """What separates a region from the rest of its graph.

    Attributes:
        inputs: Values that the region reads and does not make, constants aside.
        outputs: Values that it makes and others read.
        constants: Constants that it reads.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Region:
    """Operations that one step runs together, and the cut that separates them from the rest.

    Attributes:
        nodes: Operations, each after those it depends on.
        inputs: Values that the region reads and does not make, constants aside.
        outputs: Values that it makes and others read.
        constants: Constants that it reads.
        types: Types of all values that occur.
        ranges: Admissible sizes of each symbol.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: tuple[str, ...]
    types: Mapping[str, TensorType]
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Cutter:
    """Cuts regions out of one graph.

    Attributes:
        view: The graph.
        readers: `view.consumers()`.
        results: Ids of the values that the caller gets.
    """

    view: GraphView
    readers: Mapping[str, Sequence[int]]
    results: frozenset[str]

    @classmethod
    def of(cls, view: GraphView) -> Cutter:
        """Return the cutter of `view`."""
        return cls(view, view.consumers(), frozenset(b.value for b in view.outputs))

    def cut(self, ops: Sequence[int]) -> Cut:
        """Return the cut around the operations with the given indices.

        Inputs and constants come in the order of first use, outputs in the order of making.
        """
        if len(ops) == 1:
            node = self.view.nodes[ops[0]]
            read = dict.fromkeys(node.inputs)
            kept = [v for v in node.outputs if v in self.readers or v in self.results]
        else:
            nodes = [self.view.nodes[i] for i in ops]
            inside = set(ops)
            made = [value for node in nodes for value in node.outputs]
            read = dict.fromkeys([value for node in nodes for value in node.inputs])
            for value in made:
                read.pop(value, None)
            kept = [
                value
                for value in made
                if value in self.results or not inside.issuperset(self.readers.get(value, ()))
            ]
        known = self.view.constants
        constants = tuple([v for v in read if v in known]) if known else ()
        for value in constants:
            del read[value]
        return Cut(tuple(read), tuple(kept), constants)

    def region(self, ops: Sequence[int]) -> Region:
        """Return the region of the operations with the given indices, with its cut."""
        cut, nodes = self.cut(ops), tuple(self.view.nodes[i] for i in ops)
        made = sorted({value for node in nodes for value in node.outputs})
        read = dict.fromkeys(v for node in nodes for v in node.inputs)
        return Region(
            nodes=nodes,
            inputs=cut.inputs,
            outputs=cut.outputs,
            constants=cut.constants,
            types={v: self.view.types[v] for v in dict.fromkeys((*read, *made))},
            ranges=self.view.ranges,
        )


def graph_digest(document: Graph | Plan, view: GraphView | None = None) -> str:
    """Return the canonical digest of what `document` computes (CEP-E1).

    It is over the opsets, the symbols, the inputs' names and types, the distinct expressions that
    outputs depend on, and the outputs' names and numbers. Expressions are numbered in the order in
    which a depth-first walk from the outputs leaves them, which no name and no place in the
    document has a say in. Placement, steps and buffers do not enter.

    Raises:
        GraphError: An input or constant is not declared, an output is made by nothing, or a value
            is made twice (CEP-T1), or a node reads a value that nothing before it makes (CEP-S4).
    """
    view = view or GraphView.of(document)
    makers = _makers(view)
    numbers = {binding.value: i for i, binding in enumerate(view.inputs)}
    free = len(view.inputs)
    first: dict[object, int] = {}
    forms: dict[int, tuple[bytes, list[JsonValue]]] = {}
    expressions: list[list[object]] = []
    number_of = numbers.get
    pending = [binding.value for binding in reversed(view.outputs)]
    while pending:
        value = pending.pop()
        if value in numbers:
            continue
        maker = makers[value]
        if maker < 0:
            results: tuple[str, ...] = (value,)
            form: list[object] = ["const", view.constants[value].digest]
            form.append(_type_form(view.types[value]))
            key: object = (form[1], view.types[value])
        else:
            target, inputs, known, results = view.nodes[maker]
            operands = [*map(number_of, inputs)]
            if None in operands:
                pending.append(value)
                pending += [v for v in inputs[::-1] if v not in numbers]
                continue
            if id(known) not in forms:
                forms[id(known)] = _attribute_forms(document.ops[maker])
            spelled, attributes = forms[id(known)]
            form = ["op", target, attributes, operands, len(results)]
            key = (target, spelled, len(results), *operands)
        number = first.setdefault(key, free)
        if number == free:
            expressions.append(form)
            free += len(results)
        for result in results:
            numbers[result] = number
            number += 1
    graph = {
        "opsets": [o.to_json() for o in document.opsets],
        "symbols": [s.to_json() for s in document.symbols],
        "inputs": [[b.name, _type_form(view.types[b.value])] for b in view.inputs],
        "expressions": expressions,
        "outputs": [[b.name, numbers[b.value]] for b in view.outputs],
    }
    return digest_bytes(canonicalize_message(graph))


def _attribute_forms(op: Op) -> tuple[bytes, list[JsonValue]]:
    forms: list[JsonValue] = [attribute.to_json() for attribute in op.attributes]
    return canonicalize_message(forms), forms


def _makers(view: GraphView) -> dict[str, int]:
    """Return the node that makes each value, -1 for what is given; each is made once, then used."""
    given = [("inputs", i, b.value) for i, b in enumerate(view.inputs)]
    given += [("constants", i, value) for i, value in enumerate(view.constants)]
    made: dict[str, int] = {}
    for place, at, value in given:
        if value not in view.types:
            raise GraphError.because(
                "CEP-T1", f"value {value!r} is not declared in values", pointer(place, at)
            )
        made[value] = -1
    for index, node in enumerate(view.nodes):
        for value in node.inputs:
            if value not in made:
                raise GraphError.because(
                    "CEP-S4",
                    f"value {value!r} is read before anything makes it; list operations in "
                    "an order in which each comes after those it depends on",
                    pointer("ops", index, "inputs"),
                )
        for value in node.outputs:
            if value in made:
                raise GraphError.because(
                    "CEP-T1", f"value {value!r} is made twice", pointer("ops", index, "outputs")
                )
            made[value] = index
    for at, binding in enumerate(view.outputs):
        if binding.value not in made:
            raise GraphError.because(
                "CEP-T1", f"nothing makes the output {binding.value!r}", pointer("outputs", at)
            )
    return made


def attribute_form(name: str, kind: AttributeKind, value: AttributeValue) -> Attribute:
    """Return the document form of an attribute. Floats become exact hexadecimal strings."""
    if kind == "dtype":
        return Attribute(name=name, dtype=str(value))
    match value:
        case bool():
            return Attribute(name=name, flag=value)
        case int():
            return Attribute(name=name, integer=value)
        case float():
            return Attribute(name=name, real=value.hex())
        case Dim():
            return Attribute(name=name, dim=str(value))
        case str():
            return Attribute(name=name, token=value)
    if kind == "dims":
        return Attribute(name=name, dims=DimList(items=tuple(map(str, value))))
    return Attribute(
        name=name, integers=IntList(items=tuple(v for v in value if isinstance(v, int)))
    )


def attribute_value(attribute: Attribute) -> AttributeValue:
    """Return the Python value of an attribute.

    Raises:
        ExprError: A dim is not canonical.
        ValueError: A float is not in the spelling of `float.hex`, or a list is empty, which is
            said by leaving it out.
    """
    several = attribute.dims or attribute.integers
    if several is not None and not several.items:
        raise ValueError(f"{attribute.name!r} is an empty list; leave the attribute out")
    if attribute.flag is not None:
        return attribute.flag
    if attribute.integer is not None:
        return attribute.integer
    if attribute.real is not None:
        number = float.fromhex(attribute.real)
        if number.hex() != attribute.real:
            raise ValueError(f"{attribute.real!r} is not exact; write it as {number.hex()!r}")
        return number
    if attribute.dim is not None:
        return expr.parse(attribute.dim)
    if attribute.dims is not None:
        return tuple(expr.parse(item) for item in attribute.dims.items)
    if attribute.integers is not None:
        return attribute.integers.items
    return attribute.dtype or attribute.token or ""


def _shared(
    op: Op, index: int, known: dict[object, Mapping[str, AttributeValue]]
) -> Mapping[str, AttributeValue]:
    """Return the attributes of an op, which are one object for all that spell them alike."""
    spelled = tuple([_spelled(a) for a in op.attributes])
    found = known.get(spelled)
    if found is None:
        found = known[spelled] = _attributes(op, index)
    return found


def _spelled(attribute: Attribute) -> tuple[object, ...]:
    """Return what tells an attribute from another, 1 from true among it, and is quickly hashed."""
    several = attribute.dims or attribute.integers
    return (
        attribute.name,
        attribute.flag,
        attribute.integer,
        attribute.real,
        attribute.dim,
        attribute.dtype,
        attribute.token,
        attribute.dims is None,
        several and several.items,
    )


def _attributes(op: Op, index: int) -> Mapping[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {}
    last = ""
    for position, attribute in enumerate(op.attributes):
        place = pointer("ops", index, "attributes", position)
        if attributes and attribute.name <= last:
            message = f"attribute {attribute.name!r} after {last!r}; they are sorted, each once"
            raise GraphError.because("CEP-I3", message, place)
        last = attribute.name
        try:
            attributes[attribute.name] = attribute_value(attribute)
        except ValueError as error:
            raise GraphError.because("CEP-I3", str(error), place) from None
    return attributes


def _type(value: Value, index: int, known: dict[object, TensorType]) -> TensorType:
    try:
        found = TensorType(value.dtype, tuple(expr.parse(d) for d in value.shape))
    except ValueError as error:
        raise GraphError.because("CEP-I3", str(error), pointer("values", index, "shape")) from None
    return known.setdefault((value.dtype, value.shape), found)


def _type_form(tensor: TensorType) -> list[object]:
    return [tensor.dtype, [str(d) for d in tensor.shape]]


def _unique(items: Iterable[tuple[str, ItemT]], place: str, what: str) -> dict[str, ItemT]:
    found: dict[str, ItemT] = {}
    for index, (name, item) in enumerate(items):
        if name in found:
            raise GraphError.because(
                "CEP-T1", f"{what} {name!r} is defined twice", pointer(place, index)
            )
        found[name] = item
    return found
