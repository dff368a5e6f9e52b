"""What `acp probe` says of the inventory: a table for people, and an object for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from acp.quantities import binary

if TYPE_CHECKING:
    from reference_runtime.probe.inventory import Answer
    from reference_runtime.probe.sources.found import Found

Driven = Mapping[str, tuple[str, ...]]
"""Names of the adapters that drive a device, by its unit id."""


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of columns as wide as they must be; the first row is their heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def as_text(answers: Sequence[Answer], driven: Driven) -> str:
    """Return the devices that were found, and why the other sources found none."""
    rows: list[tuple[str, ...]] = [("found by", "class", "device", "units", "memory", "driven by")]
    rows += [_row(answer.source, one, driven) for answer in answers for one in answer.found]
    lines = table(rows) if len(rows) > 1 else []
    lines += [f"nothing by {a.source}: {a.nothing}" for a in answers if not a.found]
    return "\n".join(lines)


def as_data(answers: Sequence[Answer], driven: Driven) -> dict[str, object]:
    """Return what ``--format json`` says of the inventory: `found` and `nothing`."""
    return {
        "found": [
            {"source": answer.source, "driven_by": list(driven[one.unit_id]), **one.to_json()}
            for answer in answers
            for one in answer.found
        ],
        "nothing": {a.source: a.nothing for a in answers if not a.found},
    }


def _row(source: str, one: Found, driven: Driven) -> tuple[str, ...]:
    main = [m for m in one.memories if m.role in ("SHARED", "DEVICE")]
    count = next((e.count for e in one.engines if e.count), None)
    size = main[0].usable_bytes or main[0].capacity_bytes_per_instance if main else None
    kind = one.subject.device_class + (" slice" if one.subject.scope == "SLICE" else "")
    return (
        source,
        kind,
        one.subject.model,
        str(count or "-"),
        "-" if size is None else binary(size),
        ", ".join(driven[one.unit_id]) or "no adapter",
    )
