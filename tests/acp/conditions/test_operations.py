from __future__ import annotations

import pytest

from acp.conditions import ConditionError, Property, parse, parse_where, property_of

GOOD = {
    "self.shape[0] == 1": Property("self", "shape", 0),
    "self.shape[-1] % 16 == 0": Property("self", "shape", -1),
    "self.rank in (1, 2)": Property("self", "rank", None),
    'mat2.dtype == "f16"': Property("mat2", "dtype", None),
    "out.elements <= 65536": Property("out", "elements", None),
    "attributes.alpha == 1": Property("attributes", "alpha", None),
    "attributes.dims[-1] != 0": Property("attributes", "dims", -1),
    "attributes.is_causal == true": Property("attributes", "is_causal", None),
    'attributes.approximate in ("none", "tanh")': Property("attributes", "approximate", None),
}
BAD = {
    "b < 4": "'b' is nothing",
    "self == 4": "'self' is nothing",
    "self.shape == 4": "'self.shape' is nothing",
    "self.shape[x] == 4": "'self.shape[x]' is nothing",
    "self.shape[00] == 4": "is nothing",
    "self.shape[12345] == 4": "is nothing",
    "self.shape[0][1] == 4": "is nothing",
    "self[0].rank == 4": "is nothing",
    "self.rank[0] == 4": "is nothing",
    "self.layout == 4": "is nothing",
    "self.shape[0].rank == 1": "is nothing",
    "attributes == 1": "is nothing",
    "attributes.a.b == 1": "is nothing",
    "attributes.a[-0001] == 1": "is nothing",
    'self.rank == "f16"': "integers and texts",
    "self.dtype == 16": "integers and texts",
    "self.dtype in (1, 2)": "integers and texts",
    "self.dtype == true": "flags and texts",
    "self.rank == self.dtype": "integers and texts",
    "self.dtype < other.dtype": "integers and texts",
    "self.dtype % 2 == attributes.a": "integers and texts",
    '"f16" in self.dtype': "is no list",
}


@pytest.mark.parametrize(("text", "asked"), GOOD.items())
def test_what_where_can_ask_for(text, asked):
    (comparison,) = parse_where(text).comparisons
    assert property_of(comparison.left.value) == asked


@pytest.mark.parametrize(("text", "reason"), BAD.items())
def test_what_where_cannot_ask_for(text, reason):
    parse(text)
    with pytest.raises(ConditionError, match=reason.replace("[", r"\[")):
        parse_where(text)


def test_the_place_is_that_of_the_name():
    with pytest.raises(ConditionError) as refusal:
        parse_where("self.rank == 2 and self.rang == 2")
    assert refusal.value.at == 19
    assert parse_where("3 in attributes.dims")
