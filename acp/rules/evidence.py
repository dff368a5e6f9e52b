"""Claims against what was seen: ACP-V01 (evidence), V02, V03 (measurements) and V04 (references).

Records and references are those that the reader holds; who holds none looks at no evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from acp.canonical import digest
from acp.diagnostics import Severity
from acp.rules.registry import Breach, Context, rule
from acp.v1.capability import CapabilityDescriptor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from acp.holdings import Holdings
    from acp.rules.measured import Claim
    from acp.v1.capability import Provenance, Software
    from acp.v1.measurement import MeasurementRecord

_MOST_PERCENT: Final = 103
_LEAST_PERCENT: Final = 60
_REFERENCE_PERCENT: Final = 5
_SETTINGS: Final = ("power_cap_mw", "ecc", "partition_mode", "clock_policy")
"""What an operating point and the surroundings of a measurement both state."""

_EXACTLY: Final = "=="
_SHOWN: Final = 19
"""Characters of a digest that are shown: enough to find the file."""


@rule("ACP-V01", CapabilityDescriptor)
def evidence(document: CapabilityDescriptor, context: Context) -> Iterator[Breach]:
    """What is said to be measured names a record of the same subject and software."""
    records = context.held.records
    subject = _Judged(document) if records else None
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
        if records is None or subject is None:
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
            unfit[name] = (
                subject.of_another(record) or subject.unlike(record) or _nowhere(document, record)
            )
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
    seen = [(one, one.best) for one in _measured(document, context.held) if one.best is not None]
    reached = {
        claim.path_of_least
        for claim, best in seen
        if 100 * best.rate >= _LEAST_PERCENT * claim.least
    }
    for claim, best in seen:
        if claim.path_of_least not in reached:
            yield Breach(
                claim.path_of_least,
                f"found {claim.least}, but the most that was seen is less than {_LEAST_PERCENT} % "
                f"of it: {best.words}; lower the claim, or say with `exposed` that programs do not "
                "reach it",
            )


@rule("ACP-V04", CapabilityDescriptor, severity=Severity.WARNING)
def references(document: CapabilityDescriptor, context: Context) -> Iterator[Breach]:
    """No number is more than 5 % off that of a trusted reference for the same product."""
    subject = document.subject
    trusted = context.held.references.get((subject.vendor, subject.model), ())
    if not trusted or subject.scope == "SLICE":
        return
    from acp.rules.figures import figures

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


def _measured(document: CapabilityDescriptor, held: Holdings) -> Iterable[Claim]:
    """Return the claims that records at hand are about, with the best that was seen of each."""
    if not held.by_subject:
        return ()
    from acp.rules.measured import Claims

    claims = Claims(document)
    subject = _Judged(document)
    for record in held.by_subject.get(subject.digest, ()):
        if not subject.unlike(record):
            claims.judge(record)
    return claims


class _Judged:
    """A descriptor as records are compared with it: what it states often counts once.

    Attributes:
        digest: Digest of its subject.
    """

    def __init__(self, document: CapabilityDescriptor) -> None:
        self.digest = digest(document.subject.to_json())
        self._unit = document.subject.unit_id
        self._point = document.operating_point
        stated = {(one.component, one.name, one.version_range): one for one in document.software}
        self._software = tuple(stated.values())

    def of_another(self, record: MeasurementRecord) -> str:
        """Return why a record is about another subject, if it is."""
        about = record.subject_digest
        if about == self.digest:
            return ""
        return f"it is about the subject {about[:_SHOWN]}…, and this one is {self.digest[:_SHOWN]}…"

    def unlike(self, record: MeasurementRecord) -> str:
        """Return why a record of the same subject is not about these software and settings."""
        if self._unit is not None and self._unit != record.unit_id:
            return f"it is about the unit {record.unit_id!r}, not {self._unit!r}"
        for setting in _SETTINGS:
            ours, theirs = getattr(self._point, setting), getattr(record.environment, setting)
            if ours is not None and theirs is not None and ours != theirs:
                return f"it was taken with {setting} {theirs!r}, not {ours!r}"
        used: dict[str, list[Software]] = {}
        for one in record.environment.software:
            used.setdefault(one.component, []).append(one)
        reasons = (_otherwise(one, used.get(one.component, [])) for one in self._software)
        return next(filter(None, reasons), "")


def _otherwise(stated: Software, used: Sequence[Software]) -> str:
    """Return why none of the entries for a component is what a descriptor states, if none is."""
    if not used:
        return f"it says nothing of {stated.component!r}"
    builds = [one for one in used if stated.name is None or stated.name == one.name]
    if not builds:
        return f"it was taken with the build {used[0].name!r} of {stated.component!r}"
    if any(_covers(stated, one) for one in builds):
        return ""
    return (
        f"it was taken with {stated.component} {builds[0].version_range}; the descriptor is for "
        f"{stated.version_range}"
    )


def _covers(stated: Software, used: Software) -> bool:
    """Tell whether a descriptor for a range of versions holds for what was used."""
    if stated.version_range == used.version_range:
        return True
    if not used.version_range.startswith(_EXACTLY):
        return False
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(used.version_range.removeprefix(_EXACTLY))
        return SpecifierSet(stated.version_range).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def _nowhere(document: CapabilityDescriptor, record: MeasurementRecord) -> str:
    """Return that a record is about something that the descriptor does not have, if it is."""
    if record.claim_path is None:
        return ""
    from acp.rules.pointers import resolve

    try:
        resolve(record.claim_path, document)
    except LookupError:
        return f"it is about {record.claim_path}, which leads to nothing here"
    return ""


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
