"""From the symbolic sizes of an exported program to dims."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cep.capture.archive import CaptureError
from cep.expr import Dim, Range

_UNBOUNDED = 2**31 - 1


@dataclass
class Symbols:
    """Names the symbols of one program ``s0``, ``s1`` … in the order in which its inputs use them.

    Attributes:
        constraints: Admissible sizes by symbol, as the program gives them.
        ranges: Admissible sizes by our names, filled as symbols occur.
    """

    constraints: dict[Any, Any]
    ranges: dict[str, Range] = field(default_factory=dict)
    _names: dict[Any, str] = field(default_factory=dict)

    def dim(self, size: Any) -> Dim:
        """Return the dim of a size: an int or a `torch.SymInt`.

        Raises:
            CaptureError: The size is not a polynomial of the symbols (CEP-X3).
        """
        if isinstance(size, int):
            return Dim.constant(size)
        if not hasattr(size, "node"):
            raise CaptureError.because("CEP-X3", f"size {size!r} is not an integer")
        import sympy

        expression = size.node.expr
        free = sorted(expression.free_symbols, key=str)
        if not free:
            return Dim.constant(int(expression))
        try:
            polynomial = sympy.Poly(expression, *free)
            terms = {
                tuple(
                    sorted(
                        (self._name(symbol), int(power))
                        for symbol, power in zip(free, powers, strict=True)
                        if power
                    )
                ): int(coefficient)
                for powers, coefficient in polynomial.terms()
                if coefficient == int(coefficient)
            }
            whole = len(terms) == len(polynomial.terms())
        except (sympy.PolynomialError, TypeError, ValueError):
            terms, whole = {}, False
        if not whole:
            raise CaptureError.because(
                "CEP-X3", f"size {expression} is not an integer polynomial of the input sizes"
            )
        return Dim.of(terms)

    def _name(self, symbol: Any) -> str:
        if symbol not in self._names:
            name = f"s{len(self._names)}"
            self._names[symbol] = name
            span = self.constraints.get(symbol)
            low, high = (1, _UNBOUNDED) if span is None else (span.lower, span.upper)
            try:
                self.ranges[name] = Range(int(low), int(high))
            except (OverflowError, TypeError):
                self.ranges[name] = Range(int(low), _UNBOUNDED)
        return self._names[symbol]
