from __future__ import annotations

import json

import pytest

from tests.acp.examples import RECORD, changed, descriptor

MM = ("--op", "cep-core/1:mm", "--operand", "f16[64,64]", "--operand", "f16[64,64]")


@pytest.fixture
def devices(tmp_path, write):
    """A folder with two descriptors, a measurement and what is no document."""
    write(descriptor(), "a.json")
    write(changed(descriptor(), "/subject/device_class", "cpu"), "b.json")
    write(RECORD, "record.json")
    write({"spec": "other"}, "other.json")
    return tmp_path


def test_a_requirement_is_judged_comparison_by_comparison(run, devices):
    asked = 'subject.device_class == "gpu" and memories[hbm].usable_bytes >= 80000000000'
    answer = run("match", asked, devices)
    assert answer.status == 0
    assert answer.text.splitlines() == [
        f"{devices / 'a.json'}: yes",
        f"{devices / 'b.json'}: no",
        '  - subject.device_class == "gpu": subject.device_class is "cpu"',
        "1 of 2 descriptors match",
    ]
    assert run("match", asked, devices, "--all").status == 1


def test_nothing_that_matches_is_an_error(run, devices):
    answer = run("match", "revision == 4", devices, "--format", "json")
    assert answer.status == 1
    assert answer.found == [("MAT-A1", "")]
    assert [one["answer"] for one in answer.json["matches"]] == ["no", "no"]
    assert answer.json["matches"][0]["reasons"] == [
        {"answer": "no", "about": "requirement", "message": "revision == 4: revision is 3"}
    ]


def test_an_operation_is_answered_with_engine_rate_and_memory(run, devices):
    answer = run("match", *MM, "--acc", "f32", "--memory-bytes", "64GiB", devices / "a.json")
    assert answer.status == 0
    expected = "yes: variant 0 on tensor, peak 989.4 T ops/s, in hbm"
    assert answer.text == f"{devices / 'a.json'}: {expected}\n"


def test_why_not_is_told_of_each_variant(run, devices):
    words = ("match", *MM, "--acc", "f64", "--ops-per-s", "1P", devices / "a.json")
    answer = run(*words)
    assert answer.status == 1
    assert answer.text.splitlines()[1:] == [
        "  variant 0 on tensor:",
        "    - sums in f64 are asked for; the variant sums in f32",
        "    - the peak rate of tensor is 989.4 T ops/s; asked for is 1000 T ops/s",
    ]
    (found,) = run(*words, "--format", "json").json["matches"]
    assert (found["best"], found["nearest"]) == (None, 0)
    assert [one["about"] for one in found["candidates"][0]["reasons"]] == ["numerics", "rate"]


def test_what_is_left_open_is_told(run, devices):
    answer = run("match", "--op", "cep-core/1:mm", "--dtype", "f16", devices / "a.json")
    assert answer.status == 0
    assert "yes, if: variant 0 on tensor" in answer.text
    assert "- self must have rank 2" in answer.text


def test_attributes_of_an_operation(run, write):
    variant = {"engine": "tensor", "where": ["attributes.dim == -1"]}
    value = changed(descriptor(), "/ops/0", {"op": "cep-core/1:_softmax", "variants": [variant]})
    file = write(value)
    words = ("match", "--op", "cep-core/1:_softmax", "--operand", "self=f16[8,8]")
    assert run(*words, "--attribute", "dim=-1", file).status == 0
    answer = run(*words, "--attribute", "dim=0", file)
    assert answer.status == 1
    assert "attributes.dim == -1 does not hold; attributes.dim is 0" in answer.text
    assert "needs the attribute 'dim'" in run(*words, file).errors


def test_an_opset_that_is_not_known_here_needs_names(run, write):
    op = "example.com/ops/2:gemm"
    file = write(changed(descriptor(), "/ops/0/op", op))
    named = ("--operand", "a=f16[8,8]", "--operand", "b=f16[8,8]", "--result", "c=f16[8,8]")
    assert run("match", "--op", op, *named, file).status == 0
    assert "name each" in run("match", "--op", op, "--operand", "f16[8,8]", file).errors


def test_reference_descriptors_are_asked_by_name(run):
    words = ("match", "--dtype", "f16", "--acc", "f32", "--ops-per-s", "900T")
    answer = run(*words, "--reference", "h100-sxm", "--reference", "a100-sxm-80gb")
    assert answer.status == 0
    assert "reference nvidia/h100-sxm: yes: tensor, peak 989.4 T ops/s" in answer.text
    assert "reference nvidia/a100-sxm-80gb: no" in answer.text
    everything = run(*words, "--reference", "all", "--format", "json").json["matches"]
    assert {one["answer"] for one in everything} == {"yes", "no"}


@pytest.mark.parametrize(
    ("words", "told"),
    {
        "nothing asked": ((), "ask something"),
        "no file": (("revision == 1",), "FILE... or --reference"),
        "no condition": (("revision ==", "x.json"), "is no condition"),
        "no quantity": (("--memory-bytes", "lots", "x.json"), "is no quantity"),
        "no tensor": ((*MM, "--operand", "F[", "x.json"), "is no tensor"),
        "no form": ((*MM, "--max-error", "ULP=x", "x.json"), "is not FORM=NUMBER"),
        "no name": ((*MM, "--attribute", "dim", "x.json"), "is not NAME=VALUE"),
        "no operation": (("--operand", "f16", "x.json"), "--operand needs the operation"),
        "numbers of nothing": (("--determinism", "NONE", "x.json"), "say which with --op"),
        "sums of nothing": (("--acc", "f32", "x.json"), "--acc needs --op"),
        "unknown operation": (("--op", "cep-core/1:nm", "x.json"), "did you mean"),
        "unknown reference": (("a == 1", "--reference", "h1000-sxm"), "did you mean"),
    }.values(),
)
def test_wrong_usage(run, words, told):
    answer = run("match", *words)
    assert answer.status == 2
    assert told in answer.errors


def test_a_folder_without_descriptors_and_a_file_of_another_kind_are_refused(run, tmp_path, write):
    file = write(RECORD)
    for path in (tmp_path, file):
        answer = run("match", "revision == 3", path, "--format", "json")
        assert answer.status == 1
    assert answer.found == [("ENV-S3", "")]


def test_hostile_files_end_in_a_diagnostic(run, write):
    for data in (b"", b"[" * 100_000, b'{"a": 1e999}', json.dumps({"op": "x"}).encode()):
        assert run("match", "revision == 3", write(data)).status == 1


def test_signatures_are_not_checked_and_that_is_said(run, sign):
    answer = run("match", "revision == 3", sign(descriptor()))
    assert answer.status == 0
    assert "(signatures not checked)" in answer.text


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--op", "mm"), "did you mean cep-core/1:mm?"),
        (("--op", "matmul"), "such as `cep-core/1:add.Tensor`; did you mean cep-core/1:"),
        (("--op", "?"), "'?' is not an operation with its opset"),
        (("--op", "cep-core/1:mm", "--max-error", "ULP"), "such as ULP=2"),
    ],
)
def test_an_operation_has_its_opset(run, devices, words, hint):
    answer = run("match", *words, devices)
    assert answer.status == 2
    assert hint in answer.errors


def test_a_file_in_place_of_a_question(run, devices):
    answer = run("match", devices / "a.json")
    assert answer.status == 2
    assert "is a file; ask something before it" in answer.errors


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--op", "cep-core/1:mm", "--dtype", "fp16"), "did you mean f16?"),
        (("--dtype", "f16", "--acc", "fp32"), "did you mean f32?"),
        (("--op", "cep-core/1:mm", "--operand", "int8[8,8]"), "did you mean i8?"),
        (("subject.klass == 1",), "no descriptor has 'subject.klass'"),
        (("engines[tensor].peak > 1",), "there is no member 'peak'"),
        (("power.tdp_mw.watts > 1",), "there is nothing below 'tdp_mw'"),
    ],
)
def test_what_nobody_defines_is_a_warning(run, devices, words, hint):
    answer = run("match", *words, devices, "--format", "json")
    assert answer.status == 1
    assert [code for code, _ in answer.found] == ["MAT-A2", "MAT-A1"]
    warning = answer.json["diagnostics"][0]
    assert warning["severity"] == "warning"
    assert hint in warning["message"]


@pytest.mark.parametrize(
    "words",
    [
        ("--dtype", "example.com/f7"),
        ('"cuda:sm_90a" in subject.arch and ops[cep-core/1:mm].variants[tensor].engine == "x"',),
        ("extensions[example.com].anything == 1 and partitions.counters[slice] > 1",),
        ("memories[hbm].usable_bytes >= 80000000000",),
    ],
)
def test_what_can_be_there_is_asked_for_without_a_word(run, devices, words):
    found = run("match", *words, devices, "--format", "json").found
    assert "MAT-A2" not in [code for code, _ in found]
