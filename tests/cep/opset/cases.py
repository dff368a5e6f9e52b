"""Calls of every operation, with types as they are written in diagnostics."""

from __future__ import annotations

import re

from cep.expr import parse
from cep.opset.definition import ANY, TensorType


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


def convolution(*operands, **attributes):
    axes = operands[0].count(",") - 1
    defaults = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0}
    lists = {name: (value,) * axes for name, value in defaults.items()}
    return operands, {**lists, "transposed": False, "groups": 1, **attributes}


def pooling(operand, kernel, **attributes):
    lists = {"stride": kernel, "padding": (0,) * len(kernel)}
    return (operand,), {"kernel_size": kernel, **lists, "ceil_mode": False, **attributes}


def running():
    shapes = ("f32[b, n]", "i64[b, n]", "i1[n, b]", "bf16[b]", "ui8[2, b]")
    return [((shape,), {"dim": dim}) for shape in shapes for dim in (0, -1)]


def arguments():
    return [
        *(
            ((shape,), {"keepdim": keep, **dim})
            for shape in ("f32[b, n]", "i64[b, n]", "bf16[n]")
            for keep in (False, True)
            for dim in ({}, {"dim": 0}, {"dim": -1})
        ),
        (("f32[]",), {"keepdim": False}),
    ]


CASES = {
    **dict.fromkeys(
        ("atan", "ceil", "cos", "erf", "exp", "expm1", "floor", "isinf", "isnan", "log", "log10",
         "log1p", "log2", "reciprocal", "round", "rsqrt", "sigmoid", "silu", "sin", "sqrt", "tan",
         "tanh", "trunc"),
        unary(FLOATS),
    ),
    **dict.fromkeys(("abs", "neg", "relu", "sign"), unary(NUMBERS)),
    "leaky_relu": unary(FLOATS, negative_slope=0.1) + unary(FLOATS, negative_slope=1),
    "elu": unary(FLOATS, alpha=1, scale=1.05, input_scale=1),
    "bitwise_not": unary(["i1[b, 4]", "i64[]", "ui8[n]"]),
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
    "pow.Tensor_Tensor": pairs("f32", "bf16"),
    "pow.Scalar": unary(FLOATS, self=2) + unary(FLOATS, self=0.5),
    "remainder.Tensor": pairs("f32", "i64"),
    "remainder.Scalar": unary(NUMBERS, other=3) + unary(FLOATS, other=0.5),
    **dict.fromkeys(("maximum", "minimum"), pairs("f32", "i64")),
    **dict.fromkeys((f"bitwise_{n}.Tensor" for n in ("and", "or", "xor")),
                    pairs("i1", "i64", "ui8")),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor"), pairs("i1")),
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
        ((), {"start": parse("-128"), "end": parse("128"), "dtype": "i8"}),
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
    "flip": [(("f32[b, n]",), {"dims": (0, -1)}), (("i1[b]",), {"dims": (0,)}), (("f32[]",), {})],
    "constant_pad_nd": [
        (("f32[b, n]",), {"pad": (1, 2), "value": 0}),
        (("f32[b, n]",), {"pad": (-1, 0, 3, 4), "value": 0.5}),
        (("i64[n]",), {"pad": (-1, -1), "value": 7}),
        (("f32[b]",), {"value": 0}),
    ],
    **dict.fromkeys(("cumsum", "cumprod"), running()),
    "prod.dim_int": [
        ((t,), {"dim": d, "keepdim": keep}) for t in ("f32[b, n]", "i32[b, n]", "i1[n]", "f16[b]")
        for d in (0, -1) for keep in (False, True)
    ],
    "var.correction": reductions(correction=1) + reductions(correction=0.5),
    "_log_softmax": [(("f32[b, n]",), {"dim": d}) for d in (-1, 0, 1)],
    **dict.fromkeys(("argmax", "argmin"), arguments()),
    "sort": [
        ((t,), {"dim": d, "descending": down}) for t in ("f32[b, n]", "i64[n]")
        for d in (0, -1) for down in (False, True)
    ],
    "topk": [
        (("f32[b, n]",), {"k": 2, "dim": -1, "largest": True}),
        (("f32[b, n]",), {"k": 1, "dim": 0, "largest": False}),
        (("i32[n]",), {"k": 0, "dim": 0, "largest": True}),
    ],
    "convolution": [
        convolution("f32[b, 6, 9, 8]", "f32[4, 6, 3, 3]", "f32[4]"),
        convolution("f32[b, 6, 9, 8]", "f32[4, 3, 3, 2]", stride=(2, 3), padding=(1, 0), groups=2),
        convolution("f32[b, 4, 2*n]", "f32[8, 1, 4]", stride=(2,), padding=(1,), groups=4),
        convolution("f32[b, 4, n]", "f32[8, 4, 3]", "f32[8]", dilation=(2,), padding=(2,)),
        convolution("bf16[n, 3, 5, 6, 7]", "bf16[2, 3, 2, 2, 2]", "bf16[2]"),
        convolution("f32[b, 6, n]", "f32[6, 2, 4]", "f32[4]", transposed=True, stride=(3,),
                    groups=2, output_padding=(1,), padding=(1,)),
        convolution("f64[b, 6, 4, n]", "f64[6, 2, 3, 3]", transposed=True, dilation=(2, 1)),
        convolution("f32[b, 2, 3, 3, n]", "f32[2, 5, 3, 2, 1]", transposed=True, stride=(2, 2, 2)),
    ],
    "max_pool2d_with_indices": [
        pooling("f32[b, 3, 8, 9]", (2, 3), dilation=(1, 1)),
        pooling("f32[b, 3, 8, 9]", (3, 3), dilation=(2, 1), stride=(2, 2), padding=(1, 1)),
        pooling("f32[b, 3, 2*n, 7]", (2, 2), dilation=(1, 1), stride=(2, 2), ceil_mode=True),
        pooling("f64[b, 3, 4*n + 1, 5]", (3, 2), dilation=(1, 1), stride=(2, 4), padding=(1, 1),
                ceil_mode=True),
        pooling("f32[b, n, 5, 8]", (2, 2), dilation=(1, 1), stride=(3, 3), ceil_mode=True),
    ],
    "max_pool3d_with_indices": [
        pooling("f32[b, 3, 4, 5, 6]", (2, 3, 2), dilation=(1, 1, 1)),
        pooling("f32[b, 3, n, 5, 6]", (2, 3, 2), dilation=(1, 1, 2), padding=(1, 1, 1),
                stride=(1, 2, 3), ceil_mode=True),
    ],
    "avg_pool2d": [
        pooling("f32[b, 3, 8, 9]", (2, 3), count_include_pad=True),
        pooling("f32[b, 3, n, 7]", (2, 2), count_include_pad=False, stride=(1, 2), padding=(1, 1),
                ceil_mode=True),
        pooling("f32[b, 1, 6*n, 4]", (2, 2), count_include_pad=True, stride=(3, 1),
                divisor_override=3),
    ],
    "avg_pool3d": [
        pooling("f32[b, 3, 4, 5, 2*n]", (2, 3, 2), count_include_pad=True, stride=(2, 2, 2)),
    ],
    "native_group_norm": [
        (("f32[b, 6, n, 2]", *affine),
         {"N": parse("b"), "C": parse("6"), "HxW": parse("2*n"), "group": 3, "eps": 1e-5})
        for affine in ((), ("f32[6]",), ("f32[6]", "f32[6]"))
    ],
    "_native_batch_norm_legit_no_training": [
        (("f32[b, 4, n]", *("f32[4]",) * 4), {"eps": 1e-5}),
        (("f64[b, n]", *("f64[n]",) * 4), {"eps": 1e-3}),
    ],
    "sum.dim_IntList": reductions() + [
        ((t,), {"dim": (1,), "keepdim": True}) for t in ("i64[b, n]", "i1[b, n]", "ui8[2, n]")
    ],
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
