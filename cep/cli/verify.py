"""``cep verify``: prove a plan safe for the devices it names."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from acp import files
from acp.cli.options import FILE, load_policy, now_option, policy_option
from acp.cli.output import Command, Finding, Outcome, about
from cep.cli.inputs import (
    descriptors_option,
    envelopes,
    plan_argument,
    read_document,
    store_beside,
    store_option,
    summary,
)

if TYPE_CHECKING:
    from cep.verify import Report


@click.command(
    cls=Command,
    example=(
        "cep verify plan.dsse.json --descriptors devices --policy policy.json\n"
        "cep verify plan.json --unsigned --descriptors devices --policy policy.json"
    ),
)
@plan_argument
@descriptors_option
@policy_option
@store_option
@click.option(
    "--unsigned", is_flag=True, help="PLAN is not signed yet: check everything but CEP-I1."
)
@click.option(
    "--source",
    "source_file",
    type=FILE,
    help="Graph that 'cep compile --graph' wrote, to compare the plan with (CEP-E1).",
)
@click.option(
    "--status",
    "status_files",
    type=FILE,
    multiple=True,
    help="Signed status list that may revoke descriptors. Can be repeated.",
)
@now_option
def verify(
    plan_file: Path,
    descriptor_paths: tuple[Path, ...],
    policy_file: Path,
    store: Path | None,
    unsigned: bool,
    source_file: Path | None,
    status_files: tuple[Path, ...],
    now: datetime,
) -> Outcome:
    """Prove that PLAN is safe to run on the devices it names.

    Checks signature, digests, types, structure, memory, order, capabilities and equivalence with
    the source graph, for every admissible size and every timing. "Accepted" means feasible given
    these descriptors. Nothing is run, and no tensor library is loaded.
    """
    from acp.acceptance import accept_status_list
    from cep.store import Store
    from cep.v1.graph import Graph
    from cep.verify import verify as judge

    policy = load_policy(policy_file)
    lists = []
    for path in status_files:
        with about(path):
            lists.append(accept_status_list(files.read(path), policy, now=now))
    data = files.read(plan_file)
    documents = envelopes(descriptor_paths)
    source = None if source_file is None else read_document(source_file, Graph)
    began = time.perf_counter()
    report = judge(
        data,
        descriptors=documents,
        policy=policy,
        now=now,
        store=Store(store_beside(plan_file, store)),
        status_lists=lists,
        source=source,
        unsigned=unsigned,
    )
    return _outcome(plan_file, report, time.perf_counter() - began)


def _outcome(plan_file: Path, report: Report, seconds: float) -> Outcome:
    findings = [Finding(d, str(plan_file)) for d in report.diagnostics]
    data: dict[str, object] = {
        "rules": list(report.rules),
        "nanoseconds": round(seconds * 1e9),
    }
    if report.plan is None or not report.ok:
        codes = ", ".join(dict.fromkeys(d.code for d in report.diagnostics))
        return Outcome(f"{plan_file}: refused by {codes}", data, findings)
    data |= {"digest": report.plan_digest, "graph_digest": report.plan.source.graph_digest}
    text = (
        f"{plan_file}: accepted: plan {report.plan_digest}\n"
        f"{summary(report.plan)}\n"
        f"{len(report.rules)} rules hold, in {seconds * 1000:.1f} ms: feasible given these "
        "descriptors"
    )
    return Outcome(text, data, findings)
