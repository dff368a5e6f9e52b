"""``cep verify``: prove a plan safe for the devices it names."""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from typing_extensions import override

from acp import files
from acp.cli.explain import answer
from acp.cli.options import FILE, load_policy, now_option, policy_option
from acp.cli.output import Command, Finding, Outcome, about, one_line
from cep.cli.explain import rules
from cep.cli.inputs import (
    bind_option,
    bindings,
    descriptors_option,
    envelopes,
    is_signed,
    means,
    plan_argument,
    read_document,
    store_beside,
    store_option,
    summary,
)

if TYPE_CHECKING:
    from cep.verify import Report

_FINDINGS: Final = "findings"
_CODE: Final = re.compile(r"[A-Za-z]{3}-[A-Za-z]\d+")
_MOST_EXPLAINED: Final = 20
"""Places that are explained at most."""
_OF_MEANING: Final = frozenset(
    {"CEP-O1", "CEP-O3", "CEP-O4", "CEP-R2", *(f"CEP-M{n}" for n in range(2, 8))}
)
"""Rules whose breach a run of the abstract machine shows."""
_MOST_STATES: Final = 5_000
"""States of the abstract machine that are looked at for a short run that goes wrong."""


class _Verify(Command):
    """A command whose ``--explain`` takes the next word only if that is a code."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let ``--explain`` without a code stand in front of the plan."""
        words = [
            f"--explain={_FINDINGS}" if word == "--explain" and not _CODE.fullmatch(then) else word
            for word, then in zip(args, [*args[1:], ""], strict=True)
        ]
        return super().parse_args(ctx, words)


def _asked(ctx: click.Context, _: click.Parameter, value: str | None) -> bool:
    """Answer at once where a rule is asked for; else say whether findings are to be explained."""
    if value not in (None, _FINDINGS):
        _Verify.answer(ctx, answer(rules([str(value)])))
    return value is not None


@click.command(
    cls=_Verify,
    example=(
        "cep verify plan.dsse.json --descriptors devices --policy policy.json\n"
        "cep verify plan.json --unsigned --descriptors devices --policy policy.json --explain\n"
        "cep verify --explain CEP-M3"
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
@click.option(
    "--explain",
    metavar="[CODE]",
    callback=_asked,
    help="Explain what refuses PLAN: the rule, and the steps, bytes, waits or types. With CODE, "
    "only print that rule.",
)
@bind_option
@now_option
def verify(
    *,
    plan_file: Path,
    descriptor_paths: tuple[Path, ...],
    policy_file: Path,
    store: Path | None,
    unsigned: bool,
    explain: bool,
    source_file: Path | None,
    status_files: tuple[Path, ...],
    chosen: tuple[str, ...],
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
        binding=bindings(chosen),
        recompute=means(),
        unsigned=unsigned,
    )
    if unsigned and report.plan is None and is_signed(plan_file):
        raise click.UsageError("PLAN is signed: leave --unsigned out")
    return _outcome(plan_file, report, time.perf_counter() - began, explain=explain)


def _outcome(plan_file: Path, report: Report, seconds: float, *, explain: bool) -> Outcome:
    findings = [Finding(d, str(plan_file)) for d in report.diagnostics]
    data: dict[str, object] = {
        "rules": list(report.rules),
        "nanoseconds": round(seconds * 1e9),
    }
    if report.plan is None or not report.ok:
        codes = ", ".join(dict.fromkeys(d.code for d in report.diagnostics))
        text = f"{plan_file}: refused by {codes}"
        if explain:
            told, data["explanations"] = _explained(report)
            wrong, data["interleaving"] = _interleaving(report)
            text = "\n\n".join(filter(None, (text, told, wrong)))
        return Outcome(text, data, findings)
    data |= {
        "digest": report.plan_digest,
        "graph_digest": report.plan.source.graph_digest,
        "binding": dict(report.binding),
    }
    chosen = [
        f"{device.slot} is bound to {report.binding[device.slot]}\n"
        for device in report.plan.devices
        if device.predicate is not None
    ]
    text = (
        f"{plan_file}: accepted: plan {report.plan_digest}\n"
        f"{summary(report.plan)}\n"
        f"{''.join(chosen)}"
        f"{len(report.rules)} rules hold, in {seconds * 1000:.1f} ms: feasible given these "
        "descriptors"
    )
    return Outcome(text, data, findings)


def _explained(report: Report) -> tuple[str, list[dict[str, object]]]:
    """Return the rules that refuse a plan, each with the places where it does."""
    from cep.findings import explain_finding, same_places

    shown = same_places(report.diagnostics)
    texts: list[str] = []
    data: list[dict[str, object]] = []
    for rule in rules(tuple(dict.fromkeys(d.code for d in shown))):
        texts.append(rule.in_words(example=False))
        places: list[dict[str, object]] = []
        for finding in [d for d in shown if d.code == rule.code][:_MOST_EXPLAINED]:
            lines = explain_finding(report.plan, finding) if report.plan is not None else ()
            place = (
                f"  At {one_line(finding.path or 'the whole plan')}: {one_line(finding.message)}"
            )
            texts.append("\n".join([place, *(f"    - {one_line(line)}" for line in lines)]))
            places.append({"path": finding.path, "lines": list(lines)})
        data.append({**rule.as_json(), "places": places})
    return "\n\n".join(texts), data


def _interleaving(report: Report) -> tuple[str, dict[str, object] | None]:
    """Return a run of the plan that goes wrong, if it is small enough to be found."""
    if report.plan is None or not any(d.code in _OF_MEANING for d in report.diagnostics):
        return "", None
    from cep.machine import explain

    found = explain(report.plan, limit=_MOST_STATES)
    if found is None:
        return "", None
    events = [f"  {n}. {one_line(event)}" for n, event in enumerate(found.events, 1)]
    text = "\n".join(["A run that goes wrong:", *events, f"  => {one_line(found.fault)}"])
    return text, {"events": list(found.events), "fault": found.fault}
