"""``cep explain``: print rules as the specification has them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from acp.cli.explain import explained
from acp.cli.output import Command, Outcome


@click.command(cls=Command, example="cep explain CEP-M3\ncep explain RUN-X2 ENV-T1")
@click.argument("codes", metavar="CODE...", nargs=-1, required=True)
def explain(codes: tuple[str, ...]) -> Outcome:
    """Print what the rule CODE demands, why, and an example that breaks it.

    Knows the codes of documents, plans and receipts, of the compiler and of the runtime.
    """
    return rules_in_words(codes)


def rules_in_words(codes: Sequence[str]) -> Outcome:
    """Return the texts of some rules.

    Raises:
        click.BadParameter: There is no text of one of them.
    """
    from acp import rule_texts as documents
    from cep import rule_texts as plans

    return explained(codes, documents.TEXTS | plans.TEXTS)
