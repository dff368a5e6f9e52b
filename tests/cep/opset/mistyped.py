"""Calls that no type rule takes, by what is wrong with them."""

from __future__ import annotations

from cep.expr import parse
from tests.cep.opset.cases import ATTENTION, convolution, dims, pooling

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
    "a range beyond its dtype": (
        "arange.start_step", (), {"start": parse("0"), "end": parse("129"), "dtype": "i8"},
    ),
    "a range that might end beyond its dtype": (
        "arange.start_step", (), {"start": parse("0"), "end": parse("n^4"), "dtype": "i8"},
    ),
    "a range below its dtype": (
        "arange.start_step", (), {"start": parse("-1"), "end": parse("1"), "dtype": "ui8"},
    ),
    "a result with more axes than a result has": (
        "index.Tensor", (f"i64[{', '.join('1' * 40)}]", f"i64[{', '.join('1' * 40)}]"), {},
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
    "a remainder of nothing": ("remainder.Scalar", ("i64[b]",), {"other": 0}),
    "an axis that turns twice": ("flip", ("f32[b]",), {"dims": (0, -1)}),
    "padding for half an axis": ("constant_pad_nd", ("f32[b]",), {"pad": (1,), "value": 0}),
    "padding for axes that are not": (
        "constant_pad_nd", ("f32[b]",), {"pad": (0, 0, 1, 1), "value": 0},
    ),
    "padding that integers do not hold": (
        "constant_pad_nd", ("i64[b]",), {"pad": (1, 1), "value": 0.5},
    ),
    "padding that takes what may not be there": (
        "constant_pad_nd", ("f32[b]",), {"pad": (3, -2), "value": 0},
    ),
    "the place of the largest of none": ("argmax", ("f32[b, 0]",), {"dim": 1, "keepdim": False}),
    "the place of the least of perhaps none": ("argmin", ("f32[b - 1]",), {"keepdim": True}),
    "the first of fewer": ("topk", ("f32[b]",), {"k": 2, "dim": 0, "largest": True}),
    "a negative number of the first": ("topk", ("f32[n]",), {"k": -1, "dim": 0, "largest": True}),
    "a running sum of an axis beyond": ("cumsum", ("f32[b]",), {"dim": 1}),
    "a variance of an axis twice": (
        "var.correction", ("f32[b, n]",), {"dim": (0, 0), "correction": 1, "keepdim": False},
    ),
    "a filter of another rank": ("convolution", *convolution("f32[b, 4, 9]", "f32[4, 4]")),
    "a convolution of a matrix": ("convolution", *convolution("f32[b, 4]", "f32[4, 4]")),
    "a filter of other channels": ("convolution", *convolution("f32[b, 4, 9]", "f32[4, 3, 3]")),
    "filters in unequal groups": (
        "convolution", *convolution("f32[b, 4, 9]", "f32[3, 2, 3]", groups=2),
    ),
    "filters in no groups": ("convolution", *convolution("f32[b, 4, 9]", "f32[3, 4, 3]", groups=0)),
    "a bias of other channels": (
        "convolution", *convolution("f32[b, 4, 9]", "f32[3, 4, 3]", "f32[4]"),
    ),
    "a window of open size": ("convolution", *convolution("f32[b, 4, 9]", "f32[3, 4, b]")),
    "a window that may not fit": ("convolution", *convolution("f32[b, 4, n]", "f32[3, 4, 3]")),
    "a stride that may not divide": (
        "convolution", *convolution("f32[b, 4, n]", "f32[3, 4, 2]", stride=(2,)),
    ),
    "a stride of nothing": (
        "convolution", *convolution("f32[b, 4, 9]", "f32[3, 4, 2]", stride=(0,)),
    ),
    "padding of less than nothing": (
        "convolution", *convolution("f32[b, 4, 9]", "f32[3, 4, 2]", padding=(-1,)),
    ),
    "a stride for each of two axes": (
        "convolution", *convolution("f32[b, 4, 9]", "f32[3, 4, 2]", stride=(1, 1)),
    ),
    "more at the end of what is not transposed": (
        "convolution", *convolution("f32[b, 4, 9]", "f32[3, 4, 2]", output_padding=(1,)),
    ),
    "as much at the end as a stride": (
        "convolution",
        *convolution("f32[b, 4, 9]", "f32[4, 4, 2]", output_padding=(2,), stride=(2,),
                     transposed=True),
    ),
    "two ends of one axis": (
        "convolution", *convolution("f32[b, 4, 9]", "f32[3, 4, 2]", output_padding=(0, 0)),
    ),
    "nothing that is left of padding": (
        "convolution",
        *convolution("f32[b, 4, b]", "f32[4, 4, 1]", padding=(1,), transposed=True),
    ),
    "to pool a matrix": (
        "max_pool2d_with_indices", *pooling("f32[b, 9]", (2, 2), dilation=(1, 1)),
    ),
    "to pool volumes as planes": (
        "avg_pool2d", *pooling("f32[b, 2, 3, 4, 5]", (2, 2), count_include_pad=True),
    ),
    "to pool planes with one number": (
        "avg_pool2d", *pooling("f32[b, 2, 3, 4]", (2,), count_include_pad=True),
    ),
    "padding beyond half a window": (
        "avg_pool3d",
        *pooling("f32[b, 2, 3, 4, 5]", (2, 2, 3), count_include_pad=True, padding=(0, 0, 2)),
    ),
    "a mean over nothing": (
        "avg_pool2d",
        *pooling("f32[b, 2, 3, 4]", (2, 2), count_include_pad=True, divisor_override=0),
    ),
    "a window of nothing": (
        "avg_pool2d", *pooling("f32[b, 2, 3, 4]", (0, 2), count_include_pad=True, stride=(1, 1)),
    ),
    "a window larger than the volume": (
        "max_pool3d_with_indices", *pooling("f32[b, 2, 3, 4, n]", (2, 2, 3), dilation=(1, 1, 1)),
    ),
    "groups of other sizes": (
        "native_group_norm", ("f32[b, 6, 2]",),
        {"N": parse("b"), "C": parse("6"), "HxW": parse("2"), "group": 4, "eps": 1e-5},
    ),
    "groups of another number of elements": (
        "native_group_norm", ("f32[b, 6, 2]",),
        {"N": parse("b"), "C": parse("6"), "HxW": parse("3"), "group": 3, "eps": 1e-5},
    ),
    "groups of no channels": (
        "native_group_norm", ("f32[b]",),
        {"N": parse("b"), "C": parse("6"), "HxW": parse("1"), "group": 3, "eps": 1e-5},
    ),
    "moments of other channels": (
        "_native_batch_norm_legit_no_training", ("f32[b, 4, n]", *("f32[3]",) * 4), {"eps": 1e-5},
    ),
    "moments of a table": (
        "_native_batch_norm_legit_no_training", ("f32[b, 4]", *("f32[4, 1]",) * 4), {"eps": 1e-5},
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
