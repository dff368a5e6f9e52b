"""Options of ``cep compile`` for plans that are done for many micro-batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import click

from acp.cli.options import together
from cep.v1.plan import Stream

_MOST: Final = 2**32 - 1


def stream_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets `stream`."""

    @wraps(command)
    def run(**values: Any) -> Any:
        count, depth = values.pop("microbatches"), values.pop("ring_depth")
        if count is None and depth is not None:
            raise click.UsageError("--ring-depth is for --microbatches")
        if count is not None and depth is not None and depth > count:
            raise click.UsageError(f"--ring-depth {depth} is more than --microbatches {count}")
        stream = None
        if count is not None:
            stream = Stream(microbatches=count, ring_depth=depth or min(2, count))
        return command(stream=stream, **values)

    return together(*_OPTIONS)(run)


_OPTIONS: Final = (
    click.option(
        "--microbatches",
        type=click.IntRange(1, _MOST),
        metavar="N",
        help="Make a stream: the plan is done for N sets of inputs a run, one on each device at a "
        "time.",
    ),
    click.option(
        "--ring-depth",
        type=click.IntRange(1, _MOST),
        metavar="N",
        help="Copies of the memory that micro-batches take turns with. [default: 2]",
    ),
)
