"""Small regions for the tests of adapters, typed by the opset's own rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cep.expr import Dim, Range, parse
from cep.graph import Node, Region
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import FLOATS, Call, TensorType
from reference_runtime.adapter import Adapter, Executable, Numeric, NumericClass
from reference_runtime.host import DTYPES, HostArena

RELATIVE = NumericClass(Numeric.RELATIVE, 10_000)
BATCH_AND_SEQUENCE = {"s0": Range(1, 64), "s1": Range(2, 256)}


def tensor_type(text: str) -> TensorType:
    """Return the type that is written ``f32[s0, 384]``."""
    dtype, _, shape = text.rstrip("]").partition("[")
    return TensorType(dtype, tuple(parse(d.strip()) for d in shape.split(",") if d.strip()))


def dims(*sizes: str | int) -> tuple[Dim, ...]:
    return tuple(parse(str(size)) for size in sizes)


class RegionBuilder:
    """Builds a region node by node; the opset infers the types."""

    def __init__(
        self,
        ranges: Mapping[str, Range] = BATCH_AND_SEQUENCE,
        dtypes: Mapping[str, str] | None = None,
    ) -> None:
        """Begin with no operations; `dtypes` replaces dtypes by others wherever they are named."""
        self.ranges = dict(ranges)
        self.dtypes = dtypes or {}
        self.types: dict[str, TensorType] = {}
        self.nodes: list[Node] = []
        self.inputs: list[str] = []
        self.constants: list[str] = []

    def input(self, name: str, kind: str) -> str:
        self.types[name] = self._type(kind)
        self.inputs.append(name)
        return name

    def constant(self, name: str, kind: str) -> str:
        self.types[name] = self._type(kind)
        self.constants.append(name)
        return name

    def _type(self, kind: str) -> TensorType:
        given = tensor_type(kind)
        return TensorType(self.dtypes.get(given.dtype, given.dtype), given.shape)

    def op(self, name: str, /, *operands: str, **attributes: object) -> str:
        """Append an operation and return its first result."""
        operation = OPERATIONS[PREFIX + name]
        if "dtype" in attributes:
            attributes["dtype"] = self.dtypes.get(str(attributes["dtype"]), attributes["dtype"])
        call = Call(tuple(self.types[o] for o in operands), attributes, self.ranges)
        made = operation.types(call)
        outputs = tuple(f"v{len(self.nodes)}.{i}" for i in range(len(made)))
        self.types.update(zip(outputs, made, strict=True))
        self.nodes.append(Node(PREFIX + name, operands, attributes, outputs))
        return outputs[0]

    def region(self, *outputs: str, all_inputs: bool = False) -> Region:
        """Return the region of the operations that the outputs need, with the inputs they need."""
        nodes: list[Node] = []
        needed = set(outputs)
        for node in reversed(self.nodes):
            if needed & set(node.outputs):
                nodes.insert(0, node)
                needed |= set(node.inputs)
        return Region(
            nodes=tuple(nodes),
            inputs=tuple(v for v in self.inputs if all_inputs or v in needed),
            outputs=outputs,
            constants=tuple(v for v in self.constants if v in needed),
            types=self.types,
            ranges=self.ranges,
        )


def draw(kind: TensorType, sizes: Mapping[str, int], seed: int) -> np.ndarray:
    """Return random elements: normal floats, small positive integers, bits."""
    shape = tuple(d.evaluate(sizes) for d in kind.shape)
    rng = np.random.default_rng(seed)
    if kind.dtype == "i1":
        return rng.random(shape) < 0.7
    if kind.dtype in FLOATS:
        return rng.standard_normal(shape).astype(DTYPES[kind.dtype])
    return rng.integers(0, 3, shape).astype(DTYPES[kind.dtype])


def constants_of(region: Region) -> dict[str, np.ndarray]:
    """Return random constants: small, and read-only as a file's."""
    drawn = {}
    for seed, name in enumerate(region.constants):
        array = draw(region.types[name], {}, 100 + seed)
        array = array * array.dtype.type(0.05) if array.dtype.kind == "f" else array
        array.flags.writeable = False
        drawn[name] = array
    return drawn


def prepare(
    adapter: Adapter,
    region: Region,
    constants: Mapping[str, np.ndarray] | None = None,
    numeric: NumericClass = RELATIVE,
) -> Executable:
    return adapter.prepare(
        region,
        device=adapter.describe()[0].unit_id,
        artifact=None,
        constants=constants_of(region) if constants is None else constants,
        numeric=numeric,
    )


def place(region: Region, names: Sequence[str], sizes: Mapping[str, int]) -> list[np.ndarray]:
    """Return views of one arena for values of the region, filled with 0xff."""
    types = [region.types[n] for n in names]
    shapes = [tuple(d.evaluate(sizes) for d in t.shape) for t in types]
    spans = [
        -(-int(np.prod(s)) * DTYPES[t.dtype].itemsize // 64) * 64
        for s, t in zip(shapes, types, strict=True)
    ]
    arena = HostArena(sum(spans), 64)
    arena.view(0, (arena.nbytes,), "ui8")[:] = 0xFF
    starts = np.cumsum([0, *spans])
    return [arena.view(int(o), s, t.dtype) for o, s, t in zip(starts, shapes, types, strict=False)]


def run(
    executable: Executable,
    region: Region,
    sizes: Mapping[str, int],
    given: Mapping[str, np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Bind the executable to fresh arenas, run it once, and return its outputs."""
    inputs = place(region, region.inputs, sizes)
    for seed, (name, view) in enumerate(zip(region.inputs, inputs, strict=True)):
        view[...] = (given or {}).get(name, draw(region.types[name], sizes, seed))
    outputs = place(region, region.outputs, sizes)
    executable.bind(inputs, outputs, sizes)()
    return outputs
