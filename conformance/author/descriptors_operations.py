"""Operations: that rates are reachable, that names are defined, and what numerics promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from conformance.author.descriptors import Page, page_of_descriptor
from conformance.author.descriptors_compute import row

if TYPE_CHECKING:
    from conformance.author.book import Book

_VARIANT: Final = "/ops/0/variants/0"
_WHERE: Final = f"{_VARIANT}/where"
_NUMERICS: Final = f"{_VARIANT}/numerics"


def write() -> Book:
    """Write the cases down."""
    base = page_of_descriptor(
        "operations", "ACP-N01 ACP-N02 ACP-N03 ACP-N04 ACP-O01 ACP-O02 ACP-O03"
    )
    _reachable(base)
    _names(base)
    _divisibility(base)
    _numerics(base)
    _accumulators(base)
    return base.book


def _reachable(base: Page) -> None:
    why = "a rate that no operation reaches is an advertisement"
    rate = row(a="i8", b="i8", acc="i32", out="i32")
    good = base.good(
        "descriptor-reachable",
        "ACP-O01",
        "the operation on the engine accepts what the rate multiplies",
        ("/engines/0/rates/-", rate),
        (f"{_VARIANT}/operands/*/dtypes", ["f16", "i8"]),
    )
    good.bad(
        "descriptor-unreachable",
        "ACP-O01",
        "the operation accepts f16 only",
        why,
        (f"{_VARIANT}/operands/*/dtypes", ["f16"]),
    )
    good.bad(
        "descriptor-reachable-elsewhere",
        "ACP-O01",
        "the operation runs on the other engine",
        why,
        (f"{_VARIANT}/engine", "vector"),
    )
    base.good(
        "descriptor-unreachable-not-exposed",
        "ACP-O01",
        "what the software does not let a program reach is said to be not exposed",
        ("/engines/0/rates/-", rate | {"exposed": False}),
    )
    base.good(
        "descriptor-reachable-by-any-dtype",
        "ACP-O01",
        "an operation that lists no dtypes accepts all",
        ("/engines/0/rates/-", rate),
        (f"{_VARIANT}/operands", ...),
    )
    base.good(
        "descriptor-reachable-as-stored",
        "ACP-O01",
        "tf32 is f32 in memory",
        ("/engines/0/rates/-", row(a="tf32", b="tf32", peak_ops_per_s="8192000000000")),
        (f"{_VARIANT}/operands/*/dtypes", ["f16", "f32"]),
    )


def _names(base: Page) -> None:
    conditions = ["self.shape[1] % 16 == 0", "out.elements <= 4096"]
    good = base.good(
        "descriptor-names",
        "ACP-O02",
        "conditions and constraints name operands and results of the operation",
        (_WHERE, conditions),
        (
            f"{_VARIANT}/operands",
            {"self": {"rank": {"min": 2, "max": 2}}, "out": {"dtypes": ["f16"]}},
        ),
    )
    why = "what is said of a name that stands for nothing is said of nothing"
    for name, mutation, path, value in (
        ("operand-in-condition", "`self` is `a`", f"{_WHERE}/0", "a.shape[1] % 16 == 0"),
        ("attribute", "an attribute that mm lacks", f"{_WHERE}/0", "attributes.alpha == 1"),
        ("axis", "the third axis of a matrix", f"{_WHERE}/0", "self.shape[2] % 16 == 0"),
        ("axis-from-behind", "the axis before the first", f"{_WHERE}/0", "self.shape[-3] == 1"),
        ("operand", "a constraint on `a` is added", f"{_VARIANT}/operands/a", {"dtypes": ["f16"]}),
        ("operation", "the operation is `matmul`", "/ops/0/op", "cep-core/1:matmul"),
    ):
        good.bad(f"descriptor-undefined-{name}", "ACP-O02", mutation, why, (path, value))
    good.good(
        "descriptor-names-of-another-opset",
        "ACP-O02",
        "what a reader does not know it does not judge",
        ("/ops/0/op", "vendor.example/ops/1:matmul"),
        (f"{_WHERE}/0", "a.shape[1] % 16 == 0 and attributes.alpha == 1"),
    )
    base.good(
        "descriptor-names-attributes",
        "ACP-O02",
        "a condition may name attributes of the operation",
        ("/ops/1/variants/0/where", ["attributes.alpha == 1"]),
    )


def _divisibility(base: Page) -> None:
    why = "a condition that goes with no tile is most often that of another operand, axis or dtype"
    tile = ("/engines/0/rates/0/tile", {"m": 64, "n": 256, "k": 16})
    good = base.good(
        "descriptor-conditions-of-the-tile",
        "ACP-O03",
        "sizes are multiples or divisors of the tile",
        tile,
        (
            _WHERE,
            ["self.shape[1] % 48 == 0 and self.shape[0] % 8 == 0 and out.shape[-2] % 48 == 16"],
        ),
    )
    for name, mutation, condition in (
        ("crooked", "neither a multiple nor a divisor", "self.shape[1] % 24 == 0"),
        ("remainder", "sizes that no tile divides", "self.shape[1] % 16 == 8"),
        ("other-operand", "the length of the sums, by its other name", "mat2.shape[-2] % 24 == 0"),
    ):
        good.warned(
            f"descriptor-conditions-{name}", "ACP-O03", mutation, why, (_WHERE, [condition])
        )
    base.good(
        "descriptor-conditions-without-tile",
        "ACP-O03",
        "a rule whose inputs are absent is not broken",
        (_WHERE, ["self.shape[1] % 24 == 0"]),
    )


def _numerics(base: Page) -> None:
    pairs: tuple[tuple[str, str, str, dict[str, Any], str, Any], ...] = (
        (
            "subnormals",
            "ACP-N01",
            "a program can choose",
            {"subnormals": ["preserve", "flush"], "subnormals_selectable": True},
            "subnormals_selectable",
            False,
        ),
        (
            "bound-of-sum",
            "ACP-N02",
            "the error of a sum is bounded against the magnitudes of its terms",
            {"bound": {"form": "DOT", "coeff_ppm": "1000000"}},
            "bound/form",
            "ULP",
        ),
    )
    reasons = {
        "ACP-N01": "two promises without a choice are none",
        "ACP-N02": "where terms cancel, no number of units in the last place bounds the error",
    }
    for name, code, why, numerics, path, value in pairs:
        good = base.good(f"descriptor-{name}", code, why, (_NUMERICS, numerics))
        mutation = f"`{path}` is {value}"
        edit = (f"{_NUMERICS}/{path}", value)
        good.bad(f"descriptor-{name}-wrong", code, mutation, reasons[code], edit)
    base.good(
        "descriptor-subnormals-flushed",
        "ACP-N01",
        "one of the two is a promise",
        (_NUMERICS, {"subnormals": ["flush"]}),
    )
    base.good(
        "descriptor-bound-of-one",
        "ACP-N02",
        "an operation that rounds once may be bounded in units in the last place",
        ("/ops/1/variants/0/numerics", {"bound": {"form": "ULP", "coeff_ppm": "500000"}}),
    )
    fixed = base.good(
        "descriptor-repeatable",
        "ACP-N04",
        "sums in a fixed order give the same bits",
        (_NUMERICS, {"reduction_order": "FIXED", "determinism": "SAME_MODEL"}),
    )
    fixed.warned(
        "descriptor-repeatable-in-any-order",
        "ACP-N04",
        "sums are taken in any order",
        "sums in another order give other bits",
        (f"{_NUMERICS}/reduction_order", "ANY"),
    )


def _accumulators(base: Page) -> None:
    good = base.good(
        "descriptor-accumulator-as-claimed",
        "ACP-N03",
        "the operation claims the accumulator that the rate has",
        (_NUMERICS, {"acc": "f32"}),
    )
    why = "an accurate claim beside a fast one is two devices in one"
    good.bad(
        "descriptor-accumulator-narrower",
        "ACP-N03",
        "the rate is reached with sums in f16",
        why,
        ("/engines/0/rates/0/acc", "f16"),
    )
    good.good(
        "descriptor-accumulator-imprecise",
        "ACP-N03",
        "sums of fewer bits than claimed are admitted",
        ("/engines/0/rates/0/acc", "f16"),
        (f"{_NUMERICS}/imprecise_acc", True),
    )
    good.good(
        "descriptor-accumulators",
        "ACP-N03",
        "one of two rates has the accumulator that is claimed",
        ("/engines/0/rates/-", row(acc="f16", peak_ops_per_s="32768000000000")),
    )
