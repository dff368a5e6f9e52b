"""Draws rooflines with matplotlib, the same bytes for the same descriptors.

Both axes are logarithmic: operations per byte, and operations per second. A ceiling begins where
the fastest memory meets it; dense ones are solid, sparse ones dashed, memories are dotted slopes.
Each line is named at its end, and names that would cover each other are moved apart.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from acp.quantities import decimal

if TYPE_CHECKING:
    from acp.plotting.roofline import Ceiling, Roofline

FORMATS: Final = ("svg", "png")

_COLOURS: Final = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00", "#56b4e9", "#000000", "#8c564b",
)  # fmt: skip
"""Colours that people with any kind of colour vision tell apart (after M. Okabe and K. Ito)."""

MAX_DEVICES: Final = len(_COLOURS)
"""Most devices of one picture."""

MAX_LINES: Final = 400
"""Most rates and memories of one picture; nobody can read more."""

_STYLE: Final = {
    "svg.hashsalt": "acp",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_DOTS_PER_IN: Final = 144
_WIDTH_IN, _LEAST_IN, _MOST_IN = 8.0, 4.5, 60.0
_LEFT_IN, _BOTTOM_IN, _TOP_IN = 0.8, 0.6, 0.2
_SMALL: Final = 7.5
_LETTER_IN, _LINE_IN = 0.064, 0.17
"""Room that a letter and a line of small type take at most."""
_ROOM: Final = 4.0


def draw(devices: Sequence[Roofline], form: str) -> bytes:
    """Return the picture of some devices, as SVG or PNG.

    Args:
        devices: What is drawn, each in a colour of its own; at most `MAX_DEVICES`.
        form: ``svg`` or ``png``.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        ValueError: There are no devices, or too many, or too many rates.
    """
    if not 0 < len(devices) <= MAX_DEVICES:
        raise ValueError(f"{len(devices)} devices; a picture has 1 to {MAX_DEVICES}")
    count = sum(len(device.ceilings) + len(device.slopes) for device in devices)
    if count > MAX_LINES:
        raise ValueError(f"{count} different rates; a picture has at most {MAX_LINES}")
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        frame = _Frame(devices)
        figure = Figure(figsize=(frame.whole_in, frame.height_in + _BOTTOM_IN + _TOP_IN))
        canvas: Any = (FigureCanvasSVG if form == "svg" else FigureCanvasAgg)(figure)
        axes = frame.axes(figure)
        for index, device in enumerate(devices):
            _device(axes, device, _colour(index), frame)
        _name_slopes(axes, devices, frame)
        _name_ceilings(axes, devices, frame)
        _legend(axes, devices)
        output = io.BytesIO()
        metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
        canvas.print_figure(output, format=form, metadata=metadata, dpi=_DOTS_PER_IN)
    return output.getvalue()


def apart(places: Sequence[float], step: float, low: float, high: float) -> list[float]:
    """Return rising places at least `step` apart, each as close to where it was as that allows.

    They are between `low` and `high` if there is room for all of them.

    >>> apart([0.0, 0.0, 5.0], 1.0, 0.0, 9.0)
    [0.0, 1.0, 5.0]
    """
    groups: list[tuple[float, int]] = []
    for place in places:
        middle, count = place, 1
        while True:
            half = (count - 1) * step / 2
            middle = max(min(middle, high - half), low + half)
            if not groups or middle - half - groups[-1][0] >= (groups[-1][1] + 1) * step / 2:
                break
            other, size = groups.pop()
            middle = (middle * count + other * size) / (count + size)
            count += size
        groups.append((middle, count))
    return [
        middle + (index - (count - 1) / 2) * step
        for middle, count in groups
        for index in range(count)
    ]


class _Frame:
    """How far the axes reach, and how large they are.

    Attributes:
        x: From and to, in operations per byte.
        y: From and to, in operations per second.
        height_in: Height of the axes: room for a name beside every ceiling.
        whole_in: Width of the picture, with the names.
    """

    def __init__(self, devices: Sequence[Roofline]) -> None:
        ceilings = [one for device in devices for one in device.ceilings]
        rates = [float(one.ops_per_s) for one in ceilings]
        slopes = [float(one.bytes_per_s) for device in devices for one in device.slopes]
        fast, slow = max(slopes, default=max(rates)), min(slopes, default=max(rates))
        left = min(rates) / fast / _ROOM
        self.x = left, max(max(rates) / slow, left * 10) * _ROOM
        self.y = min(rates) / _ROOM, max(rates) * 2
        names = (len(rates) + 1) * _LINE_IN
        self.height_in = min(max(names, _LEAST_IN), _MOST_IN)
        longest = max(len(one.label) for one in ceilings)
        self.whole_in = _LEFT_IN + _WIDTH_IN + 0.5 + longest * _LETTER_IN

    @property
    def decades(self) -> tuple[float, float]:
        """How many powers of ten the axes have."""
        return math.log10(self.x[1] / self.x[0]), math.log10(self.y[1] / self.y[0])

    @property
    def angle(self) -> float:
        """Angle of every slope on paper, in degrees."""
        wide, high = self.decades
        return math.degrees(math.atan2(self.height_in / high, _WIDTH_IN / wide))

    def axes(self, figure: Any) -> Any:
        """Return the axes, without anything in them."""
        whole = self.height_in + _BOTTOM_IN + _TOP_IN
        box = (
            _LEFT_IN / self.whole_in,
            _BOTTOM_IN / whole,
            _WIDTH_IN / self.whole_in,
            self.height_in / whole,
        )
        axes = figure.add_axes(box)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(*self.x)
        axes.set_ylim(*self.y)
        axes.set_xlabel("arithmetic intensity, operations per byte")
        axes.set_ylabel("operations per second")
        axes.yaxis.set_major_formatter(lambda value, _: decimal(max(round(value), 1), ""))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.grid(visible=True, which="major", color="#e4e4e4", linewidth=0.6)
        return axes


def _device(axes: Any, device: Roofline, colour: str, frame: _Frame) -> None:
    fastest = device.slopes[0].bytes_per_s if device.slopes else None
    left, right = frame.x
    for ceiling in device.ceilings:
        begin = max(ceiling.ops_per_s / fastest, left) if fastest else left
        dense = ceiling.sparsity == "dense"
        axes.plot(
            [begin, right], [float(ceiling.ops_per_s)] * 2, color=colour,
            linestyle="solid" if dense else (0, (5, 2)), linewidth=1.6 if dense else 1.0,
        )  # fmt: skip
    highest = device.ceilings[0].ops_per_s
    for slope in device.slopes:
        end = min(highest / slope.bytes_per_s, right)
        axes.plot(
            [left, end], [left * slope.bytes_per_s, end * slope.bytes_per_s],
            color=colour, linestyle="dotted", linewidth=1.4,
        )  # fmt: skip


def _name_slopes(axes: Any, devices: Sequence[Roofline], frame: _Frame) -> None:
    """Write the names of memories along their slopes, one further up than the other."""
    named = sorted(
        (-slope.bytes_per_s, slope.label, _colour(index), device.ceilings[0].ops_per_s)
        for index, device in enumerate(devices)
        for slope in device.slopes
    )
    wide, _ = frame.decades
    turned = math.cos(math.radians(frame.angle)) * wide / _WIDTH_IN
    further = 0.0
    for negative, label, colour, highest in named:
        rate = -negative
        begin = math.log10(max(frame.x[0], frame.y[0] / rate)) + 0.04 * wide
        length = len(label) * _LETTER_IN * turned
        room = math.log10(min(frame.x[1], highest / rate)) - begin - length
        at = 10 ** (begin + (further % room if room > 0 else 0.0))
        further += length * 0.6
        axes.text(
            at, at * rate, label, color=colour, fontsize=_SMALL, rotation=frame.angle,
            rotation_mode="anchor", verticalalignment="bottom", parse_math=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.6},
        )  # fmt: skip


def _name_ceilings(axes: Any, devices: Sequence[Roofline], frame: _Frame) -> None:
    """Write what reaches each ceiling to the right of it, apart from each other."""
    named: list[tuple[float, Ceiling, str]] = sorted(
        (
            (math.log10(ceiling.ops_per_s), ceiling, _colour(index))
            for index, device in enumerate(devices)
            for ceiling in device.ceilings
        ),
        key=lambda one: (one[0], one[1].label, one[2]),
    )
    (wide, decades), (low, high) = frame.decades, map(math.log10, frame.y)
    step = decades * _LINE_IN / frame.height_in
    beside = frame.x[1] * 10 ** (0.35 * wide / _WIDTH_IN)
    places = apart([at for at, _, _ in named], step, low, high)
    for place, (at, ceiling, colour) in zip(places, named, strict=True):
        axes.annotate(
            ceiling.label, (frame.x[1], 10**at), xytext=(beside, 10**place),
            color=colour, fontsize=_SMALL, verticalalignment="center", parse_math=False,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4, "shrinkA": 0,
                        "shrinkB": 0, "relpos": (0, 0.5)},
        )  # fmt: skip


def _legend(axes: Any, devices: Sequence[Roofline]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=_colour(index), linewidth=3, label=device.title)
        for index, device in enumerate(devices)
    ]
    styles: dict[str, Any] = {"dense rate": "solid", "sparse rate": (0, (5, 2))}
    styles["rate of a memory"] = "dotted"
    if all(one.sparsity == "dense" for device in devices for one in device.ceilings):
        del styles["sparse rate"]
    handles += [
        Line2D([], [], color="#555555", linestyle=style, label=name)
        for name, style in styles.items()
    ]
    legend = axes.legend(handles=handles, loc="upper left", frameon=False, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _colour(index: int) -> str:
    return _COLOURS[index]
