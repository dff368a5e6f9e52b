"""What several commands read: plans, folders of descriptors, weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from acp import documents, files
from acp.canonical import decode
from acp.cli.inputs import expand, open_input
from acp.cli.options import FILE
from acp.cli.output import about
from acp.diagnostics import Diagnostic, FileRefusedError, Refused, Severity

if TYPE_CHECKING:
    from acp.message import Message
    from cep.rewrite import Recompute
    from cep.v1.plan import Plan

_DIGEST: Final = re.compile("sha256:[0-9a-f]{64}")

MessageT = TypeVar("MessageT", bound="Message")

FOLDER = click.Path(path_type=Path)

descriptors_option = click.option(
    "--descriptors",
    "descriptor_paths",
    type=FOLDER,
    multiple=True,
    required=True,
    metavar="DIR",
    help="Folder of descriptors and measurements, as 'acp probe' writes it. Can be repeated.",
)

store_option = click.option(
    "--store",
    type=FOLDER,
    metavar="DIR",
    help="Folder of weights, by digest. [default: 'store' beside the plan]",
)

bind_option = click.option(
    "--bind",
    "chosen",
    multiple=True,
    metavar="SLOT=DIGEST|FILE",
    help="Descriptor that a slot with a predicate is to stand for, by digest or as a file. Can be "
    "repeated.",
)

plan_argument = click.argument("plan_file", metavar="PLAN", type=FILE)


def bindings(pairs: Sequence[str]) -> dict[str, str]:
    """Return digests of descriptors by slot, from what ``--bind`` was given.

    Raises:
        click.UsageError: One is not SLOT=DIGEST or SLOT=FILE, or a slot is given twice.
        FileRefusedError: A file cannot be read or is malformed.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        slot, _, value = pair.partition("=")
        if not slot or not value or slot in found:
            raise click.UsageError(
                f"--bind takes SLOT=DIGEST or SLOT=FILE, each slot once; found {pair!r}"
            )
        found[slot] = value if _DIGEST.fullmatch(value) else open_input(Path(value)).identity
    return found


def envelopes(paths: Sequence[Path]) -> tuple[bytes, ...]:
    """Return the bytes of all envelopes in some folders, unchecked.

    Raises:
        FileRefusedError: A folder or file cannot be read (ENV-F1), a file is not strict JSON
            (ENV-J1 to ENV-J4), or no envelope is there.
    """
    found = [data for data in map(_envelope, expand(tuple(paths))) if data is not None]
    if not found:
        raise FileRefusedError(
            str(paths[0]),
            Diagnostic(
                "ENV-F1",
                Severity.ERROR,
                "",
                "there is no signed document here; 'acp sign' makes some",
            ),
        )
    return tuple(found)


def _envelope(path: Path) -> bytes | None:
    """Return the bytes of a file that holds an envelope, looking no further than its members.

    What is inside is for the verifier to say: a signature comes before what was signed.
    """
    data = files.read(path)
    with about(path):
        value = decode(data)
    return data if isinstance(value, dict) and "payloadType" in value else None


def read_document(path: Path, kind: type[MessageT]) -> MessageT:
    """Return a document from a bare file or from an envelope, without checking signatures.

    Raises:
        FileRefusedError: The file cannot be read or is malformed.
    """
    from cep.v1.graph import Graph
    from cep.v1.plan import Plan
    from cep.v1.receipt import Statement

    opened = open_input(path)
    with about(path):
        if opened.envelope is not None and opened.envelope.payload_type != kind.PAYLOAD_TYPE:
            raise Refused.because(
                "ENV-E3",
                f"found payload type {opened.envelope.payload_type!r}; "
                f"expected here: {kind.PAYLOAD_TYPE}",
                "/payloadType",
            )
        return documents.load(opened.payload, kind, (Graph, Plan, Statement))


def means() -> Recompute | None:
    """Return what computes folded constants again (CEP-E4), where NumPy is installed."""
    from cep.reference.folding import available, recompute

    return recompute if available() else None


def store_beside(plan: Path, store: Path | None) -> Path:
    """Return the folder of weights that was asked for, or the one beside the plan."""
    return store if store is not None else plan.parent / "store"


def is_signed(path: Path) -> bool:
    """Say whether a file holds an envelope.

    Raises:
        FileRefusedError: The file cannot be read or is malformed.
    """
    return open_input(path).envelope is not None


def summary(plan: Plan) -> str:
    """Return what a plan is, in one line."""
    queues = {q.id: q.device for q in plan.queues}
    slots = list(dict.fromkeys(queues[t.queue] for t in plan.steps if t.run is not None))
    regions = sum(t.run is not None for t in plan.steps)
    return (
        f"{len(plan.ops)} operations in {regions} regions on {', '.join(slots)}; "
        f"{len(plan.steps)} steps, {sum(a.bytes for a in plan.arenas)} bytes of arenas"
    )
