"""``cep receipt``: check receipts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from acp import files
from acp.cli.options import FILE, load_policy, now_option, policy_option
from acp.cli.output import Command, Finding, Outcome

if TYPE_CHECKING:
    from acp.policy import TrustPolicy
    from cep.receipt import ReceiptReport, TensorDigest
    from cep.v1.graph import Binding
    from cep.v1.plan import Plan


@click.group()
def receipt() -> None:
    """Check receipts: what ran, on what, with which result."""


@receipt.command(
    cls=Command,
    example=(
        "cep receipt verify receipt.json --plan plan.dsse.json --policy policy.json\n"
        "cep receipt verify receipt.json --plan plan.dsse.json --policy policy.json "
        "--inputs x.npz --outputs y.npz"
    ),
)
@click.argument("file", metavar="RECEIPT", type=FILE)
@click.option(
    "--plan", "plan_file", type=FILE, required=True, help="The plan, bare or in its envelope."
)
@policy_option
@click.option(
    "--inputs",
    "input_files",
    type=FILE,
    multiple=True,
    help="The inputs, to compare with what was signed, .npz. Can be repeated: one run each.",
)
@click.option(
    "--outputs", "output_file", type=FILE, help="The outputs, as 'cep run' writes them, .npz."
)
@now_option
def verify(
    file: Path,
    plan_file: Path,
    policy_file: Path,
    input_files: tuple[Path, ...],
    output_file: Path | None,
    now: datetime,
) -> Outcome:
    """Check signature, plan, devices, step chain and times of RECEIPT.

    With the inputs or outputs at hand, their roots are recomputed as well. Where the receipt
    covers a multiple of the given runs, they are taken to have been repeated in their order.
    """
    from cep.receipt import verify_receipt

    policy = load_policy(policy_file)
    envelope, plan = files.read(file), files.read(plan_file)
    report = verify_receipt(envelope, plan, policy=policy, now=now)
    if report.ok and report.plan is not None and report.receipt is not None:
        bound, runs = report.plan, report.receipt.runs
        report = verify_receipt(
            envelope,
            plan,
            policy=policy,
            now=now,
            inputs=_inputs(input_files, bound, runs),
            outputs=_outputs(output_file, bound, runs),
        )
    where = [(str(plan_file) if d.message.startswith("the plan: ") else str(file), d)
             for d in report.diagnostics]  # fmt: skip
    return Outcome(
        text=_text(report) if report.ok else "",
        data=_data(report, policy),
        findings=[Finding(diagnostic, name) for name, diagnostic in where],
    )


def _inputs(paths: Sequence[Path], plan: Plan, runs: int) -> list[tuple[TensorDigest, ...]] | None:
    from cep.arrays import read_npz, summaries
    from cep.receipt import by_plan_order

    if not paths:
        return None
    names = _names(plan.inputs)
    return _repeated([by_plan_order(summaries(read_npz(path)), names) for path in paths], runs)


def _outputs(path: Path | None, plan: Plan, runs: int) -> list[tuple[TensorDigest, ...]] | None:
    from cep.arrays import read_npz, split_runs, summaries
    from cep.receipt import by_plan_order

    if path is None:
        return None
    names = _names(plan.outputs)
    given = [by_plan_order(summaries(one), names) for one in split_runs(read_npz(path))]
    return _repeated(given, runs)


def _names(bindings: Sequence[Binding]) -> list[str]:
    return [binding.name for binding in bindings]


def _repeated(given: list[tuple[TensorDigest, ...]], runs: int) -> list[tuple[TensorDigest, ...]]:
    return given * (runs // len(given)) if given and runs % len(given) == 0 else given


def _data(report: ReceiptReport, policy: TrustPolicy) -> dict[str, object]:
    data: dict[str, object] = {"plan": report.plan_digest, "keyids": list(report.keyids)}
    if report.receipt is not None:
        data |= {
            "issuer": report.receipt.issuer,
            "runs": report.receipt.runs,
            "started_at": report.receipt.started_at,
            "finished_at": report.receipt.finished_at,
            "recomputed": list(report.recomputed),
            "simulated": report.simulated,
            "signatures_checked": not policy.accepts_anything,
        }
    return data


def _text(report: ReceiptReport) -> str:
    receipt = report.receipt
    if receipt is None:
        return ""
    runs = "1 run" if receipt.runs == 1 else f"{receipt.runs} runs"
    lines = [
        f"the receipt holds: {runs} of plan {report.plan_digest}",
        f"  by {receipt.issuer}, {receipt.started_at} to {receipt.finished_at}",
        *(f"  {one.slot}: {one.unit_id} through {one.adapter}" for one in receipt.binding),
        f"  recomputed: {', '.join(report.recomputed)}",
    ]
    if report.simulated:
        lines.append("  a device was simulated: this is no result about hardware")
    return "\n".join(lines)
