"""Options of the commands that describe and measure devices: ``acp probe`` and ``acp measure``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., Any])

OWN: Final = "acp-cep"
"""The distribution whose adapters need no leave."""

allow_option = click.option(
    "--allow",
    "distributions",
    multiple=True,
    metavar="DISTRIBUTION",
    help=f"Load adapters of this distribution besides those of {OWN}. Can be repeated.",
)


def folder_option(what: str) -> Callable[[_Function], _Function]:
    """Return the option that says where some documents go."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        help=f"Directory for the {what}. [default: the current one]",
    )


def validity_option(what: str, days: int) -> Callable[[_Function], _Function]:
    """Return the option that says how long some documents hold."""
    return click.option(
        "--validity-days",
        type=click.IntRange(1, 3650),
        default=days,
        show_default=True,
        help=f"Days for which the {what} hold.",
    )
