from __future__ import annotations

import pytest

from tests.acp.rules.judging import found, places

CAPACITY = "/memories/0/capacity_bytes_per_instance"
FIVE_OF = 17_179_869_184


def source(value, basis="VENDOR_CLAIM", path=CAPACITY):
    entry = {"paths": [path], "basis": basis, "source_value": str(value)}
    return ("/provenance/2", entry)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (16 * 10**9, "GB of the source read as GiB"),
        (FIVE_OF, None),
        (FIVE_OF // 2, None),
        (16_384 * 10**6, "MB of the source read as MiB"),
        (16_777_216 * 10**3, "kB of the source read as KiB"),
        (FIVE_OF * 2**30 // 10**9, "GiB of the source read as GB"),
        (FIVE_OF * 2**40 // 10**12, "TiB of the source read as TB"),
        (0, None),
    ],
)
def test_m05(value, words):
    said = found("ACP-M05", source(value))
    assert [path for path, _ in said] == ([] if words is None else ["/provenance/2/paths/0"])
    assert words is None or words in said[0][1]


@pytest.mark.parametrize("thousandths", [1072, 1073, 1074, 1075, 1076])
def test_m05_to_a_thousandth(thousandths):
    said = places("ACP-M05", source(FIVE_OF * 1000 // thousandths))
    assert said == (["/provenance/2/paths/0"] if thousandths in {1073, 1074} else [])


@pytest.mark.parametrize(
    ("basis", "broken"),
    [("VENDOR_CLAIM", True), ("THIRD_PARTY", True), ("DERIVED", False), ("ESTIMATED", False)],
)
def test_m05_what_follows_from_a_source_is_not_what_it_says(basis, broken):
    assert bool(places("ACP-M05", source(16 * 10**9, basis))) == broken


@pytest.mark.parametrize(
    ("path", "value", "broken"),
    [
        ("/memories/0/combined_bytes_per_s", 3_350 * 10**12 * 10**9 // 2**30 // 1000, True),
        ("/engines/0/clock_hz", 1_830_000_000 * 10**9 // 2**30, False),
        ("/memories/0", 1, False),
        ("/memories/0/kind", 1, False),
        ("/nothing", 1, False),
    ],
)
def test_m05_is_about_bytes(path, value, broken):
    assert bool(places("ACP-M05", source(value, path=path))) == broken


def test_m05_judges_every_path_of_an_entry():
    paths = [CAPACITY, "/memories/1/capacity_bytes_per_instance", CAPACITY]
    entry = {"paths": paths, "basis": "VENDOR_CLAIM", "source_value": "16000000000"}
    said = places("ACP-M05", ("/provenance/2", entry))
    assert said == ["/provenance/2/paths/0", "/provenance/2/paths/2"]


@pytest.mark.parametrize(("sure", "fits"), [(0, True), (10**6, True), (10**6 + 1, False)])
def test_u02_nobody_is_more_than_sure(sure, fits):
    path = "/provenance/1/confidence_ppm"
    assert places("ACP-U02", (path, sure)) == ([] if fits else [path])
