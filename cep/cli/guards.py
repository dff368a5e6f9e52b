"""Options of ``cep compile`` that say what is watched while the plan runs, and what follows."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import click

from acp.cli.options import MAX_UINT64, together
from cep.planner.guarding import Guards

_QUANTITIES: Final = ("memory_bytes", "power_mw", "temperature_mdegc")
_MOST_DIGITS: Final = 20


def guard_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets `guards`."""

    @wraps(command)
    def run(**values: Any) -> Any:
        names = ("alternates", "on_trip", "watchdog_ppm", "nan_guard", "limits")
        return command(guards=Guards(**{name: values.pop(name) for name in names}), **values)

    return together(*_OPTIONS)(run)


def _limits(_: click.Context, __: click.Parameter, pairs: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for pair in pairs:
        quantity, _equals, number = pair.partition("=")
        digits = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS
        if quantity not in _QUANTITIES or not digits or int(number) > MAX_UINT64:
            known = ", ".join(_QUANTITIES)
            raise click.BadParameter(f"{pair!r} is not QUANTITY=MAX; quantities are {known}.")
        found[quantity] = int(number)
    return found


_OPTIONS: Final = (
    click.option(
        "--alternates",
        is_flag=True,
        help="List the other devices that can do a step; one takes its place when it trips.",
    ),
    click.option(
        "--on-trip",
        type=click.Choice(["ALTERNATE", "DRAIN", "ABORT"]),
        help="What follows when a step fails or a guard stops it. "
        "[default: ALTERNATE with --alternates, else ABORT]",
    ),
    click.option(
        "--watchdog-ppm",
        type=click.IntRange(1_000_001, MAX_UINT64),
        metavar="N",
        help="Stop a step that takes longer than this share of its p99, in parts per million.",
    ),
    click.option("--nan-guard", is_flag=True, help="Stop a step that writes what is no number."),
    click.option(
        "--limit",
        "limits",
        multiple=True,
        metavar="QUANTITY=MAX",
        callback=_limits,
        help="Stop a step after which a device has more than MAX of memory_bytes, power_mw or "
        "temperature_mdegc. Holds for every device. Can be repeated.",
    ),
)
