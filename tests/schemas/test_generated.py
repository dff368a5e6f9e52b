"""Any valid document survives any form, and everybody agrees that it is valid."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acp import documents
from acp.conversion import Form, read, write
from cep.v1.graph import Graph
from cep.v1.plan import Plan
from cep.v1.receipt import Statement
from tests.schemas.generated import ANYTHING, of
from tests.schemas.test_validators import judged

KINDS = (*documents.SIGNED.values(), Graph, Plan, Statement)
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
counted = pytest.mark.parametrize(
    "most", [20, pytest.param(200, marks=pytest.mark.slow)], ids=["few", "many"]
)


def on_many(check, most):
    """Run a check on random data, over and over."""
    patient = settings(
        max_examples=most,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    patient(given(data=st.data())(check))()


@kinds
@counted
def test_any_document_survives_any_chain_of_forms(kind, most):
    def check(data):
        value = data.draw(of(kind))
        assert judged(kind, value) == (True, True, True)
        chain = data.draw(st.permutations(list(Form)))
        document, identity = kind.from_json(value), documents.digest(value)
        for form in chain:
            document = read(write(document, form), form, [kind])
            assert documents.digest(document) == identity
        assert document == kind.from_json(value)
        assert document.to_json() == value

    on_many(check, most)


EXTENDED = tuple(kind for kind in documents.SIGNED.values() if kind.__name__ != "StatusList")


@pytest.mark.parametrize("kind", EXTENDED, ids=lambda kind: kind.__name__)
@counted
def test_extensions_that_nobody_knows_survive(kind, most):
    def check(data):
        extension = data.draw(st.dictionaries(st.text("abc", max_size=3), ANYTHING, max_size=4))
        value = data.draw(of(kind)) | {"extensions": {"vendor.example": extension}}
        document = kind.from_json(value)
        for form in data.draw(st.permutations(list(Form))):
            document = read(write(document, form), form, [kind])
        assert document.to_json()["extensions"] == {"vendor.example": extension}
        assert documents.digest(document) == documents.digest(value)

    on_many(check, most)


def places(value):
    """Every container within a value, with each of its keys."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


@kinds
@counted
def test_everybody_agrees_about_a_document_with_one_change(kind, most):
    def check(data):
        value = data.draw(of(kind))
        holder, key = data.draw(st.sampled_from(list(places(value))))
        match data.draw(st.integers(0, 3)):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder["colour"] = holder[key]
            case 2 if isinstance(holder[key], str):
                holder[key] += data.draw(st.sampled_from(["\n", " ", "x", "0", "/", "\u0660"]))
            case _:
                holder[key] = data.draw(ANYTHING)
        assert len(set(judged(kind, value))) == 1

    on_many(check, most)
