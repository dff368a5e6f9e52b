"""Reference descriptors: what is publicly known of real devices, value by value with its source.

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

__all__ = ["UnknownReferenceError", "find", "load", "names", "read"]

_ENDING: Final = ".json"
_SUGGESTED: Final = 3
_ALIKE: Final = 0.5


class UnknownReferenceError(LookupError):
    """There is no reference descriptor of a name, or several."""


@cache
def names() -> tuple[str, ...]:
    """Return the names of all reference descriptors, ``vendor/model``, sorted."""
    return tuple(
        sorted(
            f"{vendor.name}/{file.name.removesuffix(_ENDING)}"
            for vendor in files(__name__).iterdir()
            if vendor.is_dir()
            for file in vendor.iterdir()
            if file.name.endswith(_ENDING)
        )
    )


def find(name: str) -> str:
    """Return the full name of the reference descriptor that is meant.

    Raises:
        UnknownReferenceError: None is of this name, or several are.
    """
    wanted = name.strip().lower()
    if wanted in names():
        return wanted
    fitting = [full for full in names() if full.partition("/")[2] == wanted]
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
    """Return a reference descriptor.

    Raises:
        UnknownReferenceError: As `find`.
    """
    from acp.v1.capability import CapabilityDescriptor

    return CapabilityDescriptor.from_text(read(name))


def _similar(wanted: str) -> list[str]:
    """Return the names that have what was asked for in them, or else those most like it."""
    inside = [full for full in names() if wanted and wanted in full]
    if inside:
        return inside[:_SUGGESTED]
    models = {full.partition("/")[2]: full for full in names()}
    close = [models[one] for one in difflib.get_close_matches(wanted, models, _SUGGESTED, _ALIKE)]
    close += difflib.get_close_matches(wanted, names(), _SUGGESTED, _ALIKE)
    return list(dict.fromkeys(close))[:_SUGGESTED]
