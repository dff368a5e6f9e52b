"""What provenance says of values: ACP-M05 (bytes as their source has them) and U02 (a share)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from acp.diagnostics import Severity
from acp.rules.pointers import stated
from acp.rules.registry import Breach, Context, rule
from acp.v1.capability import CapabilityDescriptor

_PREFIXES: Final = (
    ("kB", 10**3, "KiB", 2**10),
    ("MB", 10**6, "MiB", 2**20),
    ("GB", 10**9, "GiB", 2**30),
    ("TB", 10**12, "TiB", 2**40),
)
_WHOLE_PPM: Final = 10**6

_MISTAKES: Final = tuple(
    mistake
    for decimal, thousand, binary, power in _PREFIXES
    for mistake in ((decimal, binary, power, thousand), (binary, decimal, thousand, power))
)
"""What a source writes, what it was read as, and the ratio of value to source that this makes."""

_SPOKEN_FOR: Final = frozenset({"VENDOR_CLAIM", "THIRD_PARTY"})
"""Bases on which a value is the source's own, not computed from it."""


@rule("ACP-M05", CapabilityDescriptor, severity=Severity.WARNING)
def prefixes(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Bytes are those of the source: a decimal prefix is not read as a binary one."""
    for one in stated(document):
        if one.entry.basis not in _SPOKEN_FOR or "bytes" not in one.path[-1]:
            continue
        for written, read, numerator, denominator in _MISTAKES:
            if _is_ratio(one.value, one.source, numerator, denominator):
                yield Breach(
                    one.place,
                    f"the value is {one.value}, {_ratio(one.value, one.source)} times the "
                    f"{one.source} that the source states; likely: {written} of the source read "
                    f"as {read}; write {one.source}, or give the basis DERIVED if the source's "
                    "unit is known to be meant otherwise",
                )


@rule("ACP-U02", CapabilityDescriptor)
def confidence(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Nobody is more than sure."""
    for i, entry in enumerate(document.provenance):
        sure = entry.confidence_ppm
        if sure is not None and sure > _WHOLE_PPM:
            yield Breach(
                ("provenance", i, "confidence_ppm"),
                f"found {sure}, allowed is {_WHOLE_PPM} at most: parts of a million, not of a "
                "hundred or a billion",
            )


def _is_ratio(value: int, source: int, numerator: int, denominator: int) -> bool:
    """Tell whether a value is this multiple of its source, to a thousandth."""
    meant = source * numerator
    return source > 0 and 1000 * abs(value * denominator - meant) <= meant


def _ratio(value: int, source: int) -> str:
    thousandths = value * 1000 // source
    return f"{thousandths // 1000}.{thousandths % 1000:03}"
