"""Questions about dims, answered for all admissible sizes at once.

An answer is *proven*, *refuted* with sizes for which it isn't so, or *open*. What every verifier
must decide (spec/cep.md, section 3.1) is decided by tests on polynomials, in bounded time; what
they leave open is put to Z3, where the extra `smt` is installed. Refutations are checked by
arithmetic; a proof is the word of one of the tests, or of Z3, which the answer then says.

    >>> sizes = {"s0": Range(16, 64, 16)}
    >>> bool(divides(16, Dim.symbol("s0"), sizes))
    True
    >>> print(at_most(Dim.symbol("s0"), Dim.constant(63), sizes))
    refuted by s0 = 64
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, Any, Final

from cep.expr import Dim, Range, Ranges
from cep.polynomials import Sizes, Terms, bernstein, degrees, points, substituted, turns

if TYPE_CHECKING:
    from typing import Self

MAX_POINTS: Final = 256
"""Most combinations of sizes, or coefficients, that one question is worth."""
MAX_QUESTIONS: Final = 256
"""Most questions of one document that need more than a glance."""
MAX_CONSULTED: Final = 8
"""Most questions of one document that are put to Z3."""
MAX_FACTORS: Final = 128
"""Most factors, over all terms, of a dim that is put to Z3."""
EFFORT: Final = 4_000_000
"""Z3's own measure of work (`rlimit`) for one question; about a second."""
PATIENCE_MS: Final = 3000
"""Where Z3's measure misses what it does, time ends it."""
_SAMPLED: Final = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, true if the question is proven.

    Attributes:
        proven: It is so for all admissible sizes.
        witness: Sizes for which it isn't so, where there are any known.
        reason: Why nothing is known, if nothing is.
        consulted: Z3 has proven it; another verifier need not.
    """

    proven: bool
    witness: tuple[tuple[str, int], ...] | None = None
    reason: str = ""
    consulted: bool = False

    def __bool__(self) -> bool:
        return self.proven

    def __str__(self) -> str:
        """Return what a message says of it."""
        if self.proven:
            return "proven"
        if self.witness is None:
            return f"cannot be proven: {self.reason}"
        sizes = [f"{name} = {size}" for name, size in self.witness]
        more = [f"and {len(sizes) - _SAMPLED} more"] if len(sizes) > _SAMPLED else []
        return "refuted" + (f" by {', '.join(sizes[:_SAMPLED] + more)}" if sizes else "")


PROVEN: Final = Answer(proven=True)
TOO_MANY: Final = f"more than {MAX_QUESTIONS} sizes of the document need a proof of their own"


class Grid(dict[str, Range]):
    """The admissible sizes of one document's symbols, with what was asked about them.

    All questions of a document together cost a bounded amount, and none is answered twice.
    """

    __slots__ = ("_answers", "_asked", "_consulted")

    def __init__(self, ranges: Ranges) -> None:
        super().__init__(ranges)
        self._answers: dict[_Question, Answer] = {}
        self._asked = 0
        self._consulted = 0

    @classmethod
    def over(cls, ranges: Ranges) -> Self:
        """Return the grid of `ranges`: itself, if it is one."""
        return ranges if isinstance(ranges, cls) else cls(ranges)

    @property
    def consulted(self) -> list[str]:
        """What only Z3 has proven."""
        return [str(question) for question, a in self._answers.items() if a.consulted]

    def answer(self, question: _Question) -> Answer:
        """Return the answer to a question."""
        known = self._answers.get(question)
        if known is None:
            known = self._answers[question] = self._found(question)
        return known

    def _found(self, question: _Question) -> Answer:
        if not all(self[name].count > 0 for name in question.dim.symbols):
            return Answer(proven=False, reason="a symbol has no admissible size")
        answer = question.at_a_glance(self)
        if answer is None:
            if self._asked == MAX_QUESTIONS:
                return Answer(proven=False, reason=TOO_MANY)
            self._asked += 1
            answer = question.decided(self)
            if answer is None:
                answer = question.sampled(self)
        if answer is None:
            if self._consulted == MAX_CONSULTED:
                return Answer(proven=False, reason="Z3 was asked too often already")
            self._consulted += 1
            answer = _consulted(question, self)
        return answer


@dataclass(frozen=True, slots=True)
class _Question:
    """Whether a dim is something for all admissible sizes."""

    dim: Dim

    def holds(self, value: int) -> bool:
        """Say whether it is so where the dim has this value."""
        raise NotImplementedError

    def at_a_glance(self, grid: Grid) -> Answer | None:
        """Answer, if that takes no more than a look at each term."""
        raise NotImplementedError

    def decided(self, grid: Grid) -> Answer | None:
        """Answer, if the polynomial tests do."""
        raise NotImplementedError

    def denied(self, expression: Any) -> Any:
        """Return for an expression of Z3 that it is not so."""
        raise NotImplementedError

    def refuted(self, points: Iterable[Sizes]) -> Answer | None:
        """Refute it by one of some sizes, if it can be."""
        for sizes in points:
            if not self.holds(self.dim.evaluate(sizes)):
                names = sorted(self.dim.symbols)
                return Answer(proven=False, witness=tuple((n, sizes[n]) for n in names))
        return None

    def everywhere(self, points: Iterable[Sizes]) -> Answer:
        """Answer by sizes that decide for all others."""
        refuted = self.refuted(points)
        return PROVEN if refuted is None else refuted

    def sampled(self, grid: Grid) -> Answer | None:
        """Refute it at a corner: all at one end, but perhaps for one symbol."""
        names = sorted(self.dim.symbols)
        first = {name: grid[name].first for name in names}
        last = {name: grid[name].last for name in names}
        corners = [first, last]
        for name in names[:_SAMPLED]:
            corners += [first | {name: last[name]}, last | {name: first[name]}]
        return self.refuted(corners)


class _Zero(_Question):
    """Whether a dim is 0."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self.dim} = 0"

    def holds(self, value: int) -> bool:
        return value == 0

    def at_a_glance(self, grid: Grid) -> Answer | None:
        if not self.dim.terms:
            return PROVEN
        if not self._short(grid):
            return self._witness({}, dict(self.dim.terms), grid)
        return None

    def decided(self, grid: Grid) -> Answer | None:
        """Try all sizes of the symbols with few, and compare coefficients of the others."""
        short = self._short(grid)
        if prod(grid[name].count for name in short) > MAX_POINTS:
            return None
        for chosen in product(*(grid[name].sizes(MAX_POINTS) for name in short)):
            sizes = dict(zip(short, chosen, strict=True))
            if rest := substituted(self.dim.terms, sizes):
                return self._witness(sizes, rest, grid)
        return PROVEN

    def denied(self, expression: Any) -> Any:
        return expression != 0

    def _short(self, grid: Grid) -> list[str]:
        """Return the symbols with no more sizes than their degree."""
        return sorted(n for n, degree in degrees(self.dim.terms).items() if grid[n].count <= degree)

    def _witness(self, sizes: dict[str, int], terms: Terms, grid: Grid) -> Answer:
        """Choose sizes of the other symbols; each has more of them than its degree."""
        for name in sorted(self.dim.symbols - sizes.keys()):
            for size in grid[name].sizes(MAX_POINTS):
                if rest := substituted(terms.items(), {name: size}):
                    terms, sizes = rest, sizes | {name: size}
                    break
        return Answer(proven=False, witness=tuple(sorted(sizes.items())))


class _NotNegative(_Question):
    """Whether a dim is at least 0."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self.dim} >= 0"

    def holds(self, value: int) -> bool:
        return value >= 0

    def at_a_glance(self, grid: Grid) -> Answer | None:
        low = 0
        for monomial, coefficient in self.dim.terms:
            spans = ((grid[name], exponent) for name, exponent in monomial)
            factors = ((s.first if coefficient > 0 else s.last) ** e for s, e in spans)
            low += prod(factors, start=coefficient)
        if low >= 0:
            return PROVEN
        return None if self.dim.symbols else Answer(proven=False, witness=())

    def decided(self, grid: Grid) -> Answer | None:
        """Find the least value of few or of one symbol; or the coefficients over the box."""
        counts = {name: grid[name].count for name in sorted(self.dim.symbols)}
        wide = [name for name, count in counts.items() if count > 1]
        if prod(counts.values()) <= MAX_POINTS:
            return self.everywhere(points(counts, grid))
        if len(wide) == 1:
            return self.everywhere(self._turns(wide[0], grid))
        first = {name: grid[name].first for name in counts}
        left = substituted(self.dim.terms, {n: first[n] for n in first if n not in wide})
        powers = dict(sorted(degrees(left.items()).items()))
        if prod(power + 1 for power in powers.values()) > MAX_POINTS:
            return None
        negative = [at for at, value in bernstein(left, powers, grid).items() if value < 0]
        if not negative:
            return PROVEN
        return self.refuted(
            first | {n: grid[n].last for n, i in zip(powers, at, strict=True) if i}
            for at in negative
            if all(i in (0, d) for i, d in zip(at, powers.values(), strict=True))
        )

    def denied(self, expression: Any) -> Any:
        return expression < 0

    def _turns(self, name: str, grid: Grid) -> Iterator[Sizes]:
        """Yield the sizes of the one symbol between which the dim rises or falls."""
        span, degree = grid[name], degrees(self.dim.terms)[name]
        fixed = {n: grid[n].first for n in self.dim.symbols}
        row = [self.dim.evaluate(fixed | {name: size}) for size in span.sizes(degree + 1)]
        newton = []
        while row:
            newton.append(row[0])
            row = [after - before for before, after in pairwise(row)]
        for place in turns(newton, span.count - 1):
            yield fixed | {name: span.first + place * span.divisor}


@dataclass(frozen=True, slots=True)
class _Multiple(_Question):
    """Whether a dim is a multiple of a number."""

    of: int = 1

    def __str__(self) -> str:
        return f"{self.dim} = 0 modulo {self.of}"

    def holds(self, value: int) -> bool:
        return value % self.of == 0

    def at_a_glance(self, grid: Grid) -> Answer | None:
        for monomial, coefficient in self.dim.terms:
            factors = (grid[name].divisor ** exponent for name, exponent in monomial)
            if prod(factors, start=coefficient) % self.of:
                return None if self.dim.symbols else Answer(proven=False, witness=())
        return PROVEN

    def decided(self, grid: Grid) -> Answer | None:
        """Try the first sizes of each symbol, one more than its degree: they decide for all."""
        counts = {n: min(grid[n].count, d + 1) for n, d in sorted(degrees(self.dim.terms).items())}
        if prod(counts.values()) > MAX_POINTS:
            return None
        return self.everywhere(points(counts, grid))

    def denied(self, expression: Any) -> Any:
        return expression % self.of != 0


def same(left: Dim, right: Dim, ranges: Ranges) -> Answer:
    """Say whether two dims are equal for all admissible sizes.

    Raises:
        ExprError: Their difference exceeds the limits of dims.
        KeyError: A symbol has no range.
    """
    if left == right:
        return PROVEN
    return Grid.over(ranges).answer(_Zero(left - right))


def at_most(left: Dim, right: Dim, ranges: Ranges) -> Answer:
    """Say whether `left` is at most `right` for all admissible sizes.

    Raises:
        ExprError: Their difference exceeds the limits of dims.
        KeyError: A symbol has no range.
    """
    if left == right:
        return PROVEN
    return Grid.over(ranges).answer(_NotNegative(right - left if left.terms else right))


def divides(number: int, dim: Dim, ranges: Ranges) -> Answer:
    """Say whether a dim is a multiple of a number, at least 1, for all admissible sizes.

    Raises:
        KeyError: A symbol has no range.
        ValueError: The number is below 1.
    """
    if number < 1:
        raise ValueError(f"{number} divides no sizes; a divisor is at least 1")
    return Grid.over(ranges).answer(_Multiple(dim, number))


def _consulted(question: _Question, grid: Grid) -> Answer:
    """Ask Z3, within bounds; believe a refutation only after checking it."""
    try:
        import z3
    except ImportError:
        reason = "the tests on polynomials don't decide it; to have Z3 try, install acp-cep[smt]"
        return Answer(proven=False, reason=reason)
    open_still = Answer(proven=False, reason="neither the tests on polynomials nor Z3 decide it")
    if sum(e for monomial, _ in question.dim.terms for _, e in monomial) > MAX_FACTORS:
        return open_still
    context = z3.Context()
    solver = z3.Solver(ctx=context)
    solver.set(rlimit=EFFORT, timeout=PATIENCE_MS)
    sizes, total = {}, z3.IntVal(0, context)
    for name in sorted(question.dim.symbols):
        span, size = grid[name], z3.Int(name, context)
        sizes[name] = size
        solver.add(size >= span.first, size <= span.last)
        if span.divisor > 1:
            solver.add(size == span.divisor * z3.Int(f"{name}/", context))
    for monomial, coefficient in question.dim.terms:
        factors = [sizes[name] for name, exponent in monomial for _ in range(exponent)]
        total += z3.IntVal(coefficient, context) * prod(factors, start=z3.IntVal(1, context))
    solver.add(question.denied(total))
    try:
        verdict = solver.check()
        if verdict == z3.unsat:
            return replace(PROVEN, consulted=True)
        if verdict == z3.sat:
            model = solver.model()
            found = {n: model.eval(v, model_completion=True).as_long() for n, v in sizes.items()}
            refuted = question.refuted([found])
            if refuted is not None:
                return refuted
    except z3.Z3Exception:
        pass
    return open_still
