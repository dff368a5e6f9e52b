"""The systems and partitions that come with the reference descriptors."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

import pytest

from acp import reference, rules
from acp.canonical import digest
from acp.holdings import Holdings, missing
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor
from schemas.devices.book import ISSUER, layout

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DEVICES = [reference.load(name) for name in (*reference.names(), *reference.slices())]
HELD = Holdings.of(DEVICES)
CONTEXT = rules.Context(now=NOW, held=HELD)
SYSTEMS = ("h100-mig", "hgx-h100", "lunar-lake-laptop", "tpu-v5p-4x4x4")


def system(name):
    return json.loads(reference.read(f"systems/{name}"))


def broken(value):
    found = rules.check(SystemDescriptor.from_json(value), CONTEXT)
    return {one.code for one in found}


def test_which_there_are():
    assert reference.systems() == tuple(f"systems/{name}" for name in SYSTEMS)
    assert reference.slices() == ("slices/h100-sxm-1g.10gb", "slices/h100-sxm-3g.40gb")


@pytest.mark.parametrize("name", SYSTEMS)
class TestEachSystem:
    def test_breaks_no_rule_beside_the_descriptors_of_its_nodes(self, name):
        document = reference.load_system(name)
        assert missing(document, HELD) == ()
        assert rules.check(document, CONTEXT) == ()

    def test_is_laid_out_for_people_and_says_its_sources(self, name):
        text = reference.read(f"systems/{name}").decode()
        value = json.loads(text)
        assert text == layout(value) + "\n"
        assert value["extensions"][ISSUER]["sources"]

    def test_is_judged_by_those_descriptors(self, name):
        value = system(name)
        value["links"][0]["a"] = {"node": value["nodes"][0]["id"], "port": "nowhere"}
        assert "ACP-L01" in broken(value)


def test_eight_gpus_have_all_their_links_in_use():
    value = system("hgx-h100")
    used = Counter()
    for link in value["links"]:
        if link["kind"] == "nvlink4":
            used[link["a"]["node"]] += link["count"]
    assert used == {f"gpu{i}": 18 for i in range(8)}
    spare = next(link for link in value["links"] if link["kind"] == "nvlink4")
    value["links"].append({**spare, "id": "one-more", "count": 1})
    assert "ACP-L01" in broken(value)


def test_eight_gpus_with_the_rate_of_both_directions():
    value = system("hgx-h100")
    for link in value["links"]:
        if link["kind"] == "nvlink4":
            for member in ("a_to_b_bytes_per_s", "b_to_a_bytes_per_s"):
                link[member] = str(2 * int(link[member]))
    assert {"ACP-L02", "ACP-L03"} <= broken(value)


def test_each_chip_of_the_torus_has_six_neighbours():
    value = system("tpu-v5p-4x4x4")
    ends = Counter(link[side]["node"] for link in value["links"] for side in "ab")
    assert set(ends.values()) == {6}
    assert len(ends) == 64
    assert set(Counter(node["host"] for node in value["nodes"]).values()) == {4}


def test_an_eighth_slice_does_not_fit():
    value = system("h100-mig")
    value["nodes"].append({**value["nodes"][-1], "id": "mig5"})
    value["links"].append({**value["links"][-1], "id": "more", "b": {"node": "mig5"}})
    assert broken(value) == {"ACP-Q01"}


@pytest.mark.parametrize("name", reference.slices())
def test_a_slice_is_less_than_the_whole(name):
    part = reference.load(name)
    assert part.subject.parent_digest == digest(reference.load("nvidia/h100-sxm").to_json())
    assert rules.check(part, CONTEXT) == ()
    value = json.loads(reference.read(name))
    value["memories"][0]["combined_bytes_per_s"] = "3350000000001"
    found = rules.check(CapabilityDescriptor.from_json(value), CONTEXT)
    assert "ACP-Q01" in {one.code for one in found}
    covered = {path for entry in part.provenance for path in entry.paths}
    assert {"/engines", "/memories", "/subject"} <= covered


def test_each_is_loaded_as_what_it_is():
    with pytest.raises(reference.UnknownReferenceError, match="is a system"):
        reference.load("hgx-h100")
    with pytest.raises(reference.UnknownReferenceError, match="is no system"):
        reference.load_system("h100-sxm")
