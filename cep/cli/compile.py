"""``cep compile``: turn an exported model into a plan for devices."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import click

from acp import canonical, files
from acp.cli.inputs import expand, json_of
from acp.cli.options import FILE, MAX_UINT64, domain, output_option, uri
from acp.cli.output import Command, Outcome, about, note
from acp.diagnostics import Refused
from acp.v1.system import SystemDescriptor
from cep.cli.guards import guard_options
from cep.cli.inputs import (
    descriptors_option,
    read_document,
    store_beside,
    store_option,
    summary,
)
from cep.cli.passes import chosen, pass_options
from cep.cli.promises import promise_options
from cep.cli.streams import stream_options

if TYPE_CHECKING:
    from cep.compiler import CompiledModel
    from cep.planner.compile import Regions
    from cep.planner.guarding import Guards
    from cep.planner.promises import Promises
    from cep.v1.plan import Stream

_MAX_STEM: Final = 128


@click.command(
    cls=Command,
    name="compile",
    example=(
        "cep compile model.pt2 --system devices/system.json --descriptors devices -o plan.json\n"
        "cep compile model.pt2 --system devices/system.json --descriptors devices -o plan.json "
        "--regions spread --size s0=8 --size s1=128"
    ),
)
@click.argument("model", type=FILE)
@click.option(
    "--system",
    "system_file",
    type=FILE,
    required=True,
    help="System descriptor: the devices to plan for, and what connects them.",
)
@descriptors_option
@output_option
@click.option(
    "--issuer",
    default="localhost.localdomain",
    show_default=True,
    metavar="DOMAIN",
    callback=domain,
    help="DNS name of who makes the plan; a trust policy says whose keys sign for it.",
)
@click.option(
    "--uri",
    "line",
    callback=uri,
    metavar="URI",
    help="Name of this line of plans. [default: urn:cep:plan:MODEL]",
)
@click.option(
    "--revision",
    type=click.IntRange(1, MAX_UINT64),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of the plan in its line; a newer one has a higher one.",
)
@click.option(
    "--validity-days",
    type=click.IntRange(1, 3650),
    default=30,
    show_default=True,
    metavar="N",
    help="Days for which the plan holds.",
)
@click.option(
    "--regions",
    type=click.Choice(["auto", "one", "spread"]),
    default="auto",
    show_default=True,
    help="auto: cut where it pays. one: all on the best device. spread: use every device.",
)
@click.option(
    "--device",
    "only",
    multiple=True,
    metavar="NODE",
    help="Use this device only, by the name of its node in the system descriptor. Can be repeated.",
)
@click.option(
    "--require",
    "demands",
    multiple=True,
    metavar="NODE=CONDITION",
    help="Let the plan be for any device in the place of NODE whose descriptor meets CONDITION, "
    "such as 'memories[hbm].usable_bytes >= 80000000000'. Can be repeated.",
)
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="SYMBOL=N",
    help="Typical size of a symbol, to plan for; the plan runs at every size. Can be repeated. "
    "[default: the middle of its range]",
)
@click.option("--deterministic", is_flag=True, help="Same inputs must give the same bits.")
@click.option("--graph", "graph_file", type=FILE, help="Also write the captured graph here.")
@promise_options
@guard_options
@stream_options
@pass_options
@store_option
def compile_(  # noqa: PLR0917 - one parameter an option
    model: Path,
    system_file: Path,
    descriptor_paths: tuple[Path, ...],
    output: Path,
    issuer: str,
    line: str | None,
    revision: int,
    validity_days: int,
    regions: Regions,
    only: tuple[str, ...],
    demands: tuple[str, ...],
    sizes: tuple[str, ...],
    deterministic: bool,
    graph_file: Path | None,
    promises: Promises,
    guards: Guards,
    stream: Stream | None,
    names: tuple[str, ...],
    store: Path | None,
    **values: int,
) -> Outcome:
    """Turn MODEL into a plan for the devices of a system.

    MODEL is what torch.export.save wrote (.pt2), or a graph that --graph wrote (.json), which needs
    no PyTorch. Weights go to the store, named by digest. What passes do to the graph is written
    down in the plan, so that the verifier can do it again (CEP-E2). The plan is not signed yet:
    'cep verify --unsigned' proves it, 'cep sign' signs it. Costs come from the measurement records
    that the descriptors refer to; signatures are not checked here, since nothing is believed: the
    verifier checks them.
    """
    from cep.compiler import DeviceDocuments, compile_model, plan_bytes
    from cep.planner.compile import Options
    from cep.store import Store

    system = read_document(system_file, SystemDescriptor)
    known = DeviceDocuments.read(map(json_of, expand(descriptor_paths, yaml=True)))
    options = Options(
        issuer=issuer,
        uri=line or f"urn:cep:plan:{quote(model.stem[:_MAX_STEM])}",
        revision=revision,
        validity=timedelta(days=validity_days),
        regions=regions,
        only=only,
        predicates=_predicates(demands),
        sizes=_sizes(sizes),
        promises=promises,
        deterministic=deterministic,
        guards=guards,
        stream=stream,
    )
    weights = Store(store_beside(output, store))
    with about(model):
        compiled = compile_model(
            model,
            known,
            store=weights,
            options=options,
            system=system,
            passes=chosen(names, values),
        )
    for phase in compiled.phases:
        note(f"{phase.name}: {phase.outcome} ({phase.seconds * 1000:.1f} ms)")
    if graph_file is not None:
        files.write(graph_file, canonical.canonicalize(compiled.graph.to_json()))
    files.write(output, plan_bytes(compiled.plan))
    return _outcome(output, compiled)


def _outcome(output: Path, compiled: CompiledModel) -> Outcome:
    identity = canonical.digest(compiled.plan.to_json())
    text = f"wrote {output}: plan {identity}\n{summary(compiled.plan)}"
    return Outcome(
        text=text,
        data={
            "output": str(output),
            "digest": identity,
            "graph_digest": compiled.plan.source.graph_digest,
            "phases": [
                {"name": p.name, "nanoseconds": round(p.seconds * 1e9), "outcome": p.outcome}
                for p in compiled.phases
            ],
            "passes": [
                {
                    "name": p.name,
                    "nanoseconds": round(p.seconds * 1e9),
                    "before": p.before,
                    "after": p.after,
                    "did": dict(p.did),
                }
                for p in compiled.passed
            ],
        },
    )


def _predicates(pairs: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        slot, _, predicate = pair.partition("=")
        if not slot or not predicate or slot in found:
            raise click.UsageError(
                f"--require takes NODE=CONDITION, each node once; found {pair!r}"
            )
        found[slot] = predicate
    return found


def _sizes(pairs: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for pair in pairs:
        name, equals, number = pair.partition("=")
        if not equals or not number.isascii() or not number.isdigit():
            raise click.UsageError(f"--size takes SYMBOL=N, such as s0=8; found {pair!r}")
        if len(number) > 15:  # noqa: PLR2004 - more than any size
            raise Refused.because("CEP-X6", f"size {number[:20]}… is too large")
        found[name] = int(number)
    return found
