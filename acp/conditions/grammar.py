"""The grammar of conditions: from a text to comparisons, or to the place where it is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import msgspec
from typing_extensions import override

MAX_LENGTH: Final = 2048
"""Longest condition, in characters."""

Literal: TypeAlias = int | str | bool
"""What a condition can spell: an integer, a text or a flag."""

ORDERED: Final = frozenset({"<", "<=", ">", ">="})
OPERATORS: Final = frozenset({"==", "!=", *ORDERED})
_KEYWORDS: Final = frozenset({"and", "in", "true", "false"})

_TOKEN: Final = re.compile(
    r"""
    (?P<text>"[^"\\\x00-\x1f\x7f]*")
    | (?P<integer>-?(?:0|[1-9][0-9]{0,18})(?![0-9A-Za-z_]))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*|\[[A-Za-z0-9_.:/+*-]+\])*)
    | (?P<sign>==|!=|<=|>=|[<>%(),])
    """,
    re.VERBOSE | re.ASCII,
)
_STEP: Final = re.compile(r"\[([^\]]+)\]|([^.\[]+)")


class ConditionError(ValueError):
    """A text that is no condition.

    Attributes:
        at: Where it stops to be one, in characters from 0.
    """

    def __init__(self, reason: str, at: int) -> None:
        """Say what is wrong, and where."""
        super().__init__(f"{reason}, at character {at + 1}")
        self.at = at


class Step(NamedTuple):
    """One step of a name: into a member, or into what stands in brackets."""

    name: str
    in_brackets: bool


@dataclass(frozen=True, slots=True)
class Name:
    """What a condition asks for: ``memories[hbm].usable_bytes``.

    Attributes:
        text: As it was written.
        steps: The parts; the first is never in brackets.
        at: Its place in the condition, in characters from 0.
    """

    text: str
    steps: tuple[Step, ...]
    at: int = field(default=0, compare=False)

    @override
    def __str__(self) -> str:
        """Return the name as it was written."""
        return self.text


class Term(NamedTuple):
    """One side of a comparison.

    Attributes:
        value: A literal, or a name.
        modulus: The remainder by this number is meant; 0 for the value itself.
    """

    value: Literal | Name
    modulus: int = 0


class Comparison(msgspec.Struct, frozen=True):
    """Two sides and what must hold between them.

    Attributes:
        left: Left side.
        operator: ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=`` or ``in``.
        right: Right side; literals where it is a list of them.
        text: As it was written.
    """

    left: Term
    operator: str
    right: Term | tuple[Literal, ...]
    text: str

    @property
    def sides(self) -> tuple[Term, ...]:
        """Everything that is compared."""
        right = self.right
        others = (right,) if isinstance(right, Term) else tuple(Term(one) for one in right)
        return (self.left, *others)


class Condition(msgspec.Struct, frozen=True):
    """Comparisons that must all hold."""

    comparisons: tuple[Comparison, ...]


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


@lru_cache(maxsize=4096)
def parse(text: str) -> Condition:
    """Return the condition that a text spells.

    Raises:
        ConditionError: It spells none.
    """
    return _Parser(text).condition()


def quoted(value: Literal) -> str:
    """Return a literal as a condition spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def compare(left: Literal, operator: str, right: Literal) -> bool:
    """Say whether a comparison of two values holds; values of different kinds are not comparable.

    Only integers are ordered.
    """
    if type(left) is not type(right):
        return False
    if operator in ("==", "!="):
        return (left == right) == (operator == "==")
    if not isinstance(left, int) or isinstance(left, bool) or not isinstance(right, int):
        return False
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[
        operator
    ]


class _Parser:
    """Reads the tokens of one condition, from left to right, each once."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            reason = f"{len(text)} characters; a condition has at most {MAX_LENGTH}"
            raise ConditionError(reason, MAX_LENGTH)
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    def condition(self) -> Condition:
        found = [self._comparison()]
        while self._take("and"):
            found.append(self._comparison())
        token = self._peek()
        if token.kind != "end":
            reason = f"{token.text!r} where 'and' or the end is expected"
            raise ConditionError(reason, token.at)
        return Condition(tuple(found))

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _pop(self) -> _Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _take(self, text: str) -> bool:
        token = self._peek()
        found = token.text == text and token.kind in ("name", "sign")
        self._next += found
        return found

    def _expect(self, text: str) -> None:
        if not self._take(text):
            token = self._peek()
            raise ConditionError(
                f"{token.text or 'the end'!r} where {text!r} is expected", token.at
            )

    def _comparison(self) -> Comparison:
        first = self._peek()
        left = self._term()
        token = self._pop()
        right: Term | tuple[Literal, ...]
        if token.text == "in" and token.kind == "name":
            right = self._literals() if isinstance(left.value, Name) else self._list()
        elif token.text in OPERATORS and token.kind == "sign":
            right = self._term()
        else:
            allowed = "one of " + " ".join(sorted(OPERATORS)) + " in"
            reason = f"{token.text or 'the end'!r} where {allowed} is expected"
            raise ConditionError(reason, token.at)
        last = self._tokens[self._next - 1]
        text = self._text[first.at : last.at + len(last.text)]
        comparison = Comparison(left, token.text, right, text)
        kinds = {type(one.value) for one in comparison.sides if not isinstance(one.value, Name)}
        check_kinds(comparison, kinds, token.at)
        return comparison

    def _term(self) -> Term:
        token = self._pop()
        value = _literal(token)
        if value is not None:
            return Term(value)
        if token.kind != "name" or token.text in _KEYWORDS:
            raise ConditionError(f"{token.text or 'the end'!r} where a value is expected", token.at)
        name = Name(token.text, _steps(token), token.at)
        if not self._take("%"):
            return Term(name)
        token = self._pop()
        modulus = _literal(token)
        if token.kind != "integer" or not isinstance(modulus, int) or modulus < 1:
            raise ConditionError("a remainder is by a number of at least 1", token.at)
        return Term(name, modulus)

    def _list(self) -> Term:
        """Return the name of the list in which a literal is looked for."""
        at = self._peek().at
        side = self._term()
        if not isinstance(side.value, Name) or side.modulus:
            raise ConditionError("a value can be in what a name stands for", at)
        return side

    def _literals(self) -> tuple[Literal, ...]:
        self._expect("(")
        found = []
        while True:
            token = self._pop()
            value = _literal(token)
            if value is None:
                reason = f"{token.text or 'the end'!r} where a number or a text is expected"
                raise ConditionError(reason, token.at)
            found.append(value)
            if not self._take(","):
                self._expect(")")
                return tuple(found)


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while True:
        while at < len(text) and text[at] == " ":
            at += 1
        if at == len(text):
            return [*found, _Token("end", "", at)]
        match = _TOKEN.match(text, at)
        if match is None:
            raise ConditionError(f"{text[at]!r} begins nothing that a condition has", at)
        found.append(_Token(str(match.lastgroup), match[0], at))
        at = match.end()


def _literal(token: _Token) -> Literal | None:
    if token.kind == "integer":
        return int(token.text)
    if token.kind == "text":
        return token.text[1:-1]
    if token.kind == "name" and token.text in ("true", "false"):
        return token.text == "true"
    return None


def _steps(token: _Token) -> tuple[Step, ...]:
    steps = tuple(
        Step(key or word, in_brackets=bool(key)) for key, word in _STEP.findall(token.text)
    )
    if steps[0].name in _KEYWORDS:
        raise ConditionError(f"{steps[0].name!r} is no name", token.at)
    return steps


def check_kinds(comparison: Comparison, kinds: set[type], at: int) -> None:
    """Refuse what no value can make hold: an order of texts, or a text and a number.

    Args:
        comparison: The comparison.
        kinds: Kinds of what is compared, as far as they are known.
        at: Where it is said, in characters from 0.

    Raises:
        ConditionError: The sides do not go together.
    """
    if comparison.operator in ORDERED or any(side.modulus for side in comparison.sides):
        kinds = kinds | {int}
    if len(kinds) > 1:
        words = {int: "integers", str: "texts", bool: "flags"}
        named = " and ".join(sorted(words[kind] for kind in kinds))
        raise ConditionError(f"{comparison.operator!r} between {named} never holds", at)
