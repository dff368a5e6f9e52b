from __future__ import annotations

import pytest

from acp.v1.capability import Rate
from schemas.devices import __main__ as command
from schemas.devices.book import layout
from schemas.devices.sources import Source
from schemas.devices.tables import engine

DOCUMENT = {
    "engines": [
        {
            "id": "tensor",
            "rates": [
                {"a": "f16", "b": "f16", "acc": "f32", "sparsity": "dense", "peak_ops_per_s": "1"},
                {"a": "f16", "b": "f16", "acc": "f32", "sparsity": "2:4", "peak_ops_per_s": "2"},
            ],
        }
    ],
    "ops": [{"op": "cep-core/1:mm"}, {"op": "cep-core/1:bmm"}],
}


def test_what_is_committed_is_what_the_tables_say(repository):
    texts = command.compose()
    assert {file: file.read_text(encoding="utf-8") for file in texts} == texts
    assert set((repository / "acp" / "reference").glob("*/*.json")) == set(texts)


def test_check_tells_of_a_difference(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "FOLDER", tmp_path / "acp" / "reference")
    assert command.main(["--check"]) == 1
    assert "acp/reference/nvidia/l4.json" in capsys.readouterr().out
    assert command.main([]) == 0
    assert command.main(["--check"]) == 0
    left_over = tmp_path / "acp" / "reference" / "nvidia" / "abandoned.json"
    left_over.write_text("{}", encoding="utf-8")
    assert command.main(["--check"]) == 1
    assert command.main([]) == 0
    assert not left_over.exists()


@pytest.mark.parametrize(
    ("place", "paths"),
    [
        ("engines", ["/engines"]),
        ("engines/tensor/rates/f16*f16+f32", ["/engines/0/rates/0"]),
        ("engines/tensor/rates/f16*f16+f32@2:4/a", ["/engines/0/rates/1/a"]),
        ("engines/*/rates/*/a", ["/engines/0/rates/0/a", "/engines/0/rates/1/a"]),
        ("ops/cep-core/1:bmm", ["/ops/1"]),
        ("ops/*/op", ["/ops/0/op", "/ops/1/op"]),
    ],
)
def test_places_have_names(place, paths):
    assert list(Source("ESTIMATED").says(place).provenance(DOCUMENT).paths) == paths


@pytest.mark.parametrize("place", ["engines/vector", "engines/*/rates/f16*f16+f16", "memories"])
def test_nothing_stands_behind_what_is_not_there(place):
    with pytest.raises(LookupError, match="there is no"):
        Source("ESTIMATED").says(place).provenance(DOCUMENT)


def test_a_row_of_the_table_is_a_dense_rate_and_its_sparse_ones():
    made = engine("tensor", "MATRIX", 528, "1830MHz", "f16 f16 f32 f32 1024 989.4T 2:4=1978.9T")
    common = {"a": "f16", "b": "f16", "acc": "f32", "out": "f32"}
    assert made.clock_hz == 1_830_000_000
    assert list(made.rates) == [
        Rate(
            **common,
            sparsity="dense",
            peak_ops_per_s=989_400_000_000_000,
            ops_per_unit_per_clock=1024,
        ),
        Rate(
            **common,
            sparsity="2:4",
            peak_ops_per_s=1_978_900_000_000_000,
            ops_per_unit_per_clock=2048,
        ),
    ]


def test_layout_keeps_on_a_line_what_fits():
    rows = [{"a": index} for index in range(40)]
    assert layout({"rows": rows[:2]}) == '{"rows": [{"a": 0}, {"a": 1}]}'
    assert layout({"rows": rows}).splitlines()[:3] == ["{", '  "rows": [', '    {"a": 0},']
