"""Operations and what they are claimed for: ACP-O02 (conditions can be read)."""

from __future__ import annotations

from collections.abc import Iterator

from acp.conditions import ConditionError, parse_where
from acp.rules.registry import Breach, Context, rule
from acp.v1.capability import CapabilityDescriptor


@rule("ACP-O02", CapabilityDescriptor)
def conditions(document: CapabilityDescriptor, _: Context) -> Iterator[Breach]:
    """Every entry of `where` is a condition on a use of an operation."""
    for i, operation in enumerate(document.ops):
        for j, variant in enumerate(operation.variants):
            for k, text in enumerate(variant.where):
                try:
                    parse_where(text)
                except ConditionError as error:
                    path = ("ops", i, "variants", j, "where", k)
                    reason = f"{error}; write it as in 'self.shape[-1] % 16 == 0'"
                    yield Breach(path, reason)
