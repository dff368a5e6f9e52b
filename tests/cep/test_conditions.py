"""Conditions of `where`: what is decided, and that it is never wrong."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cep import expr
from cep.conditions import unmet
from cep.expr import Dim, Range
from cep.graph import Node
from cep.opset.definition import TensorType

RANGES = {"b": Range(1, 8), "s": Range(16, 64, 16), "t": Range(5, 5), "u": Range(2, 100, 7)}


def tensor(*shape, dtype="f32"):
    return TensorType(dtype, tuple(map(expr.parse, shape)))


def why(text, *shape, dtype="f32", ranges=RANGES, target="relu", **attributes):
    types = {"x": tensor(*shape, dtype=dtype), "y": tensor(*shape, dtype=dtype)}
    node = Node(f"cep-core/1:{target}", ("x",), attributes, ("y",))
    return unmet(text, node, types, ranges)


MET = {
    "self.rank == 2": ("b", "4"),
    "self.rank in (1, 2, 3)": ("b", "4"),
    'self.dtype == "f32" and self.dtype != "f16"': ("b",),
    'self.dtype in ("bf16", "f32")': ("b",),
    "self.dtype == out.dtype": ("b",),
    "self.shape[1] == 4 and self.shape[-1] == 4": ("b", "4"),
    "self.shape[0] == out.shape[0]": ("b",),
    "self.shape[0] <= 8 and self.shape[0] >= 1 and self.shape[0] < 9": ("b",),
    "self.shape[0] != 9 and self.shape[0] > 0 and self.shape[0] != 0": ("b",),
    "self.shape[0] % 16 == 0": ("s",),
    "self.shape[0] % 4 == 0": ("s",),
    "self.shape[0] % 8 != 3": ("s",),
    "self.shape[0] % 32 == 0": ("2*s",),
    "self.shape[0] % 8 == 3": ("s + 3",),
    "self.shape[0] % 8 < 4": ("s + 3",),
    "self.shape[0] % 6 == 0": ("6*b*s*t*u^2 + 12",),
    "self.shape[0] % 2 == 0": ("b^2 + b",),
    "self.shape[0] % 100 == self.shape[0]": ("b",),
    "self.shape[0] % 100 > 0": ("b",),
    "self.shape[0] == 5": ("t",),
    "self.shape[0] in (1, 2, 3, 4, 5, 6, 7, 8)": ("b",),
    "self.shape[0] in (64, 8, 16, 48, 32, 100)": ("s",),
    "self.shape[0] % 16 in (0, 1)": ("s",),
    "self.shape[0] in (2, 7, 99, 14, 98, 21, 28, 35, 42, 49, 56, 63, 70, 77, 84, 91)": ("u",),
    "self.elements % 64 == 0": ("s", "4"),
    "self.elements <= 512 and self.elements == out.elements": ("s", "b"),
    "self.elements == 1 and self.rank == 0": (),
    "8 >= self.shape[0]": ("b",),
    "3 == 3": (),
}
FALSE = {
    "self.rank == 3": (("b", "4"), "self.rank is 2"),
    'self.dtype == "f16"': (("b",), 'self.dtype is "f32"'),
    "self.shape[0] <= 7": (("b",), "does not hold for b = 8; self.shape[0] is b; b is 1 to 8"),
    "self.shape[0] == 4": (("b",), "does not hold for b = "),
    "self.shape[0] != 5": (("t",), "does not hold"),
    "self.shape[0] % 32 == 0": (("s",), "s is 16 to 64 in steps of 16"),
    "self.shape[0] % 8 == 8": (("b",), "does not hold"),
    "self.shape[0] % 8 == -1": (("b",), "does not hold"),
    "self.shape[0] in (16, 48, 64)": (("s",), "cannot be proven for all admissible sizes"),
    "self.shape[0] in (16, 32, 48)": (("s",), "does not hold for s = 64"),
    "self.shape[0] in (1, 2)": (("s",), "does not hold"),
    "self.shape[0] != 3": (("b",), "cannot be proven for all admissible sizes"),
    "self.shape[2] == 4": (("b", "4"), "self.shape[2] is not there"),
    "self.shape[-3] != 4": (("b", "4"), "self.shape[-3] is not there"),
    "other.rank != 9": (("b",), "other.rank is not there"),
    "attributes.dim != 9": (("b",), "attributes.dim is not there"),
    "3 == 4": ((), "3 == 4 does not hold"),
    "self.elements == 4": ((*["s^16"] * 2,), "a size is too large"),
}


@pytest.mark.parametrize(("text", "shape"), MET.items())
def test_conditions_that_are_met_at_all_sizes(text, shape):
    assert why(text, *shape) is None


@pytest.mark.parametrize(("text", "shape", "reason"), [(t, *v) for t, v in FALSE.items()])
def test_conditions_that_are_not_met_say_why(text, shape, reason):
    told = why(text, *shape)
    assert told.startswith(text)
    assert reason in told


ATTRIBUTES = {
    "dim": -1, "number": 1, "keepdim": True, "eps": 0.5, "token": "tanh", "dims": (1, 2),
    "none": (),
    "size": (Dim.symbol("b"), Dim.constant(4)), "one": Dim.symbol("s"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "met"),
    {
        "attributes.dim == -1": True,
        "attributes.dim % 2 == 1": True,
        "attributes.dim < 0": True,
        "attributes.keepdim == true": True,
        "attributes.keepdim in (true)": True,
        "attributes.keepdim in (1, 2)": False,
        "attributes.number in (true)": False,
        "attributes.keepdim == 1": False,
        "attributes.keepdim >= 1": False,
        "attributes.keepdim % 2 == 1": False,
        "attributes.eps == 0": False,
        "attributes.eps != 0": False,
        'attributes.token in ("none", "tanh")': True,
        'attributes.token != "none"': True,
        "attributes.token != 3": False,
        "attributes.token % 2 == attributes.token": False,
        "1 in attributes.dims and 2 in attributes.dims": True,
        "3 in attributes.dims": False,
        '"a" in attributes.dims': False,
        "1 in attributes.dim": False,
        "attributes.dims[0] == 1 and attributes.dims[-1] == 2": True,
        "attributes.dims[2] != 1": False,
        "attributes.dims == 1": False,
        "0 in attributes.none": False,
        "attributes.size[0] <= 8 and attributes.size[1] == 4": True,
        "4 in attributes.size": True,
        "5 in attributes.size": False,
        "attributes.one % 16 == 0": True,
    }.items(),
)
def test_attributes(text, met):
    assert (why(text, "b", **ATTRIBUTES) is None) is met


def test_each_tensor_of_a_variadic_operand_must_meet_it():
    types = {"x": tensor("4"), "y": tensor("8"), "z": tensor("12")}
    node = Node("cep-core/1:cat", ("x", "y", "x"), {"dim": 0}, ("z",))
    assert unmet("tensors.shape[0] % 4 == 0", node, types, {}) is None
    assert unmet("tensors.shape[0] == 4", node, types, {}) is not None
    assert unmet("tensors.shape[0] == 8", node, types, {}) is not None
    assert unmet("tensors.shape[0] <= out.shape[0]", node, types, {}) is None


def test_what_is_no_condition_is_not_met():
    assert "is no condition" in why("b < 4", "b")


RANGE = st.builds(
    lambda low, length, divisor: Range(low, low + length, divisor),
    st.integers(0, 12),
    st.integers(0, 12),
    st.sampled_from([1, 1, 2, 3, 4, 8]),
).filter(lambda span: span.count > 0)
DIM = st.dictionaries(
    st.sampled_from([(), (("a", 1),), (("b", 1),), (("a", 1), ("b", 1)), (("a", 2),)]),
    st.integers(-6, 12),
    max_size=3,
).map(Dim.of)
TERM = st.sampled_from(
    ["self.shape[0]", "self.shape[1]", "self.shape[0] % 4", "self.shape[1] % 6", "self.elements"]
)
NUMBERS = st.lists(st.integers(-3, 40), min_size=1, max_size=8)
CONDITION = st.one_of(
    st.tuples(
        TERM, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), TERM | st.integers(-3, 60)
    ),
    st.tuples(TERM, st.just("in"), NUMBERS.map(lambda n: f"({', '.join(map(str, n))})")),
).map(lambda parts: " ".join(map(str, parts)))


@settings(max_examples=1500, deadline=None)
@given(CONDITION, DIM, DIM, RANGE, RANGE)
def test_a_condition_is_never_met_when_some_sizes_violate_it(text, first, second, a, b):
    """Decisions against all admissible sizes, one by one."""
    ranges = {"a": a, "b": b}
    shape = (first, second)
    decided = _of(text, shape, ranges)
    known = [
        _of(
            text,
            tuple(Dim.constant(d.evaluate(dict(zip("ab", at, strict=True)))) for d in shape),
            {},
        )
        for at in product(a.sizes(99), b.sizes(99))
    ]
    if decided is None:
        assert all(one is None for one in known)
    elif "does not hold" in decided:
        assert any(one is not None for one in known)
    else:
        assert "cannot be proven" in decided


def _of(text, shape, ranges):
    types = {"x": TensorType("f32", shape)}
    return unmet(text, Node("cep-core/1:relu", ("x",), {}, ("x",)), types, ranges)


@given(CONDITION, st.integers(0, 60), st.integers(0, 60))
def test_with_fixed_sizes_it_is_what_arithmetic_says(text, first, second):
    python = text.replace("self.shape[0]", str(first)).replace("self.shape[1]", str(second))
    python = python.replace("self.elements", str(first * second))
    if " in (" in python and "," not in python:
        python = python.replace(")", ",)")
    met = eval(python)  # noqa: S307 - made of numbers above
    assert (_of(text, (Dim.constant(first), Dim.constant(second)), {}) is None) is met
