"""The documents of a probe: a descriptor and a measurement record for each device, and the system.

A record names the descriptor's subject, the descriptor names its record, the system its
descriptors; each by digest, in this order, so that nothing refers to itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from acp.canonical import digest, digest_bytes
from acp.v1.capability import CapabilityDescriptor, Engine, Memory, Provenance, Rate
from acp.v1.measurement import Environment, MeasurementRecord, Method, Observer
from acp.v1.system import MemoryView, Node, SystemDescriptor
from reference_runtime.probe import micro, workloads
from reference_runtime.probe.system import clock_hz, host_id

if TYPE_CHECKING:
    from reference_runtime.adapter import DescribedDevice
    from reference_runtime.probe.micro import Measured
    from reference_runtime.probe.sources.found import Found

HARNESS: Final = f"pkg:pypi/acp-cep@{version('acp-cep')}"


@dataclass(frozen=True, slots=True)
class Header:
    """What all documents of one probe have in common.

    Attributes:
        issuer: DNS name of who publishes them.
        issued_at: When they are made, aware of its time zone.
        validity: How long they hold.
    """

    issuer: str
    issued_at: datetime
    validity: timedelta

    def members(self, *path: str) -> dict[str, Any]:
        """Return the header of the document at `path`. Its revision is the time, in seconds."""
        return {
            "spec": "acp/1",
            "uri": "/".join((f"https://{self.issuer}/acp", host_id(), *path)),
            "revision": int(self.issued_at.timestamp()),
            "issuer": self.issuer,
            "issued_at": _timestamp(self.issued_at),
            "expires_at": _timestamp(self.issued_at + self.validity),
        }


@dataclass(frozen=True, slots=True)
class ProbedDevice:
    """A device with its documents.

    Attributes:
        name: Name of the adapter, followed by a number where it drives several devices.
        descriptor: What it can do.
        record: What was seen; the descriptor refers to it.
    """

    name: str
    descriptor: CapabilityDescriptor
    record: MeasurementRecord


def probed(
    name: str,
    device: DescribedDevice,
    measured: Measured,
    header: Header,
    found: Found | None = None,
) -> ProbedDevice:
    """Return the documents about a device.

    Args:
        name: What to call it.
        device: The device as its adapter describes it.
        measured: What was seen of it.
        header: What all documents have in common.
        found: The device as its driver describes it, from which comes what adapters do not tell.
    """
    record = MeasurementRecord(
        **header.members(name, "measurement"),
        subject_digest=digest(device.subject.to_json()),
        unit_id=device.unit_id,
        environment=Environment(
            software=device.software, clocks={"cpu": hz} if (hz := clock_hz()) else {}
        ),
        method=Method(harness_uri=HARNESS, harness_digest=_harness_digest()),
        points=measured.points,
        observer=Observer(id=header.issuer, relation="OPERATOR"),
    )
    descriptor = CapabilityDescriptor(
        **header.members(name),
        subject=device.subject,
        operating_point=device.operating_point,
        software=device.software,
        engines=tuple(_engines(device.engines, measured)),
        memories=tuple(_memories(device.memories, measured)),
        ops=device.ops,
        queues=device.queues,
        power=found.power if found else None,
        ports=found.ports if found else (),
        partitions=found.partitions if found else None,
        provenance=(
            *device.provenance,
            *_told(found),
            *_measured(device, measured, digest(record.to_json())),
        ),
    )
    return ProbedDevice(name, descriptor, record)


def system(
    devices: Sequence[ProbedDevice], header: Header, labels: Sequence[str] = ()
) -> SystemDescriptor:
    """Return the system of the devices of one host, which share its processor and its memory.

    Args:
        devices: The devices.
        header: What it has in common with their documents.
        labels: Places that the host belongs to.
    """
    views = {d.name: _shared_bandwidth(d) for d in devices}
    return SystemDescriptor(
        **header.members("system"),
        nodes=tuple(
            Node(
                id=d.name,
                descriptor_digest=digest(d.descriptor.to_json()),
                contention_group=_silicon(d),
                labels=tuple(labels),
            )
            for d in devices
        ),
        memory_views=tuple(
            MemoryView(initiator=a.name, target=b.name, bytes_per_s=rate, coherent=True)
            for a, b in permutations(devices, 2)
            if _domain(a) == _domain(b) is not None and (rate := views[a.name]) is not None
        ),
    )


def _told(found: Found | None) -> Iterator[Provenance]:
    """Yield where power, ports and partitions come from."""
    taken = [name for name in ("power", "ports", "partitions") if getattr(found, name, None)]
    for source in found.provenance if found else ():
        paths = [path for path in source.paths if path.split("/")[1:2] in [[n] for n in taken]]
        if "" in source.paths:
            paths = [f"/{name}" for name in taken]
        if paths:
            yield source.replace(paths=tuple(paths))


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _harness_digest() -> str:
    """Return the digest of the code that chose the work and took the times."""
    sources = [Path(m.__file__).read_bytes() for m in (micro, workloads) if m.__file__]
    return digest_bytes(b"".join(sources))


def _engines(engines: Sequence[Engine], measured: Measured) -> Iterator[Engine]:
    """Yield the engines; the first, which ran the products, with the measured rate."""
    for position, engine in enumerate(engines):
        rate = measured.rate()
        if position == 0 and rate is not None:
            row = Rate(
                a="f32", b="f32", acc="f32", out="f32", sparsity="dense", peak_ops_per_s=rate
            )
            yield engine.replace(rates=(*engine.rates, row))
        else:
            yield engine


def _main_memory(memories: Sequence[Memory]) -> int | None:
    return next((i for i, m in enumerate(memories) if m.role in ("SHARED", "DEVICE")), None)


def _memories(memories: Sequence[Memory], measured: Measured) -> Iterator[Memory]:
    for position, memory in enumerate(memories):
        if position == _main_memory(memories) and (rate := measured.bandwidth()) is not None:
            yield memory.replace(combined_bytes_per_s=rate)
        else:
            yield memory


def _measured(device: DescribedDevice, measured: Measured, record: str) -> Iterator[Provenance]:
    paths = []
    if measured.rate() is not None:
        paths.append("/engines/0/rates")
    memory = _main_memory(device.memories)
    if measured.bandwidth() is not None and memory is not None:
        paths.append(f"/memories/{memory}/combined_bytes_per_s")
    if paths:
        yield Provenance(paths=tuple(paths), basis="MEASURED", measurement_ref=record)


def _shared_bandwidth(device: ProbedDevice) -> int | None:
    memories = device.descriptor.memories
    position = _main_memory(memories)
    return None if position is None else memories[position].combined_bytes_per_s


def _domain(device: ProbedDevice) -> str | None:
    memories = device.descriptor.memories
    position = _main_memory(memories)
    return None if position is None else memories[position].coherence_domain


def _silicon(device: ProbedDevice) -> str | None:
    """Return the group of nodes that are one piece of silicon: a host processor's."""
    if device.descriptor.subject.device_class != "cpu":
        return None
    unit = device.descriptor.subject.unit_id or ""
    return f"cpu-{unit.partition(':')[0]}"
