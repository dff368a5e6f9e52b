"""Operations that compute each element of the result from the elements at its place."""

from __future__ import annotations

from cep.expr import ONE, Dim, Ranges
from cep.opset.definition import (
    ANY,
    BOOLEAN,
    FLOATS,
    INTEGERS,
    NUMBERS,
    Call,
    Family,
    Operand,
    Operation,
    Parameter,
    TensorType,
    TypeRuleError,
    holds,
)
from cep.prove import same

POINTWISE = Family()


def broadcast(shapes: list[tuple[Dim, ...]], ranges: Ranges) -> tuple[Dim, ...]:
    """Return the shape that `shapes` broadcast to, as NumPy does.

    Raises:
        TypeRuleError: Two sizes are neither proven equal nor is one of them 1.
    """
    rank = max(len(s) for s in shapes)
    result = []
    for position in range(-rank, 0):
        size = ONE
        for shape in shapes:
            if -position > len(shape) or shape[position] == ONE:
                continue
            if size == ONE:
                size = shape[position]
            elif not (equal := same(size, shape[position], ranges)):
                raise TypeRuleError(
                    f"sizes {size} and {shape[position]} do not broadcast: neither is 1, and that "
                    f"they are equal for all sizes of the symbols {equal}"
                )
        result.append(size)
    return tuple(result)


def _like_self(call: Call) -> tuple[TensorType, ...]:
    """The type of self."""
    return (call.operands[0],)


def _gelu(call: Call) -> tuple[TensorType, ...]:
    """The type of self; approximate is none or tanh."""
    if call.token("approximate") not in ("none", "tanh"):
        raise TypeRuleError("approximate must be none or tanh")
    return (call.operands[0],)


def _broadcast(call: Call) -> tuple[TensorType, ...]:
    """The operands' dtype; their shapes broadcast; their dtype holds alpha."""
    _no_promotion(call, "alpha")
    shape = broadcast([o.shape for o in call.operands], call.ranges)
    return (TensorType(call.operands[0].dtype, shape),)


def _pair(call: Call) -> tuple[TensorType, ...]:
    """The operands' dtype; their shapes broadcast."""
    return _broadcast(call)


def _compare(call: Call) -> tuple[TensorType, ...]:
    """Dtype i1; the operands' shapes broadcast."""
    return (TensorType("i1", broadcast([o.shape for o in call.operands], call.ranges)),)


def _with_number(call: Call) -> tuple[TensorType, ...]:
    """The type of self; its dtype holds the numbers."""
    _no_promotion(call, "other")
    _no_promotion(call, "alpha")
    return (call.operands[0],)


def _like_exponent(call: Call) -> tuple[TensorType, ...]:
    """The type of exponent."""
    return (call.operands[0],)


def _modulo(call: Call) -> tuple[TensorType, ...]:
    """The type of self; its dtype holds other, which is not 0 where self has integers."""
    _no_promotion(call, "other")
    if call.operands[0].dtype not in FLOATS and call.attributes["other"] == 0:
        raise TypeRuleError("other is 0: integers have no remainder then")
    return (call.operands[0],)


def _tested(call: Call) -> tuple[TensorType, ...]:
    """Dtype i1; the shape of self."""
    return (TensorType("i1", call.operands[0].shape),)


def _clamp(call: Call) -> tuple[TensorType, ...]:
    """The type of self; at least one of min and max is given."""
    if not {"min", "max"} & set(call.attributes):
        raise TypeRuleError("clamp needs min, max or both")
    _no_promotion(call, "min")
    _no_promotion(call, "max")
    return (call.operands[0],)


def _compare_number(call: Call) -> tuple[TensorType, ...]:
    """Dtype i1; the shape of self; its dtype holds the number."""
    _no_promotion(call, "other")
    return (TensorType("i1", call.operands[0].shape),)


def _where(call: Call) -> tuple[TensorType, ...]:
    """The dtype of self and other; all three shapes broadcast."""
    shape = broadcast([o.shape for o in call.operands], call.ranges)
    return (TensorType(call.operands[1].dtype, shape),)


def _convert(call: Call) -> tuple[TensorType, ...]:
    """The dtype that is asked for, else that of self; the shape of self."""
    operand = call.operands[0]
    dtype = call.token("dtype", operand.dtype)
    if dtype not in ANY:
        raise TypeRuleError(f"dtype {dtype} is not one that CEP-Core computes with")
    return (TensorType(dtype, operand.shape),)


def _no_promotion(call: Call, name: str) -> None:
    number, dtype = call.attributes.get(name), call.operands[0].dtype
    if isinstance(number, int | float) and not holds(dtype, number):
        raise TypeRuleError(f"{name} is {number}, which {dtype} does not hold: insert a _to_copy")


_SELF_FLOAT = (Operand("self", FLOATS),)
_SELF_NUMBER = (Operand("self", NUMBERS),)

for _name in ("reciprocal", "sqrt"):
    POINTWISE.add(Operation(_name, _SELF_FLOAT, (), ("out",), _like_self, error="rounded"))
for _name in (
    "atan", "cos", "erf", "exp", "expm1", "log", "log10", "log1p", "log2", "rsqrt", "sigmoid",
    "silu", "sin", "tan", "tanh",
):  # fmt: skip
    POINTWISE.add(Operation(_name, _SELF_FLOAT, (), ("out",), _like_self, error="elementary"))
for _name in ("ceil", "floor", "round", "trunc"):
    POINTWISE.add(Operation(_name, _SELF_FLOAT, (), ("out",), _like_self, error="exact"))
for _name in ("isinf", "isnan"):
    POINTWISE.add(Operation(_name, _SELF_FLOAT, (), ("out",), _tested, error="exact"))
for _name in ("abs", "neg", "relu", "sign"):
    POINTWISE.add(Operation(_name, _SELF_NUMBER, (), ("out",), _like_self, error="exact"))
POINTWISE.add(
    Operation(
        "gelu", _SELF_FLOAT, (Parameter("approximate", "token"),), ("out",), _gelu, error="terms"
    )
)
POINTWISE.add(
    Operation(
        "leaky_relu",
        _SELF_FLOAT,
        (Parameter("negative_slope", "number"),),
        ("out",),
        _like_self,
        error="rounded",
    )
)
POINTWISE.add(
    Operation(
        "elu",
        _SELF_FLOAT,
        tuple(Parameter(name, "number") for name in ("alpha", "scale", "input_scale")),
        ("out",),
        _like_self,
        error="elementary",
    )
)
POINTWISE.add(
    Operation("logical_not", (Operand("self", BOOLEAN),), (), ("out",), _like_self, error="exact")
)
POINTWISE.add(
    Operation(
        "bitwise_not",
        (Operand("self", INTEGERS | BOOLEAN),),
        (),
        ("out",),
        _like_self,
        error="exact",
    )
)
POINTWISE.add(Operation("clone", (Operand("self"),), (), ("out",), _like_self, error="exact"))
POINTWISE.add(
    Operation(
        "_to_copy",
        (Operand("self"),),
        (Parameter("dtype", "dtype", optional=True),),
        ("out",),
        _convert,
        error="exact",
    )
)
POINTWISE.add(
    Operation(
        "clamp",
        _SELF_NUMBER,
        (Parameter("min", "number", optional=True), Parameter("max", "number", optional=True)),
        ("out",),
        _clamp,
        error="exact",
    )
)

_PAIR = (Operand("self", NUMBERS, "T"), Operand("other", NUMBERS, "T"))
_PAIR_FLOAT = (Operand("self", FLOATS, "T"), Operand("other", FLOATS, "T"))
_PAIR_BITS = (Operand("self", INTEGERS | BOOLEAN, "T"), Operand("other", INTEGERS | BOOLEAN, "T"))
_ALPHA = (Parameter("alpha", "number"),)
_OTHER = (Parameter("other", "number"),)

for _name in ("add", "sub"):
    POINTWISE.add(Operation(f"{_name}.Tensor", _PAIR, _ALPHA, ("out",), _broadcast, error="terms"))
    POINTWISE.add(
        Operation(
            f"{_name}.Scalar", _SELF_NUMBER, _OTHER + _ALPHA, ("out",), _with_number, error="terms"
        )
    )
POINTWISE.add(Operation("mul.Tensor", _PAIR, (), ("out",), _broadcast, error="rounded"))
POINTWISE.add(
    Operation("mul.Scalar", _SELF_NUMBER, _OTHER, ("out",), _with_number, error="rounded")
)
POINTWISE.add(Operation("div.Tensor", _PAIR_FLOAT, (), ("out",), _broadcast, error="rounded"))
POINTWISE.add(Operation("div.Scalar", _SELF_FLOAT, _OTHER, ("out",), _with_number, error="rounded"))
POINTWISE.add(
    Operation(
        "pow.Tensor_Scalar",
        _SELF_FLOAT,
        (Parameter("exponent", "number"),),
        ("out",),
        _like_self,
        error="elementary",
    )
)
POINTWISE.add(
    Operation(
        "pow.Tensor_Tensor",
        (Operand("self", FLOATS, "T"), Operand("exponent", FLOATS, "T")),
        (),
        ("out",),
        _pair,
        error="elementary",
    )
)
POINTWISE.add(
    Operation(
        "pow.Scalar",
        (Operand("exponent", FLOATS),),
        (Parameter("self", "number"),),
        ("out",),
        _like_exponent,
        error="elementary",
    )
)
POINTWISE.add(Operation("remainder.Tensor", _PAIR, (), ("out",), _pair, error="rounded"))
POINTWISE.add(
    Operation("remainder.Scalar", _SELF_NUMBER, _OTHER, ("out",), _modulo, error="rounded")
)
for _name in ("maximum", "minimum"):
    POINTWISE.add(Operation(_name, _PAIR, (), ("out",), _broadcast, error="exact"))
for _name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    POINTWISE.add(Operation(f"{_name}.Tensor", _PAIR_BITS, (), ("out",), _broadcast, error="exact"))
for _name in ("logical_and", "logical_or", "logical_xor"):
    POINTWISE.add(
        Operation(
            _name,
            (Operand("self", BOOLEAN), Operand("other", BOOLEAN)),
            (),
            ("out",),
            _broadcast,
            error="exact",
        )
    )
for _name in ("eq", "ge", "gt", "le", "lt", "ne"):
    POINTWISE.add(Operation(f"{_name}.Tensor", _PAIR, (), ("out",), _compare, error="exact"))
    POINTWISE.add(
        Operation(f"{_name}.Scalar", _SELF_NUMBER, _OTHER, ("out",), _compare_number, error="exact")
    )
POINTWISE.add(
    Operation(
        "where.self",
        (Operand("condition", BOOLEAN), Operand("self", ANY, "T"), Operand("other", ANY, "T")),
        (),
        ("out",),
        _where,
        error="exact",
    )
)
