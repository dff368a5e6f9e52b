"""Measurement records by themselves: ACP-V05 (points that can have been seen)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import prod
from typing import Final

from acp.rules.registry import Breach, Context, rule
from acp.v1.measurement import MeasurementPoint, MeasurementRecord

_PRODUCT: Final = "cep-core/1:mm"
_SIZES: Final = 3
"""Rows and columns of the result, and the length of the sums."""


@rule("ACP-V05", MeasurementRecord)
def points(document: MeasurementRecord, _: Context) -> Iterator[Breach]:
    """Percentiles are in order, and a matrix product has the operations of its shape at most."""
    for i, point in enumerate(document.points):
        told = (("p5", point.p5), ("p50", point.p50), ("p95", point.p95))
        present = [(name, value) for name, value in told if value is not None]
        for (low, less), (high, more) in pairwise(present):
            if less > more:
                yield Breach(
                    ("points", i, low),
                    f"{low} is {less}, above {high}, which is {more}; percentiles do not decrease: "
                    "sort what was measured before they are taken",
                )
        most = _operations(point)
        if most is not None and point.operations is not None and point.operations > most:
            yield Breach(
                ("points", i, "operations"),
                f"found {point.operations}, but a product of shape "
                f"{' × '.join(map(str, point.shape))} has {most}: two for each multiply-add; state "
                "the operations of one call, those on dropped elements of sparse operands included",
            )


def _operations(point: MeasurementPoint) -> int | None:
    """Return the operations that a point's shape comes to, where it is that of a product."""
    if point.op != _PRODUCT or len(point.shape) != _SIZES:
        return None
    return 2 * prod(point.shape)
