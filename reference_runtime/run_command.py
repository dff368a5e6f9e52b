"""``cep run``: run a signed plan over arrays in files, and sign a receipt of it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acp import files
from acp.cli.inputs import expand
from acp.cli.options import FILE, domain, load_policy, load_private_key, passphrase_option
from acp.cli.output import Command, Finding, Outcome, about, progress
from acp.diagnostics import Diagnostic, FileRefusedError, Severity
from acp.dsse import RECEIPT
from cep.cli.inputs import bind_option, bindings
from reference_runtime.beside import (
    default_descriptors,
    default_policy,
    descriptors_option,
    policy_option,
    store_option,
)

if TYPE_CHECKING:
    from acp.keys import PrivateKey
    from acp.policy import TrustPolicy
    from reference_runtime.runtime import BoundPlan

_MILLION = 1e6


@click.command(
    cls=Command,
    example=(
        "cep run plan.dsse.json --inputs x.npz --outputs y.npz --receipt receipt.json\n"
        "cep run plan.dsse.json --inputs 1.npz --inputs 2.npz --outputs y.npz "
        "--receipt receipt.json --policy policy.json --key operator.pem --timeline timeline.json"
    ),
)
@click.argument("plan", type=FILE)
@click.option(
    "--inputs",
    "input_files",
    type=FILE,
    multiple=True,
    required=True,
    help="Inputs of one run by name, .npz. Can be repeated: one run each; of a stream, one "
    "micro-batch each.",
)
@click.option(
    "--outputs",
    "output_file",
    type=FILE,
    required=True,
    help="Where the outputs go, .npz: by name; of several runs as 0/NAME, 1/NAME and so on.",
)
@click.option("--receipt", "receipt_file", type=FILE, required=True, help="Where the receipt goes.")
@descriptors_option
@store_option
@policy_option
@click.option(
    "--key",
    "key_file",
    type=FILE,
    envvar="CEP_KEY",
    help="Private key that signs the receipt, PEM. [default: $CEP_KEY]",
)
@passphrase_option
@click.option(
    "--issuer",
    metavar="DOMAIN",
    envvar="CEP_ISSUER",
    callback=domain,
    help="Who runs the plan. [default: $CEP_ISSUER, or for whom the policy grants the key]",
)
@click.option(
    "--repeat",
    type=click.IntRange(1, 1_000_000),
    default=1,
    show_default=True,
    help="Run the inputs this many times, for better statistics.",
)
@bind_option
@click.option("--timeline", "timeline_file", type=FILE, help="Where the times of the steps go.")
def run(  # noqa: PLR0913, PLR0917 - one parameter an option
    plan: Path,
    input_files: tuple[Path, ...],
    output_file: Path,
    receipt_file: Path,
    descriptor_paths: tuple[Path, ...],
    store_folder: Path | None,
    policy_file: Path | None,
    key_file: Path | None,
    passphrase_file: Path | None,
    issuer: str | None,
    repeat: int,
    chosen: tuple[str, ...],
    timeline_file: Path | None,
) -> Outcome:
    """Verify PLAN, run it on the devices that it names, and sign a receipt.

    PLAN is a plan in its signed envelope. Nothing runs unless it verifies, its devices are here,
    and the files to be written can be written.
    """
    from cep.arrays import read_npz, write_npz
    from cep.store import Store
    from reference_runtime.runtime import Runtime

    beside = plan.parent
    policy = load_policy(policy_file or default_policy(beside))
    if key_file is None:
        raise click.UsageError("no key to sign the receipt with: give --key, or set CEP_KEY")
    key = load_private_key(key_file, passphrase_file)
    issuer = issuer or _granted_issuer(policy, key)
    written = [path for path in (output_file, receipt_file, timeline_file) if path is not None]
    if len({path.resolve() for path in written}) < len(written):
        raise click.UsageError("--outputs, --receipt and --timeline must name different files")
    for path in written:
        _require_writable(path)
    given = [read_npz(path) for path in input_files]
    envelope, binding = files.read(plan), bindings(chosen)
    descriptors = [
        files.read(path) for path in expand(descriptor_paths or default_descriptors(beside))
    ]
    with Runtime(policy=policy) as runtime:
        with about(plan):
            bound = runtime.load(
                envelope,
                descriptors=descriptors,
                store=Store(store_folder or beside / "store"),
                binding=binding,
                progress=progress,
            )
        runs: list[Mapping[str, Any]] = []
        stream = bound.plan.stream
        size = stream.microbatches if stream is not None else 1
        if len(given) % size:
            raise click.UsageError(
                f"the plan is a stream of {size} micro-batches: give --inputs {size} times, or a "
                "multiple of that"
            )
        turns = range(0, len(given), size)
        for number in progress(range(len(turns) * repeat), "runs"):
            first = turns[number % len(turns)]
            with about(plan):
                if stream is not None:
                    outputs = bound.run_stream(given[first : first + size])
                else:
                    outputs = [_run(bound, given[first], input_files[first])]
            if number < len(turns):
                runs += outputs
        warnings = [Finding(found, str(plan)) for found in bound.admitted.diagnostics]
        history = bound.history
        receipt = bound.receipt(key, issuer)
        write_npz(output_file, _named(runs))
        files.write(receipt_file, receipt.to_bytes())
        if timeline_file is not None:
            files.write(timeline_file, _timeline(bound))
        times = sorted(record.ended_ns - record.began_ns for record in history)
        data = {
            "plan": bound.admitted.digest,
            "runs": len(given) * repeat,
            "outputs": str(output_file),
            "receipt": str(receipt_file),
            "issuer": issuer,
            "p50_ns": times[len(times) // 2],
            "devices": [
                device.binding().to_json() | {"model": device.present.described.subject.model}
                for device in bound.admitted.devices
            ],
        }
    return Outcome(text=_text(data), data=data, findings=warnings)


def _run(bound: BoundPlan, given: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Run once; a refusal of the inputs is about their file, any other about the plan."""
    from reference_runtime.binding import InputError

    try:
        return bound.run(given)
    except InputError as refusal:
        raise FileRefusedError(str(file), *refusal.diagnostics) from refusal


def _granted_issuer(policy: TrustPolicy, key: PrivateKey) -> str:
    """Return the one issuer whose receipts the policy lets this key sign."""
    granted = {
        issuer
        for grant in policy.grants
        if RECEIPT in grant.document_types and key.public.keyid in grant.keyids
        for issuer in grant.issuers
        if not issuer.startswith("*.")
    }
    if len(granted) != 1:
        if not granted:
            raise click.UsageError(
                f"the policy lets the key {key.public.keyid} sign receipts of no single issuer: "
                "give another --key, extend the policy with 'acp policy add --type receipt', or "
                "say with --issuer who runs the plan"
            )
        listed = ", ".join(sorted(granted))
        raise click.UsageError(f"give --issuer: the policy lets this key sign receipts of {listed}")
    return granted.pop()


def _require_writable(path: Path) -> None:
    """Refuse, before anything runs, a file that could not be written afterwards.

    Raises:
        FileRefusedError: ENV-F2.
    """
    reason = ""
    if path.is_dir():
        reason = "is a folder"
    elif path.exists() and not os.access(path, os.W_OK):
        reason = "is write-protected"
    else:
        try:
            with tempfile.TemporaryFile(dir=path.resolve().parent):
                pass
        except OSError as error:
            reason = error.strerror or str(error)
    if reason:
        diagnostic = Diagnostic("ENV-F2", Severity.ERROR, "", f"cannot be written: {reason}")
        raise FileRefusedError(str(path), diagnostic)


def _named(runs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the outputs of one run as they are, of several with the number of the run."""
    if len(runs) == 1:
        return runs[0]
    return {
        f"{number}/{name}": array
        for number, outputs in enumerate(runs)
        for name, array in outputs.items()
    }


def _timeline(bound: BoundPlan) -> bytes:
    form = {
        "plan": bound.admitted.digest,
        "runs": [record.form() for record in bound.history],
    }
    return json.dumps(form, separators=(",", ":")).encode()


def _text(data: Mapping[str, Any]) -> str:
    devices = [
        f"  {one['slot']}: {one['model']} through {one['adapter']}"
        + (" (simulated: no result about hardware)" if one.get("simulated") else "")
        for one in data["devices"]
    ]
    runs = "1 run" if data["runs"] == 1 else f"{data['runs']} runs"
    return "\n".join(
        (
            f"{runs} of plan {data['plan']}, median {data['p50_ns'] / _MILLION:.3f} ms, on",
            *devices,
            f"wrote {data['outputs']} and {data['receipt']}, signed for {data['issuer']}",
        )
    )
