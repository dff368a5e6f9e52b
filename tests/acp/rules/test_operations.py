from __future__ import annotations

import pytest

from acp import rules
from acp.v1.capability import CapabilityDescriptor
from tests.acp.examples import NOW, changed, descriptor
from tests.acp.rules import judging
from tests.acp.rules.judging import engine, places, rate


def found(*where):
    value = changed(descriptor(), "/ops/0/variants/0/where", list(where))
    document = CapabilityDescriptor.from_json(value)
    return [(one.code, one.path, one.message) for one in rules.check(document, rules.Context(NOW))]


@pytest.mark.parametrize(
    "where", ["self.shape[-1] % 16 == 0", "self.rank == 2 and out.elements < 9", "mat2.rank == 1"]
)
def test_o02_accepts(where):
    assert found(where) == []


@pytest.mark.parametrize("where", ["k % 16 == 0", "self.shape[0] ==", "the moon is full", " "])
def test_o02_refuses(where):
    ((code, path, message),) = found("self.rank == 2", where)
    assert (code, path) == ("ACP-O02", "/ops/0/variants/0/where/1")
    assert "at character" in message


VARIANT = "/ops/0/variants/0"


@pytest.mark.parametrize(
    ("op", "where", "words"),
    [
        ("mm", "mat1.shape[0] == 1", "no operand or result 'mat1'; there are: self, mat2, out"),
        ("mm", "attributes.alpha == 1", "no attribute 'alpha'; there are: none"),
        ("addmm", "attributes.gamma == 1", "no attribute 'gamma'; there are: alpha, beta"),
        ("mm", "self.shape[2] == 1", "rank 2 or less has; allowed is -2 to 1"),
        ("mm", "self.shape[-3] == 1", "rank 2 or less has; allowed is -2 to 1"),
        ("mm", "self.rank == 2 and mat3.rank == 2", "'mat3'"),
        ("mm", 'self.dtype == "f16" and "x" in attributes.y', "no attribute 'y'"),
    ],
)
def test_o02_names_that_the_operation_does_not_have(op, where, words):
    changes = (("/ops/0/op", f"cep-core/1:{op}"), (f"{VARIANT}/where", [where]))
    ((path, message),) = judging.found("ACP-O02", *changes)
    assert path == f"{VARIANT}/where/0"
    assert words in message
    other = (("/ops/0/op", f"example.com/ops/1:{op}"), changes[1])
    if "shape[" not in where:
        assert places("ACP-O02", *other) == []


@pytest.mark.parametrize(
    ("op", "where"),
    [
        ("mm", "out.shape[5] == 1"),
        ("addmm", "attributes.alpha == 1"),
        ("cat", "tensors.shape[-1] % 8 == 0 and attributes.dim == 0"),
        ("native_layer_norm", "mean.rank == 3 and attributes.normalized_shape[0] % 8 == 0"),
    ],
)
def test_o02_names_that_the_operation_has(op, where):
    changes = (("/ops/0/op", f"cep-core/1:{op}"), (f"{VARIANT}/where", [where]))
    assert places("ACP-O02", *changes) == []


def test_o02_an_axis_is_within_the_rank_of_its_own_operand():
    limits = {"mat2": {"rank": {"min": 3, "max": 3}}, "out": {"rank": {"min": 0, "max": 0}}}
    operands = (f"{VARIANT}/operands", limits)

    def broken(where):
        return places("ACP-O02", operands, (f"{VARIANT}/where", [where])) != []

    assert not broken("mat2.shape[2] == 1")
    assert broken("mat2.shape[3] == 1")
    assert not broken("self.shape[9] == 1")
    assert broken("out.shape[0] == 1")
    assert broken("out.shape[-1] == 1")


def test_o02_operations_and_operands_of_a_registered_opset():
    ((path, message),) = judging.found("ACP-O02", ("/ops/0/op", "cep-core/1:mmm"))
    assert path == "/ops/0/op"
    assert message == "cep-core/1 has no operation 'mmm'; did you mean cep-core/1:mm?"
    for op in ("cep-core/2:mmm", "example.com/ops/1:mmm", "aten/1:mmm"):
        assert places("ACP-O02", ("/ops/0/op", op)) == []
    path = f"{VARIANT}/operands/mat1"
    assert places("ACP-O02", (path, {"dtypes": ["f16"]})) == [path]


def claimed(**operands):
    return (f"{VARIANT}/operands", {name: {"dtypes": list(d)} for name, d in operands.items()})


@pytest.mark.parametrize(
    ("operands", "lost"),
    [
        ({"*": ["f16", "i8"]}, False),
        ({"self": ["i8"], "mat2": ["f16"]}, False),
        ({"*": ["f16"]}, True),
        ({"*": []}, False),
        ({}, False),
    ],
)
def test_o01_dtypes_of_variants(operands, lost):
    if operands == {"*": []}:
        listing = (f"{VARIANT}/operands", {"*": {"rank": {"min": 2, "max": 2}}})
    else:
        listing = claimed(**operands) if operands else (f"{VARIANT}/operands", ...)
    rows = engine(rate(), rate(a="i8"))
    assert places("ACP-O01", rows, listing) == (["/engines/0/rates/1"] if lost else [])


def test_o01_asks_for_both_operands_and_says_what_is_accepted():
    ((path, message),) = judging.found("ACP-O01", engine(rate(a="i8", b="i4")))
    assert path == "/engines/0/rates/0"
    assert "no operation on 'tensor' accepts i4, i8" in message
    assert "accepted there: f16" in message


def test_o01_what_is_not_exposed_need_not_be_reached():
    assert places("ACP-O01", engine(rate(a="i8", exposed=False))) == []
    assert places("ACP-O01", engine(rate(a="i8", exposed=True))) == ["/engines/0/rates/0"]


def test_o01_tf32_is_f32_in_memory_and_not_the_other_way_round():
    tf32, f32 = engine(rate(a="tf32")), engine(rate(a="f32"))
    assert places("ACP-O01", tf32, claimed(self=["f32"])) == []
    assert places("ACP-O01", tf32, claimed(self=["tf32"])) == []
    assert places("ACP-O01", f32, claimed(self=["tf32"])) == ["/engines/0/rates/0"]


def test_o01_engines_have_operations_of_their_own():
    engines = [{"id": name, "kind": "MATRIX", "rates": [rate()]} for name in ("tensor", "other")]
    assert places("ACP-O01", ("/engines", engines)) == ["/engines/1/rates/0"]


TILE = {"m": 64, "n": 256, "k": 16}


@pytest.mark.parametrize(
    ("where", "broken"),
    [
        ("self.shape[1] % 16 == 0", False),
        ("self.shape[1] % 8 == 0", False),
        ("self.shape[1] % 48 == 0", False),
        ("self.shape[1] % 24 == 0", True),
        ("self.shape[-1] % 24 == 0", True),
        ("mat2.shape[0] % 24 == 0", True),
        ("self.shape[0] % 24 == 0", True),
        ("self.shape[0] % 128 == 0", False),
        ("mat2.shape[1] % 96 == 0", True),
        ("out.shape[1] % 96 == 0", True),
        ("self.shape[1] % 16 == 8", True),
        ("self.shape[1] % 24 == 16", False),
        ("16 == self.shape[1] % 24", False),
        ("8 == self.shape[1] % 16", True),
        ("self.shape[1] % 24 != 0", False),
        ("self.shape[1] % 24 in (0, 1)", False),
        ("self.shape[1] == 24", False),
        ("self.elements % 24 == 0", False),
    ],
)
def test_o03(where, broken):
    expected = [f"{VARIANT}/where/0"] if broken else []
    assert places("ACP-O03", engine(rate(tile=TILE)), (f"{VARIANT}/where", [where])) == expected


def test_o03_takes_the_smallest_tile_of_the_dtypes():
    rows = engine(
        rate(tile=TILE),
        rate(tile=TILE | {"k": 8}, acc="f16"),
        rate(a="i8", tile=TILE | {"k": 32}),
    )
    where = (f"{VARIANT}/where", ["self.shape[1] % 24 == 0"])
    assert places("ACP-O03", rows, where) == []
    ((_, message),) = judging.found("ACP-O03", rows, where, claimed(self=["i8"]))
    assert "found self.shape[1] % 24 == 0, but 'tensor' computes k in steps of 32" in message
    assert places("ACP-O03", rows, where, claimed(self=["bf16"])) == []
    assert places("ACP-O03", rows, where, (f"{VARIANT}/operands", ...)) == []


@pytest.mark.parametrize("op", ["cep-core/1:relu", "example.com/ops/1:mm"])
def test_o03_is_about_matrix_products_that_are_known(op):
    where = (f"{VARIANT}/where", ["self.shape[1] % 24 == 0"])
    assert places("ACP-O03", engine(rate(tile=TILE)), where, ("/ops/0/op", op)) == []
