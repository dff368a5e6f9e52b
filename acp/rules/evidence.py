"""Claims against what was seen: ACP-V01 (evidence), V02, V03 (measurements) and V04 (references).

Records and references are those that the reader holds; who holds none looks at no evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeAlias

from acp.canonical import digest
from acp.diagnostics import Severity
from acp.rules.figures import figures
from acp.rules.registry import Breach, Context, rule
from acp.v1.capability import CapabilityDescriptor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from acp.holdings import Holdings
    from acp.v1.capability import Provenance, Rate, Software
    from acp.v1.measurement import MeasurementPoint, MeasurementRecord

_Path: TypeAlias = tuple[str | int, ...]
_Dtypes: TypeAlias = tuple[frozenset[str], str]
"""Dtypes of the operands, and sparsity."""

_MOST_PERCENT: Final = 103
_LEAST_PERCENT: Final = 60
_REFERENCE_PERCENT: Final = 5
_NANOSECONDS: Final = 10**9
_SHOWN: Final = 19
"""Characters of a digest that are shown: enough to find the file."""

_INDEX: Final = "(0|[1-9][0-9]{0,8})"
_ROWS: Final = re.compile(
    rf"(?:/engines(?:/{_INDEX}(?:/rates(?:/{_INDEX}(?:/peak_ops_per_s)?)?)?)?)?"
)
_BYTES: Final = re.compile(
    rf"/(memories|ports)/{_INDEX}/"
    r"((?:read|write|combined)_bytes_per_s|bytes_per_s_per_direction)"
)


@rule("ACP-V01", CapabilityDescriptor)
def evidence(document: CapabilityDescriptor, context: Context) -> Iterator[Breach]:
    """What is said to be measured names a record of the same subject and software."""
    records = context.held.records
    unfit: dict[str, str] = {}
    for i, entry in enumerate(document.provenance):
        if entry.basis != "MEASURED":
            continue
        name = entry.measurement_ref
        if name is None:
            yield Breach(
                ("provenance", i, "measurement_ref"),
                "a measured value names the measurement record behind it; add its digest, or "
                "say where else the value comes from with `basis`",
            )
            continue
        if records is None:
            continue
        path = ("provenance", i, "measurement_ref")
        record = records.get(name)
        if record is None:
            yield Breach(
                path,
                f"no record {name[:_SHOWN]}… is among the {len(records)} that were given and "
                "accepted; obtain it, or leave out all records to look at no evidence",
            )
            continue
        if name not in unfit:
            unfit[name] = _of_another_subject(document, record) or _unlike(document, record)
        reason = unfit[name] or _beside(entry, record)
        if reason:
            yield Breach(
                path, f"the record {name[:_SHOWN]}… does not verify this: {reason}; measure again"
            )


@rule("ACP-V02", CapabilityDescriptor)
def surpassed(document: CapabilityDescriptor, context: Context) -> Iterator[Breach]:
    """No measurement is more than 3 % above what is claimed as the peak."""
    for claim in _measured(document, context.held):
        seen = claim.best
        if seen is not None and 100 * seen.rate > _MOST_PERCENT * claim.most:
            yield Breach(
                claim.path_of_most,
                f"found {claim.most}, but {seen.words}; raise the claim, or mend the measurement",
            )


@rule("ACP-V03", CapabilityDescriptor, severity=Severity.WARNING)
def unreached(document: CapabilityDescriptor, context: Context) -> Iterator[Breach]:
    """Some measurement reaches 60 % of what is claimed."""
    claims = [one for one in _measured(document, context.held) if one.best is not None]
    reached = {claim.path_of_least for claim in claims if claim.is_reached}
    for claim in claims:
        if claim.path_of_least not in reached and claim.best is not None:
            yield Breach(
                claim.path_of_least,
                f"found {claim.least}, but the most that was seen is less than {_LEAST_PERCENT} % "
                f"of it: {claim.best.words}; lower the claim, or say with `exposed` that programs "
                "do not reach it",
            )


@rule("ACP-V04", CapabilityDescriptor, severity=Severity.WARNING)
def references(document: CapabilityDescriptor, context: Context) -> Iterator[Breach]:
    """No number is more than 5 % off that of a trusted reference for the same product."""
    subject = document.subject
    trusted = context.held.references.get((subject.vendor, subject.model), ())
    if not trusted or subject.scope == "SLICE":
        return
    ours = figures(document)
    for reference in trusted:
        if not _comparable(document, reference):
            continue
        for name, theirs in figures(reference).items():
            figure = ours.get(name)
            if figure is None:
                continue
            if 100 * abs(figure.value - theirs.value) > _REFERENCE_PERCENT * theirs.value:
                yield Breach(
                    figure.path,
                    f"found {figure.value} ({figure.words}), but the reference by "
                    f"{reference.issuer} says {theirs.value}; correct it, or say in `provenance` "
                    "where it comes from",
                )


@dataclass(frozen=True, slots=True)
class _Seen:
    """A rate that was measured.

    Attributes:
        rate: Per second.
        words: What was measured, for people.
    """

    rate: Fraction
    words: str


@dataclass(slots=True)
class _Claim:
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
    path_of_most: _Path
    path_of_least: _Path
    best: _Seen | None = None

    @property
    def is_reached(self) -> bool:
        """Whether a measurement came near enough to the smallest claim."""
        return self.best is not None and 100 * self.best.rate >= _LEAST_PERCENT * self.least

    def widen(self, value: int, path: _Path) -> None:
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
            self.best = _Seen(rate, words)


@dataclass(slots=True)
class _Claims:
    """The claims of a descriptor that measurements are held against, each set up when it is needed.

    Attributes:
        document: The descriptor.
    """

    document: CapabilityDescriptor
    _rows: dict[tuple[str | None, ...], dict[_Dtypes, _Claim]] = field(default_factory=dict)
    _numbers: dict[_Path, _Claim] = field(default_factory=dict)

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
            for point in record.points if claim is not None else ():
                rate = _rate(point, "BYTES_PER_S", point.bytes)
                if rate is not None and claim is not None:
                    claim.see(rate, point, record)

    def __iter__(self) -> Iterator[_Claim]:
        """Yield what was set up."""
        yield from chain.from_iterable(rows.values() for rows in self._rows.values())
        yield from self._numbers.values()

    def _rates(self, place: tuple[str | None, ...]) -> dict[_Dtypes, _Claim]:
        """Return the rows of rates at a place: of all engines, of one, or one row."""
        if place not in self._rows:
            rows: dict[_Dtypes, _Claim] = {}
            for path, rate in self._below(place):
                name = (frozenset((rate.a, rate.b)), rate.sparsity)
                value = rate.peak_ops_per_s
                if name in rows:
                    rows[name].widen(value, path)
                else:
                    rows[name] = _Claim(value, value, path, path)
            self._rows[place] = rows
        return self._rows[place]

    def _below(self, place: tuple[str | None, ...]) -> Iterator[tuple[_Path, Rate]]:
        engine, row = (None if one is None else int(one) for one in place)
        engines = self.document.engines
        for i in range(len(engines)) if engine is None else (engine,):
            rates = engines[i].rates if i < len(engines) else ()
            for j in range(len(rates)) if row is None else (row,):
                if j < len(rates) and rates[j].exposed is not False:
                    yield ("engines", i, "rates", j, "peak_ops_per_s"), rates[j]

    @staticmethod
    def _about(
        point: MeasurementPoint, claims: dict[_Dtypes, _Claim], *, alone: bool
    ) -> _Claim | None:
        """Return the claims that a point is about; its dtypes may be left out for a single row."""
        if point.dtypes:
            return claims.get((frozenset(point.dtypes), point.sparsity or "dense"))
        return next(iter(claims.values()), None) if alone else None

    def _number(self, list_: str, index: int, member: str) -> _Claim | None:
        path = (list_, index, member)
        if path not in self._numbers:
            things = getattr(self.document, list_)
            value = getattr(things[index], member, None) if index < len(things) else None
            if value is None:
                return None
            self._numbers[path] = _Claim(value, value, path, path)
        return self._numbers[path]


def _measured(document: CapabilityDescriptor, held: Holdings) -> Iterable[_Claim]:
    """Return the claims that records at hand are about, with the best that was seen of each."""
    claims = _Claims(document)
    if held.by_subject:
        for record in held.by_subject.get(digest(document.subject.to_json()), ()):
            if not _unlike(document, record):
                claims.judge(record)
    return claims


def _rate(point: MeasurementPoint, unit: str, work: int | None) -> Fraction | None:
    """Return what a point says was done in a second, if it says that."""
    if point.unit == unit:
        return Fraction(point.p50)
    if point.unit == "NANOSECONDS" and work is not None and point.p50:
        return Fraction(work * _NANOSECONDS, point.p50)
    return None


def _of_another_subject(document: CapabilityDescriptor, record: MeasurementRecord) -> str:
    about, ours = record.subject_digest, digest(document.subject.to_json())
    if about == ours:
        return ""
    return f"it is about the subject {about[:_SHOWN]}…, and this one is {ours[:_SHOWN]}…"


def _unlike(document: CapabilityDescriptor, record: MeasurementRecord) -> str:
    """Return why a record of the same subject is not about these software and settings."""
    subject = document.subject
    if subject.unit_id is not None and subject.unit_id != record.unit_id:
        return f"it is about the unit {record.unit_id!r}, not {subject.unit_id!r}"
    cap, theirs = document.operating_point.power_cap_mw, record.environment.power_cap_mw
    if cap is not None and theirs is not None and cap != theirs:
        return f"it was taken under a power limit of {theirs} mW, not {cap}"
    used = {one.component: one for one in record.environment.software}
    for stated in document.software:
        there = used.get(stated.component)
        if there is None:
            return f"it says nothing of {stated.component!r}"
        if stated.name is not None and stated.name != there.name:
            return f"it was taken with the build {there.name!r} of {stated.component!r}"
        if not _covers(stated, there):
            return (
                f"it was taken with {stated.component} {there.version_range}; the descriptor is "
                f"for {stated.version_range}"
            )
    return ""


def _covers(stated: Software, used: Software) -> bool:
    """Tell whether a descriptor for a range of versions holds for what was used."""
    if stated.version_range == used.version_range:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(used.version_range.removeprefix("=="))
        return SpecifierSet(stated.version_range).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def _beside(entry: Provenance, record: MeasurementRecord) -> str:
    """Return why a record is about another claim than an entry of provenance, if it is."""
    claimed = record.claim_path
    if claimed is None or any(_overlap(path, claimed) for path in entry.paths):
        return ""
    return f"it is about {claimed}"


def _overlap(one: str, other: str) -> bool:
    """Tell whether one JSON Pointer leads to the other's value, above or below it."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _comparable(document: CapabilityDescriptor, reference: CapabilityDescriptor) -> bool:
    """Tell whether two descriptors of one product are for the same part and settings."""
    ours, theirs = document.operating_point, reference.operating_point
    stated = (
        (document.subject.part_number, reference.subject.part_number),
        (ours.power_cap_mw, theirs.power_cap_mw),
        (ours.ecc, theirs.ecc),
    )
    if ours.partition_mode != theirs.partition_mode or reference.subject.scope == "SLICE":
        return False
    return all(a is None or b is None or a == b for a, b in stated)
