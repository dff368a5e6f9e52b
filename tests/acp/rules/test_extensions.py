from __future__ import annotations

import pytest

from acp import rules
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.system import SystemDescriptor
from tests.acp.examples import NOW, RECORD, SYSTEM, descriptor

DOCUMENTS = [
    (CapabilityDescriptor, descriptor()),
    (SystemDescriptor, SYSTEM),
    (MeasurementRecord, RECORD),
]


def found(kind, value, understood=()):
    context = rules.Context(now=NOW, understood=frozenset(understood))
    return [(one.code, one.path) for one in rules.check(kind.from_json(value), context)]


@pytest.mark.parametrize(("kind", "value"), DOCUMENTS)
class TestX01:
    def test_ignores_what_is_not_critical(self, kind, value):
        assert found(kind, value | {"extensions": {"example.com": {"a": 1}}}) == []

    def test_refuses_critical_that_is_not_understood(self, kind, value):
        value = value | {
            "extensions": {"example.com": {"a": 1}, "other.example": {"b": 2}},
            "critical": ["other.example", "example.com"],
        }
        assert found(kind, value, ["other.example"]) == [("ACP-X01", "/critical/1")]
        assert found(kind, value, ["other.example", "example.com"]) == []

    def test_refuses_critical_that_is_absent_even_if_understood(self, kind, value):
        value = value | {"critical": ["example.com"]}
        assert found(kind, value, ["example.com"]) == [("ACP-X01", "/critical/0")]

    def test_understanding_a_name_does_not_cover_names_below_it(self, kind, value):
        value = value | {"extensions": {"a.example.com": {"a": 1}}, "critical": ["a.example.com"]}
        assert found(kind, value, ["example.com"]) == [("ACP-X01", "/critical/0")]
