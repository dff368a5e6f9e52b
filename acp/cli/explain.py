"""``acp explain``: print rules as the specification has them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from acp.cli.output import Command, Outcome

if TYPE_CHECKING:
    from acp.explanation import RuleText


@click.command(cls=Command, example="acp explain ACP-C01\nacp explain ENV-T2 REG-M3 MAT-A1")
@click.argument("codes", metavar="CODE...", nargs=-1, required=True)
def explain(codes: tuple[str, ...]) -> Outcome:
    """Print what the rule CODE demands, why, and an example that breaks it.

    Knows the codes of documents (ENV-..., ACP-...), of registries (REG-...), and those of commands
    and of this machine (MAT-A1, DIF-A1, RUN-...); 'cep explain' knows those of plans, too.
    """
    from acp.rule_texts import TEXTS

    return answer(find(codes, TEXTS))


def find(codes: Sequence[str], texts: Mapping[str, RuleText]) -> list[RuleText]:
    """Return the texts of some rules, each once.

    Raises:
        click.BadParameter: There is no text of one of them.
    """
    return [_rule(code, texts) for code in dict.fromkeys(map(str.upper, codes))]


def answer(rules: Sequence[RuleText]) -> Outcome:
    """Return the outcome that prints some rules."""
    return Outcome(
        text="\n\n".join(rule.in_words() for rule in rules),
        data={"rules": [rule.as_json() for rule in rules]},
    )


def _rule(code: str, texts: Mapping[str, RuleText]) -> RuleText:
    if code in texts:
        return texts[code]
    if code.startswith("CEP-") and not any(known.startswith("CEP-") for known in texts):
        raise click.BadParameter(f"{code!r} is about plans: see 'cep explain {code[:20]}'")
    ending = [known for known in sorted(texts) if known.endswith(f"-{code}")]
    near = ending or difflib.get_close_matches(code, texts, n=3) or sorted(texts)[:3]
    raise click.BadParameter(f"{code[:40]!r} is no code known here; some are {', '.join(near)}")
