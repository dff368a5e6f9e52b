"""Opsets tell what a use leaves out: names and order of operands, and the types of results.

Whoever defines an opset joins by an entry point in the group ``acp.opsets``, named like the opset
with ``.`` for ``/``, that names an `Opset`::

    [project.entry-points."acp.opsets"]
    "cep-core.1" = "cep.opset.uses:CEP_CORE"
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from acp.matching.uses import Use

GROUP: Final = "acp.opsets"


class UseError(ValueError):
    """What is asked about is no use of the operation, or the opset has no such operation."""


class Opset(Protocol):
    """What is known of the operations of an opset."""

    def complete(self, use: Use) -> Use:
        """Return a use with its operands named and in order, and with its results.

        An operand without a name stands for the one at its place. An operand that must be there and
        is not given gets what is known of all. Results follow from the operands if those are
        complete; otherwise they are left open.

        Raises:
            UseError: It is no use of the operation.
        """
        ...


def complete(use: Use) -> Use:
    """Return a use with what its opset tells of it, where that opset is known here.

    Raises:
        UseError: It is no use of the operation; or operands have no names, and nobody here knows
            those of the opset.
    """
    opset = _find(use.op.rpartition(":")[0])
    if opset is not None:
        return opset.complete(use)
    if any(not name for name, _ in use.operands):
        raise UseError(
            f"nothing installed here knows the operands of {use.op}; name each, as in "
            "self=f16[8, 8]"
        )
    known = use.default.dtype
    operands = tuple(
        (name, tensor if tensor.dtype or known is None else tensor._replace(dtype=known))
        for name, tensor in use.operands
    )
    return replace(use, operands=operands)


def _find(name: str) -> Opset | None:
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP, name=name.replace("/", ".")):
        opset: Opset = point.load()
        return opset
    return None
