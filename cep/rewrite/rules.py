"""The form of a trusted rule, and the list of all of them.

A rule looks at the operation that makes a value, and at what makes its operands, and gives another
definition of the value. It is believed because it is short, because it has a sentence in
spec/rewrites.md, and because its two sides are compared on random graphs by its own tests. That the
types agree is not believed: they are inferred again each time a rule is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cep.opset import PREFIX
from cep.rewrite.definitions import Definitions, RewriteError, Term

if TYPE_CHECKING:
    from cep.graph import Node

Group: TypeAlias = Literal["layout", "fusion", "attention"]
Build: TypeAlias = Callable[[Definitions, "Node"], "Term | str | None"]

EXACT: Final = "exact"


@dataclass(frozen=True, slots=True)
class Rule:
    """A trusted rule.

    Attributes:
        id: Name in logs and in spec/rewrites.md.
        group: Pass of the compiler that uses it.
        anchors: Operations whose result it gives another definition, without the opset.
        error: ``exact`` if both sides have the same bits; else the error class (of
            `cep.reference.accuracy`) that bounds how far they are apart.
        build: Returns the new definition, or None where the rule does not match.
    """

    id: str
    group: Group
    anchors: frozenset[str]
    error: str
    build: Build

    @property
    def exact(self) -> bool:
        """Both sides have the same bits."""
        return self.error == EXACT

    def result(self, graph: Definitions, value: str) -> Term | str | None:
        """Return the new definition of a value, or None where the rule does not match."""
        node = graph.made_by(value, *self.anchors)
        if node is None or node.outputs != (value,):
            return None
        return self.build(graph, node)

    def apply(self, graph: Definitions, value: str, number: int) -> None:
        """Rewrite a value.

        Raises:
            RewriteError: The rule does not match there.
        """
        result = self.result(graph, value)
        if result is None:
            raise RewriteError(f"the rule {self.id} does not match what makes {value!r}")
        graph.define(value, result, number)


RULES: Final[dict[str, Rule]] = {}


def rule(name: str, group: Group, anchors: str, *, error: str = EXACT) -> Callable[[Build], Build]:
    """Declare the function below as a trusted rule."""

    def register(build: Build) -> Build:
        if name in RULES:
            raise ValueError(f"{name} is declared twice")
        RULES[name] = Rule(name, group, frozenset(anchors.split()), error, build)
        return build

    return register


def rule_of(name: str) -> Rule:
    """Return a trusted rule.

    Raises:
        RewriteError: There is none of that name.
    """
    if name not in RULES:
        raise RewriteError(f"there is no rule {name!r}")
    return RULES[name]


def name_of(node: Node) -> str:
    """Return the name of an operation without its opset."""
    return node.target.removeprefix(PREFIX)
