from __future__ import annotations

import re

import pytest
import torch

from cep.expr import Dim, Range, parse
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import Call, TypeRuleError
from tests.cep.opset.cases import CASES, dims, tensor
from tests.cep.opset.mistyped import MISTYPED

RANGES = {"b": Range(1, 8), "n": Range(2, 9)}
SIZES = ({"b": 1, "n": 2}, {"b": 3, "n": 5}, {"b": 8, "n": 9})
DTYPES = {
    "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16,
    "i64": torch.int64, "i32": torch.int32, "i16": torch.int16, "i8": torch.int8,
    "ui8": torch.uint8, "i1": torch.bool,
}  # fmt: skip


def overload(name):
    packet, _, variant = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), variant or "default")


def concrete(value, sizes):
    if isinstance(value, Dim):
        return value.evaluate(sizes)
    if isinstance(value, tuple):
        return [concrete(v, sizes) for v in value]
    return DTYPES.get(value, value) if isinstance(value, str) else value


def made_by_aten(operation, operands, attributes, sizes):
    """The types that ATen gives on the meta device."""
    target = overload(operation.name)
    tensors = [
        torch.empty(concrete(t.shape, sizes), dtype=DTYPES[t.dtype], device="meta")
        for t in map(tensor, operands)
    ]
    arguments = {}
    for position, operand in enumerate(operation.operands):
        if operand.variadic:
            arguments[operand.name] = tensors[position:]
        else:
            arguments[operand.name] = tensors[position] if position < len(tensors) else None
    for parameter in operation.parameters:
        if parameter.name in attributes:
            arguments[parameter.name] = concrete(attributes[parameter.name], sizes)
        elif parameter.kind in ("ints", "dims"):
            arguments[parameter.name] = []
    known = {a.name for a in target._schema.arguments}
    if not tensors:
        arguments["device"] = "meta"
    for name, value in {"half_to_float": False, "step": 1, "momentum": 0.1}.items():
        if name in known - set(arguments):
            arguments[name] = value
    if operation.name == "linalg_vector_norm" and not arguments["dim"]:
        arguments["dim"] = None
    assert set(arguments) <= known, "operands and attributes have ATen's names"
    made = target(**arguments)
    made = [made] if torch.is_tensor(made) else made[: len(operation.results)]
    return [(t.dtype, list(t.shape)) for t in made]


def inferred(name, operands, attributes):
    call = Call(tuple(map(tensor, operands)), attributes, RANGES)
    return OPERATIONS[PREFIX + name].types(call)


def test_every_operation_has_a_case():
    assert sorted(CASES) == sorted(o.name for o in OPERATIONS.values())


@pytest.mark.parametrize("name", sorted(CASES))
def test_types_are_those_of_aten_for_every_size(name):
    operation = OPERATIONS[PREFIX + name]
    for operands, attributes in CASES[name]:
        ours = inferred(name, operands, attributes)
        assert len(ours) == len(operation.results)
        for sizes in SIZES:
            expected = made_by_aten(operation, operands, attributes, sizes)
            found = [(DTYPES[t.dtype], concrete(t.shape, sizes)) for t in ours]
            assert found == expected, (operands, attributes, sizes)


@pytest.mark.parametrize("name", sorted(CASES))
def test_operands_and_attributes_are_judged(name):
    operation = OPERATIONS[PREFIX + name]
    operands, attributes = max(CASES[name], key=lambda case: (len(case[0]), len(case[1])))
    broken = [(operands, {**attributes, "inplace": True})]
    if operands:
        least = sum(not o.optional for o in operation.operands)
        broken.append((operands[: least - 1], attributes))
    if not (operation.operands and operation.operands[-1].variadic):
        broken.append(((*operands, *("f32[1]",) * (len(operation.operands) + 1)), attributes))
    for position, operand in enumerate(operation.operands[: len(operands)]):
        for dtype in sorted({*DTYPES, "f8e4m3fn"} - operand.dtypes):
            changed = list(operands)
            changed[position] = re.sub(r"^\w+", dtype, changed[position])
            broken.append((tuple(changed), attributes))
    for parameter in operation.parameters:
        if not parameter.optional and parameter.kind not in ("ints", "dims"):
            without = {k: v for k, v in attributes.items() if k != parameter.name}
            broken.append((operands, without))
        others = {
            "int": [True, 1.5, "1", parse("1"), (1,)],
            "float": [1, True, "x", parse("1"), (1,)],
            "number": [True, "x", parse("1"), (1,)],
            "bool": [1, 0.0, "true", parse("1"), (1,)],
            "dtype": [1, 1.0, parse("1"), (1,)],
            "token": [1, 1.0, parse("1"), (1,)],
            "ints": [1, 1.0, "x", parse("1"), dims(1)],
            "dim": [1, 1.0, "x", (1,), dims(1)],
            "dims": [1, 1.0, "x", parse("1"), (1,)],
        }
        broken += [(operands, {**attributes, parameter.name: v}) for v in others[parameter.kind]]
    for bad_operands, bad_attributes in broken:
        with pytest.raises(TypeRuleError):
            inferred(name, bad_operands, bad_attributes)


@pytest.mark.parametrize(("name", "operands", "attributes"), MISTYPED.values(), ids=MISTYPED)
def test_what_does_not_fit_is_refused(name, operands, attributes):
    with pytest.raises(ValueError, match=r"\w"):
        inferred(name, operands, attributes)


def test_sizes_beyond_all_limits_are_refused_with_the_same_kind_of_error():
    wide = "f32[" + " + ".join(f"s{n:02}" for n in range(64)) + "]"
    ranges = {f"s{n:02}": Range(1, 8) for n in range(64)} | RANGES
    call = Call((tensor(wide), tensor("f32[b]")), {"dim": 0}, ranges)
    with pytest.raises(ValueError, match="terms"):
        OPERATIONS[f"{PREFIX}cat"].types(call)
