"""Documents in words: one card for each kind, for `acp show`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import singledispatch
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from acp.cli.output import one_line
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.status import StatusList
from acp.v1.system import SystemDescriptor

if TYPE_CHECKING:
    from acp.message import Message
    from acp.v1.capability import Engine, Memory, Port, Provenance, Rate
    from acp.v1.measurement import MeasurementPoint
    from acp.v1.system import Link

_Dated: TypeAlias = CapabilityDescriptor | SystemDescriptor | MeasurementRecord

_ROWS: Final = 24
"""Rows of one section; a card is read by people."""

_INDEX: Final = re.compile(r"/[0-9]+(?=/|$)")

_DECIMAL: Final = ("", "k", "M", "G", "T")
_BINARY: Final = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


@singledispatch
def card(document: Message) -> str:
    """Return a document in words, some lines.

    Raises:
        TypeError: There is no card for this kind.
    """
    raise TypeError(f"no card for {type(document).__name__}")


@card.register
def _descriptor(document: CapabilityDescriptor) -> str:
    subject = document.subject
    unit = f", unit {subject.unit_id}" if subject.unit_id else ""
    return _lines(
        [
            f"{subject.model} by {subject.vendor}",
            f"  {subject.device_class}, scope {subject.scope}{unit}",
            *_fact("architecture", subject.arch),
            *_header(document),
            *_operating_point(document),
            *_fact(
                "software", (f"{one.component}{one.version_range}" for one in document.software)
            ),
            *_section("engines", document.engines, _engine),
            *_section("memories", document.memories, _memory),
            *_ops(document),
            *_section("ports", document.ports, _port),
            *_partitions(document),
            *_fact("queues", (f"{one.max} {one.kind}" for one in document.queues)),
            *_section("provenance", document.provenance, _source),
            *_fact("extensions", document.extensions),
            *_fact("critical", document.critical),
        ]
    )


@card.register
def _system(document: SystemDescriptor) -> str:
    groups = Counter(one.contention_group for one in document.nodes if one.contention_group)
    return _lines(
        [
            f"System of {len(document.nodes)} nodes",
            *_header(document),
            *_section(
                "nodes",
                document.nodes,
                lambda node: [
                    f"{node.id}: {node.descriptor_digest}"
                    + (f", contends in {node.contention_group}" if node.contention_group else "")
                ],
            ),
            *_fact("sharing silicon", (f"{n} nodes in {name}" for name, n in groups.items())),
            *_section(
                "switches", document.switches, lambda one: [f"{one.id}: {len(one.ports)} ports"]
            ),
            *_section("links", document.links, _link),
        ]
    )


@card.register
def _record(document: MeasurementRecord) -> str:
    software = (f"{one.component}{one.version_range}" for one in document.environment.software)
    return _lines(
        [
            f"Measurement of unit {document.unit_id}",
            f"  of {document.subject_digest}",
            *_header(document),
            *_fact("claim", [document.claim_path] if document.claim_path else []),
            f"  observed by {document.observer.id} ({document.observer.relation})",
            f"  with {document.method.harness_uri}",
            *_fact("software", software),
            *_section("points", document.points, _point),
        ]
    )


@card.register
def _status(document: StatusList) -> str:
    return _lines(
        [
            f"Status list {document.sequence} of {document.issuer}",
            f"  from {document.issued_at} until {document.next_update}",
            *_section(
                "revoked",
                document.entries,
                lambda one: [f"{one.digest} as of {one.effective_at}: {one.reason}"],
            ),
        ]
    )


def _lines(lines: Iterable[str]) -> str:
    """Return the lines as text; no name can forge a line by a line feed of its own."""
    return "\n".join(map(one_line, lines))


def _header(document: _Dated) -> list[str]:
    start = document.not_before or document.issued_at
    return [
        f"  {document.uri}, revision {document.revision}",
        f"  issued by {document.issuer}, in force from {start} until {document.expires_at}",
    ]


def _operating_point(document: CapabilityDescriptor) -> Iterator[str]:
    point, power = document.operating_point, document.power
    settings = [
        *([] if point.power_cap_mw is None else [f"power cap {_watts(point.power_cap_mw)}"]),
        *([] if point.ecc is None else [f"ecc {'on' if point.ecc else 'off'}"]),
        *([point.partition_mode] if point.partition_mode else []),
        *([f"clocks {point.clock_policy}"] if point.clock_policy else []),
    ]
    yield f"  operating point {point.name}" + (f": {', '.join(settings)}" if settings else "")
    if power is not None:
        limits = {"idle": power.idle_mw, "TDP": power.tdp_mw, "highest cap": power.cap_max_mw}
        yield from _fact("power", (f"{k} {_watts(v)}" for k, v in limits.items() if v is not None))


def _engine(engine: Engine) -> Iterator[str]:
    count = f", {engine.count} units" if engine.count else ""
    clock = f" at {_si(engine.clock_hz, 'Hz')}" if engine.clock_hz else ""
    yield f"{engine.id}: {engine.kind}{count}{clock}"
    for dense, *sparse in _siblings(engine.rates):
        hidden = ", not exposed by the software" if dense.exposed is False else ""
        speed = _si(dense.peak_ops_per_s, " ops/s")
        rest = "".join(f"; {_si(one.peak_ops_per_s, '')} at {one.sparsity}" for one in sparse)
        yield f"  {speed:>14}  {_product(dense)}, {dense.sparsity}{hidden}{rest}"


def _siblings(rates: Iterable[Rate]) -> list[list[Rate]]:
    """Return rates by lines: a dense one and the sparse ones of the same dtypes right after it."""
    lines: list[list[Rate]] = []
    for rate in rates:
        last = lines[-1][0] if lines else None
        if (
            last is not None
            and last.sparsity == "dense" != rate.sparsity
            and (_product(last), last.exposed) == (_product(rate), rate.exposed)
        ):
            lines[-1].append(rate)
        else:
            lines.append([rate])
    return lines


def _product(rate: Rate) -> str:
    acc = f" + {rate.acc}" if rate.acc else ""
    return f"{rate.a} × {rate.b}{acc} → {rate.out}"


def _memory(memory: Memory) -> Iterator[str]:
    each = _binary(memory.capacity_bytes_per_instance)
    size = each if memory.instances == 1 else f"{memory.instances} × {each}"
    usable = "" if memory.usable_bytes is None else f", {_binary(memory.usable_bytes)} usable"
    speeds = {
        "read": memory.read_bytes_per_s,
        "write": memory.write_bytes_per_s,
        "combined": memory.combined_bytes_per_s,
    }
    rates = "".join(
        f", {name} {_si(rate, 'B/s')}" for name, rate in speeds.items() if rate is not None
    )
    yield f"{memory.id}: {memory.kind} {memory.role}, {size}{usable}{rates}"


def _port(port: Port) -> Iterator[str]:
    speed = _si(port.bytes_per_s_per_direction, "B/s")
    yield f"{port.id}: {port.link_kind}, {speed} in each direction"


def _partitions(document: CapabilityDescriptor) -> Iterator[str]:
    if (parts := document.partitions) is not None:
        yield from _fact("partitions", (one.name for one in parts.profiles))
        yield from _fact("  out of", (f"{count} {name}" for name, count in parts.counters.items()))


def _source(entry: Provenance) -> Iterator[str]:
    """Yield one line; places that differ by indices alone are told once, with their number."""
    places = Counter(_INDEX.sub("/*", path) for path in entry.paths)
    singles = {_INDEX.sub("/*", path): path for path in entry.paths}
    words = (
        f"{place} ({count} places)" if count > 1 else singles[place] or "everything"
        for place, count in places.items()
    )
    sure = "" if entry.confidence_ppm is None else f", {entry.confidence_ppm // 10_000} % sure"
    uri = f", from {entry.source_uri}" if entry.source_uri else ""
    if entry.source_value is not None:
        sparse = f" for {entry.source_sparsity}" if entry.source_sparsity else ""
        uri += f", which states {_si(entry.source_value, '')}{sparse}"
    record = f", record {entry.measurement_ref}" if entry.measurement_ref else ""
    yield f"{entry.basis}: {_cut(words)}{sure}{uri}{record}"


def _ops(document: CapabilityDescriptor) -> Iterator[str]:
    opsets = Counter(one.op.rpartition(":")[0] for one in document.ops)
    yield from _fact("ops", (f"{count} of {opset}" for opset, count in opsets.items()))


def _link(link: Link) -> Iterator[str]:
    rates = f"{_si(link.a_to_b_bytes_per_s, 'B/s')}, back {_si(link.b_to_a_bytes_per_s, 'B/s')}"
    yield f"{link.id}: {link.a.node} → {link.b.node}, {link.kind}, {rates}"


def _point(point: MeasurementPoint) -> Iterator[str]:
    shape = f" {' × '.join(map(str, point.shape))}" if point.shape else ""
    dtypes = f" {','.join(point.dtypes)}" if point.dtypes else ""
    yield f"{point.op}{dtypes}{shape}: median {point.p50} {point.unit} of {point.n} calls"


def _section(title: str, things: Iterable[Any], rows: Callable[[Any], Iterable[str]]) -> list[str]:
    """Return a title and the rows of all things below it; nothing where there are none."""
    lines = [row for thing in things for row in rows(thing)]
    shown = [f"    {row}" for row in islice(lines, _ROWS)]
    if len(lines) > _ROWS:
        shown.append(f"    … and {len(lines) - _ROWS} more; --format json shows all")
    return [f"  {title}", *shown] if lines else []


def _fact(title: str, words: Iterable[str]) -> list[str]:
    """Return one line; none where there is nothing to say."""
    known = list(words)
    return [f"  {title}: {_cut(known)}"] if known else []


def _cut(words: Iterable[str]) -> str:
    known = list(words)
    more = f" and {len(known) - _ROWS} more" if len(known) > _ROWS else ""
    return ", ".join(known[:_ROWS]) + more


def _si(value: int, unit: str) -> str:
    """Return a quantity with a decimal prefix up to T, and hundredths, rounded down."""
    power = min((len(str(value)) - 1) // 3, len(_DECIMAL) - 1)
    return f"{_scaled(value, 1000**power)} {_DECIMAL[power]}{unit}"


def _binary(value: int) -> str:
    """Return a number of bytes with a binary prefix, and hundredths, rounded down."""
    power = min(max(value.bit_length() - 1, 0) // 10, len(_BINARY) - 1)
    return f"{_scaled(value, 1024**power)} {_BINARY[power]}"


def _scaled(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    return f"{whole}.{rest * 100 // unit:02}".rstrip("0").rstrip(".")


def _watts(milliwatts: int) -> str:
    return f"{_scaled(milliwatts, 1000)} W"
