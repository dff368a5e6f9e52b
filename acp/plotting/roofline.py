"""What a roofline shows of a descriptor: ceilings of rates and slopes of memories.

At an arithmetic intensity of x operations per byte a device does at most min(rate, x · bandwidth)
operations per second (S. Williams, A. Waterman and D. Patterson, *Roofline*, Communications of the
ACM 52, 2009). Rates that are equal share one ceiling, so that it stays readable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acp.quantities import decimal

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor, Engine, Memory, Rate

_DENSE: Final = "dense"
_SHOWN: Final = 6
_LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A peak rate, and what reaches it.

    Attributes:
        ops_per_s: The rate.
        sparsity: ``dense``, or n:m.
        dtypes: What is multiplied, with the accumulator where it is another dtype.
    """

    ops_per_s: int
    sparsity: str
    dtypes: tuple[str, ...]

    @property
    def label(self) -> str:
        """The ceiling in words."""
        more = f" +{len(self.dtypes) - _SHOWN}" if len(self.dtypes) > _SHOWN else ""
        sparse = "" if self.sparsity == _DENSE else f" {self.sparsity}"
        names = " ".join(self.dtypes[:_SHOWN])
        return f"{decimal(self.ops_per_s, '')}  {names}{more}{sparse}"


@dataclass(frozen=True, slots=True)
class Slope:
    """The rate of a memory.

    Attributes:
        bytes_per_s: The rate.
        memory: Its id.
        kind: Its technology.
    """

    bytes_per_s: int
    memory: str
    kind: str

    @property
    def label(self) -> str:
        """The slope in words."""
        return f"{self.memory} ({self.kind}) {decimal(self.bytes_per_s, 'B/s')}"


@dataclass(frozen=True, slots=True)
class Roofline:
    """One device.

    Attributes:
        title: Its name.
        ceilings: Its rates, the highest first.
        slopes: Its memories, the fastest first.
    """

    title: str
    ceilings: tuple[Ceiling, ...]
    slopes: tuple[Slope, ...]


def roofline(descriptor: CapabilityDescriptor) -> Roofline:
    """Return what is to be drawn of a device: exposed rates, and memories whose rate is stated.

    Raises:
        ValueError: The descriptor states no rate that software reaches.
    """
    ceilings = tuple(_ceilings(descriptor.engines))
    if not ceilings:
        raise ValueError("the descriptor states no rate that software reaches")
    slopes = sorted(filter(None, map(_slope, descriptor.memories)), key=lambda s: -s.bytes_per_s)
    return Roofline(_name(descriptor.subject.model), ceilings, tuple(slopes))


def _name(text: str) -> str:
    """Return a name as a picture can show it: printable, and not too long."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _ceilings(engines: Iterable[Engine]) -> list[Ceiling]:
    """Return the rates, each with all dtypes that reach it."""
    found: dict[tuple[int, str], dict[str, None]] = {}
    for engine in engines:
        for rate in engine.rates:
            if rate.exposed is not False:
                key = rate.peak_ops_per_s, rate.sparsity
                found.setdefault(key, {})[_dtypes(rate)] = None
    return [
        Ceiling(peak, sparsity, tuple(names))
        for (peak, sparsity), names in sorted(found.items(), reverse=True)
    ]


def _dtypes(rate: Rate) -> str:
    """Return the dtypes of a rate, as short as they can be told apart."""
    factors = rate.a if rate.a == rate.b else f"{rate.a}×{rate.b}"
    return _name(factors if rate.acc in (None, rate.a) else f"{factors}+{rate.acc}")


def _slope(memory: Memory) -> Slope | None:
    rate = memory.combined_bytes_per_s or memory.read_bytes_per_s
    return Slope(rate, _name(memory.id), _name(memory.kind)) if rate else None
