from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from acp import reference, rules, tokens
from acp.canonical import digest
from cep.opset import OPERATIONS, PREFIX
from schemas.devices.book import ISSUER, layout

NOW = datetime(2026, 11, 22, tzinfo=UTC)

DEVICES = {
    "nvidia/h100-sxm",
    "nvidia/h200-sxm",
    "nvidia/a100-sxm-80gb",
    "nvidia/l4",
    "nvidia/geforce-rtx-4090",
    "amd/instinct-mi300x",
    "amd/epyc-9654",
    "google/tpu-v5p",
    "google/tpu-v5e",
    "groq/groqchip-1",
    "apple/m3-max-40-core",
    "intel/npu-meteor-lake",
    "intel/npu-lunar-lake",
    "intel/core-ultra-lunar-lake",
    "intel/arc-140v",
    "qualcomm/hexagon-x-elite",
    "amd/alveo-u280-dpucahx8h",
}
ESTIMATED = {
    "apple/m3-max-40-core",
    "intel/npu-meteor-lake",
    "intel/npu-lunar-lake",
    "intel/core-ultra-lunar-lake",
    "intel/arc-140v",
    "qualcomm/hexagon-x-elite",
}
"""Devices whose makers publish too little."""

SOURCED = (
    "subject", "operating_point", "software", "engines", "memories", "ops", "power", "energy",
    "partitions", "ports",
)  # fmt: skip
"""Members whose values need a source."""


def leaves(value, path=""):
    """Pointers to all values that hold no others."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{index}")
    else:
        yield path


def test_the_devices_of_the_table():
    assert set(reference.names()) == DEVICES
    assert list(reference.names()) == sorted(reference.names())


@pytest.mark.parametrize("name", sorted(DEVICES))
class TestEach:
    def test_breaks_no_rule(self, name):
        found = rules.check(reference.load(name), rules.Context(now=NOW))
        assert [str(one) for one in found] == [], "not even a warning"

    def test_every_value_has_a_source(self, name):
        value = json.loads(reference.read(name))
        covered = [path for entry in value["provenance"] for path in entry["paths"]]
        for member in SOURCED:
            for path in leaves(value.get(member, {}), f"/{member}"):
                assert any(path == one or path.startswith(f"{one}/") for one in covered), path

    def test_a_source_can_be_read_or_is_a_guess_of_known_confidence(self, name):
        for entry in reference.load(name).provenance:
            assert entry.source_uri or entry.basis == "ESTIMATED"
            assert entry.basis != "ESTIMATED" or entry.confidence_ppm
            assert entry.basis != "MEASURED", "nothing here was measured"

    def test_whose_claims_they_are(self, name):
        document = reference.load(name)
        bases = {entry.basis for entry in document.provenance}
        assert document.issuer == ISSUER != document.subject.vendor
        assert document.subject.scope == "MODEL"
        if name in ESTIMATED:
            assert bases <= {"THIRD_PARTY", "ESTIMATED"}
        else:
            assert "VENDOR_CLAIM" in bases

    def test_is_laid_out_for_people_and_has_one_identity(self, name):
        text = reference.read(name).decode()
        value = json.loads(text)
        assert text == layout(value) + "\n"
        assert digest(value) == digest(reference.load(name).to_json())

    def test_main_memory_has_one_id(self, name):
        main = [one for one in reference.load(name).memories if one.role in {"DEVICE", "SHARED"}]
        assert [one.id for one in main] in ([], ["memory"])

    def test_uses_registered_tokens(self, name):
        document = reference.load(name)
        assert document.subject.device_class in tokens.DEVICE_CLASSES
        assert {memory.kind for memory in document.memories} <= set(tokens.MEMORY_KINDS)
        assert {port.link_kind for port in document.ports} <= set(tokens.LINK_KINDS)
        rates = [rate for engine in document.engines for rate in engine.rates]
        assert {dtype for rate in rates for dtype in (rate.a, rate.b, rate.out)} <= set(
            tokens.DTYPES
        )
        own = [one.op for one in document.ops if one.op.startswith(PREFIX)]
        assert {op.removeprefix(PREFIX) for op in own} <= {one.name for one in OPERATIONS.values()}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("nvidia/h100-sxm", "nvidia/h100-sxm"),
        ("NVIDIA/H100-SXM", "nvidia/h100-sxm"),
        ("h100-sxm", "nvidia/h100-sxm"),
        (" TPU-v5p ", "google/tpu-v5p"),
    ],
)
def test_names_in_any_case_and_without_the_vendor(asked, found):
    assert reference.find(asked) == found


@pytest.mark.parametrize(
    ("asked", "suggested"),
    [
        ("h100", "nvidia/h100-sxm"),
        ("nvidia/h100-smx", "nvidia/h100-sxm"),
        ("mi300", "amd/instinct-mi300x"),
        ("tpu", "google/tpu-v5e or google/tpu-v5p"),
        ("laptop", "systems/lunar-lake-laptop"),
    ],
)
def test_a_miss_suggests_what_may_be_meant(asked, suggested):
    with pytest.raises(reference.UnknownReferenceError, match=f"did you mean {suggested}"):
        reference.find(asked)


@pytest.mark.parametrize("asked", ["", "/", "..", "../reference", "nvidia/../nvidia/l4", "\0"])
def test_a_name_is_never_a_path(asked):
    with pytest.raises(reference.UnknownReferenceError):
        reference.read(asked)


def test_names_are_listed_without_loading_models():
    code = "import sys; from acp import reference; reference.names(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "acp.reference" in run.stdout.split()
    assert "acp.v1.capability" not in run.stdout.split()
