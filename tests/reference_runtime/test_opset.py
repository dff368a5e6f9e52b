"""Every operation of CEP-Core on every stack that claims it."""

from __future__ import annotations

import numpy as np
import pytest

from cep.opset import OPERATIONS, PREFIX
from reference_runtime.registry import load
from tests.reference_runtime.regions import RegionBuilder, dims, draw, prepare, run


def unary(b):
    x = b.input("x", "f32[s0, s1, 8]")
    p = b.op("add.Scalar", b.op("abs", x), other=0.5, alpha=1)
    names = (
        "atan", "ceil", "cos", "erf", "exp", "expm1", "floor", "round", "sigmoid", "silu", "sin",
        "tan", "tanh", "trunc", "abs", "neg", "relu", "sign",
    )  # fmt: skip
    out = [b.op(n, x) for n in names]
    out += [b.op(n, p) for n in ("log", "log10", "log1p", "log2", "reciprocal", "rsqrt", "sqrt")]
    out += [b.op("leaky_relu", x, negative_slope=0.2), b.op("pow.Scalar", x, self=2.5)]
    out += [b.op("elu", x, alpha=a, scale=1.05, input_scale=s) for a, s in ((1, 1), (1.5, 0.5))]
    out += [b.op(n, x) for n in ("isinf", "isnan")]
    out += [b.op("gelu", x, approximate=a) for a in ("none", "tanh")]
    out += [b.op("clamp", x, min=-0.5), b.op("clamp", x, max=0.5), b.op("clamp", x, min=-1, max=1)]
    out += [b.op("clone", b.op("permute", x, dims=(0, 2, 1)))]
    out += [b.op("pow.Tensor_Scalar", p, exponent=e) for e in (2, 0.5, -1.5)]
    return out


def binary(b):
    x, y = b.input("x", "f32[s0, s1, 8]"), b.input("y", "f32[s1, 1]")
    out = [b.op(f"{n}.Tensor", x, y, alpha=a) for n in ("add", "sub") for a in (1, 2)]
    out += [b.op(f"{n}.Scalar", x, other=0.3, alpha=a) for n in ("add", "sub") for a in (1, 2)]
    out += [b.op(n, x, y) for n in ("mul.Tensor", "div.Tensor", "maximum", "minimum")]
    out += [b.op("mul.Scalar", x, other=3), b.op("div.Scalar", x, other=3)]
    base = b.op("add.Scalar", b.op("abs", x), other=0.5, alpha=1)
    out += [b.op("pow.Tensor_Tensor", base, y), b.op("remainder.Scalar", x, other=0.75)]
    out += [b.op("remainder.Tensor", x, base)]
    return out


def compare(b):
    x, y = b.input("x", "f32[s0, s1, 8]"), b.input("y", "f32[s1, 1]")
    i, j = b.input("i", "i64[s0, s1]"), b.input("j", "i64[s1]")
    names = ("eq", "ge", "gt", "le", "lt", "ne")
    out = [b.op(f"{n}.Tensor", x, y) for n in names]
    out += [b.op(f"{n}.Scalar", x, other=0.25) for n in names]
    out += [b.op(f"{n}.Tensor", i, j) for n in names]
    out += [b.op(f"{n}.Scalar", i, other=1) for n in names]
    out += [b.op(f"{n}.Scalar", x, other=float("nan")) for n in names]
    out += [b.op("where.self", out[1], x, y)]
    out += [b.op("where.self", out[12], i, j)]
    return out


def logic(b):
    x, y = b.input("x", "i1[s0, s1]"), b.input("y", "i1[s1]")
    names = (
        "bitwise_and.Tensor", "bitwise_or.Tensor", "bitwise_xor.Tensor", "logical_and",
        "logical_or", "logical_xor",
    )  # fmt: skip
    out = [b.op(n, x) for n in ("logical_not", "bitwise_not")]
    return [*out, *(b.op(n, x, y) for n in names)]


def bits(b):
    i, j = b.input("i", "i64[s0, s1]"), b.input("j", "i64[s1]")
    k, m = b.input("k", "i32[s0, s1]"), b.input("m", "i32[s1]")
    names = ("bitwise_and.Tensor", "bitwise_or.Tensor", "bitwise_xor.Tensor")
    out = [b.op("bitwise_not", i), b.op("bitwise_not", k)]
    return [*out, *(b.op(n, *pair) for n in names for pair in ((i, j), (k, m)))]


def integers(b):
    out = []
    for kind in ("i64", "i32"):
        i, j = b.input(f"i{kind}", f"{kind}[s0, s1]"), b.input(f"j{kind}", f"{kind}[s1]")
        out += [b.op(f"{n}.Tensor", i, j, alpha=a) for n in ("add", "sub") for a in (1, 2)]
        out += [b.op(f"{n}.Scalar", i, other=3, alpha=1) for n in ("add", "sub")]
        out += [b.op(n, i, j) for n in ("mul.Tensor", "maximum", "minimum")]
        out += [b.op("mul.Scalar", i, other=3)]
        out += [b.op(n, i) for n in ("abs", "neg", "sign")]
        out += [b.op("remainder.Scalar", i, other=3)]
        out += [b.op("sum.dim_IntList", i, dim=(1,), keepdim=False), b.op("cumsum", i, dim=1)]
        out += [b.op(n, i, dim=1, keepdim=True) for n in ("argmax", "argmin")]
        out += [b.op("flip", i, dims=(0, 1)), b.op("constant_pad_nd", i, pad=(1, 2), value=7)]
        out += [b.op("clamp", i, min=1, max=2)]
        out += [b.op(n, i, dim=(1,), keepdim=False) for n in ("amax", "amin")]
    return out


def convert(b):
    x, i, m = b.input("x", "f32[s0, s1]"), b.input("i", "i64[s0, s1]"), b.input("m", "i1[s0, s1]")
    k = b.input("k", "i32[s0, s1]")
    kinds = ("f32", "i64", "i32", "i1")
    return [b.op("_to_copy", v, dtype=d) for v in (x, i, m, k) for d in kinds]


def shapes(b):
    x, y = b.input("x", "f32[s0, s1, 24]"), b.input("y", "f32[s0, 1, 24]")
    out = [b.op("view", x, size=dims("s0", "s1", 4, 6))]
    out += [b.op("view", x, size=dims("s0*s1", 24)), b.op("view", x, size=dims("24*s0*s1"))]
    out += [b.op("view", b.op("permute", x, dims=(0, 2, 1)), size=dims("s0", "24*s1"))]
    out += [b.op("permute", out[0], dims=(0, 2, 1, 3)), b.op("unsqueeze", x, dim=-1)]
    out += [b.op("squeeze.dims", y, dim=(1,)), b.op("expand", y, size=dims("s0", "s1", 24))]
    out += [b.op("slice.Tensor", x, dim=2, start=dims(3)[0], end=dims(9)[0])]
    out += [b.op("slice.Tensor", x, dim=1, start=dims(1)[0], end=dims("s1")[0])]
    out += [b.op("select.int", x, dim=1, index=0), b.op("select.int", x, dim=1, index=-1)]
    out += [b.op("flip", x, dims=(1, -1)), b.op("constant_pad_nd", x, pad=(1, -2, 0, 3), value=0.5)]
    out += [b.op("cat", x, x, dim=1), b.op("cat", x, y, dim=1), b.op("cat", x, x, x, dim=-1)]
    return out


def pick(b):
    table, i = b.constant("table", "f32[10, 8]"), b.input("i", "i64[s0, s1]")
    x, k = b.input("x", "f32[s0, s1, 8]"), b.input("k", "i32[s0, s1]")
    at = b.op("clamp", i, min=0, max=0)
    out = [b.op("embedding", table, i), b.op("embedding", table, k)]
    out += [b.op("gather", i, b.op("clamp", i, min=0, max=1), dim=1), b.op("index.Tensor", x, at)]
    out += [b.op("index.Tensor", x, at, b.op("clamp", i, min=0, max=1))]
    out += [b.op("index.Tensor", table, k)]
    return out


def make(b):
    x = b.input("x", "f32[s0, s1]")
    out = [b.op("full", size=dims("s0", 3), fill_value=1.5, dtype="f32"), b.op("relu", x)]
    out += [b.op("full", size=(), fill_value=1, dtype="i1")]
    out += [b.op("full", size=dims(2, "s1"), fill_value=-7, dtype="i64")]
    for kind in ("i64", "i32"):
        out += [b.op("arange.start_step", start=dims(0)[0], end=dims("s1")[0], dtype=kind)]
        out += [b.op("arange.start_step", start=dims(1)[0], end=dims("2*s0 + 3")[0], dtype=kind)]
    return out


ORDERS = (0, 1, 2, 3, 0.5, float("inf"), float("-inf"))


def reduce(b):
    x = b.input("x", "f32[s0, s1, 8]")
    out = []
    for dim in ((1,), (0, 2), (-1,), ()):
        for keep in (False, True):
            names = ("sum.dim_IntList", "mean.dim", "amax", "amin")
            out += [b.op(n, x, dim=dim, keepdim=keep) for n in names]
            out += [b.op("linalg_vector_norm", x, ord=o, dim=dim, keepdim=keep) for o in ORDERS]
            out.append(b.op("var.correction", x, dim=dim, correction=0, keepdim=keep))
    for dim in (-1, 1):
        out += [b.op(n, x, dim=dim) for n in ("_softmax", "_log_softmax", "cumsum", "cumprod")]
        out += [b.op("prod.dim_int", x, dim=dim, keepdim=True)]
    return [*out, b.op("var.correction", x, dim=(1, 2), correction=1, keepdim=False)]


def order(b):
    x = b.input("x", "f32[s0, s1, 8]")
    out = [
        b.op(n, x, dim=d, keepdim=k)
        for n in ("argmax", "argmin")
        for d, k in ((-1, True), (1, False))
    ]
    out += [b.op("argmax", x, keepdim=False)]
    for down in (False, True):
        out += [b.op("sort", x, dim=-1, descending=down), b.op("sort", x, dim=1, descending=down)]
        out += [b.op("topk", x, k=3, dim=-1, largest=down)]
    return [*out, *(v[:-1] + "1" for v in out[5:])]


def windows(b):
    """What slides: each with the batch open, and one axis of the window too."""
    x, v = b.input("x", "f32[s0, 6, 9, 8]"), b.input("v", "f32[s0, 4, 5, 6, 4]")
    line, w = b.input("line", "f32[s0, 6, 2*s1]"), b.constant("w", "f32[4, 6, 3, 2]")
    bias, g = b.constant("bias", "f32[4]"), b.constant("g", "f32[6, 1, 2, 3]")
    out = [b.op("convolution", x, w, **slid(2)), b.op("convolution", x, w, bias, **slid(2))]
    out += [b.op("convolution", x, w, bias, **slid(2, stride=(2, 3), padding=(1, 0)))]
    out += [b.op("convolution", x, w, bias, **slid(2, dilation=(2, 1), padding=(2, 1)))]
    out += [b.op("convolution", x, g, **slid(2, groups=6))]
    line_weight = b.constant("lw", "f32[4, 6, 2]")
    out += [b.op("convolution", line, line_weight, bias, **slid(1, stride=(2,)))]
    out += [b.op("convolution", v, b.constant("vw", "f32[2, 4, 2, 2, 2]"), **slid(3))]
    turned = b.constant("t", "f32[6, 2, 3, 2]")
    more = {"stride": (2, 2), "output_padding": (1, 0), "padding": (1, 0), "groups": 2}
    out += [b.op("convolution", x, turned, bias, **slid(2, transposed=True, **more))]
    out += [b.op("convolution", line, b.constant("tl", "f32[6, 3, 3]"), **slid(1, transposed=True))]
    planes, volumes = {"kernel_size": (3, 2), "padding": (1, 1)}, {"kernel_size": (2, 3, 2)}
    most = {"dilation": (1, 1), "ceil_mode": False, **planes}
    out += [b.op("max_pool2d_with_indices", x, stride=(2, 2), **most)]
    out += [b.op("max_pool2d_with_indices", x, stride=(2, 2), **most | {"ceil_mode": True})]
    more = {"stride": (2, 2, 2), "padding": (0, 1, 0), "ceil_mode": False}
    out += [b.op("max_pool3d_with_indices", v, dilation=(1, 1, 1), **volumes, **more)]
    out += [v[:-1] + "1" for v in out[-3:]]
    for inside in (False, True):
        mean = {"ceil_mode": False, "count_include_pad": inside}
        out += [b.op("avg_pool2d", x, stride=(2, 1), **planes, **mean)]
    out += [b.op("avg_pool2d", x, stride=(2, 1), divisor_override=5, **planes, **mean)]
    return [*out, b.op("avg_pool3d", v, **volumes, **more, count_include_pad=True)]


def slid(axes, **attributes):
    numbers = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0}
    lists = {name: (value,) * axes for name, value in numbers.items()}
    return {**lists, "transposed": False, "groups": 1, **attributes}


def products(b):
    x, w, c = (
        b.input("x", "f32[s0, s1, 24]"),
        b.constant("w", "f32[8, 24]"),
        b.constant("c", "f32[8]"),
    )
    flat = b.op("view", x, size=dims("s0*s1", 24))
    turned = b.op("permute", w, dims=(1, 0))
    out = [b.op("linear", x, w), b.op("linear", x, w, c), b.op("mm", flat, turned)]
    out += [b.op("addmm", c, flat, turned, beta=1, alpha=1)]
    out += [b.op("addmm", c, flat, turned, beta=0.5, alpha=2)]
    return [*out, b.op("bmm", x, b.op("permute", x, dims=(0, 2, 1)))]


def attention(b):
    x, m = b.input("x", "f32[s0, s1, 24]"), b.input("m", "f32[s0, 1, 1, s1]")
    keep = b.input("keep", "i1[s0, 1, 1, s1]")
    q = b.op("permute", b.op("view", x, size=dims("s0", "s1", 4, 6)), dims=(0, 2, 1, 3))
    name = "scaled_dot_product_attention"
    # No row may be masked out whole: what it gives is not defined.
    some = b.op(
        "logical_or",
        keep,
        b.op(
            "eq.Scalar",
            b.op("arange.start_step", start=dims(0)[0], end=dims("s1")[0], dtype="i64"),
            other=0,
        ),
    )
    out = [b.op(name, q, q, q, is_causal=c) for c in (False, True)]
    out += [b.op(name, q, q, q, m, is_causal=False), b.op(name, q, q, q, some, is_causal=False)]
    return [
        *out,
        b.op(name, q, q, q, is_causal=False, scale=0.3),
        b.op(name, x, x, x, is_causal=False),
    ]


def normalise(b):
    x, w, c = b.input("x", "f32[s0, s1, 8]"), b.constant("w", "f32[8]"), b.constant("c", "f32[8]")
    out = [
        b.op("native_layer_norm", x, *affine, normalized_shape=dims(8), eps=1e-5)
        for affine in ((), (w,), (w, c))
    ]
    out += [out[-1][:-1] + "1", out[-1][:-1] + "2"]
    y = b.input("y", "f32[s0, 8, s1]")
    sizes = {"N": dims("s0")[0], "C": dims(8)[0], "HxW": dims("s1")[0]}
    for affine in ((), (w,), (w, c)):
        out.append(b.op("native_group_norm", y, *affine, **sizes, group=4, eps=1e-5))
    out += [out[-1][:-1] + "1", out[-1][:-1] + "2"]
    name, variance = "_native_batch_norm_legit_no_training", b.op("abs", c)
    return [*out, b.op(name, y, w, c, w, variance, eps=1e-3)]


SAMPLES = {
    f.__name__: f
    for f in (
        unary, binary, compare, logic, bits, integers, convert, shapes, pick, make, reduce, order,
        products, windows, attention, normalise,
    )
}  # fmt: skip


STACKS = ("torch-cpu", "onnxruntime-cpu", "openvino-cpu")


@pytest.fixture(scope="module")
def adapters():
    return {name: load(name, allowed=["acp-cep"]) for name in STACKS}


def sample(name, adapter=None, dtypes=None):
    """Return a sample as one region, of the outputs only that the adapter supports alone."""
    builder = RegionBuilder(dtypes=dtypes)
    outputs = SAMPLES[name](builder)
    if adapter is not None:
        outputs = [o for o in outputs if adapter.supports(builder.region(o, all_inputs=True)).ok]
    return builder.region(*outputs, all_inputs=True)


def test_samples_use_every_operation():
    assert {n.target for name in SAMPLES for n in sample(name).nodes} == set(OPERATIONS)


@pytest.mark.parametrize("stack", STACKS)
def test_every_operation_that_a_descriptor_claims_is_tried_here(adapters, stack):
    tried = {n.target for name in SAMPLES for n in sample(name, adapters[stack]).nodes}
    assert {claim.op for claim in adapters[stack].describe()[0].ops} == tried


@pytest.mark.parametrize("sizes", [{"s0": 1, "s1": 2}, {"s0": 5, "s1": 3}], ids=str)
@pytest.mark.parametrize("name", SAMPLES)
def test_torch_runs_every_operation_as_numpy_does(adapters, name, sizes):
    """A second opinion where NumPy has the operation under the same name and meaning."""
    region = sample(name)
    inputs = {v: draw(region.types[v], sizes, seed) for seed, v in enumerate(region.inputs)}
    got = dict(
        zip(region.outputs, run(prepare(adapters["torch-cpu"], region), region, sizes), strict=True)
    )
    for node in region.nodes:
        function = NUMPY.get(node.target.removeprefix(PREFIX))
        known = inputs | got
        if function and node.outputs[0] in got and all(v in known for v in node.inputs):
            expected = function(*(known[v] for v in node.inputs), **node.attributes)
            np.testing.assert_allclose(got[node.outputs[0]], expected, rtol=1e-5, atol=1e-6)


NUMPY = {
    "abs": np.abs, "neg": np.negative, "exp": np.exp, "sin": np.sin, "cos": np.cos,
    "tanh": np.tanh, "log": np.log, "sqrt": np.sqrt, "reciprocal": np.reciprocal,
    "mul.Tensor": np.multiply, "div.Tensor": np.divide, "maximum": np.maximum,
    "minimum": np.minimum, "logical_not": np.logical_not, "logical_and": np.logical_and,
    "logical_or": np.logical_or, "bitwise_and.Tensor": np.bitwise_and,
    "bitwise_or.Tensor": np.bitwise_or, "eq.Tensor": np.equal, "lt.Tensor": np.less,
    "add.Tensor": lambda a, b, alpha: a + alpha * b,
    "sub.Tensor": lambda a, b, alpha: a - alpha * b,
    "sub.Scalar": lambda a, other, alpha: a - alpha * other,
    "relu": lambda a: np.maximum(a, 0),
    "permute": lambda a, dims: a.transpose(dims),
    "cat": lambda *a, dim: np.concatenate(a, dim),
    "select.int": lambda a, dim, index: a.take(index, dim),
    "embedding": lambda table, i: table[i],
    "mm": np.matmul, "bmm": np.matmul,
    "linear": lambda a, w, b=0: a @ w.T + b,
    "amax": lambda a, dim, keepdim: a.max(dim or None, keepdims=keepdim),
    "mean.dim": lambda a, dim, keepdim: a.mean(dim or None, keepdims=keepdim),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("stack", STACKS[1:])
def test_other_stacks_agree_with_torch(adapters, stack, name):
    region = sample(name, adapters[stack])
    other, torch = (prepare(adapters[n], region) for n in (stack, "torch-cpu"))
    for sizes in ({"s0": 1, "s1": 2}, {"s0": 5, "s1": 3}):
        results = zip(run(other, region, sizes), run(torch, region, sizes), strict=True)
        for value, (got, expected) in zip(region.outputs, results, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5, err_msg=value)


@pytest.mark.parametrize(
    ("name", "dtypes"),
    [
        *((name, {"f32": "f64"}) for name in SAMPLES),
        *((name, {"f32": "f16"}) for name in SAMPLES),
        *((n, {"i32": i}) for n in ("integers", "bits", "convert") for i in ("i16", "i8", "ui8")),
    ],
)  # fmt: skip
def test_torch_runs_its_other_dtypes(adapters, name, dtypes):
    region = sample(name, adapters["torch-cpu"], dtypes)
    for got in run(prepare(adapters["torch-cpu"], region), region, {"s0": 3, "s1": 4}):
        assert np.isfinite(got).all()
