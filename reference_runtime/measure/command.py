"""``acp measure``: measure a device, and hold its descriptor's claims against what was seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from acp import files
from acp.cli.options import FILE, domain, load_private_key, passphrase_option
from acp.cli.output import Command, Finding, Outcome, about, note, progress
from acp.diagnostics import Diagnostic, Refused, Severity, StructureError
from reference_runtime.probe.command import allowed_adapters, described, make_directory
from reference_runtime.probe.options import OWN, allow_option, folder_option, validity_option

if TYPE_CHECKING:
    from acp.keys import PrivateKey
    from acp.message import Message
    from acp.v1.capability import CapabilityDescriptor
    from reference_runtime.measure.claims import Claim
    from reference_runtime.measure.jobs import Job, Seen
    from reference_runtime.measure.present import Present
    from reference_runtime.measure.records import Made

FAMILIES: Final = ("rates", "operations", "memory")
"""What can be measured, in this order."""


@click.command(
    cls=Command,
    example=(
        "acp measure devices/torch-cpu.descriptor.json -o devices --issuer example.com\n"
        "acp measure devices/torch-cpu.descriptor.json -o devices --issuer example.com \\\n"
        "    --adopt devices/torch-cpu.descriptor.json\n"
        "acp validate devices/torch-cpu.descriptor.json --with devices"
    ),
)
@click.argument("descriptor_file", metavar="[DESCRIPTOR]", type=FILE, required=False)
@click.option(
    "--device",
    "adapter_name",
    metavar="ADAPTER",
    help="Measure the device that this adapter drives; needed without DESCRIPTOR.",
)
@allow_option
@folder_option("records")
@click.option(
    "--issuer",
    metavar="DOMAIN",
    callback=domain,
    help="DNS name of who publishes the records. [default: the descriptor's issuer, or "
    "example.local]",
)
@click.option(
    "--relation",
    type=click.Choice(("OPERATOR", "VENDOR", "THIRD_PARTY"), case_sensitive=False),
    default="OPERATOR",
    show_default=True,
    help="What you are to the device.",
)
@validity_option("records", 365)
@click.option(
    "--budget",
    type=click.FloatRange(min=0.1, max=86_400),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Time to measure in. What it does not suffice for is said.",
)
@click.option(
    "--only",
    "families",
    multiple=True,
    type=click.Choice(FAMILIES),
    help="Measure rates of matrix products, times of operations, or memories. Can be repeated. "
    "[default: all]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="What the data are drawn with.",
)
@click.option(
    "--adopt",
    type=FILE,
    metavar="FILE",
    help="Write the next revision of DESCRIPTOR: what was measured becomes its claims where it "
    "claimed less, or nothing.",
)
@click.option(
    "--plot", type=FILE, metavar="FILE", help="Draw bandwidths and rates by size: .svg, .png, .pdf."
)
@click.option(
    "--key",
    "key_files",
    type=FILE,
    multiple=True,
    help="Sign the records with this private key, PEM. Can be repeated.",
)
@passphrase_option
def measure(
    descriptor_file: Path | None,
    adapter_name: str | None,
    distributions: tuple[str, ...],
    output: Path,
    issuer: str | None,
    relation: str,
    validity_days: int,
    budget: float,
    families: tuple[str, ...],
    seed: int,
    adopt: Path | None,
    plot: Path | None,
    key_files: tuple[Path, ...],
    passphrase_file: Path | None,
) -> Outcome:
    """Measure a device, write records, and compare them with the claims of DESCRIPTOR.

    Measured are rates of matrix products by dtype, times of operations by size, and for processors
    the bandwidth and latency of each cache and of main memory. NAME.measured.json has everything,
    and NAME.MEMORY-read.measured.json and its like what is about one claim. Where a claim is
    surpassed (ACP-V02) the exit status is 1. Ctrl-C ends the measurement and keeps what was seen.
    """
    from reference_runtime.measure import claims, products, records
    from reference_runtime.measure.drawing import draw, ready
    from reference_runtime.probe.documents import Header

    if descriptor_file is None and adapter_name is None:
        raise click.UsageError("give a DESCRIPTOR, or --device ADAPTER, or both")
    if adopt is not None and descriptor_file is None:
        raise click.UsageError("--adopt needs a DESCRIPTOR to make the next revision of")
    if plot is not None:
        ready(plot)
    descriptor = None if descriptor_file is None else _descriptor(descriptor_file)
    keys = [load_private_key(path, passphrase_file) for path in key_files]
    make_directory(output)
    one = _present(descriptor, descriptor_file, adapter_name, {OWN, *distributions})
    note(f"{one.name}: {one.device.subject.model}, {one.device.unit_id}")
    seen, parameters = _measure(one, families or FAMILIES, budget, seed)
    for line in _why(seen):
        note(f"{one.name}: not measured: {line}")
    if not seen.points:
        reasons = "; ".join(_why(seen))
        raise Refused.because("RUN-M2", f"{one.name}: nothing was measured; {reasons}")
    now = datetime.now(UTC).replace(microsecond=0)
    publisher = issuer or (descriptor.issuer if descriptor else "example.local")
    circumstances = records.Circumstances(
        one.name,
        descriptor.subject if descriptor else one.device.subject,
        one.device,
        Header(publisher, now, timedelta(days=validity_days)),
        relation.upper(),
        parameters,
    )
    multiplied = products.products(one.device)
    claimed = descriptor or one.device
    found = claims.claims(claimed.engines, claimed.memories, multiplied, seen.points)
    made = list(records.records(circumstances, seen.points, found))
    written = [_write(output, f"{r.name}.measured", r.record, keys) for r in made]
    findings = _judged(descriptor, made, now, str(descriptor_file))
    verdicts = {f.diagnostic.path: f.diagnostic.code for f in findings}
    if descriptor is not None and adopt is not None:
        references = {r.about: _digest(r.record) for r in made}
        revised = claims.adopted(descriptor, found, multiplied, references)
        findings = _adopt(adopt, _revision(revised, descriptor, now), made, now, publisher)
    if plot is not None:
        draw(plot, one.device, seen.points)
    if seen.interrupted:
        findings.append(_interrupted(seen))
    return Outcome(
        text="\n".join([*_table(found, verdicts), *_summary(seen, written, adopt, plot)]),
        data={
            "device": one.name,
            "unit_id": one.device.unit_id,
            "records": written,
            "claims": [_claim_data(claim, verdicts) for claim in found],
            "not_measured": seen.skipped,
            "interrupted": seen.interrupted,
            **({"adopted": str(adopt)} if adopt else {}),
            **({"plot": str(plot)} if plot else {}),
        },
        findings=findings,
    )


def _descriptor(path: Path) -> CapabilityDescriptor:
    from acp.cli.inputs import open_input
    from acp.v1.capability import CapabilityDescriptor

    opened = open_input(path)
    with about(path):
        document = opened.document()
        if not isinstance(document, CapabilityDescriptor):
            reason = f"found a {type(document).__name__}; what can be measured is a descriptor"
            raise StructureError.because("ENV-S3", reason)
    return document


def _present(
    descriptor: CapabilityDescriptor | None,
    file: Path | None,
    adapter_name: str | None,
    allowed: set[str],
) -> Present:
    """Return the device to measure.

    Raises:
        Refused: It is not here, or is not the one (RUN-A1, RUN-A2, RUN-D1, RUN-D2).
    """
    from reference_runtime.measure.present import Present, the_one

    missing: dict[str, str] = {}
    names = (adapter_name,) if adapter_name else ()
    here = [
        Present(label, adapter, device)
        for name, adapter in allowed_adapters(names, allowed, missing)
        for label, device in described(name, adapter)
    ]
    if descriptor is not None:
        with about(file):
            return the_one(here, descriptor)
    if not here:
        raise Refused.because("RUN-A2", f"adapter {adapter_name!r} drives no device here")
    if len(here) > 1:
        units = ", ".join(one.device.unit_id for one in here)
        reason = f"adapter {adapter_name!r} drives {len(here)} devices: {units}; give a DESCRIPTOR"
        raise Refused.because("RUN-A2", reason)
    return here[0]


def _measure(
    one: Present, families: Sequence[str], budget: float, seed: int
) -> tuple[Seen, dict[str, int]]:
    from reference_runtime.measure.jobs import carry_out
    from reference_runtime.measure.present import all_cores

    with all_cores(one.device) as threads:
        jobs = [
            job for family in FAMILIES if family in families for job in _jobs(family, one, seed)
        ]
        seen = carry_out(jobs, budget, lambda these: progress(these, "measurements"))
    parameters = {"seed": seed, "budget_ms": round(budget * 1000)}
    return seen, parameters | ({"threads": threads} if threads else {})


def _jobs(family: str, one: Present, seed: int) -> list[Job]:
    from reference_runtime.measure import hierarchy, operations, products

    match family:
        case "rates":
            return products.jobs(one.adapter, one.device, seed)
        case "operations":
            return operations.jobs(one.adapter, one.device, seed)
        case _:
            return hierarchy.jobs(one.device, seed)


def _why(seen: Seen) -> list[str]:
    """Return what was not measured, by reason."""
    names: dict[str, list[str]] = {}
    for name, reason in seen.skipped.items():
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(those)}: {reason}" for reason, those in names.items()]


def _write(
    folder: Path, name: str, document: Message, keys: Sequence[PrivateKey]
) -> dict[str, str]:
    """Write a document, signed if there are keys; return what the answer says of it."""
    from acp import dsse

    text = (json.dumps(document.to_json(), indent=2) + "\n").encode()
    path = folder / (f"{name}.dsse.json" if keys else f"{name}.json")
    signed = dsse.sign(text, type(document).PAYLOAD_TYPE, keys).to_bytes() if keys else text
    files.write(path, signed)
    return {"file": str(path), "digest": _digest(document)}


def _digest(document: Message) -> str:
    from acp.canonical import digest

    return digest(document.to_json())


def _judged(
    descriptor: CapabilityDescriptor | None, made: Sequence[Made], now: datetime, file: str
) -> list[Finding]:
    """Return which claims the records contradict (ACP-V02) or leave far behind (ACP-V03)."""
    from acp.holdings import Holdings
    from acp.rules import Context, check

    if descriptor is None:
        return []
    held = Holdings.of(one.record for one in made)
    found = check(descriptor, Context(now=now, held=held))
    return [Finding(one, file) for one in found if one.code in ("ACP-V02", "ACP-V03")]


def _revision(
    revised: CapabilityDescriptor, before: CapabilityDescriptor, now: datetime
) -> CapabilityDescriptor:
    return revised.replace(
        revision=before.revision + 1,
        issued_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        not_before=None,
        supersedes=_digest(before),
    )


def _adopt(
    path: Path,
    revised: CapabilityDescriptor,
    made: Sequence[Made],
    now: datetime,
    publisher: str,
) -> list[Finding]:
    """Write a descriptor, and return what is wrong with it.

    Whether the records verify that others of its claims refer to is not asked: they are not here.
    """
    from acp.holdings import Holdings
    from acp.rules import Context, check

    if revised.issuer != publisher:
        note(f"the descriptor stays one by {revised.issuer}, the records are by {publisher}")
    held = Holdings.of(one.record for one in made)
    files.write(path, (json.dumps(revised.to_json(), indent=2) + "\n").encode())
    ours = set(held.records or ())
    theirs = {
        f"/provenance/{i}/measurement_ref"
        for i, entry in enumerate(revised.provenance)
        if entry.measurement_ref not in ours
    }
    found = check(revised, Context(now=now, held=held))
    return [
        Finding(one, str(path))
        for one in found
        if not (one.code == "ACP-V01" and one.path in theirs)
    ]


def _interrupted(seen: Seen) -> Finding:
    message = (
        f"interrupted; the {len(seen.points)} points that were measured till then are written, "
        f"{len(seen.skipped)} measurements are missing"
    )
    return Finding(Diagnostic("RUN-M1", Severity.ERROR, "", message))


def _table(found: Sequence[Claim], verdicts: Mapping[str, str]) -> list[str]:
    """Return claims beside what was measured."""
    from reference_runtime.probe.listing import table

    rows = [("claim", "stated", "measured", "of it", "verdict")]
    for claim in found:
        share = "-"
        if claim.stated and claim.measured is not None:
            share = f"{100 * claim.measured // claim.stated} %"
        stated, measured = (_shown(n, claim.unit) for n in (claim.stated, claim.measured))
        rows.append((claim.words, stated, measured, share, _verdict(claim, verdicts)))
    return table(rows) if len(rows) > 1 else []


def _shown(number: int | None, unit: str) -> str:
    from acp.quantities import decimal

    if number is None:
        return "-"
    return f"{number} ns" if unit == "ns" else decimal(number, unit)


def _verdict(claim: Claim, verdicts: Mapping[str, str]) -> str:
    at = (claim.path, f"{claim.path}/peak_ops_per_s")
    code = next((verdicts[path] for path in at if path in verdicts), None)
    if code is not None:
        return f"{'surpassed' if code == 'ACP-V02' else 'far from reached'} ({code})"
    if claim.stated is None:
        return "not claimed"
    return "not measured" if claim.measured is None else "ok"


def _claim_data(claim: Claim, verdicts: Mapping[str, str]) -> dict[str, object]:
    """Return what ``--format json`` says of a claim. 64-bit integers are decimal strings."""
    return {
        "path": claim.path,
        "about": claim.words,
        "unit": claim.unit,
        "stated": None if claim.stated is None else str(claim.stated),
        "measured": None if claim.measured is None else str(claim.measured),
        "verdict": _verdict(claim, verdicts),
    }


def _summary(
    seen: Seen, written: Sequence[Mapping[str, str]], adopt: Path | None, plot: Path | None
) -> Iterator[str]:
    yield f"{len(seen.points)} points in {len(written)} records, the first is {written[0]['file']}"
    if seen.skipped:
        yield f"{len(seen.skipped)} measurements were not made, for the reasons above"
    if adopt is not None:
        yield f"wrote {adopt}, which claims what was measured"
    if plot is not None:
        yield f"drew {plot}"
