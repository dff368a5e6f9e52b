"""What a probe measures: regions of one operation each, at sizes that bracket real ones.

A workload is compiled once, for all its sizes, like any region of a plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Final

from cep.expr import Dim, Range
from cep.graph import Node, Region
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import DTYPE_BYTES, AttributeValue, Call, TensorType

HIDDEN: Final = 384
INNER: Final = 1536
HEADS: Final = 12
ROWS: Final = 8192
"""Rows of the table of embeddings."""

BATCH, SEQUENCE = Dim.symbol("s0"), Dim.symbol("s1")
_RANGES: Final = {"s0": Range(1, 4096), "s1": Range(1, 2**20)}
SMALL: Final[Mapping[str, int]] = {"s0": 1, "s1": 16}
LARGE: Final[Mapping[str, int]] = {"s0": 8, "s1": 128}
SQUARE: Final[Mapping[str, int]] = {"s0": 1024, "s1": 1024}
CALL: Final = "call"
"""Name of the measurement of a region that does next to nothing."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One operation to measure.

    Attributes:
        op: What the measurement point is called: an operation of the opset, or `CALL`.
        region: The operation alone.
        sizes: Sizes of the symbols at which it is measured.
        contraction: Sizes m, n, k of a product, or None for another operation.
        multiply_adds: Fused multiply-adds, as a dim; None where they do not say the work.
        reads_rows: The operation reads only the rows of its constants that its inputs name.
    """

    op: str
    region: Region
    sizes: tuple[Mapping[str, int], ...] = (SMALL, LARGE)
    contraction: tuple[Dim, Dim, Dim] | None = None
    multiply_adds: Dim | None = None
    reads_rows: bool = False

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return m, n and k, or the shape of the first input."""
        dims = self.contraction or self.region.types[self.region.inputs[0]].shape
        return tuple(dim.evaluate(sizes) for dim in dims)

    def operations(self, sizes: Mapping[str, int]) -> int | None:
        """Return the arithmetic operations of one call, two a fused multiply-add."""
        return None if self.multiply_adds is None else 2 * self.multiply_adds.evaluate(sizes)

    def nbytes(self, sizes: Mapping[str, int]) -> int:
        """Return the bytes that one call reads and writes at least."""
        moved = (*self.region.inputs, *self.region.outputs)
        constants = 0 if self.reads_rows else self._bytes(self.region.constants, sizes)
        rows = self._bytes(self.region.outputs, sizes) if self.reads_rows else 0
        return self._bytes(moved, sizes) + constants + rows

    def _bytes(self, values: tuple[str, ...], sizes: Mapping[str, int]) -> int:
        types = [self.region.types[value] for value in values]
        return sum(DTYPE_BYTES[t.dtype] * prod(d.evaluate(sizes) for d in t.shape) for t in types)


@dataclass(frozen=True, slots=True)
class Single:
    """The parts of a region of one operation."""

    name: str
    operands: Mapping[str, TensorType]
    constants: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)

    def region(self) -> Region:
        """Return the region; its one output is the first result."""
        target = PREFIX + self.name
        operands = tuple(self.operands)
        made = OPERATIONS[target].types(
            Call(tuple(self.operands.values()), self.attributes, _RANGES)
        )
        results = tuple(f"result{i}" for i in range(len(made)))
        return Region(
            nodes=(Node(target, operands, self.attributes, results),),
            inputs=tuple(v for v in operands if v not in self.constants),
            outputs=results[:1],
            constants=self.constants,
            types={**self.operands, **dict(zip(results, made, strict=True))},
            ranges=_RANGES,
        )


def _f32(*shape: Dim | int) -> TensorType:
    return TensorType("f32", tuple(Dim.constant(d) if isinstance(d, int) else d for d in shape))


def workloads() -> tuple[Workload, ...]:
    """Return what is measured on every device, cheapest first."""
    activation = _f32(BATCH, SEQUENCE, HIDDEN)
    heads = _f32(BATCH, HEADS, SEQUENCE, HIDDEN // HEADS)
    tokens = BATCH * SEQUENCE
    add = Single("add.Tensor", {"self": activation, "other": activation}, (), {"alpha": 1})
    gelu = Single("gelu", {"self": activation}, (), {"approximate": "none"})
    norm = Single(
        "native_layer_norm",
        {"input": activation, "weight": _f32(HIDDEN), "bias": _f32(HIDDEN)},
        ("weight", "bias"),
        {"normalized_shape": (Dim.constant(HIDDEN),), "eps": 1e-12},
    )
    embedding = Single(
        "embedding",
        {"weight": _f32(ROWS, HIDDEN), "indices": TensorType("i64", (BATCH, SEQUENCE))},
        ("weight",),
    )
    attention = Single(
        "scaled_dot_product_attention",
        {"query": heads, "key": heads, "value": heads},
        (),
        {"is_causal": False},
    )
    linear = Single(
        "linear",
        {"input": activation, "weight": _f32(INNER, HIDDEN), "bias": _f32(INNER)},
        ("weight", "bias"),
    )
    square = Dim.constant(SQUARE["s0"])
    mm = Single("mm", {"self": _f32(BATCH, square), "mat2": _f32(square, square)})
    inner = Dim.constant(HIDDEN)
    return (
        Workload(CALL, Single("relu", {"self": _f32(BATCH)}).region(), (SMALL,)),
        Workload(PREFIX + "add.Tensor", add.region()),
        Workload(PREFIX + "gelu", gelu.region()),
        Workload(PREFIX + "native_layer_norm", norm.region()),
        Workload(PREFIX + "embedding", embedding.region(), reads_rows=True),
        Workload(
            PREFIX + "scaled_dot_product_attention",
            attention.region(),
            multiply_adds=Dim.constant(2) * tokens * SEQUENCE * inner,
        ),
        Workload(
            PREFIX + "linear",
            linear.region(),
            contraction=(tokens, Dim.constant(INNER), inner),
            multiply_adds=tokens * Dim.constant(INNER) * inner,
        ),
        Workload(
            PREFIX + "mm",
            mm.region(),
            (SQUARE,),
            contraction=(BATCH, square, square),
            multiply_adds=BATCH * square * square,
        ),
    )
