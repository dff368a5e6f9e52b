"""Commands that join the `acp` and `cep` command lines through entry points.

`acp` and `cep` are lower layers and cannot import these. Each command is imported when it is asked
for, so that one does not need what the other does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import click

_MODULES: Final = {
    "artifact": "reference_runtime.artifact_command",
    "measure": "reference_runtime.measure.command",
    "probe": "reference_runtime.probe.command",
    "run": "reference_runtime.run_command",
}


def __getattr__(name: str) -> click.Command:
    """Import and return a command.

    Raises:
        AttributeError: There is no such command.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    command: click.Command = getattr(importlib.import_module(_MODULES[name]), name)
    return command
