from __future__ import annotations

import pytest

from acp.canonical import digest
from cep.opset import OPERATIONS, opset_digest, table
from cep.opset.definition import Family, Operation
from cep.opset.pointwise import _like_self


def test_the_table_is_plain_data_with_one_digest():
    assert opset_digest() == digest(table())
    assert [o["name"] for o in table()["operations"]] == sorted(o.name for o in OPERATIONS.values())


def test_every_type_rule_says_what_it_does():
    assert all(o.rule_in_words.endswith(".") for o in OPERATIONS.values())


def test_an_operation_is_declared_once():
    family = Family()
    family.add(Operation("twice", (), (), ("out",), _like_self))
    with pytest.raises(ValueError, match="twice"):
        family.add(Operation("twice", (), (), ("out",), _like_self))
