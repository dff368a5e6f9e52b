"""What is claimed of the numbers of a variant, and whether that is as much as is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from acp.matching.answers import Answer, Reason
from acp.tokens import DTYPES

if TYPE_CHECKING:
    from acp.matching.uses import MaxError, Needs
    from acp.v1.capability import Numerics

DETERMINISM: Final = ("NONE", "SAME_UNIT", "SAME_MODEL", "CROSS_MODEL")
"""By how far the same inputs give the same bits."""

_FLOATS: Final = {"f64": (11, 52), "f32": (8, 23), "tf32": (8, 10), "f16": (5, 10), "bf16": (8, 7)}
"""Bits of exponent and of fraction of floats whose names do not say."""
_SPELLED: Final = re.compile(r"f[468]e(\d)m(\d)(?:fn|fnu|fnuz)?")


def holds(wide: str, narrow: str) -> bool:
    """Say whether a dtype holds every value of another, as far as their registry tells.

    >>> holds("f32", "bf16"), holds("f16", "bf16"), holds("i32", "ui8"), holds("f32", "i16")
    (True, False, True, True)
    """
    if wide == narrow:
        return True
    if wide not in DTYPES or narrow not in DTYPES:
        return False
    outer, inner = _float(wide), _float(narrow)
    if outer and inner:
        return outer != inner and outer[0] >= inner[0] and outer[1] >= inner[1]
    if inner or DTYPES[narrow].kind == "float":
        return False
    signed = DTYPES[narrow].kind == "signed"
    if outer:
        return DTYPES[narrow].bits - signed <= outer[1] + 1
    if signed and DTYPES[wide].kind != "signed":
        return False
    return DTYPES[wide].bits - (DTYPES[wide].kind == "signed") >= DTYPES[narrow].bits - signed


def missing(claimed: Numerics | None, needs: Needs) -> Iterator[Reason]:
    """Yield what of the needs about numbers a variant does not claim."""
    found = [
        None if needs.acc is None else _acc(claimed, needs.acc),
        None if needs.determinism is None else _determinism(claimed, needs.determinism),
        None if needs.max_error is None else _error(claimed, needs.max_error),
    ]
    for message in filter(None, found):
        yield Reason(Answer.NO, "numerics", message)


def _acc(claimed: Numerics | None, asked: str) -> str | None:
    if claimed is None or claimed.acc is None:
        return f"sums in {asked} are asked for; the variant does not say in which dtype it sums"
    if not holds(claimed.acc, asked):
        return f"sums in {asked} are asked for; the variant sums in {claimed.acc}"
    if claimed.imprecise_acc:
        return (
            f"sums in {asked} are asked for; the variant may keep fewer bits than {claimed.acc} "
            "has (imprecise_acc)"
        )
    return None


def _determinism(claimed: Numerics | None, asked: str) -> str | None:
    found = (claimed.determinism if claimed else None) or DETERMINISM[0]
    if DETERMINISM.index(found) >= DETERMINISM.index(asked):
        return None
    return f"determinism {asked} is asked for; claimed is {found}"


def _error(claimed: Numerics | None, asked: MaxError) -> str | None:
    wanted = f"an error of at most {asked.coeff_ppm} ppm {asked.form} is asked for"
    bound = claimed.bound if claimed else None
    if bound is None:
        return f"{wanted}; the variant states no bound, so that the error class of the opset counts"
    if bound.form != asked.form:
        return f"{wanted}; claimed are {bound.coeff_ppm} ppm {bound.form}, which do not compare"
    if bound.coeff_ppm > asked.coeff_ppm:
        return f"{wanted}; claimed are {bound.coeff_ppm} ppm {bound.form}"
    return None


def _float(dtype: str) -> tuple[int, int] | None:
    """Return bits of exponent and of fraction of a float, where they are known."""
    spelled = _SPELLED.fullmatch(dtype)
    if spelled:
        return int(spelled[1]), int(spelled[2])
    return _FLOATS.get(dtype)
