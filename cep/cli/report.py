"""``cep report``: write a run as one page of HTML."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from acp import files
from acp.cli.options import FILE, load_policy, now_option, output_option
from acp.cli.output import Command, Finding, Outcome, about


@click.command(
    cls=Command,
    example=(
        "cep report receipt.json --plan plan.dsse.json --policy policy.json -o report.html\n"
        "cep report receipt.json --plan plan.dsse.json --policy policy.json "
        "--timeline timeline.json -o report.html --trace trace.json"
    ),
)
@click.argument("file", metavar="RECEIPT", type=FILE)
@click.option(
    "--plan", "plan_file", type=FILE, required=True, help="The plan, bare or in its envelope."
)
@click.option(
    "--policy",
    "policy_file",
    type=FILE,
    envvar="CEP_POLICY",
    help="Trust policy. Without one no signature is checked, and the page says so. "
    "[default: $CEP_POLICY, or policy.json beside PLAN]",
)
@click.option(
    "--timeline", "timeline_file", type=FILE, help="Times of runs, from 'cep run --timeline'."
)
@click.option(
    "--trace", "trace_file", type=FILE, help="Also write a Chrome trace, for Perfetto; needs times."
)
@output_option
@now_option
def report(
    file: Path,
    plan_file: Path,
    policy_file: Path | None,
    timeline_file: Path | None,
    trace_file: Path | None,
    output: Path,
    now: datetime,
) -> Outcome:
    """Check RECEIPT and show the run on one self-contained page.

    The page is written even if the receipt does not hold, and says so; then the exit status is 1.
    """
    from acp.policy import TrustPolicy
    from cep import report as pages

    if trace_file is not None and timeline_file is None:
        raise click.UsageError("--trace needs --timeline, which 'cep run --timeline' writes")
    from cep.receipt import verify_receipt

    beside = plan_file.parent / "policy.json"
    if policy_file is None and beside.exists():
        policy_file = beside
    policy = load_policy(policy_file) if policy_file else TrustPolicy.unsafe_accept_anything()
    checked = verify_receipt(files.read(file), files.read(plan_file), policy=policy, now=now)
    timeline = None
    if timeline_file is not None and checked.plan is not None:
        with about(timeline_file):
            timeline = pages.Timeline.from_bytes(
                files.read(timeline_file), checked.plan_digest, len(checked.plan.steps)
            )
    with about(file):
        facts = pages.view(checked, timeline)
    files.write(output, pages.page(facts))
    written = [str(output)]
    if trace_file is not None:
        files.write(trace_file, pages.trace(facts))
        written.append(str(trace_file))
    return Outcome(
        text=f"wrote {' and '.join(written)}",
        data={"plan": checked.plan_digest, "written": written},
        findings=[Finding(diagnostic, str(file)) for diagnostic in checked.diagnostics],
    )
