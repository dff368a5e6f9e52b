"""``cep artifact``: compile the regions of a plan ahead of time, and compare such code again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acp import files
from acp.cli.inputs import expand
from acp.cli.options import FILE, load_policy, output_option
from acp.cli.output import Command, Finding, Outcome, about, progress
from reference_runtime.beside import (
    default_descriptors,
    default_policy,
    descriptors_option,
    policy_option,
    store_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cep.store import Store
    from reference_runtime.admission import AdmittedPlan
    from reference_runtime.precompile import Comparison

_plan = click.argument("plan", type=FILE)


@click.group()
def artifact() -> None:
    """Compile the regions of plans ahead of time, and compare such code with the reference."""


@artifact.command(
    cls=Command,
    example=(
        "cep artifact make plan.dsse.json -o compiled.json\n"
        "cep sign compiled.json --key planner.pem -o compiled.dsse.json"
    ),
)
@_plan
@descriptors_option
@store_option
@policy_option
@output_option
@click.option(
    "--samples",
    type=click.IntRange(1, 1024),
    default=3,
    show_default=True,
    help="Comparisons with the reference for each region.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=1,
    show_default=True,
    help="Where the inputs of the comparisons come from.",
)
@click.option(
    "--integers-below",
    type=click.IntRange(1, 2**31),
    default=2,
    show_default=True,
    help="Integer inputs are drawn from 0 up to this, which is excluded.",
)
def make(
    plan: Path,
    descriptor_paths: tuple[Path, ...],
    store_folder: Path | None,
    policy_file: Path | None,
    output: Path,
    samples: int,
    seed: int,
    integers_below: int,
) -> Outcome:
    """Compile the regions of PLAN here, wherever a device's stack can do that ahead of time.

    The code goes into the store under its digest, once it was compared with the reference
    semantics of its region. OUTPUT is the next revision of the plan, with artifacts and their
    certificates, not signed: sign it with 'cep sign'.
    """
    from cep.compiler import plan_bytes
    from reference_runtime.precompile import Drawing, precompile

    store = _store_of(plan, store_folder)
    with about(plan):
        admitted = _admit(plan, descriptor_paths, policy_file, store)
        drawing = Drawing.smallest(
            admitted.view.ranges, seed=seed, samples=samples, integers_below=integers_below
        )
        compiled, made = precompile(admitted, store, drawing, progress=progress)
    files.write(output, plan_bytes(compiled))
    text = [
        *_lines(made, admitted),
        f"wrote {output}: revision {compiled.revision}, not signed yet"
        if made
        else f"wrote {output} as it was: no device of the plan compiles ahead of time",
    ]
    data = {"output": str(output), "revision": str(compiled.revision), "artifacts": _forms(made)}
    return Outcome(text="\n".join(text), data=data, findings=_warnings(admitted, plan))


@artifact.command(cls=Command, example="cep artifact check compiled.dsse.json")
@_plan
@descriptors_option
@store_option
@policy_option
def check(
    plan: Path,
    descriptor_paths: tuple[Path, ...],
    store_folder: Path | None,
    policy_file: Path | None,
) -> Outcome:
    """Repeat the comparisons that the certificates of PLAN speak of, on the devices here.

    Each artifact is loaded, run on the inputs that its certificate says, and compared with the
    reference semantics of its region.
    """
    from reference_runtime.precompile import recheck

    store = _store_of(plan, store_folder)
    with about(plan):
        admitted = _admit(plan, descriptor_paths, policy_file, store)
        found = recheck(admitted, store, progress=progress)
    text = _lines(found, admitted) or ["the plan names no artifacts"]
    return Outcome(
        text="\n".join(text),
        data={"artifacts": _forms(found)},
        findings=_warnings(admitted, plan),
    )


def _store_of(plan: Path, folder: Path | None) -> Store:
    from cep.store import Store

    return Store(folder or plan.parent / "store")


def _admit(
    plan: Path, descriptor_paths: tuple[Path, ...], policy_file: Path | None, store: Store
) -> AdmittedPlan:
    from reference_runtime.admission import admit

    beside = plan.parent
    paths = descriptor_paths or default_descriptors(beside)
    return admit(
        files.read(plan),
        descriptors=[files.read(path) for path in expand(paths)],
        policy=load_policy(policy_file or default_policy(beside)),
        store=store,
        now=datetime.now(UTC),
    )


def _lines(made: Sequence[Comparison], admitted: AdmittedPlan) -> list[str]:
    limits = admitted.plan.constraints
    return [
        f"step {one.step} on {one.slot}: {one.nbytes} bytes, {one.artifact}; differs by "
        f"{one.worst} ({limits.numeric}, allowed {limits.numeric_tolerance or 0})"
        + ("" if one.claimed is None else f"; its certificate says {one.claimed}")
        for one in made
    ]


def _forms(made: Sequence[Comparison]) -> list[dict[str, Any]]:
    return [
        {
            "step": one.step,
            "device": one.slot,
            "artifact": one.artifact,
            "bytes": str(one.nbytes),
            "worst": str(one.worst),
        }
        | ({} if one.claimed is None else {"claimed": str(one.claimed)})
        for one in made
    ]


def _warnings(admitted: AdmittedPlan, plan: Path) -> list[Finding]:
    return [Finding(found, str(plan)) for found in admitted.diagnostics]
