from __future__ import annotations

import pytest

from acp import rules
from acp.v1.capability import CapabilityDescriptor
from tests.acp.examples import NOW, changed, descriptor


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
