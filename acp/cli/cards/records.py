"""The cards of measurement records and of status lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from acp.cli.cards.text import component, fact, header, lines, section
from acp.quantities import binary, decimal, scaled, watts

if TYPE_CHECKING:
    from acp.v1.measurement import MeasurementPoint, MeasurementRecord
    from acp.v1.status import StatusList

_UNITS: Final[Mapping[str, Callable[[int], str]]] = {
    "NANOSECONDS": lambda value: f"{value} ns",
    "OPS_PER_S": lambda value: decimal(value, " ops/s"),
    "BYTES_PER_S": lambda value: decimal(value, "B/s"),
    "MILLIWATTS": watts,
}


def measurement(document: MeasurementRecord) -> str:
    """Return a measurement record in words."""
    around, method = document.environment, document.method
    parameters = (f"{name} {value}" for name, value in method.parameters.items())
    heat, cap = around.ambient_mdegc, around.power_cap_mw
    return lines(
        [
            f"Measurement of unit {document.unit_id}",
            f"  of {document.subject_digest}",
            *header(document),
            *fact("claim", [document.claim_path]),
            f"  observed by {document.observer.id} ({document.observer.relation})",
            f"  with {method.harness_uri}"
            + (f", {method.harness_digest}" if method.harness_digest else ""),
            *fact("parameters", parameters),
            *fact("software", map(component, around.software)),
            *fact(
                "surroundings",
                [
                    None if cap is None else f"power cap {watts(cap)}",
                    None if around.ecc is None else f"ecc {'on' if around.ecc else 'off'}",
                    around.partition_mode,
                    None if around.clock_policy is None else f"clocks {around.clock_policy}",
                    *(f"{name} at {decimal(hz, 'Hz')}" for name, hz in around.clocks.items()),
                    None if heat is None else f"{scaled(heat, 1000)} °C around it",
                ],
            ),
            *section("points", document.points, _point),
            *fact("evidence", [document.evidence_digest]),
        ]
    )


def status(document: StatusList) -> str:
    """Return a status list in words."""
    count = len(document.entries)
    return lines(
        [
            f"Status list {document.sequence} of {document.issuer}",
            f"  from {document.issued_at} until {document.next_update}",
            f"  {count or 'no'} document{'' if count == 1 else 's'} revoked",
            *section(
                "revoked",
                document.entries,
                lambda one: [f"{one.digest} as of {one.effective_at}: {one.reason}"],
            ),
        ]
    )


def _point(point: MeasurementPoint) -> Iterator[str]:
    words = _UNITS[point.unit]
    shape = f" {' × '.join(map(str, point.shape))}" if point.shape else ""
    dtypes = f" {','.join(point.dtypes)}" if point.dtypes else ""
    size = f" of {binary(point.bytes)}" if point.bytes and not shape else ""
    sparse = f" {point.sparsity}" if point.sparsity not in (None, "dense") else ""
    ends = [
        f"{name} {words(value)}"
        for name, value in (("p5", point.p5), ("p95", point.p95))
        if value is not None
    ]
    spread = f" ({', '.join(ends)})" if ends else ""
    what = f"{point.op}{dtypes}{shape}{size}{sparse}"
    yield f"{what}: median {words(point.p50)}{spread} of {point.n} calls"
