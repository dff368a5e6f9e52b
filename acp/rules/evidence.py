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
    from collections.abc import Iterable

    from acp.holdings import Holdings
    from acp.rules.measured import Claim
    from acp.v1.capability import Provenance, Software
    from acp.v1.measurement import MeasurementRecord

_MOST_PERCENT: Final = 103
_LEAST_PERCENT: Final = 60
_REFERENCE_PERCENT: Final = 5
_SHOWN: Final = 19
"""Characters of a digest that are shown: enough to find the file."""


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
    for record in held.by_subject.get(digest(document.subject.to_json()), ()):
        if not _unlike(document, record):
            claims.judge(record)
    return claims


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
