"""What plans promise: deadlines, energy, numbers and places (CEP-K1 to CEP-K4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conformance.author import plans
from conformance.author.book import identity

if TYPE_CHECKING:
    from conformance.author.book import Edit
    from conformance.author.plan_cases import Chapters
    from conformance.author.plans import Deck

_NUMERICS = "/ops/0/variants/0/numerics"
_NUMERICS_OF_TANH = "/ops/3/variants/0/numerics"


def write(chapters: Chapters) -> None:
    """Write the cases down."""
    _deadlines(chapters)
    _silicon(chapters)
    _energy(chapters)
    _budgets(chapters)
    _claims(chapters)
    _places(chapters)


def _estimated(deck: Deck, member: str, *numbers: int) -> Deck:
    """Return a deck that states a number of each step's estimate."""
    return deck.edited(
        *(
            (f"/steps/{i}/estimate", {"p50_ns": "1", member: str(number)})
            for i, number in enumerate(numbers)
        )
    )


def _promised(deck: Deck, feature: str, member: str, promise: Any) -> Deck:
    return deck.edited(("/features", [feature]), (f"/constraints/{member}", promise))


def _deadlines(chapters: Chapters) -> None:
    why = "a promise that the plan's own numbers break"
    deck = _estimated(plans.separate(), "p99_ns", 100, 50, 20)
    deck = _promised(deck, "deadline", "deadline_ns", "170")
    sheet = chapters.good("plan-deadline", "CEP-K1", "three steps, one after the other", deck)
    late: Edit = ("/constraints/deadline_ns", "169")
    sheet.bad("deadline-missed", "CEP-K1", "the deadline is 1 ns earlier", why, late)
    sheet.bad(
        "deadline-slower", "CEP-K1", "a step takes 1 ns more", why,
        ("/steps/2/estimate/p99_ns", "21"),
    )  # fmt: skip
    sheet.bad(
        "deadline-unknown", "CEP-K1", "a step has no p99", "what nobody says can't be added up",
        ("/steps/2/estimate/p99_ns", ...),
    )  # fmt: skip
    sheet.bad(
        "deadline-no-time", "CEP-K1", "a step takes no time", "nothing takes no time",
        ("/steps/2/estimate/p99_ns", "0"),
    )  # fmt: skip
    copied = deck.edited(("/steps/1/estimate/p99_ns", "3"))
    sheet = chapters.good(
        "plan-copy-at-full-rate", "CEP-K1", "128 bytes at 63 GB/s: 2.03 ns, rounded up", copied
    )
    faster = "a time that the link doesn't allow makes any deadline"
    sheet.bad(
        "copy-too-fast", "CEP-K1", "the copy takes 1 ns less", faster,
        ("/steps/1/estimate/p99_ns", "2"),
    )  # fmt: skip
    sheet.deal(
        "copy-without-latency", "CEP-K1", "the link has a latency of 1 ns", faster,
        copied.system(("/links/0/latency_ns", "1")),
    )  # fmt: skip
    sheet.deal(
        "copy-against-traffic", "CEP-K1", "the link has that rate in the other direction only",
        faster, copied.system(("/links/0/a_to_b_bytes_per_s", "1000000000")),
    )  # fmt: skip


def _silicon(chapters: Chapters) -> None:
    deck = plans.chain("ql", "qr", "ql").edited(
        ("/steps/2/waits", ...), ("/buffers/3/offset", "768")
    )
    deck = replace(_estimated(deck, "p99_ns", 10, 20, 30), linked=True)
    groups = [(f"/nodes/{i}/contention_group", name) for i, name in enumerate(("a", "b"))]
    apart = _promised(deck, "deadline", "deadline_ns", "40").system(*groups)
    sheet = chapters.good(
        "plan-side-by-side", "CEP-K1", "two steps side by side on different silicon", apart
    )
    both = [(path, "a") for path, _ in groups]
    sheet.deal(
        "one-silicon", "CEP-K1", "both nodes are of one contention group",
        "what shares silicon is planned as if it ran side by side", apart.system(*both),
    )  # fmt: skip
    turns = _promised(deck, "deadline", "deadline_ns", "60").system(*both)
    sheet = chapters.good("plan-turns", "CEP-K1", "two steps take turns on one silicon", turns)
    sheet.bad(
        "turns-too-late", "CEP-K1", "the deadline is 1 ns earlier", "both steps have their time",
        ("/constraints/deadline_ns", "59"),
    )  # fmt: skip


def _energy(chapters: Chapters) -> None:
    deck = _estimated(plans.shared(), "femtojoules", 700, 300)
    deck = _promised(deck, "energy", "energy_fj", "1000")
    sheet = chapters.good("plan-energy", "CEP-K2", "two steps that use what is promised", deck)
    why = "a promise that the plan's own numbers break"
    sheet.bad(
        "energy-exceeded", "CEP-K2", "the limit is 1 fJ lower", why,
        ("/constraints/energy_fj", "999"),
    )  # fmt: skip
    sheet.bad(
        "energy-unknown", "CEP-K2", "a step says no energy", "what nobody says can't be added up",
        ("/steps/1/estimate/femtojoules", ...),
    )  # fmt: skip


def _numeric(deck: Deck, numeric: str, tolerance: int | None = None) -> Deck:
    said = {} if tolerance is None else {"numeric_tolerance": str(tolerance)}
    return deck.edited(("/constraints", {"numeric": numeric, **said}))


def _budgets(chapters: Chapters) -> None:
    deck, why = plans.one_region(), "closer than the devices round is broken sooner or later"
    tests = (
        ("RELATIVE", 3815, "one sum in f32: 32 units of 2^-23, in parts per billion"),
        ("ULP", 32, "one sum in f32: 32 units"),
    )
    for numeric, tolerance, name in tests:
        token = numeric.lower()
        exact = _numeric(deck, numeric, tolerance)
        sheet = chapters.good(f"plan-budget-{token}", "CEP-K3", name, exact)
        sheet.bad(
            f"budget-{token}-exceeded", "CEP-K3", "the tolerance is 1 less", why,
            ("/constraints/numeric_tolerance", str(tolerance - 1)),
        )  # fmt: skip
        sheet.bad(
            f"budget-{token}-unknown", "CEP-K3", "no tolerance", "nobody knows what is promised",
            ("/constraints/numeric_tolerance", ...),
        )  # fmt: skip
    two = _numeric(deck, "ULP", 33).edited(("/ops/1/target", "cep-core/1:tanh"))
    sheet = chapters.good(
        "plan-budget-of-squares", "CEP-K3", "32 and 8 units: the root of 1088, rounded up", two
    )
    sheet.bad(
        "budget-of-squares-exceeded", "CEP-K3", "the tolerance is 1 less", why,
        ("/constraints/numeric_tolerance", "32"),
    )  # fmt: skip
    same = _numeric(deck, "BITWISE").device("left", (_NUMERICS, {"determinism": "CROSS_MODEL"}))
    sheet = chapters.good(
        "plan-bitwise", "CEP-K3", "a sum whose bits are claimed to be those of all models", same
    )
    sheet.deal(
        "bitwise-on-one-model", "CEP-K3", "the claim is about one model",
        "the bits are not those of the source graph",
        same.device("left", (_NUMERICS, {"determinism": "SAME_MODEL"})),
    )  # fmt: skip
    sheet.bad(
        "bitwise-tolerance", "CEP-K3", "a tolerance is given", "the same bits differ by nothing",
        ("/constraints/numeric_tolerance", "0"),
    )  # fmt: skip


def _claims(chapters: Chapters) -> None:
    def bound(form: str, coefficient: int) -> dict[str, Any]:
        return {"bound": {"form": form, "coeff_ppm": str(coefficient)}}

    tests: tuple[tuple[str, str, int, dict[str, Any], str, dict[str, Any], str], ...] = (
        ("magnitude", "RELATIVE", 7000, bound("ABS_REL", 7), "7 parts per million are claimed",
         bound("ABS_REL", 8), "8 parts per million are claimed"),
        ("sum", "RELATIVE", 8000, bound("DOT", 1), "1 part per million of each of 8 terms",
         bound("DOT", 2), "2 parts per million are claimed"),
        ("nothing", "RELATIVE", 0, bound("ABS_REL", 0), "no error is claimed",
         bound("ABS_REL", 1), "an error is claimed"),
        ("wide", "ULP", 2, {"acc": "f64"}, "sums are kept in f64, and rounded once",
         {"acc": "f32"}, "sums are kept in f32"),
        ("precise", "ULP", 32, {"acc": "f32", "imprecise_acc": False}, "sums are kept in f32",
         {"acc": "f32", "imprecise_acc": True}, "sums are kept in fewer bits than f32 has"),
        ("half", "ULP", 32 * 2**13, {"acc": "f16"}, "sums are kept in f16: units of 2^-10",
         {"acc": "bf16"}, "sums are kept in bf16"),
    )  # fmt: skip
    for name, numeric, tolerance, claimed, why, other, mutation in tests:
        deck = _numeric(plans.one_region(), numeric, tolerance).device("left", (_NUMERICS, claimed))
        sheet = chapters.good(f"plan-claim-{name}", "CEP-K3", why, deck)
        sheet.deal(
            f"claim-{name}-wider", "CEP-K3", mutation, "what the device claims is more",
            deck.device("left", (_NUMERICS, other)),
        )  # fmt: skip

    exact = _numeric(plans.one_region(), "ULP", 4).device("left", (_NUMERICS, bound("ABS_REL", 0)))
    tanh = exact.edited(("/ops/1/target", "cep-core/1:tanh"))
    deck = tanh.device("left", (_NUMERICS_OF_TANH, bound("ULP", 4_000_000)))
    sheet = chapters.good("plan-claim-ulp", "CEP-K3", "4 units are claimed, not 8", deck)
    sheet.deal(
        "claim-ulp-wider", "CEP-K3", "a little more than 4 units is claimed",
        "what the device claims is more",
        deck.device("left", (_NUMERICS_OF_TANH, bound("ULP", 4_000_001))),
    )  # fmt: skip


def _places(chapters: Chapters) -> None:
    deck = _promised(plans.shared(), "locality", "locality_labels", ["eu"])
    there = (("/nodes/0/labels", ["eu", "rack-7"]), ("/nodes/1/labels", ["eu"]))
    deck = replace(deck, linked=True).system(*there)
    sheet = chapters.good("plan-place", "CEP-K4", "two devices in the place", deck)
    why = "data leave the place"
    sheet.deal(
        "place-elsewhere", "CEP-K4", "one of the nodes is in another place", why,
        deck.system(there[0], ("/nodes/1/labels", ["us"])),
    )  # fmt: skip
    sheet.bad(
        "place-within", "CEP-K4", "a second place is asked for, where one node is", why,
        ("/constraints/locality_labels", ["eu", "rack-7"]),
    )  # fmt: skip
    twin = {"id": "twin", "descriptor_digest": identity(deck.devices["right"])}
    sheet.deal(
        "place-of-a-twin", "CEP-K4", "another node with the descriptor is somewhere",
        "the slot may be bound to it", deck.system(*there, ("/nodes/-", twin)),
    )  # fmt: skip
    sheet.deal(
        "place-unknown", "CEP-K4", "no system descriptor", "nobody says where the devices are",
        replace(deck, linked=False),
    )  # fmt: skip
