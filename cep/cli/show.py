"""``cep show``: print a plan for people."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from acp import files
from acp.cli.inputs import open_input
from acp.cli.options import FILE
from acp.cli.output import Command, Outcome, about, one_line
from cep.cli.inputs import plan_argument, read_document, summary
from cep.v1.plan import Plan

if TYPE_CHECKING:
    from acp.cli.inputs import Input
    from cep.v1.plan import Step


@click.command(
    cls=Command, example="cep show plan.dsse.json\ncep show plan.dsse.json --html plan.html"
)
@plan_argument
@click.option(
    "--html",
    "page",
    type=FILE,
    help="Write a page that draws the plan: steps in order, waits, and buffers over time.",
)
def show(plan_file: Path, page: Path | None) -> Outcome:
    """Print PLAN: what it computes, on which devices, in which steps.

    PLAN may be signed or not; signatures are not checked: that is 'cep verify'.
    """
    from cep.planner.promises import in_words

    plan = read_document(plan_file, Plan)
    opened = open_input(plan_file)
    if page is not None:
        return _drawn(plan_file, plan, opened, page)
    lines = [
        f"plan    {plan.uri} revision {plan.revision} by {plan.issuer}{opened.caveat}",
        f"digest  {opened.identity}",
        f"graph   {plan.source.graph_digest} from {plan.source.capture_tool or 'an unnamed tool'}",
        f"valid   {plan.not_before or plan.issued_at} to {plan.expires_at}",
        f"what    {summary(plan)}",
        f"promise {in_words(plan.constraints)}",
        *(f"rewrite {line}" for line in _rewrites(plan)),
        *_stream(plan),
        *_guards(plan),
        *(f"symbol  {s.name}: {s.min} to {s.max}" for s in plan.symbols),
        *_bindings(plan),
        *(f"device  {d.slot}: {d.descriptor_digest or d.predicate}" for d in plan.devices),
        *(f"arena   {a.id}: {a.bytes} bytes in {a.memory} of {a.device}" for a in plan.arenas),
        *(_step(plan, i, step) for i, step in enumerate(plan.steps)),
    ]
    return Outcome(
        text="\n".join(one_line(line) for line in lines),
        data={"digest": opened.identity, "plan": plan.to_json()},
    )


def _drawn(file: Path, plan: Plan, opened: Input, page: Path) -> Outcome:
    from cep import report

    with about(file):
        facts = report.plan_view(plan, opened.identity, opened.caveat)
    files.write(page, report.plan_page(facts))
    return Outcome(text=f"wrote {page}", data={"digest": opened.identity, "written": [str(page)]})


def _rewrites(plan: Plan) -> list[str]:
    """Return what was done to the source graph, by rule, as the plan's log says it."""
    from cep.rewrite import FOLD, KIND, Log, RewriteError

    lines = []
    for entry in plan.evidence:
        if entry.kind == KIND:
            try:
                log = Log.of(entry)
            except RewriteError as error:
                lines.append(f"a log that cannot be read: {error}")
                continue
            used = Counter(rule for rule, _ in log.rewrites if rule != FOLD)
            lines += [f"{count}×{rule}" for rule, count in sorted(used.items())]
            lines += [f"{value} was folded" for rule, value in log.rewrites if rule == FOLD]
    return lines


def _stream(plan: Plan) -> list[str]:
    if plan.stream is None:
        return []
    count, copies = plan.stream.microbatches, plan.stream.ring_depth
    return [f"stream  {count} micro-batches, which take turns with {copies} copies of the arenas"]


def _guards(plan: Plan) -> list[str]:
    """Return what is watched while the plan runs, and what follows."""
    safety = plan.safety
    if safety is None:
        return []
    watched = ["failures"]
    if safety.watchdog_ppm is not None:
        watched.append(f"more than {safety.watchdog_ppm / 1e6:g} times the p99")
    watched += ["numbers that are none"] if safety.nan_guard else []
    watched += [f"{x.quantity} of {x.device} above {x.max}" for x in safety.limits]
    return [f"guard   {', '.join(watched)}: {safety.on_trip or 'nothing is said'} follows"]


def _bindings(plan: Plan) -> list[str]:
    values = {v.id: v for v in plan.values}
    return [
        f"{what:<7} {b.name}: {values[b.value].dtype}[{', '.join(values[b.value].shape)}]"
        if b.value in values
        else f"{what:<7} {b.name}: undefined value {b.value}"
        for what, bindings in (("input", plan.inputs), ("output", plan.outputs))
        for b in bindings
    ]


def _step(plan: Plan, index: int, step: Step) -> str:
    waits = "".join(
        f", after {w.queue}@{w.epoch}" + (f" of {w.lag} micro-batches before" if w.lag else "")
        for w in step.waits
    )
    estimate = f", about {step.estimate.p50_ns / 1e6:.3f} ms" if step.estimate else ""
    if step.run is not None:
        ops = [plan.ops[i].target for i in step.run.ops if i < len(plan.ops)]
        common = Counter(name.rpartition(":")[2] for name in ops).most_common(4)
        what = f"run {len(ops)} ops ({', '.join(f'{n}×{name}' for name, n in common)}, …)"
    elif step.transfer is not None:
        what = f"transfer over {step.transfer.link or 'the device itself'}"
    elif step.collective is not None:
        what = f"{step.collective.kind} in group {step.collective.group}"
    else:
        what = "call"
    others = ", ".join(alternate.queue for alternate in step.alternates)
    instead = f", or else on {others}" if others else ""
    return f"step    {index} on {step.queue}: {what}{estimate}{waits}{instead}"
