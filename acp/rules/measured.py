"""Measurements held against claims: which rate a point of a record is about, and the best of each.

Loaded only where a reader holds records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor, Rate
    from acp.v1.measurement import MeasurementPoint, MeasurementRecord

Path: TypeAlias = tuple[str | int, ...]
"""Where a claim stands."""

_Dtypes: TypeAlias = tuple[frozenset[str], str]
"""Dtypes of the operands, and sparsity."""

_NANOSECONDS: Final = 10**9

_INDEX: Final = "(0|[1-9][0-9]{0,8})"
_ROWS: Final = re.compile(
    rf"(?:/engines(?:/{_INDEX}(?:/rates(?:/{_INDEX}(?:/peak_ops_per_s)?)?)?)?)?"
)
_BYTES: Final = re.compile(
    rf"/(memories|ports)/{_INDEX}/"
    r"((?:read|write|combined)_bytes_per_s|bytes_per_s_per_direction)"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A rate that was measured.

    Attributes:
        rate: Per second.
        words: What was measured, for people.
    """

    rate: Fraction
    words: str


@dataclass(slots=True)
class Claim:
    """Claims that one measurement is about: rows of rates that it can't tell apart, or one number.

    Attributes:
        most: The largest of them.
        least: The smallest.
        path_of_most: Where the largest stands.
        path_of_least: Where the smallest stands.
        best: The highest rate that was seen.
    """

    most: int
    least: int
    path_of_most: Path
    path_of_least: Path
    best: Seen | None = None

    def widen(self, value: int, path: Path) -> None:
        """Add a claim that a measurement can't tell from these."""
        if value > self.most:
            self.most, self.path_of_most = value, path
        if value < self.least:
            self.least, self.path_of_least = value, path

    def see(self, rate: Fraction, point: MeasurementPoint, record: MeasurementRecord) -> None:
        """Take a measurement into account."""
        if self.best is None or rate > self.best.rate:
            what = ", ".join((point.op, *point.dtypes))
            words = f"{record.issuer} measured {int(rate)} on {record.unit_id[:64]!r} ({what})"
            self.best = Seen(rate, words)


@dataclass(slots=True)
class Claims:
    """The claims of a descriptor that measurements are held against, each set up when it is needed.

    Attributes:
        document: The descriptor.
    """

    document: CapabilityDescriptor
    _rows: dict[tuple[str | None, ...], dict[_Dtypes, Claim]] = field(default_factory=dict)
    _numbers: dict[Path, Claim] = field(default_factory=dict)

    def judge(self, record: MeasurementRecord) -> None:
        """Hold every point of a record against the claims that it is about."""
        where = record.claim_path or ""
        if (found := _ROWS.fullmatch(where)) is not None:
            claims = self._rates(found.groups())
            for point in record.points:
                rate = _rate(point, "OPS_PER_S", point.operations)
                claim = self._about(point, claims, alone=found[2] is not None)
                if rate is not None and claim is not None:
                    claim.see(rate, point, record)
        elif (found := _BYTES.fullmatch(where)) is not None:
            claim = self._number(found[1], int(found[2]), found[3])
            if claim is None:
                return
            name = self.document.memories[int(found[2])].id if found[1] == "memories" else ""
            for point in record.points:
                rate = _rate(point, "BYTES_PER_S", point.bytes)
                if rate is not None and _is_of(point.op, name):
                    claim.see(rate, point, record)

    def __iter__(self) -> Iterator[Claim]:
        """Yield what was set up."""
        yield from chain.from_iterable(rows.values() for rows in self._rows.values())
        yield from self._numbers.values()

    def _rates(self, place: tuple[str | None, ...]) -> dict[_Dtypes, Claim]:
        """Return the rows of rates at a place: of all engines, of one, or one row."""
        if place not in self._rows:
            rows: dict[_Dtypes, Claim] = {}
            for path, rate in self._below(place):
                name = (frozenset((rate.a, rate.b)), rate.sparsity)
                value = rate.peak_ops_per_s
                if name in rows:
                    rows[name].widen(value, path)
                else:
                    rows[name] = Claim(value, value, path, path)
            self._rows[place] = rows
        return self._rows[place]

    def _below(self, place: tuple[str | None, ...]) -> Iterator[tuple[Path, Rate]]:
        engine, row = (None if one is None else int(one) for one in place)
        engines = self.document.engines
        for i in range(len(engines)) if engine is None else (engine,):
            rates = engines[i].rates if i < len(engines) else ()
            for j in range(len(rates)) if row is None else (row,):
                if j < len(rates) and rates[j].exposed is not False:
                    yield ("engines", i, "rates", j, "peak_ops_per_s"), rates[j]

    @staticmethod
    def _about(
        point: MeasurementPoint, claims: dict[_Dtypes, Claim], *, alone: bool
    ) -> Claim | None:
        """Return the claims that a point is about; its dtypes may be left out for a single row."""
        if point.dtypes:
            return claims.get((frozenset(point.dtypes), point.sparsity or "dense"))
        return next(iter(claims.values()), None) if alone else None

    def _number(self, list_: str, index: int, member: str) -> Claim | None:
        path = (list_, index, member)
        if path not in self._numbers:
            things = getattr(self.document, list_)
            value = getattr(things[index], member, None) if index < len(things) else None
            if value is None:
                return None
            self._numbers[path] = Claim(value, value, path, path)
        return self._numbers[path]


def _is_of(op: str, memory: str) -> bool:
    """Tell whether what was run is about this memory, or does not say about which."""
    kind, _, named = op.partition(":")
    return kind != "mem" or named.rpartition(".")[0] == memory


def _rate(point: MeasurementPoint, unit: str, work: int | None) -> Fraction | None:
    """Return what a point says was done in a second, if it says that."""
    if point.unit == unit:
        return Fraction(point.p50)
    if point.unit == "NANOSECONDS" and work is not None and point.p50:
        return Fraction(work * _NANOSECONDS, point.p50)
    return None
