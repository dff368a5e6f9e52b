"""Plans: what every verifier must prove about sizes, for all of them at once (CEP-T3, CEP-T4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from conformance.author import plans

if TYPE_CHECKING:
    from conformance.author.book import Edit, Json
    from conformance.author.plan_cases import Chapters
    from conformance.author.plans import Deck

_NEGATIVE: Final = "a negative size is none"
_OTHER: Final = "sizes that differ for one shape are bytes that are not there, for that shape"


def write(chapters: Chapters) -> None:
    """Write the cases down."""
    _signs(chapters)
    _equalities(chapters)
    _orders(chapters)


def _symbol(name: str, least: int, most: int, divisor: int | None = None) -> Json:
    divided = {} if divisor is None else {"divisor": str(divisor)}
    return {"name": name, "min": str(least), "max": str(most), **divided}


def _given(dim: str, *symbols: Json) -> Deck:
    """Return a plan whose caller also gives a tensor of some size, which nothing needs."""
    deck = plans.sized("s0", "8", size=256)
    for symbol in (*symbols, {"name": dim}):
        name = f"v{len(deck.plan['inputs'])}"
        value = {"id": name, "dtype": "f32", "role": "IN", "shape": [symbol["name"]]}
        deck = deck.edited(
            ("/values/-", value),
            ("/inputs/-", {"name": name, "value": name}),
            *((("/symbols/-", symbol),) if "min" in symbol else ()),
        )
    return deck


def _signs(chapters: Chapters) -> None:
    tests: tuple[tuple[str, str, str, tuple[Json, ...], str, str, Edit], ...] = (
        (
            "divisor",
            "a size that is 0 at the smallest multiple",
            "s1 - 16",
            (_symbol("s1", 8, 64, 16),),
            "below-divisor",
            "multiples of 8, so that one size is -8",
            ("/symbols/1/divisor", "8"),
        ),
        (
            "one-symbol",
            "(s1 - 2) (s1 - 3), which is negative for no integer",
            "s1^2 - 5*s1 + 6",
            (_symbol("s1", 0, 2**20),),
            "between-roots",
            "(s1 - 2) (s1 - 4), which is -1 for 3",
            ("/values/3/shape/0", "s1^2 - 6*s1 + 8"),
        ),
        (
            "one-symbol-halves",
            "the same of s1 / 4, where only multiples of 4 are sizes",
            "s1^2 - 20*s1 + 96",
            (_symbol("s1", 0, 2**20, 4),),
            "between-multiples",
            "multiples of 2, so that 10 is one",
            ("/symbols/1/divisor", "2"),
        ),
        (
            "corners",
            "(4096 - s1) (s2 - 1), which is 0 at two borders",
            "-s1*s2 + s1 + 4096*s2 - 4096",
            (_symbol("s1", 1, 4096), _symbol("s2", 1, 4096)),
            "beyond-corner",
            "s1 up to 4097",
            ("/symbols/1/max", "4097"),
        ),
        (
            "coefficients",
            "s1^2 (s2 - 1) + (s1 - 1), whose coefficients over the box say it",
            "s1^2*s2 - s1^2 + s1 - 1",
            (_symbol("s1", 1, 4096), _symbol("s2", 1, 4096)),
            "no-coefficients",
            "s2 from 0 on",
            ("/symbols/2/min", "0"),
        ),
        (
            "few",
            "a square that is tried for all of its 64 combinations",
            "-2*s1*s2 + s1^2 + s2^2",
            (_symbol("s1", 1, 8), _symbol("s2", 1, 8)),
            "few-but-one",
            "one less",
            ("/values/4/shape/0", "-2*s1*s2 + s1^2 + s2^2 - 1"),
        ),
    )
    for name, why, dim, symbols, bad, mutation, edit in tests:
        sheet = chapters.good(f"plan-size-{name}", "CEP-T4", why, _given(dim, *symbols))
        sheet.bad(f"size-{bad}", "CEP-T4", mutation, _NEGATIVE, edit)


def _made(
    shape: tuple[str, ...], op: str, attributes: list[Json], made: list[str], symbol: Json
) -> Deck:
    """Return y = op(x), for an x whose shape has a symbol of its own."""
    deck = plans.sized(*shape, size=1024).edited(
        ("/symbols/0", symbol),
        ("/ops/0/target", f"cep-core/1:{op}"),
        ("/ops/0/attributes", attributes),
        ("/values/1/shape", made),
    )
    claim: dict[str, Any] = deck.devices["left"]["ops"][0]
    return deck.device("left", ("/ops/-", {**claim, "op": f"cep-core/1:{op}"}))


def _equalities(chapters: Chapters) -> None:
    sized = [{"name": "size", "dims": {"items": ["16"]}}]
    one = _made(("s0",), "view", sized, ["16"], _symbol("s0", 16, 16))
    sheet = chapters.good("plan-one-size", "CEP-T3", "a symbol that has one size is a number", one)
    sheet.bad("two-sizes", "CEP-T3", "17 is a size too", _OTHER, ("/symbols/0/max", "17"))
    one = _made(("s0",), "view", sized, ["16"], _symbol("s0", 15, 31, 16))
    sheet = chapters.good("plan-one-multiple", "CEP-T3", "one size is a multiple of 16", one)
    sheet.bad(
        "two-multiples", "CEP-T3", "24 is a multiple of 8", _OTHER, ("/symbols/0/divisor", "8")
    )
    sized = [{"name": "size", "dims": {"items": ["s0"]}}]
    bit = _made(("s0", "s0"), "view", sized, ["s0"], _symbol("s0", 0, 1))
    sheet = chapters.good("plan-square-of-bit", "CEP-T3", "0 and 1 are their own squares", bit)
    sheet.bad("square-of-two", "CEP-T3", "2 is a size too", _OTHER, ("/symbols/0/max", "2"))


def _orders(chapters: Chapters) -> None:
    attributes: list[Json] = [
        {"name": "dim", "integer": "0"},
        {"name": "end", "dim": "16"},
        {"name": "start", "dim": "0"},
    ]
    deck = _made(("s0",), "slice.Tensor", attributes, ["16"], _symbol("s0", 8, 64, 16))
    sheet = chapters.good(
        "plan-slice-of-multiple", "CEP-T3", "the smallest multiple of 16 is 16", deck
    )
    why = "a slice that ends beyond its axis reads what isn't there"
    sheet.bad(
        "slice-beyond-multiple", "CEP-T3", "8 is a multiple of 8", why, ("/symbols/0/divisor", "8")
    )
