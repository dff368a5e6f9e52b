"""Facts that are stated twice: ACP-I03 (the two statements agree)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final

from acp.rules.registry import Breach, Context, rule
from acp.tokens import ARCHITECTURES, DEVICE_CLASSES
from acp.v1.capability import CapabilityDescriptor, Energy, Engine, Memory, Software, Subject

_MANAGED_BY: Final = {"CACHE": "HW", "SCRATCH": "SW"}
"""Who decides what is in a memory of this role, by the definition of the role."""


@rule("ACP-I03", CapabilityDescriptor)
def agreement(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """What is stated twice is stated alike."""
    yield from _classes(document.subject)
    yield from _components(document.software)
    for i, engine in enumerate(document.engines):
        yield from _rates(i, engine)
    for i, memory in enumerate(document.memories):
        yield from _memory(i, memory)
    yield from _energies(document.energy)


def _classes(subject: Subject) -> Iterator[Breach]:
    if subject.device_class not in DEVICE_CLASSES or subject.device_class == "custom":
        return
    for i, arch in enumerate(subject.arch):
        known = ARCHITECTURES.get(arch.partition(":")[0])
        if known is not None and subject.device_class not in known.device_classes:
            yield Breach(
                ("subject", "arch", i),
                f"{arch!r} is found in devices of class {' or '.join(known.device_classes)}, but "
                f"device_class is {subject.device_class!r}; correct one of them",
            )


def _components(software: tuple[Software, ...]) -> Iterator[Breach]:
    first: dict[Hashable, str] = {}
    for i, one in enumerate(software):
        told = first.setdefault((one.component, one.name), one.version_range)
        if told != one.version_range:
            yield Breach(
                ("software", i, "version_range"),
                f"{one.component!r} is to be {one.version_range} here and {told} above; write one "
                "range that says both",
            )


def _rates(i: int, engine: Engine) -> Iterator[Breach]:
    first: dict[Hashable, tuple[int, int]] = {}
    for j, rate in enumerate(engine.rates):
        tile = rate.tile and (rate.tile.m, rate.tile.n, rate.tile.k)
        row = (rate.a, rate.b, rate.acc, rate.out, rate.sparsity, tile, rate.exposed is not False)
        row_above, peak = first.setdefault(row, (j, rate.peak_ops_per_s))
        if peak != rate.peak_ops_per_s:
            yield Breach(
                ("engines", i, "rates", j),
                f"{rate.a} × {rate.b} + {rate.acc} → {rate.out}, {rate.sparsity}, is "
                f"{rate.peak_ops_per_s} here and {peak} in row {row_above}; keep the right one, or "
                "say in dtypes, sparsity, tile or exposed how they differ",
            )


def _memory(i: int, memory: Memory) -> Iterator[Breach]:
    told = _MANAGED_BY.get(memory.role)
    if memory.managed is not None and told not in {None, memory.managed}:
        yield Breach(
            ("memories", i, "managed"),
            f"found {memory.managed}, but a memory of role {memory.role} is managed by {told}; "
            "correct the role, or leave managed out",
        )
    combined = memory.combined_bytes_per_s
    if combined is None:
        return
    single = {
        "read_bytes_per_s": memory.read_bytes_per_s,
        "write_bytes_per_s": memory.write_bytes_per_s,
    }
    for name, one in single.items():
        if one is not None and one > combined:
            yield Breach(
                ("memories", i, "combined_bytes_per_s"),
                f"found {combined}, but {name} alone is {one}; where reads and writes share a "
                "rate, it is at least each of them",
            )
    present = [one for one in single.values() if one is not None]
    if len(present) == len(single) and combined > sum(present):
        yield Breach(
            ("memories", i, "combined_bytes_per_s"),
            f"found {combined}, but reads and writes together reach {sum(present)}; correct one "
            "of the three",
        )


def _energies(energies: tuple[Energy, ...]) -> Iterator[Breach]:
    first: dict[Hashable, int] = {}
    for i, energy in enumerate(energies):
        told = first.setdefault((energy.event, energy.per), energy.femtojoules)
        if told != energy.femtojoules:
            yield Breach(
                ("energy", i, "femtojoules"),
                f"{energy.event!r} costs {energy.femtojoules} here and {told} above; keep one",
            )
