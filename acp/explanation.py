"""What a rule demands and why, for people.

The texts are those of the specification. `acp.rule_texts` and `cep.rule_texts` are generated from
it, and imported only by what prints them: no verdict depends on them.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Final

_WIDTH: Final = 88


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleText:
    """What the specification says of a rule.

    Attributes:
        code: Its id, such as ``CEP-M3``.
        place: File and section that define it.
        demand: What it demands. Paragraphs are separated by an empty line.
        reason: Why; empty where the specification gives no reason.
        example: JSON that breaks it; empty where there is none, or it is told in words.
        example_of: What to do with the example.
    """

    code: str
    place: str
    demand: str
    reason: str = ""
    example: str = ""
    example_of: str = ""

    def in_words(self, *, example: bool = True) -> str:
        """Return the text for a terminal, with or without the example."""
        parts = [f"{self.code} ({self.place})", _wrapped(self.demand)]
        if self.reason:
            parts.append(_wrapped(f"Reason: {self.reason}"))
        if example and self.example:
            what = f", as {self.example_of}" if self.example_of else ""
            parts.append(f"  An example that breaks it{what}:")
            parts.append(textwrap.indent(self.example, "    "))
        return "\n\n".join(parts)

    def as_json(self) -> dict[str, str]:
        """Return the members that are not empty, as ``--format json`` prints them."""
        members = {
            "code": self.code,
            "place": self.place,
            "demand": self.demand,
            "reason": self.reason,
            "example": self.example,
            "example_of": self.example_of,
        }
        return {name: text for name, text in members.items() if text}


def _wrapped(text: str) -> str:
    return "\n".join(
        textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent="  ")
        for line in text.split("\n")
    )
