"""Quantities as people write and read them: ``80GiB``, ``989.4T``, ``3.35 TB/s``.

Documents hold whole numbers of a unit; people think in multiples. Nothing is rounded on the way in.

>>> read("80GiB"), read("989.4T")
(85899345920, 989400000000000)
>>> decimal(3350000000000, "B/s"), binary(85899345920)
('3.35 TB/s', '80 GiB')
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final

MOST: Final = 2**64 - 1
"""Largest number that a document holds."""

_DECIMAL: Final = ("", "k", "M", "G", "T", "P", "E")
_LARGEST_SHOWN: Final = "T"
"""Rates are compared in T, however large they are: 1978.9 T, not 1.97 P."""
_BINARY: Final = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_TEXT: Final = re.compile(
    r"(?P<number>[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?)(?:e(?P<power>[0-9]{1,2}))?"
    r" ?(?P<prefix>[kKMGTPE]i?)?(?P<unit>B|Hz|W|B/s|ops/s|FLOPS|OPS)?",
    re.ASCII,
)
_MAX_TEXT: Final = 64


def read(text: str) -> int:
    """Return the whole number that a text stands for.

    Prefixes are decimal (``k M G T P E``) or binary (``Ki Mi Gi Ti Pi Ei``); a unit may follow
    (``B``, ``Hz``, ``W``, ``B/s``, ``ops/s``) and changes nothing.

    Raises:
        ValueError: It stands for none, or for a fraction, or for one that no document holds.
    """
    match = _TEXT.fullmatch(text.strip()) if len(text) <= _MAX_TEXT else None
    if match is None:
        raise ValueError(
            f"{text[:40]!r} is no quantity; write a number with a prefix, such as 80GiB, 3.35T "
            "or 1_830_000_000"
        )
    prefix = match["prefix"] or ""
    base = 1024 if prefix.endswith("i") else 1000
    power = _DECIMAL.index(prefix[:1].replace("K", "k"))
    exact = Fraction(match["number"].replace("_", "")) * 10 ** int(match["power"] or 0)
    exact *= base**power
    if exact.denominator != 1:
        raise ValueError(f"{text!r} is {float(exact)}, no whole number; documents hold no fraction")
    if exact > MOST:
        raise ValueError(f"{text!r} is more than 2^64 − 1, the largest number of a document")
    return int(exact)


def decimal(value: int, unit: str) -> str:
    """Return a quantity with a decimal prefix up to T, and hundredths, rounded down."""
    power = min((len(str(value)) - 1) // 3, _DECIMAL.index(_LARGEST_SHOWN))
    return f"{scaled(value, 1000**power)} {_DECIMAL[power]}{unit}"


def binary(value: int) -> str:
    """Return a number of bytes with a binary prefix, and hundredths, rounded down."""
    power = min(max(value.bit_length() - 1, 0) // 10, len(_BINARY) - 1)
    return f"{scaled(value, 1024**power)} {_BINARY[power]}"


def watts(milliwatts: int) -> str:
    """Return a power in watts."""
    return f"{scaled(milliwatts, 1000)} W"


def scaled(value: int, unit: int) -> str:
    """Return a number in multiples of a unit, with hundredths, rounded down."""
    whole, rest = divmod(value, unit)
    return f"{whole}.{rest * 100 // unit:02}".rstrip("0").rstrip(".")


def shown(value: int, member: str) -> str:
    """Return the value of a member of a document as people read it, by the unit in its name."""
    for ending, words in _WORDS.items():
        if member.endswith(ending):
            return words(value)
    return _bytes(value) if "_bytes_per_" in member else str(value)


def _bytes(value: int) -> str:
    return f"{value} bytes" if value < _BINARY_UNIT else f"{binary(value)} ({value})"


_BINARY_UNIT: Final = 1024
_WORDS: Final[Mapping[str, Callable[[int], str]]] = {
    "ops_per_s": lambda value: decimal(value, " ops/s"),
    "bytes_per_s": lambda value: decimal(value, "B/s"),
    "bytes_per_s_per_direction": lambda value: decimal(value, "B/s"),
    "bytes": _bytes,
    "hz": lambda value: decimal(value, "Hz"),
    "mw": watts,
    "mdegc": lambda value: f"{scaled(value, 1000)} °C",
    "ns": lambda value: f"{value} ns",
    "femtojoules": lambda value: f"{scaled(value, 1000)} pJ",
    "ppm": lambda value: f"{value} ppm",
}
"""How quantities are told, by the end of their member's name."""
