"""Records of what was measured: one of everything, and one for each bandwidth that is claimed.

ACP-V02 holds a rate against every record of its subject, and the bandwidth of a memory against a
record whose `claim_path` leads to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acp.canonical import digest, digest_bytes
from acp.v1.capability import Software
from acp.v1.measurement import (
    Environment,
    MeasurementPoint,
    MeasurementRecord,
    Method,
    Observer,
)
from reference_runtime.probe import micro, workloads
from reference_runtime.probe.documents import HARNESS, Header
from reference_runtime.probe.sources.found import slug
from reference_runtime.probe.system import clock_hz

if TYPE_CHECKING:
    from acp.v1.capability import Subject
    from reference_runtime.adapter import DescribedDevice
    from reference_runtime.measure.claims import Claim


@dataclass(frozen=True, slots=True)
class Made:
    """A record that is to be written.

    Attributes:
        name: What its file is called, without endings.
        about: Path of the claim that it is about; empty for the record of everything.
        record: The record.
    """

    name: str
    about: str
    record: MeasurementRecord


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What all records of one run have in common.

    Attributes:
        name: What the device is called.
        subject: The subject of the descriptor that they are about.
        device: The device that was measured.
        header: Issuer and times.
        relation: What the observer is to the device.
        parameters: What the harness was told.
    """

    name: str
    subject: Subject
    device: DescribedDevice
    header: Header
    relation: Any
    parameters: dict[str, int]

    def record(
        self, points: Sequence[MeasurementPoint], about: str = "", *path: str
    ) -> MeasurementRecord:
        """Return a record of some points."""
        point = self.device.operating_point
        return MeasurementRecord(
            **self.header.members(self.name, "measured", *path),
            subject_digest=digest(self.subject.to_json()),
            unit_id=self.device.unit_id,
            claim_path=about or None,
            environment=Environment(
                software=(*self.device.software, *_harness_software(points)),
                power_cap_mw=point.power_cap_mw,
                ecc=point.ecc,
                partition_mode=point.partition_mode,
                clock_policy=point.clock_policy,
                clocks={"cpu": hz} if (hz := clock_hz()) else {},
            ),
            method=Method(
                harness_uri=HARNESS, harness_digest=harness_digest(), parameters=self.parameters
            ),
            points=tuple(points),
            observer=Observer(id=self.header.issuer, relation=self.relation),
        )


def records(
    circumstances: Circumstances, points: Sequence[MeasurementPoint], claims: Sequence[Claim]
) -> Iterator[Made]:
    """Yield the record of everything, and those of bandwidths that were measured."""
    name = circumstances.name
    yield Made(name, "", circumstances.record(points))
    for claim in claims:
        if claim.is_bandwidth and claim.points:
            part = slug(claim.words)
            record = circumstances.record(claim.points, claim.path, part)
            yield Made(f"{name}.{part}", claim.path, record)


@cache
def harness_digest() -> str:
    """Return the digest of the code that chose the work and took the times."""
    own = sorted(Path(__file__).parent.glob("*.py"))
    others = [Path(module.__file__) for module in (micro, workloads) if module.__file__]
    return digest_bytes(b"".join(path.read_bytes() for path in (*own, *others)))


def _harness_software(points: Sequence[MeasurementPoint]) -> Iterator[Software]:
    """Yield what else a measurement depends on: the compiler of the loops over memory."""
    if any(point.op.startswith("mem:") for point in points):
        try:
            yield Software(component="numba", version_range=f"=={version('numba')}")
        except PackageNotFoundError:
            return
