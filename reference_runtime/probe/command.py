"""``acp probe``: find the devices of this machine, measure them, and describe them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from acp import files
from acp.cli.options import domain, labels
from acp.cli.output import Command, Finding, Outcome, note, progress
from acp.diagnostics import Diagnostic, FileRefusedError, Refused, Severity

if TYPE_CHECKING:
    from acp.message import Message
    from reference_runtime.adapter import Adapter
    from reference_runtime.probe.documents import Header, ProbedDevice
    from reference_runtime.probe.micro import Effort
    from reference_runtime.registry import InstalledAdapter

OWN: Final = "acp-cep"

_SCALES: Final = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


@click.command(
    cls=Command,
    example=(
        "acp probe -o devices --issuer example.com\n"
        "acp sign devices/torch-cpu.descriptor.json --key vendor.pem \\\n"
        "    -o devices/torch-cpu.descriptor.dsse.json"
    ),
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Directory for the documents. [default: the current one]",
)
@click.option(
    "--issuer",
    default="example.local",
    show_default=True,
    metavar="DOMAIN",
    callback=domain,
    help="DNS name of who publishes the documents.",
)
@click.option(
    "--validity-days",
    type=click.IntRange(1, 3650),
    default=30,
    show_default=True,
    help="Days for which the documents hold.",
)
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
@click.option(
    "--allow",
    "distributions",
    multiple=True,
    metavar="DISTRIBUTION",
    help=f"Load adapters of this distribution besides those of {OWN}. Can be repeated.",
)
def probe(
    output: Path,
    issuer: str,
    validity_days: int,
    places: tuple[str, ...],
    quick: bool,  # noqa: FBT001 - a click flag
    names: tuple[str, ...],
    distributions: tuple[str, ...],
) -> Outcome:
    """Describe and measure the devices that the installed adapters drive.

    Writes ADAPTER.descriptor.json and ADAPTER.measurement.json for each device and software stack,
    and system.json for all of them; 'acp sign' signs them. Each stack is measured in turn: on one
    machine they share silicon.
    """
    from acp.rules import Context, check
    from reference_runtime.probe.documents import Header, system
    from reference_runtime.probe.micro import FULL, QUICK

    now = datetime.now(UTC).replace(microsecond=0)
    header = Header(issuer, now, timedelta(days=validity_days))
    _make_directory(output)
    devices: list[ProbedDevice] = []
    missing: dict[str, str] = {}
    for name, adapter in _adapters(names, {OWN, *distributions}, missing):
        devices += _probe(name, adapter, header, QUICK if quick else FULL)
    if not devices:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
        raise Refused.because(
            "RUN-A2",
            f"no device was found ({reasons or 'no adapter is installed'}); "
            f"install the device stacks with: pip install '{OWN}[adapters]'",
        )
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
        text=_table(devices, missing, output),
        data={
            "devices": [_summary(device, output) for device in devices],
            "system": str(output / "system.json"),
            "skipped": missing,
        },
        findings=findings,
    )


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot be made: {error.strerror}"
        diagnostic = Diagnostic("ENV-F2", Severity.ERROR, "", message)
        raise FileRefusedError(str(path), diagnostic) from error


def _adapters(
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


def _probe(name: str, adapter: Adapter, header: Header, effort: Effort) -> list[ProbedDevice]:
    """Return the documents about every device that an adapter drives."""
    from reference_runtime.probe.documents import probed
    from reference_runtime.probe.micro import measure
    from reference_runtime.probe.workloads import workloads

    devices = adapter.describe()
    made = []
    for number, device in enumerate(devices):
        label = name if len(devices) == 1 else f"{name}-{number}"
        note(f"{label}: {device.subject.model}, {device.unit_id}")
        measured = measure(adapter, device, effort, progress(workloads(), "operations"))
        for reason in measured.skipped:
            note(f"{label}: not measured: {reason}")
        made.append(probed(label, device, measured, header))
    return made


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
    """Return f32 rate, memory bandwidth and call overhead: medians of the record."""
    points = device.record.points

    def median(unit: str, op: str = "") -> int | None:
        return next((p.p50 for p in points if p.unit == unit and p.op.startswith(op)), None)

    return median("OPS_PER_S"), median("BYTES_PER_S"), median("NANOSECONDS", "call")


def _table(devices: Sequence[ProbedDevice], missing: dict[str, str], output: Path) -> str:
    rows = [("device", "stack", "f32", "memory", "call", "cores", "size")]
    for device in devices:
        rate, bandwidth, call = _numbers(device)
        descriptor = device.descriptor
        main = [m for m in descriptor.memories if m.role in ("SHARED", "DEVICE")]
        software = descriptor.software[0]
        rows.append(
            (
                device.name,
                f"{software.component} {software.version_range.lstrip('=')}",
                _scaled(rate, "op/s"),
                _scaled(bandwidth, "B/s"),
                "-" if call is None else f"{call / 1000:.1f} µs",
                str(descriptor.engines[0].count or "-"),
                _scaled(main[0].usable_bytes if main else None, "B"),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    models = sorted({d.descriptor.subject.model for d in devices})
    lines.append(f"{', '.join(models)}: {2 * len(devices) + 1} documents in {output}")
    lines += [f"skipped {name}: {reason}" for name, reason in missing.items()]
    return "\n".join(lines)


def _scaled(value: int | None, unit: str) -> str:
    if value is None:
        return "-"
    for scale, prefix in _SCALES:
        if value >= scale:
            return f"{value / scale:.1f} {prefix}{unit}"
    return f"{value} {unit}"
