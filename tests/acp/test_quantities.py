from __future__ import annotations

import pytest

from acp.quantities import read, shown


@pytest.mark.parametrize(
    ("text", "value"),
    {
        "80GiB": 80 * 2**30,
        "80 GB": 80 * 10**9,
        "80e9": 80 * 10**9,
        "989.4T": 989_400_000_000_000,
        "1_830_000_000": 1_830_000_000,
        "3.35TB/s": 3_350_000_000_000,
        "1.83GHz": 1_830_000_000,
        "0.5Ki": 512,
        "0": 0,
        "18446744073709551615": 2**64 - 1,
    }.items(),
)
def test_quantities_are_read_exactly(text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "-1", "GiB", "80 gib", "1.5", "1e", "1e999", "18446744073709551616", "1..2", "0x10", "٣",
     "9" * 10_000, "1" + "_1" * 5000],
)  # fmt: skip
def test_what_is_no_whole_number_is_refused(text):
    with pytest.raises(ValueError, match=r"no quantity|no whole number|more than 2\^64"):
        read(text)


@pytest.mark.parametrize(
    ("value", "member", "words"),
    [
        (989_400_000_000_000, "peak_ops_per_s", "989.4 T ops/s"),
        (3_350_000_000_000, "combined_bytes_per_s", "3.35 TB/s"),
        (450_000_000_000, "bytes_per_s_per_direction", "450 GB/s"),
        (85_899_345_920, "usable_bytes", "80 GiB (85899345920)"),
        (17_179_869_184, "capacity_bytes_per_instance", "16 GiB (17179869184)"),
        (64, "line_bytes", "64 bytes"),
        (1_830_000_000, "clock_hz", "1.83 GHz"),
        (700_000, "tdp_mw", "700 W"),
        (83_000, "throttle_mdegc", "83 °C"),
        (31_000, "femtojoules", "31 pJ"),
        (40, "latency_ns", "40 ns"),
        (528, "count", "528"),
    ],
)
def test_quantities_are_told_by_the_unit_in_their_name(value, member, words):
    assert shown(value, member) == words
