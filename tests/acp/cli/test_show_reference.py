from __future__ import annotations

import json

import pytest
from click.shell_completion import ShellComplete

from acp import reference
from acp.canonical import digest
from acp.cli import main


def test_a_reference_is_shown_like_a_file(run, write):
    of_file = run("show", write(reference.read("nvidia/h100-sxm")))
    by_name = run("show", "--reference", "H100-SXM")
    assert by_name.status == 0
    assert by_name.text == of_file.text
    for words in (
        "NVIDIA H100 80GB HBM3 by nvidia.com",
        "issued by acp-cep.example",
        "989.4 T ops/s  f16 × f16 + f32 → f32, dense; 1978.9 T at 2:4",
        "partitions out of: 7 compute_slices, 8 memory_slices, 1 media_extensions",
        "1g.10gb: 1 compute_slices, 1 memory_slices, at most 7 of them",
        "ops_per_unit_per_clock (24 places)",
        "DERIVED: /ops, /software, 90 % sure",
        "which states 1979 T for 2:4",
    ):
        assert words in by_name.text


def test_a_reference_as_json(run):
    answer = run("show", "--reference", "nvidia/l4", "--format", "json").json
    value = json.loads(reference.read("nvidia/l4"))
    assert (answer["document"], answer["digest"]) == (value, digest(value))


def test_without_a_name_all_are_listed(run):
    lines = run("show", "--reference").text.splitlines()
    names = [*reference.names(), *reference.slices()]
    assert [line.split()[0] for line in lines] == [*names, *reference.systems()]
    answer = run("show", "--reference", "--format", "json").json
    listed = answer["references"]
    assert [one["name"] for one in listed] == names
    assert [one["name"] for one in answer["systems"]] == list(reference.systems())
    (h100,) = [one for one in listed if one["name"] == "nvidia/h100-sxm"]
    assert h100 == {
        "name": "nvidia/h100-sxm",
        "vendor": "nvidia.com",
        "model": "NVIDIA H100 80GB HBM3",
        "device_class": "gpu",
        "digest": digest(json.loads(reference.read("nvidia/h100-sxm"))),
    }


def test_a_miss_says_what_may_be_meant(run):
    answer = run("show", "--reference", "h100")
    assert answer.status == 2
    assert "did you mean nvidia/h100-sxm" in answer.errors


def test_files_and_references_are_shown_one_after_the_other(run, write):
    file = write(reference.read("nvidia/l4"))
    words = ("show", file, "--reference", "tpu-v5e", "--reference", "tpu-v5p")
    answer = run(*words)
    assert answer.status == 0
    assert answer.text.count("CapabilityDescriptor sha256:") == 3
    shown = run(*words, "--format", "json").json["documents"]
    assert [one["file"] for one in shown] == [
        "reference google/tpu-v5e",
        "reference google/tpu-v5p",
        str(file),
    ]


def test_a_file_or_a_reference(run):
    answer = run("show")
    assert answer.status == 2
    assert "Give either FILE or --reference [NAME]" in answer.errors


@pytest.mark.parametrize(
    ("begun", "completed"),
    [
        ("nvidia/h", ["nvidia/h100-sxm", "nvidia/h200-sxm"]),
        ("MI", []),
        ("tpu-v5e", ["tpu-v5e"]),
    ],
)
def test_names_are_completed(begun, completed):
    shell = ShellComplete(main, {}, "acp", "_ACP_COMPLETE")
    for words in (["show"], ["match"], ["diff"]):
        offered = shell.get_completions([*words, "--reference"], begun)
        assert [one.value for one in offered] == completed
    offered = shell.get_completions(["init", "--like"], begun)
    assert [one.value for one in offered] == completed
    classes = shell.get_completions(["init", "--device-class"], "w")
    assert [one.value for one in classes] == ["wasm", "webgpu"]
