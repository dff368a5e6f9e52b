from __future__ import annotations

import pytest

from acp import rules
from acp.v1.measurement import MeasurementRecord
from tests.acp.examples import NOW, annex

SHAPE = ["8", "4", "2"]


def places(**members):
    """What is wrong with the record of the spec, with other members of its point."""
    record = annex("record")
    point = record["points"][0] | members
    record["points"] = [{name: value for name, value in point.items() if value is not ...}]
    found = rules.check(MeasurementRecord.from_json(record), rules.Context(now=NOW))
    return [(one.code, one.path) for one in found]


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({}, []),
        ({"p5": "1390000", "p95": "1390000"}, []),
        ({"p5": "1390001"}, ["p5"]),
        ({"p95": "1389999"}, ["p50"]),
        ({"p5": ..., "p95": "1389999"}, ["p50"]),
        ({"p5": ..., "p95": ...}, []),
        ({"p5": "1390001", "p95": "1389999"}, ["p5", "p50"]),
    ],
)
def test_percentiles_do_not_decrease(members, where):
    assert places(**members) == [("ACP-V05", f"/points/0/{name}") for name in where]


@pytest.mark.parametrize(
    ("members", "fits"),
    [
        ({"operations": "128"}, True),
        ({"operations": "129"}, False),
        ({"operations": ...}, True),
        ({"operations": "129", "op": "cep-core/1:bmm"}, True),
        ({"operations": "129", "shape": ["8", "4"]}, True),
        ({"operations": "1", "shape": ["0", "4", "2"]}, False),
    ],
)
def test_a_product_has_the_operations_of_its_shape(members, fits):
    expected = [] if fits else [("ACP-V05", "/points/0/operations")]
    assert places(**{"shape": SHAPE} | members) == expected
