"""How much an operation has to do: arithmetic operations, and bytes that it must move."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Final

from cep.opset import PREFIX
from cep.opset.definition import DTYPE_BYTES, TensorType

if TYPE_CHECKING:
    from cep.expr import Ranges
    from cep.graph import Node

_FREE: Final = frozenset(PREFIX + n for n in ("view", "unsqueeze", "squeeze.dims", "expand"))
"""Operations that only say how the same bytes are read."""


def elements(tensor: TensorType, sizes: Mapping[str, int]) -> int:
    """Return the number of elements of a tensor at the given sizes of the symbols."""
    return prod(dim.evaluate(sizes) for dim in tensor.shape)


def size_bytes(tensor: TensorType, sizes: Mapping[str, int]) -> int:
    """Return the size of a tensor in bytes at the given sizes of the symbols."""
    return elements(tensor, sizes) * DTYPE_BYTES[tensor.dtype]


def most_bytes(tensor: TensorType, ranges: Ranges) -> int:
    """Return the size of a tensor in bytes at the largest sizes of the symbols."""
    count = prod(max(0, dim.bounds(ranges)[1]) for dim in tensor.shape)
    return count * DTYPE_BYTES[tensor.dtype]


def operations(node: Node, types: Mapping[str, TensorType], sizes: Mapping[str, int]) -> int:
    """Return the arithmetic operations of a contraction, 0 of anything else.

    A fused multiply-add is two operations.
    """
    result = elements(types[node.outputs[0]], sizes)
    match node.target.removeprefix(PREFIX):
        case "linear" | "mm" | "bmm":
            return 2 * result * types[node.inputs[0]].shape[-1].evaluate(sizes)
        case "addmm":
            return 2 * result * types[node.inputs[1]].shape[-1].evaluate(sizes)
        case "convolution":
            operand, weight = types[node.inputs[0]], types[node.inputs[1]]
            filters = TensorType(weight.dtype, weight.shape[1:])
            moved = elements(operand, sizes) if node.attributes["transposed"] else result
            return 2 * moved * elements(filters, sizes)
        case "scaled_dot_product_attention":
            query, key = types[node.inputs[0]], types[node.inputs[1]]
            scores = elements(query, sizes) * key.shape[-2].evaluate(sizes)
            return 2 * scores + 2 * result * key.shape[-2].evaluate(sizes)
    return 0


def moved_bytes(node: Node, types: Mapping[str, TensorType], sizes: Mapping[str, int]) -> int:
    """Return the bytes that an operation reads and writes.

    Of a table that is looked up, only the rows that are looked up count.
    """
    if node.target in _FREE:
        return 0
    written = sum(size_bytes(types[v], sizes) for v in node.outputs[:1])
    if node.target == f"{PREFIX}embedding":
        return 2 * written + size_bytes(types[node.inputs[1]], sizes)
    return written + sum(size_bytes(types[v], sizes) for v in node.inputs)
