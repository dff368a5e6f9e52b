"""``cep compile``: turn an exported model into a plan for devices."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from acp import canonical
from acp.cli import files
from acp.cli.options import FILE, output_option
from acp.cli.output import Command, Outcome, about, note
from acp.diagnostics import Refused
from acp.v1.system import SystemDescriptor
from cep.cli.inputs import (
    described,
    descriptors_option,
    read_document,
    store_beside,
    store_option,
    summary,
)

if TYPE_CHECKING:
    from cep.planner.compile import Compiled, Regions
    from cep.v1.graph import Graph
    from cep.v1.plan import Source


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
@click.option("--issuer", default="localhost.localdomain", show_default=True, metavar="DOMAIN")
@click.option("--uri", help="Name of this line of plans. [default: urn:cep:plan:MODEL]")
@click.option("--revision", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--valid-days", type=click.IntRange(1, 3650), default=30, show_default=True)
@click.option(
    "--regions",
    type=click.Choice(["auto", "one", "spread"]),
    default="auto",
    show_default=True,
    help="auto: cut where it pays. one: all on the best device. spread: use every device.",
)
@click.option("--device", "only", multiple=True, metavar="SLOT", help="Use these devices only.")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="SYMBOL=N",
    help="Typical size of a symbol, to plan for. [default: the middle of its range]",
)
@click.option(
    "--tolerance-ppb",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Allowed relative difference from the model, in parts per billion.",
)
@click.option("--deterministic", is_flag=True, help="Same inputs must give the same bits.")
@click.option("--graph", "graph_file", type=FILE, help="Also write the captured graph here.")
@store_option
def compile_(  # noqa: PLR0917 - one parameter an option
    model: Path,
    system_file: Path,
    descriptor_paths: tuple[Path, ...],
    output: Path,
    issuer: str,
    uri: str | None,
    revision: int,
    valid_days: int,
    regions: Regions,
    only: tuple[str, ...],
    sizes: tuple[str, ...],
    tolerance_ppb: int,
    deterministic: bool,
    graph_file: Path | None,
    store: Path | None,
) -> Outcome:
    """Turn MODEL into a plan for the devices of a system.

    MODEL is what torch.export.save wrote (.pt2), or a graph that --graph wrote (.json), which needs
    no PyTorch. Weights go to the store, named by digest. The plan is not signed yet: 'cep verify
    --unsigned' proves it, 'cep sign' signs it. Costs come from the measurement records that the
    descriptors refer to; signatures are not checked here, since nothing is believed: the verifier
    checks them.
    """
    from cep.planner.compile import Options, compile_plan
    from cep.planner.devices import devices

    system = read_document(system_file, SystemDescriptor)
    known = described(descriptor_paths)
    usable = devices(system, known.descriptors, known.records)
    options = Options(
        issuer=issuer,
        uri=uri or f"urn:cep:plan:{model.stem}",
        revision=revision,
        issued_at=datetime.now(UTC).replace(microsecond=0),
        validity=timedelta(days=valid_days),
        regions=regions,
        only=only,
        sizes=_sizes(sizes),
        tolerance_ppb=tolerance_ppb,
        deterministic=deterministic,
    )
    graph, source = _graph(model, store_beside(output, store))
    if graph_file is not None:
        files.write(graph_file, canonical.canonicalize(graph.to_json()))
    compiled = compile_plan(graph, source, usable, system, options)
    for phase in compiled.phases:
        note(f"{phase.name}: {phase.outcome} ({phase.seconds * 1000:.1f} ms)")
    files.write(output, canonical.canonicalize(compiled.plan.to_json()))
    return _outcome(output, compiled)


def _outcome(output: Path, compiled: Compiled) -> Outcome:
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
        },
    )


def _graph(model: Path, store: Path) -> tuple[Graph, Source]:
    from cep.graph import graph_digest
    from cep.store import Store
    from cep.v1.graph import Graph
    from cep.v1.plan import Source

    if model.suffix == ".json":
        graph = read_document(model, Graph)
        return graph, Source(graph_digest=graph_digest(graph))
    from cep.capture.archive import load
    from cep.capture.exported import capture

    began = time.perf_counter()
    with about(model):
        program = load(model)
        captured = capture(program)
    Store(store).add(captured.weights)
    note(
        f"capture: {captured.nodes_before} nodes of {captured.tool} became "
        f"{len(captured.graph.ops)} operations of CEP-Core ({time.perf_counter() - began:.1f} s)"
    )
    return captured.graph, captured.source(graph_digest(captured.graph))


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
