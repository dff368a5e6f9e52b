"""CEP-Core 1: the operations that a plan may use, with their type rules.

A pinned subset of PyTorch's Core ATen operations, plus two composite ones that every device stack
has a kernel for, ``linear`` and ``scaled_dot_product_attention`` (ADR 0008). Names, operands and
attributes are ATen's, so that capture is erasure plus identity rather than translation.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

from acp.canonical import digest
from cep.opset.contraction import CONTRACTION
from cep.opset.convolution import CONVOLUTION
from cep.opset.error_classes import error_table
from cep.opset.normalization import NORMALIZATION
from cep.opset.ordering import ORDERING
from cep.opset.pointwise import POINTWISE
from cep.opset.pooling import POOLING
from cep.opset.reductions import REDUCTIONS
from cep.opset.shaping import SHAPING

if TYPE_CHECKING:
    from cep.opset.definition import Operation

NAMESPACE: Final = "cep-core"
VERSION: Final = 1
PREFIX: Final = f"{NAMESPACE}/{VERSION}:"

FAMILIES: Final = (
    POINTWISE, SHAPING, REDUCTIONS, ORDERING, CONTRACTION, CONVOLUTION, POOLING, NORMALIZATION,
)  # fmt: skip

OPERATIONS: Final[Mapping[str, Operation]] = {
    PREFIX + name: operation
    for family in FAMILIES
    for name, operation in sorted(family.operations.items())
}


def table() -> dict[str, object]:
    """Return the opset as plain data, as it is printed in ``spec/opsets``."""
    return {
        "namespace": NAMESPACE,
        "version": VERSION,
        **error_table(),
        "operations": [OPERATIONS[name].signature() for name in sorted(OPERATIONS)],
    }


@cache
def opset_digest() -> str:
    """Return the digest that pins this opset in graphs and plans."""
    return digest(table())
