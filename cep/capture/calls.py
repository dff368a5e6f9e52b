"""What a node of an exported program calls, and with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cep.capture.archive import CaptureError
from cep.opset import OPERATIONS, PREFIX

if TYPE_CHECKING:
    import torch

    from cep.opset.definition import Operation

_NO_EFFECT = frozenset(
    {"_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size", "sym_size"}
)


def operation_of(node: torch.fx.Node, name: str) -> Operation:
    """Return the operation of CEP-Core that a call is.

    Raises:
        CaptureError: There is none of this name (CEP-X3).
    """
    found = OPERATIONS.get(PREFIX + name)
    if found is None:
        raise CaptureError.because(
            "CEP-X3",
            f"CEP-Core has no operation {name!r} (node {node.name}); decompose it before "
            "export, or ask for it to be added to the opset",
        )
    return found


def name_of(target: torch._ops.OpOverload) -> str:
    """Return ATen's name, with its overload where it has one."""
    name = target._schema.name.partition("::")[2]
    overload = target._schema.overload_name
    return f"{name}.{overload}" if overload else name


def arguments_of(node: torch.fx.Node) -> dict[str, Any]:
    """Return the arguments of a call by name, defaults included."""
    declared = node.target._schema.arguments
    values = {a.name: a.default_value for a in declared}
    values.update(zip((a.name for a in declared), node.args, strict=False))
    values.update(node.kwargs)
    return values


def is_scalar(node: torch.fx.Node) -> bool:
    """Say whether a call only asks for or computes sizes, or checks something."""
    import torch

    if node.meta.get("val") is None:
        name = (
            node.target._schema.name.partition("::")[2] if hasattr(node.target, "_schema") else ""
        )
        return name in _NO_EFFECT
    return isinstance(node.meta["val"], torch.SymInt | int | torch.SymBool | bool)
