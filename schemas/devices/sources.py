"""Who says a value: a source, and the places of a descriptor that it stands behind.

A place is written with names where JSON Pointers have indices, and `*` for all there are::

    WHITEPAPER.says("engines", "memories/hbm/stacks", "engines/*/rates/f16*f16+f32@2:4")

Entries of lists are known by their id, op, name, component or event; rates by their operands,
accumulator and sparsity, of which the last is left out where it is dense.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from acp.quantities import read
from acp.v1.capability import Provenance

Basis = Literal["VENDOR_CLAIM", "DERIVED", "THIRD_PARTY", "ESTIMATED"]

_KEYS: Final = ("id", "op", "name", "component", "event")


@dataclass(frozen=True, slots=True)
class Says:
    """A source, and what it stands behind.

    Attributes:
        source: The source.
        places: Places, with names.
        stated: What the source states, where the value was made of it.
        sparsity: For which sparsity it states a rate.
    """

    source: Source
    places: tuple[str, ...]
    stated: str = ""
    sparsity: str = ""

    def provenance(self, document: dict[str, Any]) -> Provenance:
        """Return the entry of the descriptor's side table.

        Raises:
            LookupError: A place is not in the document.
        """
        paths = [path for place in self.places for path in _resolve(document, place)]
        return Provenance(
            paths=tuple(dict.fromkeys(paths)),
            basis=self.source.basis,
            source_uri=self.source.uri,
            confidence_ppm=self.source.confidence_ppm,
            source_value=read(self.stated) if self.stated else None,
            source_sparsity=self.sparsity or None,
        )


@dataclass(frozen=True, slots=True)
class Source:
    """Where values come from.

    Attributes:
        basis: What kind of evidence it is.
        uri: Where it can be read.
        confidence_ppm: How sure we are, in parts per million, where the source leaves doubt.
    """

    basis: Basis
    uri: str | None = None
    confidence_ppm: int | None = None

    def says(self, *places: str, stated: str = "", sparsity: str = "") -> Says:
        """Return this source as what stands behind some places, and what it states there."""
        return Says(self, places, stated, sparsity)


def _resolve(document: dict[str, Any], place: str) -> list[str]:
    found = [(value, path) for value, path in _walk(document, place.split("/"), "")]
    if not found:
        raise LookupError(f"there is no {place!r}")
    return [path for _, path in found]


def _walk(value: Any, tokens: list[str], path: str) -> Iterator[tuple[Any, str]]:
    if not tokens:
        yield value, path
        return
    first, *rest = tokens
    if isinstance(value, dict):
        members = {name: (name, inner) for name, inner in value.items()}
    else:
        members = {_key(inner): (str(index), inner) for index, inner in enumerate(value)}
        if len(members) != len(value):
            raise LookupError(f"two entries of {path} have the same key")
    # Names of operations have slashes: the longest name that fits is meant.
    for length in range(len(tokens), 0, -1):
        name = "/".join(tokens[:length])
        if name in members:
            token, inner = members[name]
            yield from _walk(inner, tokens[length:], f"{path}/{token}")
            return
    if first == "*":
        for token, inner in members.values():
            yield from _walk(inner, rest, f"{path}/{token}")


def _key(entry: dict[str, Any]) -> str:
    if "peak_ops_per_s" in entry:
        sparsity = "" if entry["sparsity"] == "dense" else f"@{entry['sparsity']}"
        return f"{entry['a']}*{entry['b']}+{entry.get('acc', '-')}{sparsity}"
    return next((str(entry[key]) for key in _KEYS if key in entry), str(id(entry)))
