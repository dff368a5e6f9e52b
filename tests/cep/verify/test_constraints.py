from __future__ import annotations

import pytest

from acp.dsse import SYSTEM_DESCRIPTOR
from tests.cep.plans import all_of, at, buffer, descriptor, link, mutated, op, run, system, value
from tests.cep.plans import signed as sealed
from tests.cep.verify.cases import refused_by, test_cases


def timed(*p99, member="p99_ns"):
    """A change that states a number of each step's estimate; None leaves it out."""
    return all_of(
        *(
            at(
                f"steps/{i}/estimate",
                {"p50_ns": "1", **({} if number is None else {member: str(number)})},
            )
            for i, number in enumerate(p99)
        )
    )


def within(limit, *p99):
    return all_of(
        at("features", ["deadline"]), at("constraints/deadline_ns", str(limit)), timed(*p99)
    )


def using(limit, *spent):
    return all_of(
        at("features", ["energy"]),
        at("constraints/energy_fj", str(limit)),
        timed(*spent, member="femtojoules"),
    )


def fallback(step, queue, **estimate):
    """A change that gives a step an alternate."""

    def change(case):
        case.plan["features"] = sorted({*case.plan["features"], "alternates"})
        case.plan["steps"][step]["alternates"] = [
            {"queue": queue, "estimate": {"p50_ns": "1", **estimate}}
        ]

    return change


def nodes(**members):
    """A change of the system's nodes."""
    return lambda case: case.nodes.update(members)


def linked(*links):
    return lambda case: setattr(case, "links", list(links))


def staying(*labels):
    return all_of(at("features", ["locality"]), at("constraints/locality_labels", list(labels)))


def numeric(kind, tolerance=None):
    """A change of what is promised of the numbers."""
    said = {"numeric": kind} | ({} if tolerance is None else {"numeric_tolerance": str(tolerance)})
    return at("constraints", said)


def claiming(target, *numerics, slot="left"):
    """A change of what a device claims of an operation's numbers, a variant each."""

    def change(case):
        claim = next(c for c in case.descriptors[slot]["ops"] if c["op"] == f"cep-core/1:{target}")
        claim["variants"] = [{"engine": "core", "numerics": n} for n in numerics]

    return change


def of_dtype(dtype, width):
    """A change of the dtype of all values of `chain`, and of the sizes of its buffers."""

    def change(case):
        for one in case.plan["values"]:
            one["dtype"] = dtype
        for place in case.plan["buffers"]:
            place["size"] = str(32 * width)

    return change


def bound(form, coefficient):
    return {"bound": {"form": form, "coeff_ppm": str(coefficient)}}


ONE_SILICON = nodes(left={"contention_group": "chip"}, right={"contention_group": "chip"})
EU = nodes(left={"labels": ["eu", "rack-7"]}, right={"labels": ["eu"]})
MM = 3815
"""Parts per billion of one mm in f32: 32 units of 2^-23."""

REFUSED = {
    "a schedule that takes too long": ("chain", within(599, 200, 200, 200), "CEP-K1"),
    "a step without an estimate": ("chain", within(600, 200, 200), "CEP-K1"),
    "a step that takes no time": ("chain", within(600, 200, 200, 0), "CEP-K1"),
    "a step without a p99": ("chain", within(600, 200, None, 200), "CEP-K1"),
    "a copy faster than its link": ("chain", within(600, 200, 127, 200), "CEP-K1"),
    "a copy faster than the way back": (
        "chain",
        all_of(within(600, 200, 199, 200), linked(link("bus", "right", "left", back="640000000"))),
        "CEP-K1",
    ),
    "a copy faster than the latency allows": (
        "chain",
        all_of(
            within(600, 200, 177, 200),
            linked(link("bus", "left", "right") | {"latency_ns": "50"}),
        ),
        "CEP-K1",
    ),
    "two devices of one silicon side by side": (
        "fork", all_of(within(499, 200, 200, 100), ONE_SILICON), "CEP-K1",
    ),
    "an alternate that takes longer": (
        "fork",
        all_of(within(300, 200, 100, 100), fallback(0, "right", p99_ns="201")),
        "CEP-K1",
    ),
    "an alternate without a p99": (
        "fork", all_of(within(300, 200, 100, 100), fallback(0, "right")), "CEP-K1",
    ),
    "two micro-batches": (
        "fork",
        all_of(
            within(399, 100, 100, 100),
            at("features", ["deadline", "streams"]),
            at("stream", {"microbatches": 2, "ring_depth": 1}),
        ),
        "CEP-K1",
    ),
    "too much energy": ("chain", using(1000, 500, 1, 500), "CEP-K2"),
    "a step without an energy": ("chain", using(1000, 500, None, 500), "CEP-K2"),
    "an alternate that uses more": (
        "fork",
        all_of(using(1000, 500, 1, 399), fallback(0, "right", femtojoules="101")),
        "CEP-K2",
    ),
    "an alternate without an energy": (
        "fork", all_of(using(1000, 500, 1, 499), fallback(0, "right")), "CEP-K2",
    ),
    "a tolerance below the budget": ("chain", numeric("RELATIVE", MM - 1), "CEP-K3"),
    "units below the budget": ("chain", numeric("ULP", 31), "CEP-K3"),
    "no tolerance": ("chain", numeric("RELATIVE"), "CEP-K3"),
    "no units": ("chain", numeric("ULP"), "CEP-K3"),
    "a tolerance for the same bits": ("chain", numeric("BITWISE", 0), "CEP-K3"),
    "the same bits of a sum": ("chain", numeric("BITWISE"), "CEP-K3"),
    "the same bits on one model": (
        "chain",
        all_of(numeric("BITWISE"), claiming("mm", {"determinism": "SAME_MODEL"})),
        "CEP-K3",
    ),
    "a bound that is wider than the class": (
        "fork",
        all_of(numeric("ULP", 8), claiming("add.Tensor", bound("ULP", 8_000_001))),
        "CEP-K3",
    ),
    "a bound of the magnitude": (
        "chain", all_of(numeric("RELATIVE", 9_999), claiming("mm", bound("ABS_REL", 10))), "CEP-K3",
    ),
    "a bound of the terms of a sum": (
        "chain", all_of(numeric("RELATIVE", 39_999), claiming("mm", bound("DOT", 10))), "CEP-K3",
    ),
    "the worse of two variants": (
        "fork",
        all_of(
            numeric("ULP", 2),
            claiming("add.Tensor", bound("ULP", 1_000_000), bound("ULP", 3_000_000)),
        ),
        "CEP-K3",
    ),
    "sums in a narrower dtype": (
        "chain", all_of(numeric("ULP", 32), claiming("mm", {"acc": "f16"})), "CEP-K3",
    ),
    "sums in fewer bits than the dtype has": (
        "chain",
        all_of(numeric("ULP", 32), claiming("mm", {"acc": "f32", "imprecise_acc": True})),
        "CEP-K3",
    ),
    "sums in a dtype of which nothing is known": (
        "chain",
        all_of(numeric("RELATIVE", 31_000_000_000), claiming("mm", {"acc": "i32"})),
        "CEP-K3",
    ),
    "an alternate that rounds more": (
        "fork",
        all_of(
            numeric("ULP", 8),
            at("features", []),
            fallback(2, "right"),
            claiming("add.Tensor", bound("ULP", 9_000_000), slot="right"),
        ),
        "CEP-K3",
    ),
    "a node without the label": (
        "chain", all_of(staying("eu"), nodes(left={"labels": ["eu"]})), "CEP-K4",
    ),
    "a node with one label of two": ("chain", all_of(staying("eu", "rack-7"), EU), "CEP-K4"),
}  # fmt: skip

ACCEPTED = {
    "the deadline itself": ("chain", within(600, 200, 200, 200)),
    "two devices side by side": ("fork", within(300, 200, 200, 100)),
    "different silicon": (
        "fork",
        all_of(
            within(300, 200, 200, 100),
            nodes(left={"contention_group": "a"}, right={"contention_group": "b"}),
        ),
    ),
    "one silicon, added up": ("fork", all_of(within(500, 200, 200, 100), ONE_SILICON)),
    "one silicon, one after the other": (
        "chain", all_of(within(600, 200, 200, 200), ONE_SILICON),
    ),
    "a copy as fast as its link": ("chain", within(600, 200, 128, 200)),
    "a shorter alternate": (
        "fork", all_of(within(300, 200, 100, 100), fallback(0, "right", p99_ns="200")),
    ),
    "the energy itself": ("chain", using(1000, 500, 0, 500)),
    "a thriftier alternate": (
        "fork", all_of(using(1000, 500, 1, 399), fallback(0, "right", femtojoules="100")),
    ),
    "the budget itself": ("chain", numeric("RELATIVE", MM)),
    "the budget in units": ("chain", numeric("ULP", 32)),
    "the same bits by claim": (
        "chain", all_of(numeric("BITWISE"), claiming("mm", {"determinism": "CROSS_MODEL"})),
    ),
    "the same bits by a bound of nothing": (
        "chain", all_of(numeric("BITWISE"), claiming("mm", bound("ABS_REL", 0))),
    ),
    "exact operations need no tolerance": (
        "chain", all_of(numeric("RELATIVE", 0), claiming("mm", bound("DOT", 0))),
    ),
    "a tighter bound": (
        "fork", all_of(numeric("ULP", 1), claiming("add.Tensor", bound("ULP", 500_000))),
    ),
    "a bound of the magnitude": (
        "chain", all_of(numeric("RELATIVE", 10_000), claiming("mm", bound("ABS_REL", 10))),
    ),
    "a bound of the terms of a sum": (
        "chain", all_of(numeric("RELATIVE", 40_000), claiming("mm", bound("DOT", 10))),
    ),
    "sums in a wider dtype": (
        "chain", all_of(numeric("ULP", 2), claiming("mm", {"acc": "f64"})),
    ),
    "sums in the dtype": ("chain", all_of(numeric("ULP", 32), claiming("mm", {"acc": "f32"}))),
    "how sums are kept, of what sums nothing": (
        "fork", all_of(numeric("ULP", 8), claiming("add.Tensor", {"acc": "f16"})),
    ),
    "every node in the place": ("chain", all_of(staying("eu"), EU)),
}  # fmt: skip


@pytest.mark.parametrize(**test_cases(REFUSED))
def test_changed_plans_are_refused(base, change, codes):
    assert refused_by(base, change) == codes


@pytest.mark.parametrize(("base", "change"), ACCEPTED.values(), ids=ACCEPTED)
def test_promises_that_are_kept_are_accepted(base, change):
    assert refused_by(base, change) == []


def message(base, change, **kwargs):
    found = mutated(base, change).verify(**kwargs).diagnostics
    return next(d for d in found if d.severity == "error")


def test_what_is_too_much_is_said():
    late = message("chain", within(599, 200, 200, 200))
    assert late.path == "/constraints/deadline_ns"
    assert "600 ns" in late.message
    assert "599" in late.message
    fast = message("chain", within(600, 200, 127, 200))
    assert (fast.path, "at least 128" in fast.message) == ("/steps/1", True)
    heavy = message("chain", using(1000, 500, 1, 500))
    assert "1001 fJ" in heavy.message
    coarse = message("chain", numeric("RELATIVE", 1))
    assert "3815" in coarse.message
    assert "op 0, cep-core/1:mm" in coarse.message
    away = message("chain", all_of(staying("eu", "rack-7"), EU))
    assert away.path == "/devices/1"
    assert "node 'right' does not carry rack-7" in away.message


def test_a_place_is_known_from_system_descriptors_only():
    case = mutated("chain", all_of(staying("eu"), EU, within(600, 200, 200, 200)))
    case.plan["features"] = ["deadline", "locality"]
    case.seal()
    assert case.verify().ok
    alone = case.verify(descriptors=case.envelopes[:-1])
    assert {d.code for d in alone.diagnostics if d.severity == "error"} == {"CEP-K4", "CEP-O5"}
    assert any("no system descriptor" in d.message for d in alone.diagnostics)
    other = system(case.descriptors, case.links, {"left": {"labels": ["eu"]}})
    second = [*case.envelopes, sealed(other, SYSTEM_DESCRIPTOR)]
    assert {d.code for d in case.verify(descriptors=second).diagnostics} >= {"CEP-K4"}


def test_silicon_is_shared_if_all_units_of_a_descriptor_share_it():
    case = mutated("fork", all_of(within(300, 200, 200, 100), ONE_SILICON))
    assert not case.verify().ok
    devices = case.descriptors | {"spare": case.descriptors["left"]}
    spare = system(devices, [], case.nodes)
    envelopes = [*case.envelopes[:-1], sealed(spare, SYSTEM_DESCRIPTOR)]
    assert case.verify(descriptors=envelopes).ok


def test_two_queues_of_a_device_share_its_silicon():
    def change(case):
        case.plan["queues"].append({"id": "more", "device": "left", "kind": "COMPUTE"})
        case.plan["steps"][1]["queue"] = "more"
        case.plan["steps"][1]["waits"] = []
        case.plan["buffers"][2]["arena"] = "left"
        case.plan["buffers"][2]["offset"] = "384"
        del case.plan["steps"][1]["waits"]
        case.plan["steps"][2]["waits"] = [{"queue": "more", "epoch": 1}]

    assert refused_by("fork", all_of(change, within(500, 200, 200, 100))) == []
    assert refused_by("fork", all_of(change, within(499, 200, 200, 100))) == ["CEP-K1"]


def test_what_shares_silicon_takes_turns():
    def change(case):
        plan = case.plan
        plan["values"] += [value(f"t{i}", "TEMP", "b", "4") for i in range(3)]
        plan["ops"] += [op("neg", ["x"], "t0"), op("neg", ["t0"], "t1"), op("neg", ["t1"], "t2")]
        plan["buffers"] += [buffer(f"t{i}", "right", 512 + 128 * i) for i in range(3)]
        plan["steps"] += [
            run("right", [3], [0], [4], ("left", 1)),
            run("right", [4], [4], [5]),
            run("right", [5], [5], []),
        ]

    # left does a and y, right does n, t0, t1 and t2; y and t0 wait for a and n.
    times = (10, 20, 300, 1, 2, 4)
    for sharing, whole in ((ONE_SILICON, sum(times)), (nodes(), 20 + 300)):
        fits = all_of(change, sharing, within(whole, *times))
        assert refused_by("fork", fits) == []
        late = all_of(fits, at("constraints/deadline_ns", str(whole - 1)))
        assert refused_by("fork", late) == ["CEP-K1"]


def test_turns_go_to_what_can_begin_first():
    def change(case):
        case.plan["steps"][0]["waits"] = [{"queue": "right", "epoch": 1}]

    # right's step comes first, though the plan lists left's first.
    fits = all_of(change, ONE_SILICON, within(30, 10, 10, 10))
    assert refused_by("fork", fits) == []


def test_of_links_of_one_name_the_fastest_counts():
    case = mutated("chain", within(600, 200, 100, 200))
    assert not case.verify().ok
    faster = system(case.descriptors, [link("bus", "left", "right", there="1280000000")])
    assert case.verify(descriptors=[*case.envelopes, sealed(faster, SYSTEM_DESCRIPTOR)]).ok


def test_narrow_floats_are_counted_in_their_own_units():
    wide = claiming("mm", {"acc": "f32"})
    in_f16 = of_dtype("f16", 2)
    case = mutated("chain", all_of(in_f16, wide, numeric("ULP", 2)))
    assert refused_by_k3(case) == set()
    assert refused_by_k3(mutated("chain", all_of(in_f16, wide, numeric("ULP", 1)))) == {"CEP-K3"}
    assert refused_by_k3(mutated("chain", all_of(in_f16, numeric("ULP", 31)))) == {"CEP-K3"}


def refused_by_k3(case):
    """Whether CEP-K3 refuses, whatever else does."""
    return {d.code for d in case.verify().diagnostics} & {"CEP-K3"}


def test_a_conversion_to_a_narrower_float_may_round_to_another():
    def change(case):
        case.plan["values"][3]["dtype"] = "f16"
        case.plan["ops"][1] = op("_to_copy", ["h"], "y", dtype={"dtype": "f16"})
        case.plan["buffers"][3]["size"] = "64"

    # One unit of f16 and 32 of f32, in units of f16.
    assert refused_by("chain", all_of(change, numeric("ULP", 2))) == []
    assert refused_by("chain", all_of(change, numeric("ULP", 1))) == ["CEP-K3"]
    exact = all_of(change, claiming("mm", bound("ABS_REL", 0)))
    assert refused_by("chain", all_of(exact, numeric("BITWISE"))) == []


def test_shares_add_up_as_squares():
    def change(case):
        case.plan["ops"][1] = op("mm", ["h", "w"], "y")
        case.plan["steps"][2]["reads"] = [2]

    # 32 units twice: 32 times the root of 2.
    assert refused_by("chain", all_of(change, numeric("ULP", 46))) == []
    assert refused_by("chain", all_of(change, numeric("ULP", 45))) == ["CEP-K3"]


def test_outputs_without_floats_need_no_tolerance():
    def change(case):
        case.plan["ops"][1] = op("gt.Scalar", ["h"], "y", other={"integer": "0"})
        case.plan["values"][3]["dtype"] = "i1"
        case.plan["buffers"][3]["size"] = "32"

    assert refused_by("chain", all_of(change, numeric("RELATIVE", 0))) == []
    assert refused_by("chain", all_of(change, numeric("ULP", 0))) == []


def test_ten_thousand_steps_on_one_silicon_are_added_up():
    case = mutated("fork", all_of(within(10**9), ONE_SILICON))
    plan, count = case.plan, 5_000
    plan["values"] = [value("x", "IN", "b", "4"), value("y", "OUT", "b", "4")] + [
        value(f"{side}{i}", "TEMP", "b", "4") for side in "lr" for i in range(count)
    ]
    plan["ops"] = [
        op("relu", [f"{side}{i - 1}" if i else "x"], f"{side}{i}")
        for side in "lr"
        for i in range(count)
    ] + [op("maximum", [f"l{count - 1}", f"r{count - 1}"], "y")]
    plan["buffers"] = [
        buffer("x", "left", 0),
        buffer("y", "left", 128),
        *(buffer(f"l{i}", "left", 256 + 128 * (i % 2)) for i in range(count)),
        *(buffer(f"r{i}", "right", 256 + 128 * (i % 2)) for i in range(count)),
    ]
    plan["steps"] = [
        *(run("left", [i], [i + 1 if i else 0], [i + 2]) for i in range(count)),
        *(
            run("right", [count + i], [count + i + 1 if i else 0], [count + i + 2])
            for i in range(count)
        ),
        run("left", [2 * count], [count + 1, 2 * count + 1], [1], ("right", count)),
    ]
    for step in plan["steps"]:
        step["estimate"] = {"p50_ns": "1", "p99_ns": "1"}
    whole = 2 * count + 1
    plan["constraints"]["deadline_ns"] = str(whole)
    assert case.verify().ok
    plan["constraints"]["deadline_ns"] = str(whole - 1)
    assert not case.verify().ok


def test_claims_of_a_descriptor_need_not_name_numerics():
    assert "numerics" not in descriptor("any")["ops"][0]["variants"][0]
