"""A picture of what was measured: bandwidths by working set, and rates by size of the matrices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from acp import files

if TYPE_CHECKING:
    from acp.v1.measurement import MeasurementPoint
    from reference_runtime.adapter import DescribedDevice

FORMATS: Final = (".svg", ".png", ".pdf")
_WORD: Final = 8
_GIGA: Final = 10**9

Curves = Mapping[str, list[tuple[int, float]]]
"""Points of each line, by its name."""


def ready(path: Path) -> None:
    """Check that a picture can be drawn, before time is spent on measuring.

    Raises:
        click.UsageError: The name ends with no format that can be written.
        ModuleNotFoundError: matplotlib is not installed.
    """
    if path.suffix not in FORMATS:
        allowed = " or ".join(FORMATS)
        raise click.UsageError(f"--plot {path.name}: the name must end with {allowed}")
    import matplotlib as mpl

    del mpl


def draw(path: Path, device: DescribedDevice, points: Sequence[MeasurementPoint]) -> None:
    """Draw what was measured of a device.

    Raises:
        FileRefusedError: The file cannot be written (ENV-F2).
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    words = [f"{s.component} {s.version_range.removeprefix('==')}" for s in device.software[:1]]
    figure.suptitle(", ".join([device.subject.model, *words]))
    _lines(left, bandwidths(points), "working set, all cores (bytes)", "GB/s")
    for memory in device.memories:
        if memory.role == "CACHE":
            size = memory.instances * memory.capacity_bytes_per_instance
            left.axvline(size, color="0.8", linewidth=1, zorder=0)
            left.annotate(memory.id, (size, 1), xycoords=("data", "axes fraction"), fontsize=8)
    _lines(right, rates(points), "rows of the square matrices", "Gop/s")
    drawn = BytesIO()
    figure.savefig(drawn, format=path.suffix[1:], metadata={"Date": None} if path.suffix == ".svg"
                   else None)  # fmt: skip
    files.write(path, drawn.getvalue())


def bandwidths(points: Sequence[MeasurementPoint]) -> Curves:
    """Return GB/s over the bytes of the working set, for each way of access."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for point in points:
        if point.op.startswith("mem:") and point.unit == "BYTES_PER_S":
            kernel = point.op.rpartition(".")[2]
            found[kernel].append((point.shape[0] * _WORD, point.p50 / _GIGA))
    return {name: sorted(line) for name, line in found.items()}


def rates(points: Sequence[MeasurementPoint]) -> Curves:
    """Return Gop/s over the rows of the matrices, for each product."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for point in points:
        if point.unit == "OPS_PER_S":
            name = f"{point.dtypes[0]} ({point.op})"
            found[name].append((point.shape[0], point.p50 / _GIGA))
    return {name: sorted(line) for name, line in found.items()}


def _lines(axes: Any, curves: Curves, across: str, up: str) -> None:
    for name, line in sorted(curves.items()):
        axes.plot(*zip(*line, strict=True), marker="o", markersize=3, linewidth=1.2, label=name)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    if curves:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.grid(visible=True, which="major", color="0.93")
        axes.legend(fontsize=8, frameon=False)
    else:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
