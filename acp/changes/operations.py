"""What became of the claims about operations.

Variants have no names, so they are paired by what they accept: those that changed least.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from acp.canonical import canonicalize
from acp.changes.change import Act, Change, Verdict
from acp.changes.numerics import numerics
from acp.changes.where import Relation, relation
from acp.diagnostics import pointer
from acp.operations import OPS

if TYPE_CHECKING:
    from acp.v1.capability import (
        CapabilityDescriptor,
        Operand,
        Operation,
        OperationVariant,
        Range,
    )

_Aspect: TypeAlias = tuple[Verdict, str]

MAX_PAIRS: Final = 20_000
"""Most pairs of variants that are looked at; beyond it variants are paired in their order."""

_ANYTHING: Final = "anything"


class _Effort:
    """How many more pairs of variants are looked at."""

    def __init__(self) -> None:
        self._left = MAX_PAIRS

    def allows(self, pairs: int) -> bool:
        """Say whether some more pairs may be looked at, and count them if so."""
        if pairs > self._left:
            return False
        self._left -= pairs
        return True


def operations(old: CapabilityDescriptor, new: CapabilityDescriptor) -> Iterator[Change]:
    """Yield what became of the operations, in the order of the old document, new ones last."""
    effort = _Effort()
    before = {one.op: (index, one) for index, one in enumerate(old.ops)}
    after = {one.op: (index, one) for index, one in enumerate(new.ops)}
    for op in dict.fromkeys((*before, *after)):
        place = f"ops[{op}]"
        if op not in after:
            yield Change(Verdict.WORSE, Act.REMOVED, place, pointer("ops", before[op][0]))
        elif op not in before:
            index, found = after[op]
            yield Change(
                Verdict.BETTER, Act.ADDED, place, pointer("ops", index), _variants_told(found)
            )
        else:
            yield from _variants(before[op], after[op], effort)


def _variants_told(operation: Operation) -> str:
    engines = dict.fromkeys(variant.engine for variant in operation.variants)
    return f"on {', '.join(engines)}"


def _variants(
    old: tuple[int, Operation], new: tuple[int, Operation], effort: _Effort
) -> Iterator[Change]:
    (old_place, before), (new_place, after) = old, new
    pairs = _paired(before, after, effort)
    for i, variant in enumerate(before.variants):
        j = pairs.get(i)
        place = f"ops[{before.op}].variants[{i}]"
        if j is None:
            path = pointer("ops", old_place, "variants", i)
            change = Change(Verdict.WORSE, Act.REMOVED, place, path)
            others = after.variants if effort.allows(len(after.variants)) else ()
            yield _gone(before.op, variant, others, change)
            continue
        path = pointer("ops", new_place, "variants", j)
        for verdict, message in aspects(before.op, variant, after.variants[j]):
            yield Change(verdict, Act.CHANGED, place, path, message)
    for j, variant in enumerate(after.variants):
        if j not in pairs.values():
            path = pointer("ops", new_place, "variants", j)
            place = f"ops[{before.op}].variants[{j}]"
            change = Change(Verdict.BETTER, Act.ADDED, place, path)
            yield _joined(variant, before, change, effort)


def _gone(
    op: str, variant: OperationVariant, others: Sequence[OperationVariant], change: Change
) -> Change:
    """Return the change of a variant that is gone; another one may claim all that it did."""
    for j, other in enumerate(others):
        found = aspects(op, variant, other)
        if all(verdict is not Verdict.WORSE for verdict, _ in found):
            message = f"was on {variant.engine}; variant {j} on {other.engine} claims as much"
            return Change(Verdict.OTHER, change.act, change.place, change.path, message)
    message = f"on {variant.engine}: {_accepted(variant)}"
    return Change(change.verdict, change.act, change.place, change.path, message)


def _joined(
    variant: OperationVariant, before: Operation, change: Change, effort: _Effort
) -> Change:
    """Return the change of a new variant, which may be taken in place of one that claims more."""
    told = f"on {variant.engine}: {_accepted(variant)}"
    if not effort.allows(len(before.variants)):
        message = f"{told}; it may be taken in place of one that claims more of its numbers"
        return Change(Verdict.WORSE, change.act, change.place, change.path, message)
    for i, other in enumerate(before.variants):
        worse = [m for v, m in numerics(other.numerics, variant.numerics) if v is Verdict.WORSE]
        if worse and _overlap(variant, other):
            message = f"{told}; it may be taken in place of variant {i}: {'; '.join(worse)}"
            return Change(Verdict.WORSE, change.act, change.place, change.path, message)
    return Change(change.verdict, change.act, change.place, change.path, told)


def _overlap(one: OperationVariant, other: OperationVariant) -> bool:
    """Say whether two variants may be for one use: no operand shows that they are not."""
    first, second = one.operands or {}, other.operands or {}
    for name in first.keys() | second.keys():
        a, b = first.get(name) or first.get("*"), second.get(name) or second.get("*")
        if a and b and a.dtypes and b.dtypes and set(a.dtypes).isdisjoint(b.dtypes):
            return False
        if a and b and a.rank and b.rank and (a.rank.min > b.rank.max or b.rank.min > a.rank.max):
            return False
    return True


def _paired(before: Operation, after: Operation, effort: _Effort) -> dict[int, int]:
    """Return the new variant that each old one became: those that changed least come first."""
    pairs: dict[int, int] = {}
    equal: dict[bytes, list[int]] = {}
    for j, one in enumerate(after.variants):
        equal.setdefault(canonicalize(one.to_json()), []).append(j)
    for i, one in enumerate(before.variants):
        same = equal.get(canonicalize(one.to_json()))
        if same:
            pairs[i] = same.pop(0)
    taken = set(pairs.values())
    left = [(i, one) for i, one in enumerate(before.variants) if i not in pairs]
    free = [(j, one) for j, one in enumerate(after.variants) if j not in taken]
    if not effort.allows(len(left) * len(free)):
        return pairs | {i: j for (i, _), (j, _) in zip(left, free, strict=False)}
    costs = []
    for i, old in left:
        for j, new in free:
            if _overlap(old, new):
                found = aspects(before.op, old, new)
                worse = sum(verdict is Verdict.WORSE for verdict, _ in found)
                costs.append((worse, old.engine != new.engine, len(found), abs(i - j), i, j))
    for *_, i, j in sorted(costs):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return pairs


def aspects(op: str, old: OperationVariant, new: OperationVariant) -> list[_Aspect]:
    """Return what changed from one variant to another, each with its verdict."""
    if old == new:
        return []
    found: list[_Aspect] = []
    if old.engine != new.engine:
        found.append((Verdict.OTHER, f"engine {old.engine} → {new.engine}"))
    found += _operands(op, old.operands or {}, new.operands or {})
    match relation(old.where, new.where):
        case Relation.NARROWER:
            found.append((Verdict.WORSE, f"where is narrower: {_conditions(old, new)}"))
        case Relation.WIDER:
            found.append((Verdict.BETTER, f"where is wider: {_conditions(old, new)}"))
        case Relation.UNKNOWN:
            message = f"where may be narrower: {_conditions(old, new)}"
            found.append((Verdict.WORSE, message))
        case Relation.SAME:
            pass
    return [*found, *numerics(old.numerics, new.numerics)]


def _conditions(old: OperationVariant, new: OperationVariant) -> str:
    lost = [text for text in old.where if text not in new.where]
    gained = [text for text in new.where if text not in old.where]
    return f"{' and '.join(lost) or _ANYTHING} → {' and '.join(gained) or _ANYTHING}"


def _operands(op: str, old: Mapping[str, Operand], new: Mapping[str, Operand]) -> Iterator[_Aspect]:
    """Yield what became of the constraints on each operand and result."""
    known = OPS.get(op)
    results = known.results if known else ()
    names = dict.fromkeys((*(known.operands if known else ()), *old, *new))
    told: set[_Aspect] = set()
    for name in names:
        if name == "*" and known:
            continue  # Each operand that it stands for is looked at.
        before, after = (
            one.get(name) or (None if name in results else one.get("*")) for one in (old, new)
        )
        by_star = name not in old and name not in new
        for verdict, message in _limits(before, after):
            shown = (verdict, f"{'*' if by_star else name}: {message}")
            if shown not in told:
                told.add(shown)
                yield shown


def _limits(old: Operand | None, new: Operand | None) -> Iterator[_Aspect]:
    if old == new:
        return
    for member in ("dtypes", "layouts", "quant", "sparsity"):
        yield from _set(member, getattr(old, member, ()), getattr(new, member, ()))
    yield from _rank(old.rank if old else None, new.rank if new else None)


def _rank(old: Range | None, new: Range | None) -> Iterator[_Aspect]:
    if old == new:
        return
    words = " → ".join(_ANYTHING if r is None else f"{r.min} to {r.max}" for r in (old, new))
    wider = new is None or (old is not None and new.min <= old.min and old.max <= new.max)
    yield Verdict.BETTER if wider else Verdict.WORSE, f"rank {words}"


def _set(member: str, old: Sequence[str], new: Sequence[str]) -> Iterator[_Aspect]:
    """Yield what became of a list of what is accepted; an empty one accepts anything."""
    lost = [] if not new else [one for one in old if one not in new]
    gained = [] if not old else [one for one in new if one not in old]
    if not new and old:
        yield Verdict.BETTER, f"{member} {', '.join(old)} → {_ANYTHING}"
    elif not old and new:
        yield Verdict.WORSE, f"{member} {_ANYTHING} → {', '.join(new)}"
    if lost:
        yield Verdict.WORSE, f"no longer {member} {', '.join(lost)}"
    if gained:
        yield Verdict.BETTER, f"now {member} {', '.join(gained)}"


def _accepted(variant: OperationVariant) -> str:
    """Return what a variant accepts, in words."""
    words = [
        f"{name} {' '.join(limit.dtypes) or _ANYTHING}"
        for name, limit in (variant.operands or {}).items()
    ]
    return ", ".join([*words, *variant.where]) or _ANYTHING
