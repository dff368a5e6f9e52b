"""The card of a capability descriptor."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from acp.cli.cards.text import component, cut, fact, header, lines, section
from acp.quantities import binary, decimal, scaled, watts

if TYPE_CHECKING:
    from acp.v1.capability import (
        Attestation,
        CapabilityDescriptor,
        Energy,
        Engine,
        Memory,
        PartitionProfile,
        Port,
        Provenance,
        Rate,
    )

_INDEX: Final = re.compile(r"/[0-9]+(?=/|$)")
_PERCENT: Final = 10_000


def card(document: CapabilityDescriptor) -> str:
    """Return a capability descriptor in words."""
    subject = document.subject
    unit = f", unit {subject.unit_id}" if subject.unit_id else ""
    part = f", part {subject.part_number}" if subject.part_number else ""
    return lines(
        [
            f"{subject.model} by {subject.vendor}",
            f"  {subject.device_class}, scope {subject.scope}{unit}{part}",
            *fact("architecture", subject.arch),
            *fact("slice of", [subject.parent_digest]),
            *header(document),
            *_operating_point(document),
            *fact("software", map(component, document.software)),
            *section("engines", document.engines, _engine),
            *section("memories", document.memories, _memory),
            *_ops(document),
            *section("energy", document.energy, _energy),
            *section("ports", document.ports, _port),
            *_partitions(document),
            *fact("queues", (f"{one.max} {one.kind}" for one in document.queues)),
            *section("attestation", document.attestation, _attestation),
            *section("provenance", document.provenance, _source),
            *fact("extensions", document.extensions),
            *fact("critical", document.critical),
        ]
    )


def _operating_point(document: CapabilityDescriptor) -> Iterator[str]:
    point, power = document.operating_point, document.power
    settings = [
        *([] if point.power_cap_mw is None else [f"power cap {watts(point.power_cap_mw)}"]),
        *([] if point.ecc is None else [f"ecc {'on' if point.ecc else 'off'}"]),
        *([point.partition_mode] if point.partition_mode else []),
        *([f"clocks {point.clock_policy}"] if point.clock_policy else []),
    ]
    yield f"  operating point {point.name}" + (f": {', '.join(settings)}" if settings else "")
    if power is None:
        return
    limits = {
        "idle": power.idle_mw,
        "TDP": power.tdp_mw,
        "lowest cap": power.cap_min_mw,
        "highest cap": power.cap_max_mw,
    }
    heat = power.throttle_mdegc
    yield from fact(
        "power",
        [
            *(f"{name} {watts(value)}" for name, value in limits.items() if value is not None),
            None if heat is None else f"throttles at {scaled(heat, 1000)} °C",
        ],
    )


def _engine(engine: Engine) -> Iterator[str]:
    count = f", {engine.count} units" if engine.count else ""
    clock = f" at {decimal(engine.clock_hz, 'Hz')}" if engine.clock_hz else ""
    yield f"{engine.id}: {engine.kind}{count}{clock}"
    for dense, *sparse in _siblings(engine.rates):
        hidden = ", not exposed by the software" if dense.exposed is False else ""
        speed = decimal(dense.peak_ops_per_s, " ops/s")
        rest = "".join(f"; {decimal(one.peak_ops_per_s, '')} at {one.sparsity}" for one in sparse)
        yield f"  {speed:>14}  {product(dense)}, {dense.sparsity}{hidden}{rest}"


def _siblings(rates: Iterable[Rate]) -> list[list[Rate]]:
    """Return rates by lines: a dense one and the sparse ones of the same dtypes right after it."""
    found: list[list[Rate]] = []
    for rate in rates:
        last = found[-1][0] if found else None
        if (
            last is not None
            and last.sparsity == "dense" != rate.sparsity
            and (product(last), last.exposed) == (product(rate), rate.exposed)
        ):
            found[-1].append(rate)
        else:
            found.append([rate])
    return found


def product(rate: Rate) -> str:
    """Return the dtypes of a rate in words."""
    acc = f" + {rate.acc}" if rate.acc else ""
    return f"{rate.a} × {rate.b}{acc} → {rate.out}"


def _memory(memory: Memory) -> Iterator[str]:
    each = binary(memory.capacity_bytes_per_instance)
    size = each if memory.instances == 1 else f"{memory.instances} × {each}"
    usable = "" if memory.usable_bytes is None else f", {binary(memory.usable_bytes)} usable"
    speeds = {
        "read": memory.read_bytes_per_s,
        "write": memory.write_bytes_per_s,
        "combined": memory.combined_bytes_per_s,
    }
    rates = "".join(
        f", {name} {decimal(rate, 'B/s')}" for name, rate in speeds.items() if rate is not None
    )
    level = f" level {memory.level}" if memory.level is not None else ""
    wait = f", {memory.latency_ns} ns" if memory.latency_ns is not None else ""
    reach = f", for {cut(memory.engines)}" if memory.engines else ""
    domain = f", coherent in {memory.coherence_domain}" if memory.coherence_domain else ""
    backing = f", caches {memory.backing_id}" if memory.backing_id else ""
    words = f"{memory.id}: {memory.kind} {memory.role}{level}, {size}{usable}{rates}"
    yield f"{words}{wait}{backing}{reach}{domain}"


def _ops(document: CapabilityDescriptor) -> Iterator[str]:
    """Yield how many operations of which opset there are, and what each engine does."""
    opsets = Counter(one.op.rpartition(":")[0] for one in document.ops)
    yield from fact("ops", (f"{count} of {opset}" for opset, count in opsets.items()))
    counts: Counter[str] = Counter()
    dtypes: dict[str, dict[str, None]] = {}
    for one in document.ops:
        counts.update({variant.engine for variant in one.variants})
        for variant in one.variants:
            known = dtypes.setdefault(variant.engine, {})
            for limit in variant.operands.values():
                known |= dict.fromkeys(limit.dtypes)
    for engine, count in counts.items():
        words = f" with {' '.join(dtypes[engine])}" if dtypes[engine] else ""
        yield f"    {count} on {engine}{words}"


def _energy(one: Energy) -> Iterator[str]:
    yield f"{one.event}: {scaled(one.femtojoules, 1000)} pJ per {one.per.lower()}"


def _port(port: Port) -> Iterator[str]:
    speed = decimal(port.bytes_per_s_per_direction, "B/s")
    count = f" × {port.count}" if port.count else ""
    wait = f", {port.latency_ns} ns" if port.latency_ns is not None else ""
    yield f"{port.id}: {port.link_kind}{count}, {speed} in each direction{wait}"


def _partitions(document: CapabilityDescriptor) -> Iterator[str]:
    """Yield what the device can be divided into, and how often each fits."""
    if (parts := document.partitions) is None:
        return
    counters = parts.counters
    of = ", ".join(f"{count} {name}" for name, count in counters.items())

    def row(profile: PartitionProfile) -> Iterator[str]:
        fits = [counters.get(name, 0) // take for name, take in profile.consumes.items() if take]
        taken = ", ".join(f"{take} {name}" for name, take in profile.consumes.items())
        often = f", at most {min(fits)} of them" if fits else ""
        known = f", {profile.descriptor_digest}" if profile.descriptor_digest else ""
        yield f"{profile.name}: {taken}{often}{known}"

    yield from section(f"partitions out of: {of}", parts.profiles, row)


def _attestation(one: Attestation) -> Iterator[str]:
    count = len(one.reference_measurements)
    measured = f", {count} reference measurements" if count else ""
    yield f"{one.scheme}{measured}" + (f", {one.rim_uri}" if one.rim_uri else "")


def _source(entry: Provenance) -> Iterator[str]:
    """Yield one line; places that differ by indices alone are told once, with their number."""
    places = Counter(_INDEX.sub("/*", path) for path in entry.paths)
    singles = {_INDEX.sub("/*", path): path for path in entry.paths}
    words = (
        f"{place} ({count} places)" if count > 1 else singles[place] or "everything"
        for place, count in places.items()
    )
    sure = "" if entry.confidence_ppm is None else f", {entry.confidence_ppm // _PERCENT} % sure"
    uri = f", from {entry.source_uri}" if entry.source_uri else ""
    if entry.source_value is not None:
        sparse = f" for {entry.source_sparsity}" if entry.source_sparsity else ""
        uri += f", which states {decimal(entry.source_value, '')}{sparse}"
    record = f", record {entry.measurement_ref}" if entry.measurement_ref else ""
    yield f"{entry.basis}: {cut(words)}{sure}{uri}{record}"
