from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from cep.opset import OPERATIONS, opset_digest
from cep.reference import FUNCTIONS
from tests.cep.opset.cases import CASES
from tests.cep.reference.coverage import COLUMNS, JSON, PAGE, page
from tests.cep.reference.opinfo import INFOS, Case, cases, mismatch

pytestmark = pytest.mark.xdist_group("opinfo")


@pytest.fixture(scope="module")
def found():
    return {info: list(cases(info)) for info in INFOS}


@pytest.mark.parametrize("info", INFOS)
def test_the_reference_computes_what_aten_computes(found, info):
    assert found[info]
    wrong = [(c.name, c.attributes, said) for c in found[info] if (said := mismatch(c))]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("info", INFOS)
def test_the_reference_computes_what_aten_computes_of_the_larger_samples(info):
    wrong = [
        (c.name, c.attributes, said) for c in cases(info, reference=True) if (said := mismatch(c))
    ]
    assert wrong == []


def test_every_operation_has_cases_in_the_dtypes_that_it_takes(found):
    columns = {}
    for case in (c for several in found.values() for c in several):
        columns.setdefault(case.name, set()).add(case.column)
    for operation in OPERATIONS.values():
        taken = set().union(*(o.dtypes for o in operation.operands))
        wanted = {"f64", "f32"} & taken or {"exact"}
        if operation.name == "_to_copy":
            wanted = {"f64"}
        assert wanted <= columns[operation.name], operation.name


def spoiled(case):
    """The case with one element of one of ATen's results off, by more than any bound."""
    results = list(case.results)
    for at, result in enumerate(results):
        usable = np.isfinite(result) & (np.abs(result.astype(np.float64)) < 1e6)
        if usable.any():
            position = tuple(int(i[0]) for i in np.nonzero(np.atleast_1d(usable)))
            changed = np.atleast_1d(result.copy())
            element = changed[position]
            changed[position] = (
                ~element if result.dtype == bool else element + element.dtype.type(1)
            )
            results[at] = changed.reshape(result.shape)
            return Case(case.name, case.operands, case.attributes, tuple(results))
    return None


def test_a_wrong_element_is_noticed(found):
    noticed = Counter()
    for case in (c for several in found.values() for c in several):
        largest = max((np.abs(a).max() for a in case.operands if a.size), default=0)
        if largest < 1e3 and case.name not in noticed and (bad := spoiled(case)):
            assert mismatch(bad), case.name
            noticed[case.name] += 1
    assert set(noticed) == {o.name for o in OPERATIONS.values()}


def test_the_coverage_page_is_about_this_opset():
    counts = json.loads(JSON.read_text())
    names = sorted(o.name for o in OPERATIONS.values())
    assert counts["opset_digest"] == opset_digest()
    assert sorted(counts["operations"]) == sorted(CASES) == sorted(FUNCTIONS) == names
    assert PAGE.read_text() == page(counts)


def test_the_coverage_page_counts_these_cases(found):
    counts = json.loads(JSON.read_text())["operations"]
    ran = Counter((c.name, c.column) for several in found.values() for c in several)
    shown = {
        (name, column): cell["ran"] for name, row in counts.items() for column, cell in row.items()
    }
    assert set(shown) == set(ran)
    assert {column for _, column in shown} == set(COLUMNS)
    assert all(c["passed"] == c["ran"] for row in counts.values() for c in row.values())
