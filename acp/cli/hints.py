"""What is probably meant by a name that nobody defines, in a question or in a document.

Names of technology are open (spec/acp.md, section 3): a reader must not reject one that it does not
know, and another version of the registries may have it. Most often it is a slip all the same, and
rules that would have looked at what it names look nowhere. That is worth a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

import click

from acp.diagnostics import Diagnostic, Severity, pointer

if TYPE_CHECKING:
    from acp.conditions import Condition
    from acp.message import Message
    from acp.v1.capability import CapabilityDescriptor

_ALIKE: Final = 0.5
_MOST: Final = 16
"""Tokens of one document that are told of."""

_Named: TypeAlias = "tuple[str, str, str | None]"


def operation(text: str) -> str:
    """Return the name of an operation.

    Raises:
        click.BadParameter: It names no opset.
    """
    import difflib

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
            yield f"{dtype[:80]!r} is no registered dtype{_meant(dtype, DTYPES)}"


def unregistered_tokens(document: Message) -> list[Diagnostic]:
    """Return a warning VAL-A1 for each token of a document that is neither registered nor owned."""
    from acp import tokens
    from acp.v1.capability import CapabilityDescriptor
    from acp.v1.system import SystemDescriptor

    named: Iterable[_Named] = ()
    if isinstance(document, CapabilityDescriptor):
        named = _of_descriptor(document)
    elif isinstance(document, SystemDescriptor):
        named = (
            (f"/links/{i}/kind", "link_kinds", link.kind) for i, link in enumerate(document.links)
        )
    first: dict[tuple[str, str], str] = {}
    for path, registry, token in named:
        if token is not None and token not in getattr(tokens, registry.upper()):
            if "/" not in token:
                first.setdefault((registry, token), path)
            if len(first) == _MOST:
                break
    return [
        Diagnostic(
            "VAL-A1",
            Severity.WARNING,
            path,
            f"{token[:80]!r} is not in the registry {registry}, so that rules about it look "
            f"nowhere{_meant(token, getattr(tokens, registry.upper()))}",
        )
        for (registry, token), path in first.items()
    ]


def _of_descriptor(document: CapabilityDescriptor) -> Iterator[_Named]:
    """Yield the tokens of a descriptor with their paths and registries."""
    from acp.tokens import DTYPES

    fine = {None, *DTYPES}
    yield "/subject/device_class", "device_classes", document.subject.device_class
    for i, arch in enumerate(document.subject.arch):
        yield f"/subject/arch/{i}", "architectures", arch.partition(":")[0]
    for i, engine in enumerate(document.engines):
        for j, rate in enumerate(engine.rates):
            if rate.a in DTYPES and rate.b in DTYPES and rate.out in DTYPES and rate.acc in fine:
                continue
            for name in ("a", "b", "acc", "out"):
                yield f"/engines/{i}/rates/{j}/{name}", "dtypes", getattr(rate, name)
    for i, memory in enumerate(document.memories):
        yield f"/memories/{i}/kind", "memory_kinds", memory.kind
    for i, port in enumerate(document.ports):
        yield f"/ports/{i}/link_kind", "link_kinds", port.link_kind
    yield from _of_operations(document)


def _of_operations(document: CapabilityDescriptor) -> Iterator[_Named]:
    """Yield the dtypes of operations that may not be registered; each list is looked at once."""
    from acp.tokens import DTYPES

    fine: set[tuple[str, ...]] = set()
    for i, op in enumerate(document.ops):
        for j, variant in enumerate(op.variants):
            acc = None if variant.numerics is None else variant.numerics.acc
            if acc is not None and acc not in DTYPES:
                yield f"/ops/{i}/variants/{j}/numerics/acc", "dtypes", acc
            for operand, accepted in variant.operands.items():
                if accepted.dtypes in fine:
                    continue
                if all(dtype in DTYPES for dtype in accepted.dtypes):
                    fine.add(accepted.dtypes)
                    continue
                place = ("ops", i, "variants", j, "operands", operand, "dtypes")
                for k, dtype in enumerate(accepted.dtypes):
                    yield pointer(*place, k), "dtypes", dtype


def _meant(token: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(token, known, n=1, cutoff=_ALIKE)
    return f"; did you mean {near[0]}?" if near else ""


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
