"""Options of ``cep compile`` that say what the plan promises."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import click

from acp.cli.options import MAX_UINT64, labels, together
from cep.planner.promises import Promises


def promise_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets `promises`."""

    @wraps(command)
    def run(**values: Any) -> Any:
        names = ("numeric", "tolerance", "deadline_ns", "energy_fj", "labels")
        return command(promises=Promises(**{name: values.pop(name) for name in names}), **values)

    return together(*_OPTIONS)(run)


_OPTIONS: Final = (
    click.option(
        "--numeric",
        type=click.Choice(["BITWISE", "ULP", "RELATIVE"]),
        default="RELATIVE",
        show_default=True,
        help="How the closeness to the model is counted: the same bits, units in the last place, "
        "or parts per billion.",
    ),
    click.option(
        "--tolerance",
        type=click.IntRange(0, MAX_UINT64),
        metavar="N",
        help="How close to the model the numbers are promised to be, in ULP or parts per billion. "
        "[default: the rounding budget of the plan]",
    ),
    click.option(
        "--deadline",
        "deadline_ns",
        type=click.IntRange(1, MAX_UINT64),
        metavar="NS",
        help="Promise that a run takes no longer, in nanoseconds, by the p99 of its steps.",
    ),
    click.option(
        "--energy",
        "energy_fj",
        type=click.IntRange(1, MAX_UINT64),
        metavar="FJ",
        help="Promise that a run takes no more energy, in femtojoules, by what devices draw at "
        "most.",
    ),
    click.option(
        "--stay-in",
        "labels",
        multiple=True,
        metavar="LABEL",
        callback=labels,
        help="Promise that data stay in a place: use only devices whose nodes carry this label. "
        "Can be repeated.",
    ),
)
