from __future__ import annotations

import pytest

from cep.v1.plan import Plan
from cep.verify import RULES
from cep.verify.order import deadlock_free
from tests.cep.machine.scope import subject
from tests.cep.plans import all_of, at, descriptor, mutated
from tests.cep.verify.cases import refused_by, test_cases
from tests.cep.verify.test_alternates import described

P99 = 1_000
TWICE = "2000000"


def safe(alternates=(), **safety):
    """A change that states what is watched, and the alternates of steps."""
    features = ["alternates", "safety"] if alternates else ["safety"]
    return all_of(
        at("features", features),
        at("safety", {k: v for k, v in {"on_trip": "ABORT", **safety}.items() if v is not None}),
        *(at(f"steps/{i}/alternates", [{"queue": q}]) for i, q in alternates),
    )


def timed(*p99):
    return all_of(
        *(
            at(f"steps/{i}/estimate", {"p50_ns": "1", **({"p99_ns": str(t)} if t else {})})
            for i, t in enumerate(p99)
        )
    )


def limit(device, quantity, most):
    return {"device": device, "quantity": quantity, "max": str(most)}


def both(quantity, left, right=None):
    return [limit("left", quantity, left), limit("right", quantity, right or left)]


POWER = {"cap_max_mw": "65000", "throttle_mdegc": "90000"}
EVERYWHERE = [(0, "right"), (1, "left"), (2, "right")]
ALWAYS = all_of(
    safe(EVERYWHERE, on_trip="ALTERNATE", watchdog_ppm=TWICE),
    timed(P99, P99, P99),
    *(at(f"steps/{i}/alternates/0/estimate", {"p50_ns": "1", "p99_ns": "1"}) for i in range(3)),
)

CASES = {
    "a watchdog at p99": (
        "fork", all_of(safe(watchdog_ppm="1000000"), timed(P99, P99, P99)), "CEP-R1",
    ),
    "a watchdog without a p99": (
        "fork", all_of(safe(watchdog_ppm=TWICE), timed(P99, None, P99)), "CEP-R1",
    ),
    "a watchdog without an estimate": (
        "fork", all_of(safe(watchdog_ppm=TWICE), timed(P99, P99)), "CEP-R1",
    ),
    "a watchdog without a p99 of an alternate": (
        "fork", all_of(ALWAYS, at("steps/1/alternates/0/estimate", {"p50_ns": "1"})), "CEP-R1",
    ),
    "nobody says what follows": ("fork", safe(on_trip=None, nan_guard=True), "CEP-R2"),
    "nobody says what follows a failure": (
        "fork", safe(on_trip=None, nan_guard=False), "CEP-R2",
    ),
    "a watched step without an alternate": (
        "fork", all_of(ALWAYS, at("steps/1/alternates", ...)), "CEP-R2",
    ),
    "a limited step without an alternate": (
        "fork",
        safe(EVERYWHERE[:2], on_trip="ALTERNATE", limits=both("temperature_mdegc", 80_000)),
        "CEP-R2",
    ),
    "a step that may write a NaN without an alternate": (
        "fork", safe(EVERYWHERE[1:], on_trip="ALTERNATE", nan_guard=True), "CEP-R2",
    ),
    "a quantity that nobody knows": (
        "fork", safe(limits=both("noise_db", 40)), "CEP-R3",
    ),
    "one device only": ("fork", safe(limits=[limit("left", "power_mw", 9)]), "CEP-R3"),
    "a device twice": (
        "fork", safe(limits=[*both("power_mw", 9), limit("left", "power_mw", 8)]), "CEP-R3",
    ),
    "a device that there is not": (
        "fork", safe(limits=[*both("power_mw", 9), limit("far", "power_mw", 8)]), "CEP-I6",
    ),
    "more power than there can be": (
        "fork",
        all_of(safe(limits=both("power_mw", 65_001, 9)), described("left", power=POWER)),
        "CEP-R3",
    ),
    "a temperature that is never reached": (
        "fork",
        all_of(safe(limits=both("temperature_mdegc", 90_001, 9)), described("left", power=POWER)),
        "CEP-R3",
    ),
    "more memory than there is": (
        "fork", safe(limits=both("memory_bytes", 1_048_577, 1_048_576)), "CEP-R3",
    ),
    "less memory than the plan needs": (
        "chain", safe(limits=both("memory_bytes", 4096 + 63, 4096)), "CEP-R3",
    ),
    "steps that are computed twice": ("fork", safe(shadow_ppm=10), "CEP-I4"),
}  # fmt: skip


@pytest.mark.parametrize(**test_cases(CASES))
def test_changed_plans_are_refused(base, change, codes):
    assert refused_by(base, change) == codes


GOOD = {
    "a watchdog": ("fork", all_of(safe(watchdog_ppm="1000001"), timed(P99, P99, P99))),
    "an alternate for every step": ("fork", ALWAYS),
    "no guard for a copy": (
        "chain",
        all_of(
            safe([(0, "right"), (2, "left")], on_trip="ALTERNATE", nan_guard=True),
            *(
                described(slot, memories=descriptor(slot, "host")["memories"])
                for slot in ("left", "right")
            ),
        ),
    ),
    "alternates for failures only": (
        "fork", safe(EVERYWHERE[:1], on_trip="ALTERNATE", nan_guard=False),
    ),
    "draining": ("fork", safe(on_trip="DRAIN", nan_guard=True)),
    "power": (
        "fork",
        all_of(safe(limits=both("power_mw", 65_000, 9)), described("left", power=POWER)),
    ),
    "memory": ("chain", safe(limits=both("memory_bytes", 4096 + 64, 4096))),
}  # fmt: skip


@pytest.mark.parametrize(("base", "change"), GOOD.values(), ids=GOOD)
def test_what_is_guarded_well_is_accepted(base, change):
    assert refused_by(base, change) == []


def late(deadline, *changes):
    """The steps whose trip makes a run late."""
    bound = at("constraints/deadline_ns", str(deadline))
    case = mutated(
        "fork", all_of(safe(watchdog_ppm="1500001"), timed(100, 300, 50), *changes, bound)
    )
    s = subject(Plan.from_json(case.plan))
    assert not list(deadlock_free(s))
    return [d.path for d in RULES["CEP-R1"].diagnostics(s)]


def test_a_trip_does_not_make_a_run_late():
    # Steps 0 and 1 come before step 2, side by side. They trip after 151, 451 and 76 ns.
    assert late(501) == []
    assert late(500) == ["/steps/1"]
    assert late(376) == ["/steps/1"]
    assert late(375) == ["/steps/1", "/steps/2"]
    assert late(200) == ["/steps/0", "/steps/1", "/steps/2"]


def test_an_alternate_takes_its_time():
    slow = {"queue": "left", "estimate": {"p50_ns": "1", "p99_ns": "70"}}
    fast = {"queue": "right", "estimate": {"p50_ns": "1", "p99_ns": "60"}}
    listed = at("steps/1/alternates", [slow, fast])
    assert late(501, listed) == []  # after ABORT, nothing takes its place
    assert late(571, listed, at("safety/on_trip", "ALTERNATE")) == []
    assert late(570, listed, at("safety/on_trip", "ALTERNATE")) == ["/steps/1"]
