"""``acp probe``: find the devices of this machine, describe them, and measure them briefly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from acp import files
from acp.cli.options import domain, labels
from acp.cli.output import Command, Finding, Outcome, note, progress
from acp.diagnostics import Diagnostic, FileRefusedError, Severity
from reference_runtime.probe.options import OWN, allow_option, folder_option, validity_option
from reference_runtime.probe.sources import SOURCES

if TYPE_CHECKING:
    from acp.message import Message
    from reference_runtime.adapter import Adapter, DescribedDevice
    from reference_runtime.probe.documents import Header, ProbedDevice
    from reference_runtime.probe.micro import Effort
    from reference_runtime.probe.sources.found import Found
    from reference_runtime.registry import InstalledAdapter


@click.command(
    cls=Command,
    example=(
        "acp probe -o devices --issuer example.com\n"
        "acp sign devices/torch-cpu.descriptor.json --key vendor.pem \\\n"
        "    -o devices/torch-cpu.descriptor.dsse.json\n"
        "acp probe --inventory"
    ),
)
@folder_option("documents")
@click.option(
    "--issuer",
    default="example.local",
    show_default=True,
    metavar="DOMAIN",
    callback=domain,
    help="DNS name of who publishes the documents.",
)
@validity_option("documents", 30)
@click.option(
    "--label",
    "places",
    multiple=True,
    metavar="LABEL",
    callback=labels,
    help="Place that the devices belong to, such as eu or rack-7; a plan can demand that data stay "
    "there. Can be repeated.",
)
@click.option("--quick", is_flag=True, help="Measure for a tenth of the time; less exact.")
@click.option(
    "--adapter",
    "names",
    multiple=True,
    metavar="NAME",
    help="Probe with this adapter. Can be repeated. [default: all that are allowed]",
)
@allow_option
@click.option(
    "--source",
    "sources",
    multiple=True,
    type=click.Choice(tuple(SOURCES)),
    help="Look for devices with this library. Can be repeated. [default: all]",
)
@click.option(
    "--inventory", is_flag=True, help="Only list what is here: measure nothing, write nothing."
)
def probe(
    output: Path,
    issuer: str,
    validity_days: int,
    places: tuple[str, ...],
    quick: bool,
    names: tuple[str, ...],
    distributions: tuple[str, ...],
    sources: tuple[str, ...],
    inventory: bool,
) -> Outcome:
    """Find the devices of this machine; describe and measure those that an adapter drives.

    Says for every library that can tell of devices what it found, or why it found nothing. Writes
    ADAPTER.descriptor.json and ADAPTER.measurement.json for each device and software stack, and
    system.json for all of them; 'acp sign' signs them. Each stack is measured in turn: on one
    machine they share silicon. 'acp measure' measures longer, and more.
    """
    from acp.rules import Context, check
    from reference_runtime.probe import listing
    from reference_runtime.probe.documents import Header, system
    from reference_runtime.probe.inventory import ask, driving
    from reference_runtime.probe.micro import FULL, QUICK

    now = datetime.now(UTC).replace(microsecond=0)
    header = Header(issuer, now, timedelta(days=validity_days))
    if not inventory:
        make_directory(output)
    answers = ask(sources or tuple(SOURCES), watched=lambda them: progress(them, "sources"))
    here = [one for answer in answers for one in answer.found]
    missing: dict[str, str] = {}
    driven_here = [
        (label, adapter, device)
        for name, adapter in allowed_adapters(names, {OWN, *distributions}, missing)
        for label, device in described(name, adapter)
    ]
    driven = {one.unit_id: driving(one, [(n, d) for n, _, d in driven_here]) for one in here}
    listed = listing.as_text(answers, driven)
    data = listing.as_data(answers, driven)
    skipped = [f"skipped {name}: {reason}" for name, reason in missing.items()]
    if inventory:
        return Outcome("\n".join([listed, *skipped]), {**data, "skipped": missing})
    if not driven_here:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
        message = (
            f"no adapter drives a device here ({reasons or 'no adapter is installed'}); "
            f"install the device stacks with: pip install '{OWN}[adapters]'"
        )
        finding = Finding(Diagnostic("RUN-A2", Severity.ERROR, "", message))
        return Outcome(listed, {**data, "skipped": missing}, [finding])
    devices = [
        _probe(label, adapter, device, header, QUICK if quick else FULL, here)
        for label, adapter, device in driven_here
    ]
    documents: dict[str, Message] = {}
    for device in devices:
        documents[f"{device.name}.descriptor.json"] = device.descriptor
        documents[f"{device.name}.measurement.json"] = device.record
    documents["system.json"] = system(devices, header, places)
    findings = []
    for name, document in documents.items():
        path = output / name
        files.write(path, (json.dumps(document.to_json(), indent=2) + "\n").encode())
        findings += [Finding(f, str(path)) for f in check(document, Context(now=now))]
    return Outcome(
        text="\n".join([listed, "", *_table(devices, output), *skipped]),
        data={
            **data,
            "devices": [_summary(device, output) for device in devices],
            "system": str(output / "system.json"),
            "skipped": missing,
        },
        findings=findings,
    )


def make_directory(path: Path) -> None:
    """Make a directory for documents, and those above it.

    Raises:
        FileRefusedError: That is not possible (ENV-F2).
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot be made: {error.strerror}"
        diagnostic = Diagnostic("ENV-F2", Severity.ERROR, "", message)
        raise FileRefusedError(str(path), diagnostic) from error


def allowed_adapters(
    names: Sequence[str], allowed: set[str], missing: dict[str, str]
) -> Iterator[tuple[str, Adapter]]:
    """Yield the adapters to probe with.

    An adapter that was not asked for by name and whose stack is not installed is noted in
    `missing`; every other failure is one.
    """
    from reference_runtime.registry import StackMissingError, activate, installed, select

    found = installed()
    for name in dict.fromkeys(names or _allowed_names(found, allowed)):
        try:
            yield name, activate(select(found, name, allowed=allowed))
        except StackMissingError as error:
            if names:
                raise
            missing[name] = error.diagnostics[0].message
            note(f"{name}: skipped: {missing[name]}")


def _allowed_names(found: Sequence[InstalledAdapter], allowed: set[str]) -> list[str]:
    from reference_runtime.registry import normalised

    permitted = {normalised(d) for d in allowed}
    return [a.name for a in found if a.distribution in permitted]


def described(name: str, adapter: Adapter) -> Iterator[tuple[str, DescribedDevice]]:
    """Yield the devices that an adapter drives, each with its name in documents."""
    devices = adapter.describe()
    for number, device in enumerate(devices):
        yield name if len(devices) == 1 else f"{name}-{number}", device


def _probe(
    label: str,
    adapter: Adapter,
    device: DescribedDevice,
    header: Header,
    effort: Effort,
    here: Sequence[Found],
) -> ProbedDevice:
    """Return the documents about a device, with what its driver tells of it."""
    from reference_runtime.probe.documents import probed
    from reference_runtime.probe.inventory import driving
    from reference_runtime.probe.micro import measure
    from reference_runtime.probe.workloads import workloads

    note(f"{label}: {device.subject.model}, {device.unit_id}")
    measured = measure(adapter, device, effort, progress(workloads(), "operations"))
    for reason in measured.skipped:
        note(f"{label}: not measured: {reason}")
    same = [found for found in here if driving(found, [(label, device)])]
    return probed(label, device, measured, header, same[0] if same else None)


def _summary(device: ProbedDevice, output: Path) -> dict[str, object]:
    """Return what ``--format json`` says of a device. 64-bit integers are decimal strings."""
    from acp.canonical import digest

    rate, bandwidth, call = _numbers(device)
    return {
        "name": device.name,
        "unit_id": device.descriptor.subject.unit_id,
        "model": device.descriptor.subject.model,
        "descriptor": str(output / f"{device.name}.descriptor.json"),
        "descriptor_digest": digest(device.descriptor.to_json()),
        "measurement": str(output / f"{device.name}.measurement.json"),
        "measurement_digest": digest(device.record.to_json()),
        "f32_ops_per_s": None if rate is None else str(rate),
        "memory_bytes_per_s": None if bandwidth is None else str(bandwidth),
        "call_ns": None if call is None else str(call),
    }


def _numbers(device: ProbedDevice) -> tuple[int | None, int | None, int | None]:
    """Return the f32 rate that was claimed, and medians of memory bandwidth and call overhead."""
    points = device.record.points

    def median(unit: str, op: str = "") -> int | None:
        return next((p.p50 for p in points if p.unit == unit and p.op.startswith(op)), None)

    rates = [rate.peak_ops_per_s for rate in device.descriptor.engines[0].rates]
    return max(rates, default=None), median("BYTES_PER_S"), median("NANOSECONDS", "call")


def _table(devices: Sequence[ProbedDevice], output: Path) -> list[str]:
    from acp.quantities import binary, decimal
    from reference_runtime.probe.listing import table

    rows = [("described", "stack", "f32", "memory", "call", "cores", "size")]
    for device in devices:
        rate, bandwidth, call = _numbers(device)
        descriptor = device.descriptor
        main = [m for m in descriptor.memories if m.role in ("SHARED", "DEVICE")]
        software = descriptor.software[0]
        rows.append(
            (
                device.name,
                f"{software.component} {software.version_range.lstrip('=')}",
                "-" if rate is None else decimal(rate, "op/s"),
                "-" if bandwidth is None else decimal(bandwidth, "B/s"),
                "-" if call is None else f"{call / 1000:.1f} µs",
                str(descriptor.engines[0].count or "-"),
                binary(size) if main and (size := main[0].usable_bytes) else "-",
            )
        )
    return [*table(rows), f"{2 * len(devices) + 1} documents in {output}"]
