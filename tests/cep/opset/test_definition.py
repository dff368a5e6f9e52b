from __future__ import annotations

import pytest

from acp.canonical import digest
from cep.opset import OPERATIONS, opset_digest, table
from cep.opset.definition import Family, Operation
from cep.opset.error_classes import UNITS
from cep.opset.pointwise import _like_self


def test_the_table_is_plain_data_with_one_digest():
    assert opset_digest() == digest(table())
    assert [o["name"] for o in table()["operations"]] == sorted(o.name for o in OPERATIONS.values())


def test_every_type_rule_says_what_it_does():
    assert all(o.rule_in_words.endswith(".") for o in OPERATIONS.values())


def test_an_operation_is_declared_once():
    family = Family()
    family.add(Operation("twice", (), (), ("out",), _like_self, error="exact"))
    with pytest.raises(ValueError, match="twice"):
        family.add(Operation("twice", (), (), ("out",), _like_self, error="exact"))


def test_the_table_says_how_far_results_may_be_off():
    classes = {c["name"]: c for c in table()["error_classes"]}
    assert {o["error_class"] for o in table()["operations"]} == set(classes)
    assert classes["exact"]["units"] == 0
    assert all(c["units"] > 0 for c in classes.values() if c["name"] != "exact")


def test_units_are_those_of_ieee_754():
    numpy = pytest.importorskip("numpy")
    for dtype, name in (("f64", "float64"), ("f32", "float32"), ("f16", "float16")):
        assert 2.0 ** UNITS[dtype] == numpy.finfo(name).eps
