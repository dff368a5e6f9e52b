"""Which extra of this distribution installs a package that a command needs and does not find."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping

from acp.cli.output import DISTRIBUTION
from acp.diagnostics import Refused


def missing(error: ImportError, command: str | None) -> Refused:
    """Return the refusal for a package that an extra of this distribution would install.

    Where a command has an extra of its own, that one is named, since it brings all that is needed.

    Raises:
        ImportError: No extra brings it, so that its absence is a fault of this software.
    """
    module = (error.name or "").partition(".")[0]
    extra = _extra_with(module, command)
    if extra is None:
        raise error
    reason = "is not installed" if isinstance(error, ModuleNotFoundError) else f"fails: {error}"
    message = (
        f"this command needs the package {module!r}, which {reason}; "
        f"install it with: pip install '{DISTRIBUTION}[{extra}]'"
    )
    return Refused.because("ENV-F3", message)


def _extra_with(module: str, command: str | None) -> str | None:
    """Return the extra of a command, or the smallest, that installs `module`; None without one."""
    try:
        requirements = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    brings: dict[str, set[str]] = {}
    whole: dict[str, set[str]] = {}
    for requirement in requirements:
        name = re.match(r"([A-Za-z0-9._-]+)(?:\[([^\]]+)\])?", requirement)
        extra = re.search(r"extra == ['\"]([^'\"]+)", requirement)
        if extra and name:
            package = name[1].lower().replace("-", "_")
            brings.setdefault(extra[1], set()).add(package)
            if name[1] == DISTRIBUTION:
                whole.setdefault(extra[1], set()).update((name[2] or "").split(","))
    if command in brings and module.lower() in _closure(command, brings, whole):
        return command
    fitting = [extra for extra, packages in brings.items() if module.lower() in packages]
    return min(fitting, key=lambda extra: (len(brings[extra]), extra), default=None)


def _closure(extra: str, brings: Mapping[str, set[str]], whole: Mapping[str, set[str]]) -> set[str]:
    """Return the packages of an extra, with those of the extras that it includes."""
    found = set(brings.get(extra, ()))
    for inner in whole.get(extra, ()):
        found |= _closure(inner, brings, whole)
    return found
