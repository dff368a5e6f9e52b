"""Options of ``cep compile`` that choose passes: each field of a pass is an option."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar

import click

from cep.passes import PASSES, PIPELINE, Pass

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_ALL: Final = tuple(dict.fromkeys(PIPELINE))


def pass_options(command: CommandT) -> CommandT:
    """Add ``--passes``, and an option for each field of each pass."""
    for kind in reversed(tuple(PASSES.values())):
        for field in reversed(fields(kind)):
            about = " ".join((kind.__doc__ or "").partition(f"{field.name}: ")[2].split())
            command = click.option(
                f"--{kind.name}-{field.name}",
                f"{kind.name}_{field.name}",
                type=click.IntRange(min=0),
                default=field.default,
                show_default=True,
                metavar="N",
                help=about,
            )(command)
    return click.option(
        "--passes",
        "names",
        default="all",
        show_default=True,
        metavar="NAME,…",
        callback=_names,
        help=f"What to do with the graph first: {', '.join(_ALL)}; all of these, or none.",
    )(command)


def chosen(names: tuple[str, ...], values: Mapping[str, int]) -> tuple[Pass, ...]:
    """Return the passes of some names, with the values of their fields."""
    made = []
    for name in names:
        kind = PASSES[name]
        own = {field.name: values[f"{name}_{field.name}"] for field in fields(kind)}
        made.append(kind(**own))
    return tuple(made)


def _names(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    if value in ("all", "none"):
        return _ALL if value == "all" else ()
    names = tuple(value.split(","))
    for name in names:
        if name not in PASSES:
            raise click.BadParameter(f"there is no pass {name!r}; there are {', '.join(_ALL)}.")
    return names
