"""``cep explain``: print rules as the specification has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from acp.cli.explain import answer, find
from acp.cli.output import Command, Outcome

if TYPE_CHECKING:
    from acp.explanation import RuleText


@click.command(cls=Command, example="cep explain CEP-M3\ncep explain RUN-X2 ENV-T1")
@click.argument("codes", metavar="CODE...", nargs=-1, required=True)
def explain(codes: tuple[str, ...]) -> Outcome:
    """Print what the rule CODE demands, why, and an example that breaks it.

    Knows the codes of documents, plans and receipts, of the compiler and of the runtime.
    """
    return answer(rules(codes))


def rules(codes: Sequence[str]) -> list[RuleText]:
    """Return the texts of some rules, each once.

    Raises:
        click.BadParameter: There is no text of one of them.
    """
    from acp import rule_texts as documents
    from cep import rule_texts as plans

    return find(codes, documents.TEXTS | plans.TEXTS)
