"""``acp show``: print a document for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from acp import files
from acp.cli.descriptors import complete_reference, reference_input
from acp.cli.inputs import Input, open_input
from acp.cli.options import FILE
from acp.cli.output import Command, Outcome, about, one_line

_LIST: Final = ""
"""What ``--reference`` is without a name."""


@click.command(
    cls=Command,
    example=(
        "acp show device.dsse.json\n"
        "acp show --reference\n"
        "acp show --reference nvidia/h100-sxm device.json --plot roofline.svg"
    ),
)
@click.argument("paths", metavar="[FILE]...", type=FILE, nargs=-1)
@click.option(
    "--reference",
    "references",
    is_flag=False,
    flag_value=_LIST,
    multiple=True,
    metavar="[NAME]",
    shell_complete=complete_reference,
    help="Show the reference descriptor NAME too, or in place of a file; without NAME, list them. "
    "Can be repeated.",
)
@click.option(
    "--plot",
    type=FILE,
    metavar="FILE",
    help="Draw the descriptors into FILE, whose name ends with .svg or .png: rates over arithmetic "
    "intensity, with the slopes of the memories.",
)
def show(paths: tuple[Path, ...], references: tuple[str, ...], plot: Path | None) -> Outcome:
    """Print the document in each FILE in words: whose it is, rates, memories, ops, and sources.

    Looks inside an envelope without checking signatures, and checks no rules: what you read may be
    forged, expired or inconsistent. Use 'acp verify'.
    """
    if references == (_LIST,) and not paths and plot is None:
        return _references()
    if not paths and not references:
        raise click.UsageError("Give either FILE or --reference [NAME].")
    opened = [*map(reference_input, references), *map(open_input, paths)]
    shown = [_card(one) for one in opened]
    text = "\n\n".join(one.text for one in shown)
    data: Mapping[str, object] = shown[0].data
    if len(shown) > 1:
        named = zip(opened, shown, strict=True)
        data = {"documents": [{"file": one.file, **card.data} for one, card in named]}
    if plot is None:
        return Outcome(text, data)
    _draw(opened, plot)
    return Outcome(one_line(f"{plot}: written"), {**data, "plot": str(plot)})


def _draw(opened: Sequence[Input], plot: Path) -> None:
    """Draw descriptors into a file.

    Raises:
        click.UsageError: They cannot be drawn, or not into such a file.
    """
    from acp.plotting import roofline
    from acp.plotting.drawing import FORMATS, draw
    from acp.v1.capability import CapabilityDescriptor

    form = plot.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise click.UsageError(f"--plot takes a name that ends with .svg or .png, not {plot.name}")
    lines = []
    for one in opened:
        document = one.document()
        if not isinstance(document, CapabilityDescriptor):
            kind = type(document).__name__
            raise click.UsageError(f"--plot draws capability descriptors; {one.file} is a {kind}")
        try:
            lines.append(roofline(document))
        except ValueError as error:
            raise click.UsageError(f"{one.file}: {error}") from error
    try:
        picture = draw(lines, form)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    files.write(plot, picture)


def _references() -> Outcome:
    """Return the list of reference descriptors."""
    from acp import reference
    from acp.documents import digest

    rows: list[dict[str, str]] = []
    for name in (*reference.names(), *reference.slices()):
        descriptor = reference.load(name)
        subject = descriptor.subject
        rows.append(
            {
                "name": name,
                "vendor": subject.vendor,
                "model": subject.model,
                "device_class": subject.device_class,
                "digest": digest(descriptor),
            }
        )
    table = [(row["name"], row["device_class"], row["model"]) for row in rows]
    systems: list[dict[str, object]] = []
    for name in reference.systems():
        system = reference.load_system(name)
        systems.append({"name": name, "nodes": len(system.nodes), "digest": digest(system)})
        table.append((name, "system", f"{len(system.nodes)} nodes"))
    names, classes = (max(len(row[column]) for row in table) for column in (0, 1))
    lines = [f"{name:<{names}}  {kind:<{classes}}  {words}" for name, kind, words in table]
    return Outcome(text="\n".join(lines), data={"references": rows, "systems": systems})


def _card(opened: Input) -> Outcome:
    """Return a document in words."""
    from acp.cli.cards import card

    with about(opened.file):
        document = opened.document()
    kind = type(document).__name__
    lines = [f"{kind} {opened.identity}{opened.caveat}", card(document)]
    data: dict[str, object] = {"kind": kind, "digest": opened.identity, "document": opened.value}
    if opened.envelope is not None:
        keyids = [one.keyid for one in opened.envelope.signatures if one.keyid]
        lines += [f"  claims to be signed with {keyid}" for keyid in keyids]
        data |= {"claimed_keyids": keyids, "signatures_checked": False}
    return Outcome(text="\n".join(lines), data=data)
