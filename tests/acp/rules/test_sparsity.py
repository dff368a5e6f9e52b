from __future__ import annotations

import pytest

from tests.acp.rules.judging import engine, found, places, rate

DENSE = 989_400_000_000_000


def sparse(peak, pattern="2:4", **members):
    return engine(rate(DENSE), rate(peak, sparsity=pattern, **members))


@pytest.mark.parametrize(
    ("pattern", "peak"),
    [
        ("2:4", DENSE // 3),
        ("2:4", 1_978_900_000_000_000),
        ("2:4", DENSE * 206 // 100),
        ("1:4", 4 * DENSE),
        ("1:2", 2 * DENSE),
        ("3:4", DENSE * 4 // 3),
    ],
)
def test_c02_accepts_a_gain_of_the_pattern(pattern, peak):
    assert places("ACP-C02", sparse(peak, pattern)) == []


@pytest.mark.parametrize(
    ("pattern", "peak", "words"),
    [
        ("2:4", DENSE * 206 // 100 + 1, "2.06 times"),
        ("2:4", 4 * DENSE, "gains 2 times at most, which is 1978.8 T ops/s"),
        ("3:4", 2 * DENSE, "gains 1.33 times at most"),
        ("4:4", DENSE, "leaves nothing out"),
        ("4:2", DENSE, "leaves nothing out"),
    ],
)
def test_c02_refuses_more(pattern, peak, words):
    ((path, message),) = found("ACP-C02", sparse(peak, pattern))
    assert path == "/engines/0/rates/1"
    assert words in message


@pytest.mark.parametrize("other", [{"acc": "f16"}, {"out": "f16"}, {"a": "bf16"}, {"b": "bf16"}])
def test_c02_looks_for_the_dense_rate_of_the_same_product(other):
    ((_, message),) = found("ACP-C02", sparse(DENSE, **other))
    assert "without the dense one" in message
    assert f"about {DENSE // 2}" in message


def test_c02_takes_the_fastest_of_several_dense_rates():
    tile = {"m": 8, "n": 8, "k": 8}
    rows = [rate(1), rate(DENSE, tile=tile), rate(2 * DENSE, sparsity="2:4")]
    assert places("ACP-C02", engine(*rows)) == []


def test_c02_does_not_look_at_other_engines():
    tensor = {"id": "tensor", "kind": "MATRIX", "rates": [rate(DENSE)]}
    other = {"id": "other", "kind": "MATRIX", "rates": [rate(DENSE, sparsity="2:4")]}
    assert places("ACP-C02", ("/engines", [tensor, other])) == ["/engines/1/rates/0"]


def sourced(value, sparsity, row, path="peak_ops_per_s", **members):
    entry = {
        "paths": [f"/engines/0/rates/{row}/{path}"],
        "basis": "VENDOR_CLAIM",
        "source_value": str(value),
        **({} if sparsity is None else {"source_sparsity": sparsity}),
    }
    return ("/provenance/2", entry | members)


@pytest.mark.parametrize(
    ("source", "sparsity", "row"),
    [
        (2 * DENSE, "2:4", 0),
        (2 * DENSE, "2:4", 1),
        (DENSE, "dense", 0),
        (DENSE, "dense", 1),
        (4 * DENSE, "1:4", 1),
        (2 * DENSE * 100 // 103 + 1, "2:4", 1),
        (1, None, 1),
    ],
)
def test_c06_accepts_the_factor_once(source, sparsity, row):
    assert places("ACP-C06", sparse(2 * DENSE), sourced(source, sparsity, row)) == []


@pytest.mark.parametrize(
    ("source", "sparsity", "row"),
    [(DENSE, "2:4", 1), (DENSE, "2:4", 0), (DENSE // 2, "dense", 1), (2 * DENSE, "1:4", 1)],
)
def test_c06_warns_of_the_factor_twice(source, sparsity, row):
    ((path, message),) = found("ACP-C06", sparse(2 * DENSE), sourced(source, sparsity, row))
    assert path == "/provenance/2/paths/0"
    assert "a factor for sparsity applied to a rate that has it already" in message


def test_c06_looks_at_peaks_alone():
    per_clock = sourced(1, "2:4", 0, path="ops_per_unit_per_clock")
    rows = engine(rate(DENSE, ops_per_unit_per_clock="1024"))
    assert places("ACP-C06", rows, per_clock) == []
    lost = sourced(1, "2:4", 7)
    assert places("ACP-C06", rows, lost) == []
