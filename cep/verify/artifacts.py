"""Compiled code that a plan brings along: can the device load it, and was it compared?

The verifier runs none. Each must fit its device's software, and the plan must carry a certificate
of its comparison with the reference semantics of its region, which whoever has it can repeat.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from cep.certificate import KIND, Certificate, Regions
from cep.verify.rules import Finding, rule

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor
    from cep.v1.plan import Artifact
    from cep.verify.subject import Subject


@rule("CEP-C3", stage=4)
def loadable(s: Subject) -> Iterator[Finding]:
    """Each artifact is for software that its device has, in a version that can load it."""
    artifacts = {a.digest: a for a in s.plan.artifacts}
    for _, path, digest, queue in s.named_artifacts:
        slot = s.queues[queue].device
        descriptor = s.by_slot.get(slot)
        if descriptor is not None and (why := _unfit(artifacts[digest], descriptor)):
            yield Finding(path, f"{slot!r} cannot load {digest}: {why}")


def _unfit(artifact: Artifact, descriptor: CapabilityDescriptor) -> str:
    """Return why a device cannot load an artifact, or nothing."""
    stated = [one for one in descriptor.software if one.component == artifact.abi]
    if artifact.driver_range is None:
        if stated or artifact.abi in descriptor.subject.arch:
            return ""
        known = [*(one.component for one in descriptor.software), *descriptor.subject.arch]
        return f"its ABI is {artifact.abi!r}; the descriptor has {', '.join(known) or 'none'}"
    if len(stated) != 1:
        return f"the descriptor does not state one version of {artifact.abi!r}"
    pinned = stated[0].version_range.removeprefix("==")
    try:
        if SpecifierSet(artifact.driver_range).contains(Version(pinned), prereleases=True):
            return ""
    except (InvalidSpecifier, InvalidVersion):
        return f"{stated[0].version_range!r} in {artifact.driver_range!r} cannot be decided"
    return f"it is for {artifact.abi} {artifact.driver_range}; the descriptor states {pinned}"


@rule("CEP-E3", stage=4)
def certified(s: Subject) -> Iterator[Finding]:
    """Each artifact was compared with the reference of its region, within the numeric class."""
    regions = Regions(s.plan)
    missing = {(i, digest): path for i, path, digest, _ in s.named_artifacts}
    named = frozenset(missing)
    for i, entry in enumerate(s.plan.evidence):
        if entry.kind != KIND:
            continue
        try:
            certificate = Certificate.of(entry)
        except ValueError as error:
            yield Finding(("evidence", i), f"this is no certificate: {error}")
            continue
        if problem := _too_little(s, certificate):
            yield Finding(("evidence", i), problem)
        for j, step in enumerate(entry.subject_steps):
            place = ("evidence", i, "subject_steps", j)
            if (step, certificate.artifact) not in named:
                yield Finding(place, f"step {step} does not name {certificate.artifact}")
            elif certificate.region != regions.digest(step):
                message = f"is about {certificate.region}; step {step} is {regions.digest(step)}"
                yield Finding(place, message)
            missing.pop((step, certificate.artifact), None)
    for (_, digest), path in missing.items():
        message = f"no certificate says that {digest} was compared with this region"
        yield Finding(path, message)


def _too_little(s: Subject, certificate: Certificate) -> str:
    """Return why a certificate does not show what the plan promises, or nothing."""
    limits = s.plan.constraints
    allowed = limits.numeric_tolerance or 0 if limits.numeric != "BITWISE" else 0
    if certificate.worst > allowed:
        return f"differs by {certificate.worst} from the reference; the plan allows {allowed}"
    for sizes in certificate.samples:
        if sizes.keys() != s.view.ranges.keys():
            return f"a sample says the sizes of {sorted(sizes)}, not of {sorted(s.view.ranges)}"
        for symbol, size in sizes.items():
            span = s.view.ranges[symbol]
            if not span.min <= size <= span.max or size % span.divisor:
                return f"a sample has {symbol} = {size}, which is not admissible"
    return ""
