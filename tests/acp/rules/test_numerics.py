from __future__ import annotations

import pytest

from tests.acp.rules.judging import engine, found, places, rate

VARIANT = "/ops/0/variants/0"


def numerics(**members):
    return (f"{VARIANT}/numerics", members)


@pytest.mark.parametrize(
    ("subnormals", "selectable", "broken"),
    [
        (["preserve"], None, False),
        (["flush"], None, False),
        (["preserve", "flush"], True, False),
        (["preserve", "flush"], None, True),
        (["flush", "preserve"], False, True),
        (["flush", "example.com/both"], None, False),
    ],
)
def test_n01(subnormals, selectable, broken):
    choice = {} if selectable is None else {"subnormals_selectable": selectable}
    expected = [f"{VARIANT}/numerics/subnormals"] if broken else []
    assert places("ACP-N01", numerics(subnormals=subnormals, **choice)) == expected


@pytest.mark.parametrize(
    ("op", "form", "broken"),
    [
        ("cep-core/1:mm", "ULP", True),
        ("cep-core/1:mm", "DOT", False),
        ("cep-core/1:mm", "ABS_REL", False),
        ("cep-core/1:sum.dim_IntList", "ULP", True),
        ("cep-core/1:_softmax", "ULP", True),
        ("cep-core/1:exp", "ULP", False),
        ("cep-core/1:add.Tensor", "ULP", False),
        ("cep-core/1:_native_batch_norm_legit_no_training", "ULP", False),
        ("example.com/ops/1:mm", "ULP", False),
    ],
)
def test_n02(op, form, broken):
    claimed = numerics(bound={"form": form, "coeff_ppm": "1000000"})
    expected = [f"{VARIANT}/numerics/bound/form"] if broken else []
    assert places("ACP-N02", ("/ops/0/op", op), claimed) == expected


@pytest.mark.parametrize(
    ("rates", "claimed", "broken"),
    [
        ([rate(acc="f32")], {"acc": "f32"}, False),
        ([rate(acc="f16")], {"acc": "f32"}, True),
        ([rate(acc="f16")], {"acc": "f32", "imprecise_acc": False}, True),
        ([rate(acc="f16")], {"acc": "f32", "imprecise_acc": True}, False),
        ([rate(acc="f16")], {"acc": "f16"}, False),
        ([rate(acc="f64")], {"acc": "f32"}, False),
        ([rate(acc="f16"), rate(acc="f32")], {"acc": "f32"}, False),
        ([rate(acc="f16"), rate(acc="f32", exposed=False)], {"acc": "f32"}, True),
        ([rate(acc="i16")], {"acc": "f32"}, False),
        ([rate(acc="example.com/f9")], {"acc": "f32"}, False),
        ([rate(acc="f16")], {"acc": "example.com/f99"}, False),
        ([rate(acc="f16")], {"determinism": "NONE"}, False),
        ([rate(a="bf16", acc="f16", exposed=False), rate()], {"acc": "f32"}, False),
    ],
)
def test_n03(rates, claimed, broken):
    expected = [f"{VARIANT}/numerics/acc"] if broken else []
    assert places("ACP-N03", engine(*rates), numerics(**claimed)) == expected


def test_n03_asks_for_each_product_that_the_variant_lists():
    rows = engine(rate(acc="f32"), rate(a="f8e4m3fn", acc="f16"), rate(a="bf16", acc="f16"))
    dtypes = f"{VARIANT}/operands/*/dtypes"
    claimed = numerics(acc="f32")
    assert places("ACP-N03", rows, claimed) == []
    ((_, message),) = found("ACP-N03", rows, claimed, (dtypes, ["f16", "f8e4m3fn"]))
    assert "f8e4m3fn × f8e4m3fn into f16" in message
    assert "bf16" not in message
    ((_, message),) = found("ACP-N03", rows, claimed, (f"{VARIANT}/operands", ...))
    assert "bf16 × bf16 into f16, f8e4m3fn × f8e4m3fn into f16" in message


@pytest.mark.parametrize(
    ("order", "determinism", "broken"),
    [
        ("ANY", "NONE", False),
        ("ANY", None, False),
        ("ANY", "SAME_UNIT", True),
        ("ANY", "CROSS_MODEL", True),
        ("FIXED", "CROSS_MODEL", False),
        (None, "SAME_MODEL", False),
    ],
)
def test_n04(order, determinism, broken):
    members = {"reduction_order": order, "determinism": determinism}
    told = {name: value for name, value in members.items() if value is not None}
    expected = [f"{VARIANT}/numerics/determinism"] if broken else []
    assert places("ACP-N04", numerics(**told)) == expected
