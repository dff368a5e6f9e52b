"""What is probably meant by a name in a question that nobody defines.

Names of technology are open, so that only a name without an opset is refused. The others are asked
for as they stand, and no descriptor may have them: that is worth a word.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from acp.conditions import Condition

_ALIKE: Final = 0.5


def operation(text: str) -> str:
    """Return the name of an operation.

    Raises:
        click.BadParameter: It names no opset.
    """
    from acp.operations import OPS
    from acp.v1.formats import HINTS, OPNAME_PATTERN

    if re.search(OPNAME_PATTERN, text) is None:
        known = {name.rpartition(":")[2]: name for name in sorted(OPS, reverse=True)}
        near = difflib.get_close_matches(text, known, n=3, cutoff=_ALIKE)
        meant = [known[text]] if text in known else [known[one] for one in near]
        hint = f"; did you mean {' or '.join(meant)}?" if meant else ""
        reason = f"{text[:80]!r} is not {HINTS[OPNAME_PATTERN]}{hint}"
        raise click.BadParameter(reason, param_hint="--op")
    return text


def unregistered(dtypes: Iterable[str | None]) -> Iterator[str]:
    """Say of dtypes which are neither registered nor somebody's own."""
    from acp.tokens import DTYPES

    for dtype in dict.fromkeys(dtypes):
        if dtype is not None and dtype not in DTYPES and "/" not in dtype:
            near = difflib.get_close_matches(dtype, DTYPES, n=1, cutoff=_ALIKE)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{dtype[:80]!r} is no registered dtype{hint}"


def no_members(condition: Condition) -> Iterator[str]:
    """Say which names of a condition stand for nothing that a descriptor can have."""
    from acp.authoring import descriptor
    from acp.conditions import Name

    for comparison in condition.comparisons:
        for name in (side.value for side in comparison.sides if isinstance(side.value, Name)):
            member = descriptor()
            for step in name.steps:
                inner = member.entries or member.values
                if inner is None and not member.is_object:
                    yield f"no descriptor has {name.text!r}: there is nothing below {member.name!r}"
                    break
                try:
                    member = inner or member.member(step.name)
                except ValueError as error:
                    yield f"no descriptor has {name.text!r}: {error}"
                    break
