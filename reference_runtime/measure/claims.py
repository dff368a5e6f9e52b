"""Claims of a descriptor beside what was measured, and descriptors that claim what was measured.

A claim is a peak: what was measured confirms it or surpasses it (ACP-V02), and never lowers it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acp.v1.capability import CapabilityDescriptor, Engine, Memory, Provenance, Rate
from reference_runtime.probe.micro import STREAM, rate_of

if TYPE_CHECKING:
    from acp.v1.measurement import MeasurementPoint
    from reference_runtime.measure.products import Product

READ: Final = "read_bytes_per_s"
WRITE: Final = "write_bytes_per_s"
COMBINED: Final = "combined_bytes_per_s"
LATENCY: Final = "latency_ns"
_MAIN: Final = ("SHARED", "DEVICE")


@dataclass(frozen=True, slots=True)
class Claim:
    """One number of a descriptor, as far as it is stated or was measured.

    Attributes:
        path: JSON Pointer to it.
        words: What it is about.
        unit: What it counts.
        stated: The claim; None where the descriptor makes none.
        points: The measurement points about it.
        measured: What they come to; None where nothing was measured.
    """

    path: str
    words: str
    unit: str
    stated: int | None
    points: tuple[MeasurementPoint, ...]
    measured: int | None

    @property
    def is_bandwidth(self) -> bool:
        """Whether a record of its own must be about it, as ACP-V02 asks of a memory's rate."""
        return self.unit == "B/s"


def claims(
    engines: Sequence[Engine],
    memories: Sequence[Memory],
    products: Sequence[Product],
    points: Sequence[MeasurementPoint],
) -> tuple[Claim, ...]:
    """Return every claim that is stated or was measured: rates, bandwidths, latencies."""
    return (*_rates(engines, products, points), *_memories(memories, points))


def adopted(
    descriptor: CapabilityDescriptor,
    found: Iterable[Claim],
    products: Sequence[Product],
    references: Mapping[str, str],
) -> CapabilityDescriptor:
    """Return a descriptor that claims what was measured where it claimed less, or nothing.

    Args:
        descriptor: The descriptor.
        found: Its claims.
        products: What was multiplied.
        references: Digests of the records by the path of the claim; under "" that of the others.
    """
    raised = {c.path: c.measured for c in found if c.measured is not None and _raises(c)}
    engines, memories = list(descriptor.engines), list(descriptor.memories)
    rows = list(engines[0].rates)
    new = missing(engines[0], products)
    for path, value in raised.items():
        list_, index, *rest = path.split("/")[1:]
        if list_ == "memories":
            memories[int(index)] = memories[int(index)].replace(**{rest[0]: value})
        elif int(rest[1]) < len(rows):
            rows[int(rest[1])] = rows[int(rest[1])].replace(peak_ops_per_s=value)
        else:
            rows.append(_row(new[int(rest[1]) - len(descriptor.engines[0].rates)], value))
    engines[0] = engines[0].replace(rates=tuple(rows))
    return descriptor.replace(
        engines=tuple(engines),
        memories=tuple(memories),
        provenance=tuple(_provenance(descriptor, raised, references)),
    )


def missing(engine: Engine, products: Iterable[Product]) -> list[Product]:
    """Return the products that an engine has no row of rates for."""
    stated = {
        (row.a, row.acc, row.out)
        for row in engine.rates
        if row.a == row.b and row.sparsity == "dense"
    }
    return [one for one in products if (one.a, one.acc, one.out) not in stated]


def _raises(claim: Claim) -> bool:
    if claim.stated is None:
        return True
    if claim.unit == "ns":
        return False
    return claim.measured is not None and claim.measured > claim.stated


def _row(product: Product, rate: int) -> Rate:
    """Return a row for what was measured. A stack's own function is not reached by plans."""
    return Rate(
        a=product.a,
        b=product.a,
        acc=product.acc,
        out=product.out,
        sparsity="dense",
        peak_ops_per_s=rate,
        exposed=None if product.reached else False,
    )


def _rates(
    engines: Sequence[Engine], products: Sequence[Product], points: Sequence[MeasurementPoint]
) -> Iterator[Claim]:
    """Yield the rows of the first engine, which ran the products, and rows that it could have.

    A product says more than a point: with which sums, and from which results, a row is another one.
    """
    by_row = {(p.a, p.a, p.acc, p.out): p for p in products}
    rows = engines[0].rates
    measured: list[tuple[str, str, str | None, str, int | None, bool]] = [
        (row.a, row.b, row.acc, row.out, row.peak_ops_per_s, row.sparsity == "dense")
        for row in rows
    ]
    missed = missing(engines[0], products)
    measured += [(p.a, p.a, p.acc, p.out, None, True) for p in missed]
    for index, (a, b, acc, out, stated, dense) in enumerate(measured):
        product = by_row.get((a, b, acc or "", out)) if dense else None
        about = tuple(_about(product, points)) if product else ()
        rates = [rate for point in about if (rate := rate_of(point)) is not None]
        if rates or stated is not None:
            yield Claim(
                f"/engines/0/rates/{index}",
                f"{a} × {b}" + (f" + {acc}" if acc else "") + f" → {out}",
                "op/s",
                stated,
                about,
                max(rates, default=None),
            )


def _about(product: Product, points: Iterable[MeasurementPoint]) -> Iterator[MeasurementPoint]:
    """Yield the points that ACP-V02 holds against a row: of an operation, all with its dtypes."""
    for point in points:
        same = product.op == point.op or (product.reached and not point.op.startswith("aten:"))
        if same and set(point.dtypes) == {product.a} and rate_of(point) is not None:
            yield point


def _memories(memories: Sequence[Memory], points: Sequence[MeasurementPoint]) -> Iterator[Claim]:
    by_op = defaultdict(list)
    for point in points:
        by_op[point.op].append(point)
    for index, memory in enumerate(memories):
        ops = {
            READ: [f"mem:{memory.id}.read"],
            WRITE: [f"mem:{memory.id}.write"],
            COMBINED: [
                f"mem:{memory.id}.{kernel}" for kernel in ("read", "write", "copy", "triad")
            ],
        }
        if memory.role in _MAIN:
            ops[COMBINED].append(STREAM)
        elif memory.combined_bytes_per_s is None:
            del ops[COMBINED]  # Caches read and write through ports of their own.
        for member, names in ops.items():
            about = tuple(p for name in names for p in by_op[name] if p.unit == "BYTES_PER_S")
            stated = getattr(memory, member)
            if about or stated is not None:
                yield Claim(
                    f"/memories/{index}/{member}",
                    f"{memory.id} {member.partition('_')[0]}",
                    "B/s",
                    stated,
                    about,
                    max((p.p50 for p in about), default=None),
                )
        loads = tuple(by_op[f"mem:{memory.id}.latency"])
        if loads or memory.latency_ns is not None:
            once = [max(1, round(p.p50 / (p.operations or 1))) for p in loads]
            path = f"/memories/{index}/{LATENCY}"
            words = f"{memory.id} latency"
            yield Claim(path, words, "ns", memory.latency_ns, loads, max(once, default=None))


def _provenance(
    descriptor: CapabilityDescriptor, raised: Iterable[str], references: Mapping[str, str]
) -> Iterator[Provenance]:
    """Yield where the values come from now: what was raised, from its record and nowhere else."""
    paths = set(raised)
    rows = [f"/engines/0/rates/{i}" for i in range(len(descriptor.engines[0].rates))]
    for entry in descriptor.provenance:
        # One path for all rows would go on to speak of rows that are new.
        named = [
            one
            for path in entry.paths
            for one in (rows if path == "/engines/0/rates" and entry.measurement_ref else [path])
        ]
        kept = tuple(path for path in named if path not in paths)
        if kept:
            yield entry.replace(paths=kept)
    by_record: dict[str, list[str]] = {}
    for path in sorted(paths):
        by_record.setdefault(references.get(path, references[""]), []).append(path)
    for record, about in by_record.items():
        yield Provenance(paths=tuple(about), basis="MEASURED", measurement_ref=record)
