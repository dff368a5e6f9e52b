"""Finding adapters: which are installed, and loading those that the operator allows.

An adapter is code of somebody else that runs in this process. Invariants:

* Nothing is imported from a distribution that the operator does not name.
* Two allowed adapters of one name are an error, not a choice.
* An adapter of another ABI is an error, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from reference_runtime.adapter import ABI, ENTRY_POINT_GROUP, Adapter, AdapterError


class StackMissingError(AdapterError):
    """An adapter whose device stack is not installed (RUN-A2)."""


@dataclass(frozen=True, slots=True)
class InstalledAdapter:
    """An adapter that is installed here, not loaded.

    Attributes:
        name: Name of its entry point.
        distribution: Normalised name of the distribution that brings it (PEP 503).
        version: Version of that distribution.
        entry_point: Where the code is.
    """

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint


def normalised(distribution: str) -> str:
    """Return the name of a distribution as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def installed() -> tuple[InstalledAdapter, ...]:
    """Return all installed adapters, sorted by name, without importing any."""
    found = [
        InstalledAdapter(
            name=point.name,
            distribution=normalised(point.dist.name) if point.dist else "",
            version=point.dist.version if point.dist else "",
            entry_point=point,
        )
        for point in entry_points(group=ENTRY_POINT_GROUP)
    ]
    return tuple(sorted(found, key=lambda a: (a.name, a.distribution)))


def select(
    found: Iterable[InstalledAdapter], name: str, *, allowed: Collection[str]
) -> InstalledAdapter:
    """Return the one allowed adapter called `name`.

    Raises:
        AdapterError: None is installed or two are (RUN-A2), or none is allowed (RUN-A1).
    """
    candidates = [a for a in found if a.name == name]
    if not candidates:
        raise AdapterError.because(
            "RUN-A2", f"no adapter {name!r} is installed; install the distribution that brings it"
        )
    permitted = {normalised(d) for d in allowed}
    chosen = [a for a in candidates if a.distribution in permitted]
    if not chosen:
        brought_by = " and ".join(a.distribution or "no distribution" for a in candidates)
        raise AdapterError.because(
            "RUN-A1",
            f"adapter {name!r} comes from {brought_by}, which the policy does not allow; "
            f"allowed are: {', '.join(sorted(permitted)) or 'none'}",
        )
    if len(chosen) > 1:
        brought_by = " and ".join(a.distribution for a in chosen)
        raise AdapterError.because(
            "RUN-A2", f"adapter {name!r} is there twice, from {brought_by}; uninstall one"
        )
    return chosen[0]


def load(name: str, *, allowed: Collection[str]) -> Adapter:
    """Import and construct the adapter called `name`.

    Args:
        name: Name of its entry point.
        allowed: Distributions whose adapters the operator allows.

    Raises:
        StackMissingError: A package that it imports is not installed (RUN-A2).
        AdapterError: It is not allowed (RUN-A1); or it is missing, there twice, of another ABI, or
            fails to load (RUN-A2).
    """
    return activate(select(installed(), name, allowed=allowed))


def load_all(*, allowed: Collection[str]) -> dict[str, Adapter]:
    """Return every allowed adapter by name; those that are not allowed are left alone.

    Raises:
        AdapterError: As `load`.
    """
    permitted = {normalised(d) for d in allowed}
    found = installed()
    names = dict.fromkeys(a.name for a in found if a.distribution in permitted)
    return {name: activate(select(found, name, allowed=allowed)) for name in names}


def activate(found: InstalledAdapter) -> Adapter:
    """Import and construct an adapter that was found to be allowed.

    Raises:
        StackMissingError: A package that it imports is not installed (RUN-A2).
        AdapterError: It is of another ABI or name, or fails to load (RUN-A2).
    """
    label = f"adapter {found.name!r} of {found.distribution} {found.version}"
    try:
        adapter = found.entry_point.load()()
    except ModuleNotFoundError as error:
        raise StackMissingError.because(
            "RUN-A2", f"{label} needs the package {error.name!r}, which is not installed"
        ) from error
    except AdapterError:
        raise
    except Exception as error:
        raise AdapterError.because(
            "RUN-A2", f"{label} fails to load: {type(error).__name__}: {error}"
        ) from error
    abi = getattr(adapter, "abi", None)
    if abi != ABI:
        raise AdapterError.because(
            "RUN-A2", f"{label} is written for ABI {abi}; this runtime has {ABI}"
        )
    if getattr(adapter, "name", None) != found.name:
        raise AdapterError.because(
            "RUN-A2", f"{label} calls itself {getattr(adapter, 'name', None)!r}"
        )
    return cast("Adapter", adapter)
