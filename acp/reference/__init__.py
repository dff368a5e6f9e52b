"""Reference descriptors: what is publicly known of real devices, value by value with its source.

Besides devices there are partitions of them, under ``slices/``, and systems, under ``systems/``.

They are statements of this project about the products of others, so their `issuer` is not their
`subject.vendor`, and they are not signed. They lie beside this module, as VENDOR/MODEL.json; each
is read when it is asked for::

    from acp import reference

    reference.names()                                  # ('amd/alveo-u280-dpucahx8h', ...)
    reference.load("nvidia/h100-sxm").engines[0].clock_hz

A name can be given in any case, and without the vendor where one device alone has the model.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor
    from acp.v1.system import SystemDescriptor

__all__ = [
    "UnknownReferenceError",
    "find",
    "load",
    "load_system",
    "names",
    "read",
    "slices",
    "systems",
]

_ENDING: Final = ".json"
_SLICES: Final = "slices"
_SYSTEMS: Final = "systems"
_SUGGESTED: Final = 3
_ALIKE: Final = 0.5


class UnknownReferenceError(LookupError):
    """There is no reference descriptor of a name, or several."""


def names() -> tuple[str, ...]:
    """Return the names of all descriptors of devices, ``vendor/model``, sorted."""
    return tuple(one for one in _all() if one.partition("/")[0] not in (_SLICES, _SYSTEMS))


def slices() -> tuple[str, ...]:
    """Return the names of all descriptors of partitions, sorted."""
    return tuple(one for one in _all() if one.startswith(f"{_SLICES}/"))


def systems() -> tuple[str, ...]:
    """Return the names of all systems, sorted."""
    return tuple(one for one in _all() if one.startswith(f"{_SYSTEMS}/"))


@cache
def _all() -> tuple[str, ...]:
    return tuple(
        sorted(
            f"{folder.name}/{file.name.removesuffix(_ENDING)}"
            for folder in files(__name__).iterdir()
            if folder.is_dir()
            for file in folder.iterdir()
            if file.name.endswith(_ENDING)
        )
    )


def find(name: str) -> str:
    """Return the full name of the reference descriptor that is meant.

    Raises:
        UnknownReferenceError: None is of this name, or several are.
    """
    wanted = name.strip().lower()
    if wanted in _all():
        return wanted
    fitting = [full for full in _all() if full.partition("/")[2] == wanted]
    if len(fitting) == 1:
        return fitting[0]
    shown = fitting or _similar(wanted)
    meant = f"; did you mean {' or '.join(shown)}?" if shown else ""
    raise UnknownReferenceError(f"there is no reference descriptor {name[:80]!r}{meant}")


def read(name: str) -> bytes:
    """Return the JSON text of a reference descriptor.

    Raises:
        UnknownReferenceError: As `find`.
    """
    return files(__name__).joinpath(*f"{find(name)}{_ENDING}".split("/")).read_bytes()


def load(name: str) -> CapabilityDescriptor:
    """Return the reference descriptor of a device or a partition.

    Raises:
        UnknownReferenceError: As `find`, or it is that of a system.
    """
    from acp.v1.capability import CapabilityDescriptor

    full = find(name)
    if full.startswith(f"{_SYSTEMS}/"):
        raise UnknownReferenceError(f"{full} is a system; `load_system` returns it")
    return CapabilityDescriptor.from_text(read(full))


def load_system(name: str) -> SystemDescriptor:
    """Return the reference descriptor of a system.

    Its nodes name descriptors that `load` returns.

    Raises:
        UnknownReferenceError: As `find`, or it is not that of a system.
    """
    from acp.v1.system import SystemDescriptor

    full = find(name)
    if not full.startswith(f"{_SYSTEMS}/"):
        raise UnknownReferenceError(f"{full} is no system; `load` returns it")
    return SystemDescriptor.from_text(read(full))


def _similar(wanted: str) -> list[str]:
    """Return the names that have what was asked for in them, or else those most like it."""
    inside = [full for full in _all() if wanted and wanted in full]
    if inside:
        return inside[:_SUGGESTED]
    models = {full.partition("/")[2]: full for full in _all()}
    close = [models[one] for one in difflib.get_close_matches(wanted, models, _SUGGESTED, _ALIKE)]
    close += difflib.get_close_matches(wanted, _all(), _SUGGESTED, _ALIKE)
    return list(dict.fromkeys(close))[:_SUGGESTED]
