"""How an operation of CEP-Core is declared: operands, attributes, results and a type rule.

An operation is a value, not a class: its signature is data that the spec prints, the capture reads,
the adapters convert from and the verifier checks, and its type rule is one pure function from the
types of the operands to the types of the results.

Operands are tensors in the order of the signature. An optional operand is left out at the end; a
variadic one, always last, takes one or more. There is no implicit promotion: operands that share a
dtype variable must have the same dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from cep.expr import Dim, Ranges

if TYPE_CHECKING:
    from cep.opset.error_classes import ErrorName

AttributeKind: TypeAlias = Literal[
    "int", "float", "number", "bool", "dtype", "token", "ints", "dim", "dims"
]
AttributeValue: TypeAlias = int | float | bool | str | Dim | tuple[int, ...] | tuple[Dim, ...]

FLOATS = frozenset({"f64", "f32", "f16", "bf16"})
INTEGERS = frozenset({"i64", "i32", "i16", "i8", "ui8"})
BOOLEAN = frozenset({"i1"})
NUMBERS = FLOATS | INTEGERS
ANY = NUMBERS | BOOLEAN
INDICES = frozenset({"i64", "i32"})

INTEGER_RANGES: Mapping[str, tuple[int, int]] = {
    "i64": (-(2**63), 2**63 - 1), "i32": (-(2**31), 2**31 - 1), "i16": (-(2**15), 2**15 - 1),
    "i8": (-128, 127), "ui8": (0, 255), "i1": (0, 1),
}  # fmt: skip

DTYPE_BYTES: Mapping[str, int] = {
    "f64": 8, "f32": 4, "f16": 2, "bf16": 2,
    "i64": 8, "i32": 4, "i16": 2, "i8": 1, "ui8": 1, "i1": 1,
}  # fmt: skip


MAX_RANK = 64
"""Most axes of a result; without a limit, indexing with itself doubles them again and again."""


class TypeRuleError(ValueError):
    """The operands or attributes do not fit the operation's type rule."""


@dataclass(frozen=True, slots=True)
class TensorType:
    """Element type and shape of a tensor.

    Attributes:
        dtype: Token of the dtype registry, such as ``f32``.
        shape: One dim an axis; empty for a scalar.
    """

    dtype: str
    shape: tuple[Dim, ...]

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __str__(self) -> str:
        """Return the type as it is written in diagnostics: ``f32[s0, 384]``."""
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor that an operation reads.

    Attributes:
        name: Name in the signature; ATen's.
        dtypes: Dtypes that are allowed.
        group: Operands of one group must have the same dtype; empty for none.
        optional: May be left out, with all that follow.
        variadic: Takes one or more tensors; last operand only.
    """

    name: str
    dtypes: frozenset[str] = ANY
    group: str = ""
    optional: bool = False
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """An attribute that an operation takes.

    Attributes:
        name: Name in the signature; ATen's.
        kind: What it holds.
        optional: May be left out. A list without items always is.
    """

    name: str
    kind: AttributeKind
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One use of an operation, as its type rule sees it.

    Attributes:
        operands: Types of the operands that are given.
        attributes: Values by name.
        ranges: Admissible sizes of the symbols.
    """

    operands: tuple[TensorType, ...]
    attributes: Mapping[str, AttributeValue]
    ranges: Ranges

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an integer attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise TypeRuleError(f"attribute {name!r} must be an integer")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean attribute."""
        return bool(self.attributes.get(name, default))

    def token(self, name: str, default: str | None = None) -> str:
        """Return a dtype or token attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, str):
            raise TypeRuleError(f"attribute {name!r} must be a token")
        return value

    def integers(self, name: str) -> tuple[int, ...]:
        """Return an attribute that holds integers."""
        value = self.attributes.get(name, ())
        if not isinstance(value, tuple) or not all(isinstance(v, int) for v in value):
            raise TypeRuleError(f"attribute {name!r} must hold integers")
        return tuple(v for v in value if isinstance(v, int))

    def dim(self, name: str) -> Dim:
        """Return a size attribute."""
        value = self.attributes.get(name)
        if not isinstance(value, Dim):
            raise TypeRuleError(f"attribute {name!r} must be a size")
        return value

    def dims(self, name: str) -> tuple[Dim, ...]:
        """Return an attribute that holds sizes."""
        value = self.attributes.get(name, ())
        if not isinstance(value, tuple) or not all(isinstance(v, Dim) for v in value):
            raise TypeRuleError(f"attribute {name!r} must hold sizes")
        return tuple(v for v in value if isinstance(v, Dim))

    def axis(self, name: str, rank: int) -> int:
        """Return an axis attribute, counted from 0, of a tensor that has axes."""
        if rank == 0:
            raise TypeRuleError("a scalar has no axes")
        return axis(self.integer(name), rank)


TypeRule: TypeAlias = Callable[[Call], tuple[TensorType, ...]]
RuleT = TypeVar("RuleT", bound=TypeRule)


def axis(value: int, rank: int) -> int:
    """Return the axis that `value` names, from 0.

    Raises:
        TypeRuleError: There is no such axis.
    """
    if not -max(rank, 1) <= value < max(rank, 1):
        raise TypeRuleError(f"axis {value} is outside a tensor of rank {rank}")
    return value % max(rank, 1)


def axes(values: tuple[int, ...], rank: int) -> set[int]:
    """Return the axes that `values` name, from 0.

    Raises:
        TypeRuleError: There is no such axis, or one is named twice.
    """
    found = [axis(value, rank) for value in values]
    if len(set(found)) != len(found):
        raise TypeRuleError(f"axes {list(values)} name one twice")
    return set(found)


def holds(dtype: str, number: float) -> bool:
    """Say whether a dtype holds a number that is given as an attribute, without wrapping it."""
    if dtype in FLOATS:
        return True
    low, high = INTEGER_RANGES[dtype]
    return isinstance(number, int) and low <= number <= high


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the opset.

    Attributes:
        name: ATen name with its overload, where it has one: ``add.Tensor``.
        operands: Tensors that are read.
        parameters: Attributes that are taken.
        results: Names of the tensors that are made.
        infer: Type rule.
        error: Error class: how far the results may be from the reference (`ERROR_CLASSES`).
        nondeterministic: The same inputs need not give the same bits, whatever the device.
    """

    name: str
    operands: tuple[Operand, ...]
    parameters: tuple[Parameter, ...]
    results: tuple[str, ...]
    infer: TypeRule
    error: ErrorName
    nondeterministic: bool = False

    def types(self, call: Call) -> tuple[TensorType, ...]:
        """Return the types of the results.

        Raises:
            TypeRuleError: Number, dtypes or shapes of the operands, or the attributes, do not fit.
        """
        self._check_operands(call)
        self._check_attributes(call)
        made = self.infer(call)
        for result in made:
            if result.rank > MAX_RANK:
                raise TypeRuleError(f"a result has {result.rank} axes; at most {MAX_RANK} may be")
        return made

    def _check_operands(self, call: Call) -> None:
        given, declared = len(call.operands), self.operands
        least = sum(not o.optional for o in declared)
        variadic = bool(declared) and declared[-1].variadic
        if given < least or (given > len(declared) and not variadic):
            raise TypeRuleError(
                f"{self.name} takes {', '.join(o.name for o in declared) or 'no operands'}; "
                f"{given} were given"
            )
        groups: dict[str, str] = {}
        for position, actual in enumerate(call.operands):
            operand = declared[min(position, len(declared) - 1)]
            if actual.dtype not in operand.dtypes:
                allowed = " ".join(sorted(operand.dtypes))
                raise TypeRuleError(f"{operand.name} is {actual.dtype}; allowed are {allowed}")
            if operand.group and groups.setdefault(operand.group, actual.dtype) != actual.dtype:
                raise TypeRuleError(
                    f"{operand.name} is {actual.dtype}, but must be {groups[operand.group]} "
                    "like the operands before it: insert a _to_copy"
                )

    def _check_attributes(self, call: Call) -> None:
        known = {p.name: p for p in self.parameters}
        for name in call.attributes:
            if name not in known:
                raise TypeRuleError(f"{self.name} has no attribute {name!r}; it has {list(known)}")
        for name, parameter in known.items():
            if name not in call.attributes:
                if not parameter.optional and parameter.kind not in ("ints", "dims"):
                    raise TypeRuleError(f"{self.name} needs the attribute {name!r}")
            elif not fits(parameter.kind, call.attributes[name]):
                raise TypeRuleError(f"attribute {name!r} must be of kind {parameter.kind}")

    @property
    def rule_in_words(self) -> str:
        """The type rule as the spec prints it. Wording is no part of the opset's digest."""
        return " ".join((self.infer.__doc__ or "").split())

    def signature(self) -> dict[str, object]:
        """Return the declaration as plain data, for the spec and the digest of the opset."""
        return {
            "name": self.name,
            "operands": [
                {
                    "name": o.name,
                    "dtypes": sorted(o.dtypes),
                    **({"group": o.group} if o.group else {}),
                    **({"optional": True} if o.optional else {}),
                    **({"variadic": True} if o.variadic else {}),
                }
                for o in self.operands
            ],
            "attributes": [
                {"name": p.name, "kind": p.kind, **({"optional": True} if p.optional else {})}
                for p in self.parameters
            ],
            "results": list(self.results),
            "type_rule": self.infer.__name__.strip("_").replace("_", "-"),
            "error_class": self.error,
            **({"nondeterministic": True} if self.nondeterministic else {}),
        }


def fits(kind: AttributeKind, value: AttributeValue) -> bool:
    """Say whether `value` is of `kind`. A bool is neither a number nor an int."""
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "float":
        return isinstance(value, float)
    if kind in ("dtype", "token"):
        return isinstance(value, str)
    if kind == "dim":
        return isinstance(value, Dim)
    item = int if kind == "ints" else Dim
    return isinstance(value, tuple) and all(isinstance(v, item) for v in value)


@dataclass(frozen=True, slots=True)
class Family:
    """Operations that are declared together.

    Attributes:
        operations: The operations, by name.
    """

    operations: dict[str, Operation] = field(default_factory=dict)

    def add(self, operation: Operation) -> None:
        """Declare an operation.

        Raises:
            ValueError: The name is taken.
        """
        if operation.name in self.operations:
            raise ValueError(f"{operation.name} is declared twice")
        self.operations[operation.name] = operation
