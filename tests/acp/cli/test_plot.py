from __future__ import annotations

import sys

import pytest

from tests.acp.examples import RECORD, changed, descriptor


def test_descriptors_are_drawn_into_one_picture(run, write, tmp_path):
    picture = tmp_path / "roofline.svg"
    words = ("show", write(descriptor()), "--reference", "h100-sxm", "--plot", picture)
    answer = run(*words)
    assert answer.status == 0
    assert answer.text == f"{picture}: written\n"
    svg = picture.read_text("utf-8")
    assert ">E100<" in svg
    assert ">NVIDIA H100 80GB HBM3<" in svg
    assert run(*words, "--format", "json").json["plot"] == str(picture)
    assert picture.read_text("utf-8") == svg


def test_png_by_the_name_of_the_file(run, write, tmp_path):
    picture = tmp_path / "roofline.PNG"
    assert run("show", write(descriptor()), "--plot", picture).status == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("value", "name", "told"),
    [
        (descriptor(), "x.pdf", "ends with .svg or .png"),
        (RECORD, "x.svg", "is a MeasurementRecord"),
        (changed(descriptor(), "/engines/0/rates", ...), "x.svg", "states no rate"),
    ],
)
def test_what_cannot_be_drawn(run, write, tmp_path, value, name, told):
    picture = tmp_path / name
    answer = run("show", write(value), "--plot", picture)
    assert answer.status == 2
    assert told in answer.errors
    assert not picture.exists()


def test_too_many_for_one_picture(run, write, tmp_path):
    answer = run("show", *[write(descriptor())] * 9, "--plot", tmp_path / "x.svg")
    assert answer.status == 2
    assert "a picture has 1 to 8" in answer.errors


def test_without_matplotlib_it_says_what_to_install(run, write, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    answer = run("show", write(descriptor()), "--plot", tmp_path / "x.svg", "--format", "json")
    assert answer.status == 1
    assert answer.found == [("ENV-F3", "")]
    assert "acp-cep[plot]" in answer.json["diagnostics"][0]["message"]
    assert run("show", write(descriptor())).status == 0
