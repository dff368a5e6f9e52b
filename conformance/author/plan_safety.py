"""Alternates (CEP-C6) and guards (CEP-R1 to R3), with what CEP-I4, I6 and M8 say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from conformance.author import plans

if TYPE_CHECKING:
    from conformance.author.book import Json
    from conformance.author.plan_cases import Chapters
    from conformance.author.plans import Deck

_TRIP: Final = "the device of a step fails, and nothing that was verified can take its place"
_QUIET: Final = "what is not watched is not found out"
_POWER: Final = {"cap_max_mw": "65000", "throttle_mdegc": "90000"}


def write(chapters: Chapters) -> None:
    """Write the cases down."""
    _alternates(chapters)
    _same_bits(chapters)
    _in_place(chapters)
    _watchdog(chapters)
    _trips(chapters)
    _limits(chapters)


def _estimate(p99_ns: int) -> Json:
    return {"p50_ns": "100", "p99_ns": str(p99_ns)}


def _with_alternate(deck: Deck, step: int, queue: str) -> Deck:
    return deck.edited(
        ("/features", ["alternates"]), (f"/steps/{step}/alternates", [{"queue": queue}])
    )


def _guarded(deck: Deck, **safety: Any) -> Deck:
    return deck.edited(("/features", ["safety"]), ("/safety", safety))


def _alternates(chapters: Chapters) -> None:
    deck = _with_alternate(plans.shared(), 0, "qr").edited(
        ("/queues/-", {"id": "spare", "device": "right", "kind": "COPY"}),
        ("/constraints/peak_bytes", [{"device": "right", "bytes": "144"}]),
    )
    sheet = chapters.good(
        "plan-alternate", "CEP-C6 CEP-M8", "another device that sees the same memory", deck
    )
    claims = [one for one in deck.devices["right"]["ops"] if not one["op"].endswith("linear")]
    sheet.deal(
        "alternate-unclaimed", "CEP-C6", "the alternate's device does not claim `linear`", _TRIP,
        deck.device("right", ("/ops", claims)),
    )  # fmt: skip
    own = "/steps/0/alternates"
    sheet.bad(
        "alternate-itself", "CEP-C6", "the alternate is the step's own device", _TRIP,
        (f"{own}/0/queue", "ql"),
    )  # fmt: skip
    sheet.bad(
        "alternate-twice", "CEP-C6", "the alternate is named twice", _TRIP,
        (f"{own}/-", {"queue": "qr"}),
    )  # fmt: skip
    sheet.bad(
        "alternate-copies", "CEP-C6", "the alternate's queue is for copies", _TRIP,
        (f"{own}/0/queue", "spare"),
    )  # fmt: skip
    sheet.bad(
        "alternate-nowhere", "CEP-I6", "the alternate's queue is not listed",
        "the reference leads nowhere", (f"{own}/0/queue", "qx"),
    )  # fmt: skip
    sheet.bad(
        "alternate-undeclared", "CEP-I4", "the feature is not declared",
        "a reader that does not know the feature must notice", ("/features", ...),
    )  # fmt: skip
    sheet.bad(
        "alternate-weights", "CEP-M8", "the alternate's device promises a byte less",
        "the weights are there when the alternate's turn comes",
        ("/constraints/peak_bytes/0/bytes", "143"),
    )  # fmt: skip
    sheet.deal(
        "alternate-far", "CEP-C6", "the alternate's device has a memory of its own", _TRIP,
        deck.device("right", ("/memories/0/coherence_domain", ...)), also="CEP-O6",
    )  # fmt: skip
    chapters.good(
        "plan-alternate-of-copy", "CEP-C6", "the device at the other end copies as well",
        _with_alternate(plans.separate(), 1, "qr"),
    )  # fmt: skip


def _same_bits(chapters: Chapters) -> None:
    deck = _with_alternate(plans.shared(), 0, "qr").edited(("/constraints/deterministic", True))
    for slot in ("left", "right"):
        paths = [f"/ops/{i}/variants/0/numerics/determinism" for i in range(2)]
        deck = deck.device(slot, *((path, "CROSS_MODEL") for path in paths))
    sheet = chapters.good(
        "plan-alternate-deterministic", "CEP-C6 CEP-T6", "both give the same bits", deck
    )
    for slot in ("left", "right"):
        sheet.deal(
            f"alternate-other-bits-{slot}", "CEP-C6",
            f"the bits of the device {slot} are those of its model only",
            "the bits tell which device it was",
            deck.device(slot, ("/ops/0/variants/0/numerics/determinism", "SAME_MODEL")),
        )  # fmt: skip


def _in_place(chapters: Chapters) -> None:
    deck = _with_alternate(plans.shared(), 0, "qr").edited(
        ("/buffers/2/offset", "256"), ("/buffers/2/in_place_of", 1)
    )
    sheet = chapters.good(
        "plan-alternate-before-in-place", "CEP-R2", "the step in place has no alternate", deck
    )
    sheet.bad(
        "alternate-in-place", "CEP-R2", "the step in place has an alternate",
        "the alternate begins when what it needs is half overwritten",
        ("/steps/1/alternates", [{"queue": "ql"}]),
    )  # fmt: skip


def _watchdog(chapters: Chapters) -> None:
    deck = _guarded(plans.shared(), on_trip="ABORT", watchdog_ppm="1000001").edited(
        ("/features", ["deadline", "safety"]),
        ("/constraints/deadline_ns", "401"),
        *((f"/steps/{i}/estimate", _estimate(200)) for i in range(2)),
    )
    sheet = chapters.good(
        "plan-watchdog", "CEP-R1", "a step trips after 201 ns, another takes 200", deck
    )
    share = "/safety/watchdog_ppm"
    early = "healthy steps are stopped"
    sheet.bad("watchdog-at-p99", "CEP-R1", "the watchdog bites at p99", early, (share, "1000000"))
    sheet.bad(
        "watchdog-too-late", "CEP-R1", "the deadline is a nanosecond earlier",
        "the watchdog bites when it is too late", ("/constraints/deadline_ns", "400"),
    )  # fmt: skip
    timed = _guarded(plans.shared(), on_trip="ABORT", watchdog_ppm="1000001").edited(
        *((f"/steps/{i}/estimate", _estimate(1)) for i in range(2)),
    )
    sheet = chapters.good("plan-watchdog-alone", "CEP-R1", "without a deadline", timed)
    sheet.bad(
        "watchdog-no-p99",
        "CEP-R1",
        "a step says p50 only",
        early,
        ("/steps/1/estimate/p99_ns", ...),
    )
    sheet.bad(
        "watchdog-p99-of-0", "CEP-R1", "a step takes no time", early,
        ("/steps/1/estimate/p99_ns", "0"),
    )  # fmt: skip
    sheet.bad(
        "watchdog-no-estimate", "CEP-R1", "a step says nothing", early, ("/steps/1/estimate", ...)
    )


def _trips(chapters: Chapters) -> None:
    deck = _guarded(plans.shared(), on_trip="DRAIN", nan_guard=True)
    sheet = chapters.good("plan-guard", "CEP-R2", "a NaN ends the run", deck)
    sheet.bad("trip-unstated", "CEP-R2", "`on_trip` is not there", _TRIP, ("/safety/on_trip", ...))
    sheet.bad(
        "trip-no-alternates", "CEP-R2", "alternates are to follow, and there are none", _TRIP,
        ("/safety/on_trip", "ALTERNATE"),
    )  # fmt: skip
    sheet.bad(
        "guard-undeclared", "CEP-I4", "the feature is not declared",
        "a reader that does not know the feature must notice", ("/features", ...),
    )  # fmt: skip
    sheet.bad(
        "guard-shadow", "CEP-I4", "steps are to be computed twice",
        "what is not understood is ignored", ("/safety/shadow_ppm", 1000),
    )  # fmt: skip
    alternates = [
        (f"/steps/{i}/alternates", [{"queue": queue, "estimate": _estimate(100)}])
        for i, queue in enumerate(("qr", "ql"))
    ]
    both = deck.edited(
        ("/features", ["alternates", "deadline", "safety"]),
        ("/safety", {"on_trip": "ALTERNATE", "watchdog_ppm": "2000000"}),
        ("/constraints/deadline_ns", "700"),
        *((f"/steps/{i}/estimate", _estimate(200)) for i in range(2)),
        *alternates,
    )
    sheet = chapters.good(
        "plan-alternates", "CEP-C6 CEP-R1 CEP-R2", "a step trips after 400 ns, its alternate takes "
        "100, another step 200", both,
    )  # fmt: skip
    sheet.bad(
        "alternates-one-short", "CEP-R2", "one step has none", _TRIP, ("/steps/1/alternates", ...)
    )
    sheet.bad(
        "alternates-too-late", "CEP-R1", "the deadline is a nanosecond earlier",
        "the watchdog bites when it is too late", ("/constraints/deadline_ns", "699"),
    )  # fmt: skip
    late = both.edited(("/features", ["alternates", "safety"]), ("/constraints/deadline_ns", ...))
    sheet = chapters.good("plan-alternates-watched", "CEP-R1", "without a deadline", late)
    sheet.bad(
        "alternate-no-p99", "CEP-R1", "an alternate says p50 only", "nobody knows when it hangs",
        ("/steps/1/alternates/0/estimate/p99_ns", ...),
    )  # fmt: skip


def _limits(chapters: Chapters) -> None:
    limits = [
        {"device": slot, "quantity": quantity, "max": str(most)}
        for quantity, most in (
            ("memory_bytes", 1048576), ("power_mw", 65000), ("temperature_mdegc", 90000),
        )
        for slot in ("left", "right")
    ]  # fmt: skip
    deck = _guarded(plans.shared(), on_trip="ABORT", limits=limits)
    deck = deck.device("left", ("/power", _POWER))
    sheet = chapters.good("plan-limits", "CEP-R3", "everything is limited everywhere", deck)
    for i, name in enumerate(("memory", "power", "temperature")):
        place = f"/safety/limits/{2 * i}"
        sheet.bad(
            f"limit-{name}-beyond", "CEP-R3", f"the limit of {name} is one above what there can be",
            _QUIET, (f"{place}/max", str(int(limits[2 * i]["max"]) + 1)),
        )  # fmt: skip
        sheet.bad(
            f"limit-{name}-twice", "CEP-R3", f"the {name} of one device is limited twice",
            "nobody knows which holds", (f"{place}/device", "right"),
        )  # fmt: skip
    sheet.bad(
        "limit-one-short", "CEP-R3", "the temperature of one device is not limited", _QUIET,
        ("/safety/limits/5", ...),
    )  # fmt: skip
    sheet.bad(
        "limit-unknown", "CEP-R3", "the limit is of loudness", _QUIET,
        ("/safety/limits/4/quantity", "loudness_db"),
    )  # fmt: skip
    sheet.bad(
        "limit-nowhere", "CEP-I6", "the limit is of a device that is not listed",
        "the reference leads nowhere", ("/safety/limits/5/device", "middle"),
    )  # fmt: skip
    tight = deck.edited(("/safety/limits/0/max", "4240"))
    sheet = chapters.good("plan-limit-tight", "CEP-R3", "the limit is what the plan keeps", tight)
    sheet.bad(
        "limit-too-tight", "CEP-R3", "the limit is a byte less than the plan keeps",
        "every run trips", ("/safety/limits/0/max", "4239"),
    )  # fmt: skip
