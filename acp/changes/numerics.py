"""What became of what a variant claims of its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from acp.changes.change import Verdict
from acp.matching.numerics import DETERMINISM, holds

if TYPE_CHECKING:
    from acp.v1.capability import ErrorBound, Numerics

_ORDER: Final = ("ANY", "FIXED")
_JUDGED: Final = frozenset(
    {"acc", "imprecise_acc", "bound", "reduction_order", "determinism", "subnormals", "rounding"}
)


def numerics(old: Numerics | None, new: Numerics | None) -> Iterator[tuple[Verdict, str]]:
    """Yield what changed, each with its verdict; who claims nothing of its numbers claims less."""
    if old == new:
        return
    yield from _acc(old.acc if old else None, new.acc if new else None)
    yield from _flag(old, new)
    yield from _bound(old.bound if old else None, new.bound if new else None)
    found = (old and old.reduction_order) or _ORDER[0], (new and new.reduction_order) or _ORDER[0]
    yield from _ranked("reduction_order", _ORDER, *found)
    levels = (
        (old and old.determinism) or DETERMINISM[0],
        (new and new.determinism) or DETERMINISM[0],
    )
    yield from _ranked("determinism", DETERMINISM, *levels)
    for name in ("subnormals", "rounding"):
        before = set(getattr(old, name, ()))
        after = set(getattr(new, name, ()))
        if before != after:
            verdict = Verdict.BETTER if before < after else Verdict.WORSE
            words = f"{', '.join(sorted(before)) or 'not stated'} → "
            yield verdict, f"{name} {words}{', '.join(sorted(after)) or 'not stated'}"
    yield from _others(old.to_json() if old else {}, new.to_json() if new else {})


def _others(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[tuple[Verdict, str]]:
    """Yield the members of which neither value is better."""
    for name in dict.fromkeys((*old, *new)):
        if name not in _JUDGED and old.get(name) != new.get(name):
            words = f"{old.get(name, 'not stated')} → {new.get(name, 'not stated')}"
            yield Verdict.OTHER, f"{name} {words}"


def _acc(old: str | None, new: str | None) -> Iterator[tuple[Verdict, str]]:
    if old == new:
        return
    wider = old is None or (new is not None and holds(new, old))
    yield (
        Verdict.BETTER if wider else Verdict.WORSE,
        f"acc {old or 'not stated'} → {new or 'not stated'}",
    )


def _flag(old: Numerics | None, new: Numerics | None) -> Iterator[tuple[Verdict, str]]:
    before, after = (bool(one and one.imprecise_acc) for one in (old, new))
    if before is not after:
        word = "may be" if after else "are no longer"
        yield (
            Verdict.WORSE if after else Verdict.BETTER,
            f"sums {word} kept in fewer bits than acc has (imprecise_acc)",
        )


def _bound(old: ErrorBound | None, new: ErrorBound | None) -> Iterator[tuple[Verdict, str]]:
    if old == new:
        return
    words = " → ".join(
        "the error class of the opset" if one is None else f"{one.coeff_ppm} ppm {one.form}"
        for one in (old, new)
    )
    tighter = (
        old is not None
        and new is not None
        and old.form == new.form
        and new.coeff_ppm < old.coeff_ppm
    )
    comparable = old is not None and new is not None and old.form == new.form
    doubt = "" if comparable else ", which do not compare"
    yield Verdict.BETTER if tighter else Verdict.WORSE, f"bound {words}{doubt}"


def _ranked(name: str, ranks: tuple[str, ...], old: str, new: str) -> Iterator[tuple[Verdict, str]]:
    if old != new:
        better = ranks.index(old) < ranks.index(new)
        yield Verdict.BETTER if better else Verdict.WORSE, f"{name} {old} → {new}"
