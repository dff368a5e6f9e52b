"""What is asked of a device: a use of an operation, and what must come with it.

A use says as much as the caller knows. One that gives every operand a dtype and a shape is
*complete*: what it does not say is not there. Of any other, what it does not say is left open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from typing_extensions import override

if TYPE_CHECKING:
    from acp.conditions import Condition

Determinism: TypeAlias = Literal["NONE", "SAME_UNIT", "SAME_MODEL", "CROSS_MODEL"]
ErrorForm: TypeAlias = Literal["ULP", "ABS_REL", "DOT"]
AttributeValue: TypeAlias = "int | str | bool | float | tuple[int, ...]"

DENSE: Final = "dense"
MAX_SIZE: Final = 2**63 - 1
"""Largest size of an axis, and largest number of elements, of which something can be claimed."""

_MAX_TEXT: Final = 4096
_TENSOR: Final = re.compile(
    r"(?P<dtype>[a-z0-9][a-z0-9._/-]*?)?(?:\[(?P<shape>[0-9, ]*)\])?"
    r"(?:@(?P<sparsity>[0-9]+:[0-9]+))?"
)


class Tensor(NamedTuple):
    """An operand or a result, as far as it is known.

    Attributes:
        dtype: Token of the dtype; None where it is left open.
        shape: Sizes of the axes; None where they are left open.
        sparsity: ``dense``, or n:m structured sparsity.
    """

    dtype: str | None = None
    shape: tuple[int, ...] | None = None
    sparsity: str = DENSE

    @property
    def complete(self) -> bool:
        """Dtype and shape are known."""
        return self.dtype is not None and self.shape is not None

    @property
    def elements(self) -> int | None:
        """Number of elements; None where the shape is left open."""
        return None if self.shape is None else prod(self.shape)

    @override
    def __str__(self) -> str:
        """Return the tensor as `read_tensor` takes it."""
        shape = "" if self.shape is None else f"[{', '.join(map(str, self.shape))}]"
        sparsity = "" if self.sparsity == DENSE else f"@{self.sparsity}"
        return f"{self.dtype or ''}{shape}{sparsity}" or "any"


ANY: Final = Tensor()
"""A tensor of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Use:
    """A use of an operation.

    Attributes:
        op: Name with its opset: ``cep-core/1:mm``.
        operands: Names with what is under them, in the order of the opset; one that takes several
            tensors occurs as often.
        results: The same of what is made.
        attributes: Values by name.
        default: What is known of every operand that is not among `operands`.
        listed: An opset says that no operand is missing.
    """

    op: str
    operands: tuple[tuple[str, Tensor], ...] = ()
    results: tuple[tuple[str, Tensor], ...] = ()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    default: Tensor = ANY
    listed: bool = False

    @property
    def complete(self) -> bool:
        """Each operand has a dtype and a shape, so that nothing else is there."""
        some = self.listed or bool(self.operands)
        return some and all(tensor.complete for _, tensor in self.operands)

    @override
    def __str__(self) -> str:
        """Return the use in words: ``cep-core/1:mm(self=f16[8, 8], mat2=f16[8, 8])``."""
        default = [] if self.default == ANY else [f"{self.default}"]
        operands = [f"{name}={tensor}" for name, tensor in self.operands]
        attributes = [f"{name}={value}" for name, value in self.attributes.items()]
        open_ = [] if self.complete else ["…"]
        return f"{self.op}({', '.join([*operands, *default, *attributes, *open_])})"


class MaxError(NamedTuple):
    """The largest error that is borne.

    Attributes:
        form: What the coefficient multiplies, as in `numerics.bound`.
        coeff_ppm: Coefficient, in parts per million.
    """

    form: ErrorForm
    coeff_ppm: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What must come with a use, or with a device where no use is asked for.

    Attributes:
        acc: Sums are kept in this dtype, or in one that holds all of its values.
        determinism: The same inputs give the same bits at least this far.
        max_error: Errors are no larger.
        memory_bytes: One main memory has as many bytes for programs.
        memory_bytes_per_s: That memory is as fast.
        ops_per_s: The peak rate for these dtypes is at least this.
    """

    acc: str | None = None
    determinism: Determinism | None = None
    max_error: MaxError | None = None
    memory_bytes: int | None = None
    memory_bytes_per_s: int | None = None
    ops_per_s: int | None = None


NOTHING: Final = Needs()
"""Nothing must come with it."""


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that is asked of one descriptor.

    Attributes:
        requirement: Condition on the descriptor.
        use: Operation that it should claim.
        dtype: Dtype that an engine should compute in, where there is no `use`.
        needs: What must come with it.
    """

    requirement: Condition | None = None
    use: Use | None = None
    dtype: str | None = None
    needs: Needs = NOTHING


def read_tensor(text: str) -> Tensor:
    """Return the tensor that a text describes: ``f16[4096, 4096]``, ``f16``, ``i8[8]@2:4``.

    Raises:
        ValueError: It describes none.
    """
    match = _TENSOR.fullmatch(text.strip()) if len(text) <= _MAX_TEXT else None
    if match is None or not text.strip():
        raise ValueError(
            f"{text[:60]!r} is no tensor; write dtype and sizes, such as f16[4096, 4096], or only "
            "one of them; @2:4 says that it is sparse"
        )
    shape = None
    if match["shape"] is not None:
        words = match["shape"].split(",") if match["shape"].strip() else []
        if not all(word.strip().isdecimal() and len(word.strip()) <= 19 for word in words):  # noqa: PLR2004
            raise ValueError(f"{text[:60]!r}: sizes are whole numbers with commas between them")
        shape = tuple(map(int, words))
    tensor = Tensor(match["dtype"], shape, match["sparsity"] or DENSE)
    if max(*(shape or ()), 0, tensor.elements or 0) > MAX_SIZE:
        raise ValueError(f"{text[:60]!r} has more than 2^63 − 1 elements")
    return tensor
