from __future__ import annotations

import re

import pytest
import torch

from cep.expr import Dim, Range, parse
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import ANY, Call, TensorType, TypeRuleError

RANGES = {"b": Range(1, 8), "n": Range(2, 9)}
SIZES = ({"b": 1, "n": 2}, {"b": 3, "n": 5}, {"b": 8, "n": 9})
DTYPES = {
    "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16,
    "i64": torch.int64, "i32": torch.int32, "i16": torch.int16, "i8": torch.int8,
    "ui8": torch.uint8, "i1": torch.bool,
}  # fmt: skip


def tensor(text):
    """The type that is written as in diagnostics: ``f32[b, 4]``."""
    dtype, shape = re.fullmatch(r"(\w+)\[(.*)\]", text).groups()
    return TensorType(dtype, tuple(parse(d) for d in shape.split(", ") if d))


def dims(*texts):
    return tuple(parse(str(t)) for t in texts)


PAIRS = [
    ("f32[b, 4]", "f32[b, 4]"), ("f32[b, 1, 4]", "f32[n, 4]"), ("f32[]", "f32[b]"),
    ("f32[1]", "f32[n, b]"), ("f32[b, 0]", "f32[1, 1]"), ("f32[2*b + 1]", "f32[2*b + 1]"),
]  # fmt: skip
FLOATS = ["f32[b, 4]", "f32[]", "f16[n, b]", "bf16[3]", "f64[0, 2]"]
NUMBERS = [*FLOATS, "i64[b]", "i32[b, n]", "i16[2]", "i8[1, 1]", "ui8[n]"]


def unary(types, **attributes):
    return [((t,), attributes) for t in types]


def pairs(*dtypes, **attributes):
    return [
        (tuple(t.replace("f32", dtype) for t in pair), attributes)
        for dtype in dtypes
        for pair in PAIRS
    ]


def reductions(**attributes):
    shapes = ("f32[b, n, 4]", "f64[b, n, 4]")
    return [
        *(
            ((s,), {"keepdim": keep, **({"dim": dim} if dim else {}), **attributes})
            for s in shapes
            for keep in (False, True)
            for dim in ((), (0,), (-1,), (0, 2), (-2, -1))
        ),
        (("f32[]",), {"keepdim": False, **attributes}),
        (("f32[]",), {"keepdim": True, "dim": (0,), **attributes}),
    ]


ATTENTION = ("f32[b, 2, n, 4]", "f32[b, 2, n + 1, 4]", "f32[b, 2, n + 1, 6]")

CASES = {
    **dict.fromkeys(
        ("cos", "erf", "exp", "log", "reciprocal", "rsqrt", "sigmoid", "silu", "sin", "sqrt",
         "tanh"),
        unary(FLOATS),
    ),
    **dict.fromkeys(("abs", "neg", "relu"), unary(NUMBERS)),
    "gelu": unary(FLOATS, approximate="none") + unary(FLOATS, approximate="tanh"),
    "logical_not": unary(["i1[b, 4]", "i1[]"]),
    "clone": unary([*NUMBERS, "i1[b]"]),
    "_to_copy": unary(NUMBERS) + [
        (("f32[b, 4]",), {"dtype": dtype}) for dtype in sorted(ANY)
    ],
    "clamp": unary(NUMBERS, min=1) + unary(NUMBERS, max=2) + unary(FLOATS, min=0.5, max=1),
    **dict.fromkeys(("add.Tensor", "sub.Tensor"),
                    pairs("f32", "f16", "i64", "ui8", alpha=1) + pairs("f32", alpha=0.5)),
    **dict.fromkeys(("add.Scalar", "sub.Scalar"),
                    unary(NUMBERS, other=3, alpha=1) + unary(FLOATS, other=0.5, alpha=1)),
    "mul.Tensor": pairs("f32", "bf16", "i32"),
    "mul.Scalar": unary(NUMBERS, other=3) + unary(FLOATS, other=0.5),
    "div.Tensor": pairs("f32", "f64"),
    "div.Scalar": unary(FLOATS, other=3) + unary(FLOATS, other=0.5),
    "pow.Tensor_Scalar": unary(FLOATS, exponent=2) + unary(FLOATS, exponent=0.5),
    **dict.fromkeys(("maximum", "minimum"), pairs("f32", "i64")),
    **dict.fromkeys(("bitwise_and.Tensor", "bitwise_or.Tensor"), pairs("i1", "i64", "ui8")),
    **dict.fromkeys(("logical_and", "logical_or"), pairs("i1")),
    **dict.fromkeys((f"{n}.Tensor" for n in ("eq", "ge", "gt", "le", "lt", "ne")),
                    pairs("f32", "i64")),
    **dict.fromkeys((f"{n}.Scalar" for n in ("eq", "ge", "gt", "le", "lt", "ne")),
                    unary(NUMBERS, other=1) + unary(FLOATS, other=0.5)),
    "where.self": [
        (("i1[b, 1]", "f32[4]", "f32[b, 4]"), {}),
        (("i1[]", "i64[b]", "i64[]"), {}),
        (("i1[n, 1, 1]", "i1[b, 1]", "i1[4]"), {}),
    ],
    "view": [
        (("f32[b, 4, 3]",), {"size": dims("b", 12)}),
        (("f32[b, n]",), {"size": dims("b*n")}),
        (("f32[b, 2*n]",), {"size": dims("b", 2, "n")}),
        (("f32[1, 1]",), {}),
        (("f32[b, 0]",), {"size": dims(0, 7)}),
    ],
    "permute": [
        (("f32[b, n, 4]",), {"dims": (2, 0, 1)}),
        (("i1[b, n]",), {"dims": (-1, 0)}),
        (("f32[]",), {}),
    ],
    "unsqueeze": [(("f32[b, n]",), {"dim": d}) for d in (-3, -1, 0, 1, 2)] + [
        (("f32[]",), {"dim": 0}), (("f32[]",), {"dim": -1}),
    ],
    "squeeze.dims": [
        (("f32[b, 1, n, 1]",), {"dim": (1,)}),
        (("f32[b, 1, n, 1]",), {"dim": (1, -1)}),
        (("f32[b, 1]",), {}),
    ],
    "expand": [
        (("f32[b, 1, 4]",), {"size": dims("b", "n", 4)}),
        (("f32[4]",), {"size": dims("b", 4)}),
        (("f32[]",), {"size": dims("n")}),
        (("f32[1]",), {"size": dims(0)}),
        (("f32[]",), {}),
    ],
    "slice.Tensor": [
        (("f32[b, n]",), {"dim": 1, "start": parse("0"), "end": parse("n")}),
        (("f32[b, n]",), {"dim": -1, "start": parse("1"), "end": parse("n")}),
        (("f32[b, n]",), {"dim": 1, "start": parse("n - 1"), "end": parse("n")}),
        (("f32[b, n]",), {"dim": 0, "start": parse("0"), "end": parse("0")}),
    ],
    "select.int": [
        (("f32[b, n]",), {"dim": 0, "index": 0}),
        (("f32[b, n]",), {"dim": 1, "index": 1}),
        (("f32[b, n]",), {"dim": -1, "index": -2}),
    ],
    "cat": [
        (("f32[b, 4]", "f32[n, 4]"), {"dim": 0}),
        (("f32[b, 4]", "f32[b, 1]", "f32[b, n]"), {"dim": -1}),
        (("i1[b]",), {"dim": 0}),
    ],
    "full": [
        ((), {"size": dims("b", 4), "fill_value": 1, "dtype": "f32"}),
        ((), {"size": dims("n"), "fill_value": 0.5, "dtype": "bf16"}),
        ((), {"fill_value": 1, "dtype": "i1"}),
        ((), {"size": dims(2), "fill_value": float("-inf"), "dtype": "f32"}),
    ],
    "arange.start_step": [
        ((), {"start": parse("0"), "end": parse("n"), "dtype": "i64"}),
        ((), {"start": parse("1"), "end": parse("n + 1"), "dtype": "i32"}),
        ((), {"start": parse("b"), "end": parse("b"), "dtype": "i64"}),
    ],
    "embedding": [
        (("f32[10, 4]", "i64[b, n]"), {}), (("bf16[10, n]", "i32[]"), {}),
    ],
    "gather": [
        (("f32[b, n]", "i64[b, 2]"), {"dim": 1}), (("f32[b, n]", "i64[4, n]"), {"dim": -2}),
    ],
    "index.Tensor": [
        (("f32[b, n, 4]", "i64[3]"), {}),
        (("f32[b, n, 4]", "i64[b, 1]", "i64[n]"), {}),
        (("i1[b, n]", "i64[]", "i64[]"), {}),
    ],
    "sum.dim_IntList": reductions(),
    "mean.dim": reductions(),
    "amax": [*reductions(), (("i64[b, n]",), {"dim": (1,), "keepdim": False})],
    "amin": [*reductions(), (("i64[b, n]",), {"dim": (1,), "keepdim": False})],
    "linalg_vector_norm": reductions(ord=2) + reductions(ord=1.5),
    "_softmax": [(("f32[b, n]",), {"dim": d}) for d in (-1, 0, 1)],
    "mm": [(("f32[b, 4]", "f32[4, n]"), {}), (("f16[b, n]", "f16[n, 0]"), {})],
    "bmm": [(("f32[b, n, 4]", "f32[b, 4, 2]"), {})],
    "addmm": [
        ((bias, "f32[b, 4]", "f32[4, n]"), {"beta": 1, "alpha": 1})
        for bias in ("f32[n]", "f32[1]", "f32[b, n]", "f32[b, 1]", "f32[]")
    ],
    "linear": [
        (("f32[b, n, 4]", "f32[6, 4]"), {}),
        (("f32[4]", "f32[6, 4]"), {}),
        (("bf16[b, 4]", "bf16[n, 4]", "bf16[n]"), {}),
    ],
    "scaled_dot_product_attention": [
        (ATTENTION, {"is_causal": False}),
        (ATTENTION, {"is_causal": True, "scale": 0.25}),
        ((*ATTENTION, "f32[n, n + 1]"), {"is_causal": False}),
        ((*ATTENTION, "i1[b, 1, 1, n + 1]"), {"is_causal": False}),
        (("f32[b, n, 4]",) * 3, {"is_causal": False}),
    ],
    "native_layer_norm": [
        (("f32[b, n, 4]", *affine), {"normalized_shape": dims(4), "eps": 1e-5})
        for affine in ((), ("f32[4]",), ("f32[4]", "f32[4]"))
    ] + [
        (("f32[b, 3, 4]",), {"normalized_shape": dims(3, 4), "eps": 1e-5}),
        (("f64[b, 4]", "f64[4]", "f64[4]"), {"normalized_shape": dims(4), "eps": 1e-5}),
    ],
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
    if operation.name == "_softmax":
        arguments["half_to_float"] = False
    if operation.name == "arange.start_step":
        arguments["step"] = 1
    if operation.name == "linalg_vector_norm" and not arguments["dim"]:
        arguments["dim"] = None
    assert set(arguments) <= known, "operands and attributes have ATen's names"
    made = target(**arguments)
    return [(t.dtype, list(t.shape)) for t in ([made] if torch.is_tensor(made) else made)]


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


MISTYPED = {
    "dtypes that differ": ("add.Tensor", ("f32[b]", "f16[b]"), {"alpha": 1}),
    "sizes that do not broadcast": ("mul.Tensor", ("f32[b]", "f32[n]"), {}),
    "a size that might be one": ("mul.Tensor", ("f32[b]", "f32[4]"), {}),
    "a fraction added to integers": ("add.Scalar", ("i64[b]",), {"other": 0.5, "alpha": 1}),
    "a fraction as alpha of integers": ("add.Tensor", ("i64[b]", "i64[b]"), {"alpha": 0.5}),
    "a fraction as alpha of an integer": ("sub.Scalar", ("i64[b]",), {"other": 1, "alpha": 0.5}),
    "a number that the dtype does not hold": ("add.Scalar", ("i8[b]",), {"other": 128, "alpha": 1}),
    "a comparison with what integers never are": ("eq.Scalar", ("i64[b]",), {"other": 0.5}),
    "an axis named twice": ("mean.dim", ("f32[b, n]",), {"dim": (0, -2), "keepdim": True}),
    "the greatest norm of nothing": (
        "linalg_vector_norm", ("f32[b, 0]",), {"ord": float("inf"), "keepdim": True},
    ),
    "full of what the dtype does not hold": ("full", (), {"fill_value": 2, "dtype": "i1"}),
    "a clamp of nothing": ("clamp", ("f32[b]",), {}),
    "a fraction that clamps integers": ("clamp", ("i64[b]",), {"min": 0.5}),
    "an approximation nobody knows": ("gelu", ("f32[b]",), {"approximate": "fast"}),
    "a dtype nobody computes with": ("_to_copy", ("f32[b]",), {"dtype": "f4e2m1fn"}),
    "a view of other elements": ("view", ("f32[b, 4]",), {"size": dims("b", 5)}),
    "a view that is right for one size": ("view", ("f32[b, 4]",), {"size": dims(32)}),
    "a permutation with an axis twice": ("permute", ("f32[b, n]",), {"dims": (0, 0)}),
    "a permutation with an axis too few": ("permute", ("f32[b, n]",), {"dims": (0,)}),
    "a permutation of a scalar": ("permute", ("f32[]",), {"dims": (0,)}),
    "an axis beyond": ("unsqueeze", ("f32[b]",), {"dim": 2}),
    "an axis far below": ("unsqueeze", ("f32[b]",), {"dim": -(2**63)}),
    "to squeeze what is larger": ("squeeze.dims", ("f32[b, n]",), {"dim": (0,)}),
    "to squeeze a scalar": ("squeeze.dims", ("f32[]",), {"dim": (0,)}),
    "to expand to fewer axes": ("expand", ("f32[b, 1]",), {"size": dims("b")}),
    "to expand what is not one": ("expand", ("f32[b]",), {"size": dims("n")}),
    "a slice that ends before it starts": (
        "slice.Tensor", ("f32[n]",), {"dim": 0, "start": parse("2"), "end": parse("1")},
    ),
    "a slice below": (
        "slice.Tensor", ("f32[n]",), {"dim": 0, "start": parse("-1"), "end": parse("1")},
    ),
    "a slice that might reach beyond": (
        "slice.Tensor", ("f32[b]",), {"dim": 0, "start": parse("0"), "end": parse("2")},
    ),
    "a slice of a scalar": (
        "slice.Tensor", ("f32[]",), {"dim": 0, "start": parse("0"), "end": parse("0")},
    ),
    "an index that might be beyond": ("select.int", ("f32[b]",), {"dim": 0, "index": 1}),
    "an index that might be below": ("select.int", ("f32[b]",), {"dim": 0, "index": -2}),
    "the lowest index": ("select.int", ("f32[b]",), {"dim": 0, "index": -(2**63)}),
    "the highest index": ("select.int", ("f32[b]",), {"dim": 0, "index": 2**63 - 1}),
    "a selection of a scalar": ("select.int", ("f32[]",), {"dim": 0, "index": 0}),
    "tensors of other ranks together": ("cat", ("f32[b, 4]", "f32[b]"), {"dim": 0}),
    "tensors of other sizes together": ("cat", ("f32[b, 4]", "f32[b, 3]"), {"dim": 0}),
    "scalars together": ("cat", ("f32[]", "f32[]"), {"dim": 0}),
    "integers full of fractions": ("full", (), {"fill_value": 0.5, "dtype": "i64"}),
    "full of a dtype nobody knows": ("full", (), {"fill_value": 1, "dtype": "f8e4m3fn"}),
    "a range of floats": (
        "arange.start_step", (), {"start": parse("0"), "end": parse("n"), "dtype": "f32"},
    ),
    "a range that might end early": (
        "arange.start_step", (), {"start": parse("b"), "end": parse("n"), "dtype": "i64"},
    ),
    "a table with one axis": ("embedding", ("f32[4]", "i64[b]"), {}),
    "to gather with another rank": ("gather", ("f32[b, n]", "i64[b]"), {"dim": 0}),
    "to gather beyond": ("gather", ("f32[b, n]", "i64[b, 9]"), {"dim": 0}),
    "to gather from a scalar": ("gather", ("f32[]", "i64[]"), {"dim": 0}),
    "more indices than axes": ("index.Tensor", ("f32[b]", "i64[1]", "i64[1]"), {}),
    "no indices": ("index.Tensor", ("f32[b]",), {}),
    "indices that do not broadcast": ("index.Tensor", ("f32[b, n]", "i64[b]", "i64[n]"), {}),
    "a reduction of an axis beyond": ("mean.dim", ("f32[b]",), {"dim": (1,), "keepdim": False}),
    "the largest of none": ("amax", ("f32[b, 0]",), {"dim": (1,), "keepdim": False}),
    "the smallest of perhaps none": ("amin", ("f32[b - 1]",), {"keepdim": True}),
    "a softmax of a scalar": ("_softmax", ("f32[]",), {"dim": 0}),
    "a product of vectors": ("mm", ("f32[4]", "f32[4]"), {}),
    "a product of sizes that differ": ("mm", ("f32[b, 4]", "f32[5, b]"), {}),
    "batches that differ": ("bmm", ("f32[b, 2, 3]", "f32[n, 3, 2]"), {}),
    "inner sizes that differ": ("bmm", ("f32[b, 2, 3]", "f32[b, 4, 2]"), {}),
    "a bias larger than the product": (
        "addmm", ("f32[n, 2, 2]", "f32[2, 2]", "f32[2, 2]"), {"beta": 1, "alpha": 1},
    ),
    "a bias of another size": (
        "addmm", ("f32[3]", "f32[2, 2]", "f32[2, 2]"), {"beta": 1, "alpha": 1},
    ),
    "a linear layer of a scalar": ("linear", ("f32[]", "f32[4, 4]"), {}),
    "a linear layer with a bias of another size": ("linear", ("f32[4]", "f32[6, 4]", "f32[4]"), {}),
    "weights with three axes": ("linear", ("f32[4]", "f32[1, 6, 4]"), {}),
    "attention over two axes": (
        "scaled_dot_product_attention", ("f32[n, 4]",) * 3, {"is_causal": False},
    ),
    "attention with other heads": (
        "scaled_dot_product_attention",
        ("f32[b, 2, n, 4]", "f32[b, 1, n, 4]", "f32[b, 1, n, 4]"), {"is_causal": False},
    ),
    "attention with values of another length": (
        "scaled_dot_product_attention",
        ("f32[b, 2, n, 4]", "f32[b, 2, n, 4]", "f32[b, 2, b, 4]"), {"is_causal": False},
    ),
    "a causal mask and another": (
        "scaled_dot_product_attention", (*ATTENTION, "f32[n, n + 1]"), {"is_causal": True},
    ),
    "a mask of integers": (
        "scaled_dot_product_attention", (*ATTENTION, "i64[n, n + 1]"), {"is_causal": False},
    ),
    "a mask that is too large": (
        "scaled_dot_product_attention", (*ATTENTION, "f32[1, b, 2, n, n + 1]"),
        {"is_causal": False},
    ),
    "a norm over no axes": ("native_layer_norm", ("f32[b, 4]",), {"eps": 1e-5}),
    "a norm over other axes": (
        "native_layer_norm", ("f32[b, 4]",), {"normalized_shape": dims(5), "eps": 1e-5},
    ),
    "a norm over too many axes": (
        "native_layer_norm", ("f32[4]",), {"normalized_shape": dims(4, 4), "eps": 1e-5},
    ),
    "a norm with other weights": (
        "native_layer_norm", ("f32[b, 4]", "f32[5]"), {"normalized_shape": dims(4), "eps": 1e-5},
    ),
}  # fmt: skip


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
