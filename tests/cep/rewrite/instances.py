"""For each trusted rule: graphs that it matches, and graphs that it nearly does."""

from __future__ import annotations

from math import pi, sqrt

from tests.cep.rewrite.drafts import Draft, dim, dims, dtype_of, shape_of, symbols

ROOT = sqrt(2.0 / pi)


def same_shape(rng, g):
    x = g.given(dtype_of(rng), *shape_of(rng, least=1))
    shape, kind = g.shape(x), g.graph.types[x].dtype
    name = rng.choice(("view", "expand", "clone", "_to_copy", "slice.Tensor", "cat"))
    at = rng.randrange(len(shape))
    given = {
        "view": {"size": shape},
        "expand": {"size": shape},
        "clone": {},
        "_to_copy": rng.choice(({}, {"dtype": kind})),
        "slice.Tensor": {"dim": at, "start": dim("0"), "end": shape[at]},
        "cat": {"dim": at - len(shape)},
    }
    g.op(name, x, **given[name])


def _order(rng, rank):
    return tuple(rng.choice((i, i - rank)) for i in rng.sample(range(rank), rank))


def permute_nothing(rng, g):
    x = g.given(dtype_of(rng), *shape_of(rng))
    rank = len(g.shape(x))
    g.permute(x, *(rng.choice((i, i - rank)) for i in range(rank)))


def permute_permute(rng, g):
    x = g.given(dtype_of(rng), *shape_of(rng))
    rank = len(g.shape(x))
    g.permute(g.permute(x, *_order(rng, rank)), *_order(rng, rank))


def _reshaped(rng, g, x):
    shape = g.shape(x)
    ones = [i for i, d in enumerate(shape) if d == dim("1")]
    name = rng.choice(("view", "unsqueeze", "squeeze.dims"))
    if name == "squeeze.dims" and ones:
        return g.op(name, x, dim=tuple(rng.sample(ones, rng.randint(1, len(ones)))))
    if name == "unsqueeze":
        return g.op(name, x, dim=rng.randint(-len(shape) - 1, len(shape)))
    mixed = rng.sample(shape, len(shape))
    if len(mixed) > 1:
        mixed = [mixed[0] * mixed[1], *mixed[2:]]
    return g.op("view", x, size=(*mixed, dim("1")))


def reshape_reshape(rng, g):
    x = g.given(dtype_of(rng), *shape_of(rng))
    _reshaped(rng, g, _reshaped(rng, g, x))


def _widened(rng, shape):
    wide = [rng.choice(("2", "s0", d)) if d == dim("1") else d for d in shape]
    return dims(*(rng.choice((["3"], [], []))), *wide)


def expand_expand(rng, g):
    x = g.given(dtype_of(rng), *shape_of(rng, most=3))
    inner = _widened(rng, g.shape(x))
    g.expand(g.expand(x, *inner), *_widened(rng, inner))


def expand_broadcast(rng, g):
    name = rng.choice(("add.Tensor", "mul.Tensor", "where.self", "le.Tensor", "attention"))
    if name == "attention":
        q, k, v = (g.given("f32", "s0", "2", s, "3") for s in ("s1", "3", "3"))
        mask = g.expand(g.given(rng.choice(("f32", "i1")), "1", "s1", "3"), "s0", "2", "s1", "3")
        g.op("scaled_dot_product_attention", q, k, v, mask, is_causal=False)
        return
    wide = ["s0", "3", "s1"]
    narrow = [rng.choice(("1", d)) for d in wide][rng.randrange(3) :]
    one = g.expand(g.given("f32", *narrow), *wide)
    pair = [one, g.given("f32", *wide)]
    rng.shuffle(pair)
    if name == "where.self":
        pair = [g.given("i1", *wide), *pair]
    g.op(name, *pair, **({"alpha": 2} if name == "add.Tensor" else {}))


def neutral_number(rng, g):
    name = rng.choice(("mul.Scalar", "div.Scalar", "add.Scalar", "sub.Scalar", "pow.Tensor_Scalar"))
    whole = name in ("mul.Scalar", "add.Scalar", "sub.Scalar") and (
        name == "add.Scalar" or rng.random() < 0.5
    )
    x = g.given(rng.choice(("i64", "i8") if whole else ("f32", "f64", "f16")), *shape_of(rng))
    number = 0 if name.startswith(("add", "sub")) else 1
    given = {"exponent" if name.startswith("pow") else "other": number}
    g.op(name, x, **given, **({"alpha": 1} if not number else {}))


def negative_negative(rng, g):
    g.op("neg", g.op("neg", g.given(dtype_of(rng, "f32", "f16", "i64", "i8"), *shape_of(rng))))


def and_true(rng, g):
    x = g.given("i1", "s0", "3")
    full = g.op("full", size=dims(*rng.choice(([], ["3"], ["s0", "1"]))), fill_value=1, dtype="i1")
    pair = [x, full]
    rng.shuffle(pair)
    g.op(rng.choice(("bitwise_and.Tensor", "logical_and")), *pair)


def _float(rng):
    return rng.choice(("f32", "f64", "f16"))


def mm_linear(rng, g):
    kind = _float(rng)
    x, w = g.given(kind, "s0", "3"), g.given(kind, "5", "3")
    g.op("mm", x, g.permute(w, *rng.choice(((1, 0), (-1, -2), (1, -2)))))


def addmm_linear(rng, g):
    kind = _float(rng)
    b, x, w = g.given(kind, "5"), g.given(kind, "s0", "3"), g.given(kind, "5", "3")
    one = rng.choice((1, 1.0))
    g.op("addmm", b, x, g.permute(w, 1, 0), beta=one, alpha=1)


def linear_bias(rng, g):
    kind = _float(rng)
    x, w = g.given(kind, *shape_of(rng, most=2), "3"), g.given(kind, "5", "3")
    pair = [g.op("linear", x, w), g.given(kind, "5")]
    rng.shuffle(pair)
    g.plus(*pair, alpha=rng.choice((1, 1.0)))


def mm_bias(rng, g):
    kind = _float(rng)
    pair = [g.op("mm", g.given(kind, "s0", "3"), g.given(kind, "3", "5")), g.given(kind, "5")]
    rng.shuffle(pair)
    g.plus(*pair)


def silu(rng, g):
    x = g.given(_float(rng), *shape_of(rng))
    pair = [x, g.op("sigmoid", x)]
    rng.shuffle(pair)
    g.op("mul.Tensor", *pair)


def gelu_tanh(rng, g, *, power=3, cubic=0.044715, root=ROOT, half=0.5, other=False):
    x = g.given(_float(rng), *shape_of(rng))
    cube = g.op("mul.Scalar", g.op("pow.Tensor_Scalar", x, exponent=power), other=cubic)
    pair = [x, cube]
    inner = g.op("mul.Scalar", g.plus(*pair), other=root)
    plus = g.op("add.Scalar", g.op("tanh", inner), other=1.0, alpha=1)
    halved = g.op("mul.Scalar", g.op("abs", x) if other else x, other=half)
    outer = [halved, plus]
    rng.shuffle(outer)
    g.op("mul.Tensor", *outer)


def attention(rng, g, *, axis=-1, swap=True, alpha=1):
    """Attention with or without heads, views, scale, mask and a transposition of its own."""
    kind = rng.choice(("f32", "f64"))
    lead = rng.choice((["s0"], ["s0", "2"]))
    several = len(lead) > 1
    merged = [dim("s0") * dim("2")] if several else lead
    n, m, d, e = "s1", "3", "4", rng.choice(("4", "5"))
    q, v = g.given(kind, *lead, n, d), g.given(kind, *lead, m, e)
    turned = (*range(len(lead)), len(lead) + 1, len(lead))
    stored = merged if several and rng.random() < 0.5 else lead
    k = g.given(kind, *stored, d, m) if not swap else g.permute(g.given(kind, *lead, m, d), *turned)

    def product(one, other, rows, inner, columns):
        if not several:
            return g.op("bmm", one, other)
        if len(g.shape(other)) > len(merged) + 2:
            other = g.view(other, *merged, inner, columns)
        flat = g.op("bmm", g.view(one, *merged, rows, inner), other)
        return g.view(flat, *lead, rows, columns)

    scores = product(q, k, n, d, m)
    scale = rng.choice(("mul.Scalar", "div.Scalar", ""))
    if scale:
        scores = g.op(scale, scores, other=rng.choice((0.5, 3.0, 2)))
    if rng.random() < 0.6:
        pair = [scores, g.given(kind, *rng.choice(([*lead, n, m], ["1", m], [m])))]
        rng.shuffle(pair)
        scores = g.plus(*pair, alpha=alpha)
    elif alpha != 1:
        scores = g.plus(scores, g.given(kind, m), alpha=alpha)
    weights = g.op("_softmax", scores, dim=rng.choice((axis, axis + len(lead) + 2)))
    product(weights, v, n, m, e)


MATCHING = {
    "same-shape": same_shape,
    "permute-nothing": permute_nothing,
    "permute-permute": permute_permute,
    "reshape-reshape": reshape_reshape,
    "expand-expand": expand_expand,
    "expand-broadcast": expand_broadcast,
    "neutral-number": neutral_number,
    "negative-negative": negative_negative,
    "and-true": and_true,
    "mm-linear": mm_linear,
    "addmm-linear": addmm_linear,
    "linear-bias": linear_bias,
    "mm-bias": mm_bias,
    "silu": silu,
    "gelu-tanh": gelu_tanh,
    "attention": lambda rng, g: attention(rng, g, swap=rng.random() < 0.6),
}


def drawn(rng, make, **changes):
    """A graph that `make` builds."""
    draft = symbols(Draft())
    make(rng, draft, **changes)
    return draft


def _two(name, dtypes=("f32", "f32"), **attributes):
    return lambda _, g: g.op(
        name, g.given(dtypes[0], "s0", "3"), g.given(dtypes[1], "s0", "3"), **attributes
    )


def _one(name, kind="f32", shape=("s0", "3"), **attributes):
    return lambda _, g: g.op(name, g.given(kind, *shape), **attributes)


def _silu_of_another(_, g):
    g.op("mul.Tensor", g.given("f32", "3"), g.op("sigmoid", g.given("f32", "3")))


def _bias_of_rank_2(_, g):
    g.plus(
        g.op("linear", g.given("f32", "s0", "3"), g.given("f32", "5", "3")),
        g.given("f32", "1", "5"),
    )


def _bias_of_one(_, g):
    g.plus(g.op("linear", g.given("f32", "s0", "3"), g.given("f32", "5", "3")), g.given("f32", "1"))


def _second_bias(_, g):
    b = g.given("f32", "5")
    g.plus(g.op("linear", g.given("f32", "s0", "3"), g.given("f32", "5", "3"), b), b)


def _scaled_bias(_, g):
    g.plus(
        g.op("linear", g.given("f32", "s0", "3"), g.given("f32", "5", "3")),
        g.given("f32", "5"),
        alpha=2,
    )


def _mm_scaled_bias(_, g):
    g.plus(
        g.op("mm", g.given("f32", "s0", "3"), g.given("f32", "3", "5")),
        g.given("f32", "5"),
        alpha=2,
    )


def _mm_column(_, g):
    g.plus(g.op("mm", g.given("f32", "5", "3"), g.given("f32", "3", "5")), g.given("f32", "5", "1"))


def _mm_plain(_, g):
    g.op("mm", g.given("f32", "3", "3"), g.permute(g.given("f32", "3", "3"), 0, 1))


def _addmm(beta=1, alpha=1, bias=("5",)):
    def make(_, g):
        w = g.permute(g.given("f32", "5", "3"), 1, 0)
        g.op("addmm", g.given("f32", *bias), g.given("f32", "s0", "3"), w, beta=beta, alpha=alpha)

    return make


def _and_false(_, g):
    g.op("logical_and", g.given("i1", "3"), g.op("full", size=dims("3"), fill_value=0, dtype="i1"))


def _and_wider(_, g):
    g.op(
        "logical_and",
        g.given("i1", "3"),
        g.op("full", size=dims("2", "3"), fill_value=1, dtype="i1"),
    )


def _and_integer(_, g):
    full = g.op("full", size=dims("3"), fill_value=1, dtype="i64")
    g.op("bitwise_and.Tensor", g.given("i64", "3"), full)


def _both_expanded(_, g):
    g.plus(g.expand(g.given("f32", "1"), "3"), g.given("f32", "1"))


def _negative_absolute(_, g):
    g.op("neg", g.op("abs", g.given("f32", "3")))


def _permuted_view(_, g):
    g.permute(g.view(g.given("f32", "3", "2"), "2", "3"), 1, 0)


def _viewed_permute(_, g):
    g.view(g.permute(g.given("f32", "3", "2"), 1, 0), "6")


def _expanded_view(_, g):
    g.expand(g.view(g.given("f32", "3"), "1", "3"), "2", "3")


def _but(make, **changes):
    return lambda rng, g: make(rng, g, **changes)


def _view_of_axes(_, g):
    """Attention whose result is viewed so that the last axes change."""
    q, k, v = (g.given("f32", "s0", n, "4") for n in ("2", "3", "3"))
    weights = g.op("_softmax", g.op("bmm", q, g.permute(k, 0, 2, 1)), dim=-1)
    g.view(g.op("bmm", weights, v), "s0", "4", "2")


NEAR = {
    "same-shape": [
        _one("view", size=dims(dim("s0") * dim("3"))),
        _one("_to_copy", dtype="f64"),
        _one("expand", size=dims("2", "s0", "3")),
        _one("slice.Tensor", dim=1, start=dim("1"), end=dim("3")),
        _two("cat", dim=0),
        _one("unsqueeze", dim=0),
    ],
    "permute-nothing": [_one("permute", shape=("3", "3"), dims=(1, 0))],
    "permute-permute": [_permuted_view, _one("permute", dims=(1, 0))],
    "reshape-reshape": [_viewed_permute, _one("unsqueeze", dim=0)],
    "expand-expand": [_expanded_view],
    "expand-broadcast": [_both_expanded, _two("add.Tensor", alpha=1)],
    "neutral-number": [
        _one("mul.Scalar", other=-1),
        _one("div.Scalar", other=0.999),
        _one("add.Scalar", other=0, alpha=1),
        _one("add.Scalar", "i64", other=1, alpha=1),
        _one("add.Scalar", "i64", other=0, alpha=2),
        _one("sub.Scalar", other=-0.0, alpha=1),
        _one("sub.Scalar", other=0.0, alpha=-1),
        _one("pow.Tensor_Scalar", exponent=2),
    ],
    "negative-negative": [_negative_absolute],
    "and-true": [_and_false, _and_wider, _and_integer],
    "mm-linear": [_mm_plain],
    "addmm-linear": [_addmm(beta=2), _addmm(alpha=2), _addmm(bias=("1",)), _addmm(bias=("1", "5"))],
    "linear-bias": [_bias_of_rank_2, _bias_of_one, _second_bias, _scaled_bias],
    "mm-bias": [_mm_scaled_bias, _mm_column],
    "silu": [_silu_of_another],
    "gelu-tanh": [
        _but(gelu_tanh, power=2),
        _but(gelu_tanh, cubic=0.0447),
        _but(gelu_tanh, root=0.8),
        _but(gelu_tanh, half=0.25),
        _but(gelu_tanh, other=True),
    ],
    "attention": [_but(attention, axis=-2), _but(attention, alpha=2), _view_of_axes],
}
"""Graphs that a rule does not match, each but for one thing one that it does."""
