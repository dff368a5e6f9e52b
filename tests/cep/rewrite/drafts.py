"""Small graphs to rewrite, drawn at random, and what they compute."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cep.expr import Dim, Range
from cep.graph import GraphView, Node
from cep.opset import PREFIX
from cep.opset.definition import FLOATS, INTEGER_RANGES, TensorType
from cep.reference import evaluate
from cep.reference.namespace import DTYPE_NAMES
from cep.rewrite import Definitions
from cep.v1.graph import Binding

RANGES = {"s0": Range(1, 4), "s1": Range(2, 6)}
SIZES = ("1", "2", "3", "s0", "s1")
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3.4e38)


def dim(size):
    """A dim from a number, a symbol or a dim."""
    if isinstance(size, Dim):
        return size
    return Dim.constant(int(size)) if str(size).isdecimal() else Dim.symbol(size)


def dims(*sizes):
    return tuple(map(dim, sizes))


@dataclass
class Draft:
    """A graph under construction; the last value that was made is its output."""

    graph: Definitions = field(default_factory=lambda: Definitions({}, {}, {}, RANGES))
    inputs: list = field(default_factory=list)
    nodes: list = field(default_factory=list)

    def given(self, dtype, *shape):
        name = f"x{len(self.inputs)}"
        self.graph.types[name] = TensorType(dtype, dims(*shape))
        self.inputs.append(name)
        return name

    def op(self, name, *operands, **attributes):
        value = f"v{len(self.nodes)}"
        node = Node(PREFIX + name, operands, attributes, (value,))
        (self.graph.types[value],) = self.graph.infer(node)
        self.graph.nodes[value] = node
        self.nodes.append(node)
        return value

    def shape(self, value):
        return self.graph.types[value].shape

    def view(self, value, *shape):
        return self.op("view", value, size=dims(*shape))

    def expand(self, value, *shape):
        return self.op("expand", value, size=dims(*shape))

    def permute(self, value, *order):
        return self.op("permute", value, **({"dims": order} if order else {}))

    def plus(self, one, other, alpha=1):
        return self.op("add.Tensor", one, other, alpha=alpha)

    @property
    def last(self):
        return self.nodes[-1].outputs[0]

    def outcome(self, arrays, graph=None):
        """What the graph computes, or what it computes once it was rewritten."""
        graph = graph or self.graph
        nodes = tuple(graph.live([self.last]))
        view = GraphView(
            nodes=nodes,
            types=graph.types,
            roles={},
            constants={},
            ranges=RANGES,
            inputs=tuple(Binding(name=n, value=n) for n in self.inputs),
            outputs=(Binding(name="y", value=graph.resolve(self.last)),),
        )
        with np.errstate(all="ignore"):
            return evaluate(view, arrays, {}, np)["y"]

    def arrays(self, rng, *, special):
        """Inputs: contents at random, some of them special; every symbol has a size."""
        sizes = {name: rng.randint(span.min, span.max) for name, span in RANGES.items()}
        return {
            name: _contents(rng, self.graph.types[name], sizes, special=special)
            for name in self.inputs
        }


def _contents(rng, kind, sizes, *, special):
    shape = [d.evaluate(sizes) for d in kind.shape]
    count = int(np.prod(shape))
    if kind.dtype in FLOATS:
        content = [rng.gauss(0, 1) for _ in range(count)]
        for at in range(count):
            if special and rng.random() < 0.3:
                content[at] = rng.choice(SPECIAL)
    elif kind.dtype == "i1":
        content = [rng.random() < 0.5 for _ in range(count)]
    else:
        low, high = INTEGER_RANGES[kind.dtype]
        content = [rng.choice((low, high, rng.randint(-9, 9) % 100)) for _ in range(count)]
    with np.errstate(all="ignore"):
        return np.array(content).reshape(shape).astype(DTYPE_NAMES[kind.dtype])


def symbols(draft):
    """Give every symbol an axis of an input, so that a run says its size."""
    draft.given("f32", *RANGES)
    return draft


def shape_of(rng, most=4, least=0):
    return [rng.choice(SIZES) for _ in range(rng.randint(least, most))]


def dtype_of(rng, *only):
    return rng.choice(only or ("f32", "f16", "f64", "i64", "i32", "i1"))
