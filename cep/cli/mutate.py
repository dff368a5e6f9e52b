"""``cep mutate``: plans with one fault each, to test a verifier with."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from acp import files
from acp.cli.inputs import open_input
from acp.cli.options import FILE, load_policy, now_option
from acp.cli.output import Command, Finding, Outcome, about
from acp.diagnostics import Diagnostic, Refused, Severity
from cep.cli.inputs import FOLDER, envelopes, means, store_beside, store_option

if TYPE_CHECKING:
    from acp.policy import TrustPolicy
    from cep.mutate import Judgement, Mutant, Tally


@click.command(
    cls=Command,
    example=(
        "cep mutate plan.json --count 100 -o mutants\n"
        "cep mutate plan.json --check --descriptors devices --policy policy.json\n"
        "cep mutate --list"
    ),
)
@click.argument("plan_file", metavar="[PLAN]", type=FILE, required=False)
@click.option("--list", "listed", is_flag=True, help="Print the operators and leave.")
@click.option(
    "--operator",
    "names",
    multiple=True,
    metavar="NAME",
    help="Use this operator. Can be repeated. [default: all]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses among the mutants.")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Most mutants to make.",
)
@click.option("-o", "--output", type=FOLDER, metavar="DIR", help="Folder to write mutants to.")
@click.option("--check", is_flag=True, help="Verify each mutant, and print what became of it.")
@click.option(
    "--descriptors",
    "descriptor_paths",
    type=FOLDER,
    multiple=True,
    metavar="DIR",
    help="With --check: folder of descriptors. Can be repeated.",
)
@click.option("--policy", "policy_file", type=FILE, help="With --check: the trust policy.")
@store_option
@now_option
def mutate(
    *,
    plan_file: Path | None,
    listed: bool,
    names: tuple[str, ...],
    seed: int,
    count: int,
    output: Path | None,
    check: bool,
    descriptor_paths: tuple[Path, ...],
    policy_file: Path | None,
    store: Path | None,
    now: datetime,
) -> Outcome:
    """Make plans that differ from PLAN in one place, each with a fault.

    A verifier must refuse them, but for those that mean the same as PLAN: with --check, such a
    mutant is accepted only if it is proven to be equivalent, and any other that is accepted is an
    error. Mutants are bare plans in canonical JSON, without a signature.
    """
    from cep.mutate import OPERATORS, Bench
    from cep.mutate import mutants as mutants_of
    from cep.store import Store

    if listed:
        return _operators()
    if plan_file is None or (output is None and not check):
        raise click.UsageError("name a PLAN, and -o DIR or --check; or give --list.")
    if unknown := [name for name in names if name not in OPERATORS]:
        raise click.UsageError(f"there is no operator {unknown[0]!r}; --list prints them.")
    if check and (not descriptor_paths or policy_file is None):
        raise click.UsageError("--check needs --descriptors and --policy.")
    payload = _plan(plan_file)
    chosen = names or tuple(OPERATORS)
    if policy_file is None or not check:
        found = list(mutants_of(payload, now=now, operators=chosen, seed=seed, count=count))
        return _written(found, output)
    policy: TrustPolicy = load_policy(policy_file)
    weights = Store(store_beside(plan_file, store))
    bench = Bench(payload, envelopes(descriptor_paths), policy, now, weights, means())
    if not bench.report.ok:
        return Outcome(
            f"{plan_file}: the plan itself is refused",
            findings=[Finding(d, str(plan_file)) for d in bench.report.diagnostics],
        )
    made = list(bench.mutants(chosen, seed=seed, count=count))
    lines = _written(made, output).text if output is not None else ""
    return _checked(plan_file, [bench.judge(mutant) for mutant in made], lines)


def _plan(path: Path) -> bytes:
    from cep.graph import GraphView
    from cep.v1.plan import Plan

    opened = open_input(path)
    with about(path):
        if opened.envelope is not None and opened.envelope.payload_type != Plan.PAYLOAD_TYPE:
            reason = f"found payload type {opened.envelope.payload_type!r}, not a plan's"
            raise Refused.because("ENV-E3", reason, "/payloadType")
        GraphView.of(Plan.from_text(opened.payload))
    return opened.payload


def _operators() -> Outcome:
    from cep.mutate import OPERATORS

    rows = [(o.name, " ".join(sorted(o.trips)), o.summary) for o in OPERATORS.values()]
    text = "\n".join(f"{name:22} {summary}\n{'':22} {trips}" for name, trips, summary in rows)
    data = [{"name": n, "rules": t.split(), "summary": s} for n, t, s in rows]
    return Outcome(text, {"operators": data})


def _written(made: list[Mutant], output: Path | None) -> Outcome:
    paths = []
    for number, mutant in enumerate(made if output is not None else ()):
        path = (output or Path()) / f"{number:06}-{mutant.operator.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, mutant.payload)
        paths.append(str(path))
    return Outcome(f"wrote {len(paths)} mutants to {output}", {"output": paths})


def _checked(plan_file: Path, judgements: list[Judgement], written: str) -> Outcome:
    from cep.mutate import Tally, Verdict

    tally: Tally = Tally()
    findings = []
    for judgement in judgements:
        tally.add(judgement)
        if judgement.verdict is Verdict.ACCEPTED:
            message = (
                f"{judgement.mutant.operator.name}: the verifier accepts this change, and it is "
                f"not proven harmless: {judgement.reason}"
            )
            where = judgement.mutant.change.where
            diagnostic = Diagnostic("MUT-A1", Severity.ERROR, where, message)
            findings.append(Finding(diagnostic, str(plan_file)))
    share = f"{tally.intended_ppm / 10_000:.2f} % of those that matter by the intended rule"
    data = {
        "mutants": tally.total(),
        "operators": {
            name: {v.name.lower(): counts[v] for v in Verdict}
            for name, counts in sorted(tally.counts.items())
        },
    }
    return Outcome("\n".join(filter(None, (written, tally.table(), share))), data, findings)
