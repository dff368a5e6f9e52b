from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acp import reference
from acp.plotting import Ceiling, Roofline, roofline
from acp.plotting.drawing import MAX_DEVICES, apart, draw
from acp.v1.capability import CapabilityDescriptor
from tests.acp.examples import changed, descriptor

NAMES = ("h100-sxm", "instinct-mi300x", "tpu-v5p", "groqchip-1")
HIDDEN = descriptor()["engines"][0]["rates"][0] | {"exposed": False}
PNG = b"\x89PNG\r\n\x1a\n"


def lines(*names):
    return [roofline(reference.load(name)) for name in names]


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.decode())


def test_equal_rates_share_a_ceiling():
    (h100,) = lines("h100-sxm")
    assert h100.title == "NVIDIA H100 80GB HBM3"
    dense = next(one for one in h100.ceilings if one.ops_per_s == 989_400_000_000_000)
    assert dense == Ceiling(dense.ops_per_s, "dense", ("f16+f32", "f16", "bf16+f32"))
    assert dense.label == "989.4 T  f16+f32 f16 bf16+f32"
    assert [one.label for one in h100.slopes] == ["memory (hbm3) 3.35 TB/s"]


def test_rates_that_software_does_not_reach_are_not_drawn():
    hidden = changed(descriptor(), "/engines/0/rates/1", HIDDEN)
    assert len(roofline(CapabilityDescriptor.from_json(hidden)).ceilings) == 1
    nothing = changed(hidden, "/engines/0/rates/0", HIDDEN)
    with pytest.raises(ValueError, match="no rate"):
        roofline(CapabilityDescriptor.from_json(nothing))


def test_every_line_has_a_name():
    devices = lines(*NAMES)
    found = texts(draw(devices, "svg"))
    for device in devices:
        for name in (device.title, *(one.label for one in (*device.ceilings, *device.slopes))):
            assert name in found


def test_the_same_descriptors_give_the_same_bytes():
    svg, png = draw(lines(*NAMES), "svg"), draw(lines("h100-sxm"), "png")
    assert draw(lines(*NAMES), "svg") == svg
    assert draw(lines("h100-sxm"), "png") == png
    assert png.startswith(PNG)
    code = (
        "import sys; from acp import reference; from acp.plotting import roofline; "
        "from acp.plotting.drawing import draw; "
        f"d = [roofline(reference.load(n)) for n in {NAMES}]; "
        "sys.stdout.buffer.write(draw(d, 'svg'))"
    )
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert again.stdout == svg


def test_a_picture_says_nothing_of_when_and_with_what_it_was_made():
    svg = draw(lines("l4"), "svg")
    assert b"<dc:date>" not in svg
    assert b"matplotlib v" not in svg.lower()
    assert b"Software" not in draw(lines("l4"), "png")


@pytest.mark.parametrize("name", ["$\\frac{", "\x1b[2J\u202e", "<svg onload=x>", "中文", "x" * 256])
def test_hostile_names_are_drawn_as_they_are_told(name):
    value = changed(descriptor(), "/subject/model", name)
    for form in ("svg", "png"):
        data = draw([roofline(CapabilityDescriptor.from_json(value))], form)
        assert b"\x1b" not in data or form == "png"
        assert b"<svg onload" not in data


@pytest.mark.parametrize(
    ("peak", "rate"), [("1", "18446744073709551615"), ("18446744073709551615", "1"), ("1", None)]
)
def test_extreme_values_are_drawn(peak, rate):
    value = changed(descriptor(), "/engines/0/rates/0/peak_ops_per_s", peak)
    value = changed(value, "/memories/0/combined_bytes_per_s", rate or ...)
    assert draw([roofline(CapabilityDescriptor.from_json(value))], "png").startswith(PNG)


def test_many_rows_stay_apart():
    value = descriptor()
    row = value["engines"][0]["rates"][0]
    value["engines"][0]["rates"] = [
        row | {"a": f"example.com/t{n}", "peak_ops_per_s": str(10**12 + n)} for n in range(200)
    ]
    device = roofline(CapabilityDescriptor.from_json(value))
    svg = draw([device], "svg").decode()
    # Every name has a height of its own in the picture.
    heights = {
        float(found[1])
        for found in re.finditer(r'translate\([\d.]+ ([\d.]+)\)"[^>]*>1 T  example', svg)
    } or {float(y) for y in re.findall(r'<text[^>]* y="([\d.]+)"[^>]*>1 T  example', svg)}
    assert len(heights) == 200
    ordered = sorted(heights)
    assert min(b - a for a, b in pairwise(ordered)) > 9


def test_more_devices_than_colours_are_refused():
    (one,) = lines("l4")
    with pytest.raises(ValueError, match=f"1 to {MAX_DEVICES}"):
        draw([one] * (MAX_DEVICES + 1), "svg")
    with pytest.raises(ValueError, match="0 devices"):
        draw([], "svg")
    many = tuple(Ceiling(n + 1, "dense", ("f32",)) for n in range(500))
    with pytest.raises(ValueError, match="500 different rates"):
        draw([Roofline("x", many, ())], "svg")


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30).map(sorted), st.floats(0.01, 0.3))
def test_places_are_apart_and_inside(places, step):
    found = apart(places, step, 0.0, 10.0)
    assert all(b - a >= step - 1e-9 for a, b in pairwise(found))
    if (len(places) - 1) * step <= 10:
        assert found[0] >= -1e-9
        assert found[-1] <= 10 + 1e-9
    if all(b - a >= step for a, b in pairwise(places)):
        assert found == pytest.approx(places)
