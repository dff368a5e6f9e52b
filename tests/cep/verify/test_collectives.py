from __future__ import annotations

import pytest

from tests.cep.plans import (
    TOGETHER,
    all_of,
    at,
    buffer,
    chain,
    collective,
    descriptor,
    errors,
    link,
    mutated,
    op,
    run,
    together,
    value,
)
from tests.cep.verify.cases import refused_by, test_cases

LEFT, RIGHT = 2, 3
"""The two members of the collective, by step."""


def on(device, change):
    def changed(case):
        change(case.descriptors[device])

    return changed


def without(name):
    return lambda found: found["ops"].remove(next(o for o in found["ops"] if o["op"] == name))


def links(*found):
    def change(case):
        case.links = list(found)

    return change


def alike(*found):
    """Two devices with one descriptor, and other links between their nodes."""
    return all_of(
        links(*found), lambda case: case.descriptors.update(right=case.descriptors["left"])
    )


def two_groups(*, crossed):
    """A second sum, of what is there already; the devices meet the two in the same order or not."""

    def change(case):
        plan = case.plan
        plan["ops"].append(op("add.Tensor", ["n2", "a2"], "z", alpha={"integer": "1"}))
        plan["ops"] += [op("relu", ["x"], "a2"), op("neg", ["x"], "n2")]
        plan["ops"][2:] = [*plan["ops"][4:], plan["ops"][2], plan["ops"][3]]
        like = plan["values"][1]
        plan["values"] += [like | {"id": "a2"}, like | {"id": "n2"}, like | {"id": "z"}]
        plan["values"][-1]["role"] = "OUT"
        plan["outputs"].append({"name": "z", "value": "z"})
        plan["buffers"] += [
            buffer("a2", "left", 512), buffer("n2", "right", 512),
            buffer("z", "left", 640), buffer("z", "right", 640),
        ]  # fmt: skip
        mine, theirs = (
            [
                collective(q, "both", "ALL_REDUCE", [4], [p], [r]),
                collective(q, "other", "ALL_REDUCE", [5], [p2], [r2]),
            ]
            for q, p, r, p2, r2 in (("left", 2, 4, 6, 8), ("right", 3, 5, 7, 9))
        )
        plan["steps"] = [
            run("left", [0], [0], [2]), run("left", [2], [0], [6]),
            run("right", [1], [1], [3]), run("right", [3], [1], [7]),
            *mine, *(reversed(theirs) if crossed else theirs),
        ]  # fmt: skip

    return change


def a_third_queue(case):
    case.plan["queues"].append({"id": "more", "device": "left", "kind": "COMPUTE"})
    case.descriptors["left"]["queues"] = [{"kind": "COMPUTE", "max": 2}]
    case.plan["steps"].append(collective("more", "both", "ALL_REDUCE", [2], [2], [4]))


def member(index, **changes):
    def change(case):
        case.plan["steps"][index]["collective"].update(changes)

    return change


def both(**changes):
    return all_of(member(LEFT, **changes), member(RIGHT, **changes))


CASES = {
    "members that do different things": (
        "together", member(RIGHT, kind="ALL_GATHER"), "CEP-O3",
    ),
    "members that compute different ops": ("together", member(RIGHT, ops=[1]), "CEP-O3"),
    "a group of one": (
        "together", member(RIGHT, group="another"), ("CEP-O3", "CEP-S1"),
    ),
    "a member that takes part once more": (
        "together",
        lambda case: case.plan["steps"].append(case.plan["steps"][LEFT]),
        ("CEP-O3", "CEP-S1"),
    ),
    "two queues of one device": ("together", a_third_queue, "CEP-O3"),
    "a sum that is called a gather": ("together", both(kind="ALL_GATHER"), "CEP-O3"),
    "a sum that is called a broadcast": ("together", both(kind="BROADCAST"), "CEP-O3"),
    "a difference": ("together", at("ops/2/attributes/0/integer", "-1"), "CEP-O3"),
    "a product": (
        "together", at("ops/2", op("mul.Tensor", ["a", "n"], "y")), "CEP-O3",
    ),
    "a sum of one part with itself": ("together", at("ops/2/inputs", ["a", "a"]), "CEP-O3"),
    "a member that reads nothing": ("together", at("steps/3/reads", ...), "CEP-O3"),
    "a member that gets nothing": ("together", at("steps/3/writes", ...), "CEP-O3"),
    "members that read the same part": (
        "together",
        all_of(at("buffers/3/value", "a"), at("steps/1", run("right", [1], [1], []))),
        "CEP-O3",
    ),
    "an op of the collective in a step too": (
        "together",
        lambda case: case.plan["steps"].append(run("left", [2], [2], [4])),
        "CEP-S1",
    ),
    "an op of the collective that does not exist": ("together", both(ops=[9]), "CEP-I6"),
    "a collective without the feature": ("together", at("features", ...), "CEP-I4"),
    "two groups that are met in different orders": ("together", two_groups(crossed=True), "CEP-O1"),
    "devices that nothing connects": ("together", links(), "CEP-O5"),
    "a link that goes one way": (
        "together", links(link("bus", "left", "right", "1", "0")), "CEP-O5",
    ),
    "a link that goes one way between two devices that are alike": (
        "together", alike(link("bus", "left", "right", "1", "0")), "CEP-O5",
    ),
    "a link that leads back to where it begins": (
        "together", alike(link("bus", "left", "left")), "CEP-O5",
    ),
    "a member that writes what it does not see": (
        "together", at("buffers/5/arena", "left"), "CEP-O6",
    ),
    "a member whose device cannot add": (
        "together", on("right", without("cep-core/1:add.Tensor")), "CEP-C2",
    ),
    "a member that overwrites its part unannounced": (
        "together", at("buffers/4", buffer("y", "left", 128)), "CEP-M2",
    ),
}  # fmt: skip


@pytest.mark.parametrize(**test_cases(CASES))
def test_changed_plans_are_refused(base, change, codes):
    assert refused_by(base, change) == codes


@pytest.mark.parametrize("kind", TOGETHER)
def test_each_kind_has_a_plan(kind):
    assert errors(together(kind).verify()) == []


OFF = {
    "a broadcast of something else": (
        "BROADCAST", at("buffers/5/value", "x"), ("CEP-O3",),
    ),
    "a broadcast that computes": (
        "BROADCAST",
        all_of(*(at(f"steps/{i}/collective/ops", [0]) for i in (1, 2))),
        ("CEP-O3", "CEP-S1"),
    ),
    "a gather of a part twice": (
        "ALL_GATHER", at("ops/2/inputs", ["a", "n", "a"]), ("CEP-O3", "CEP-T3"),
    ),
    "a scatter that gives two members one share": (
        "REDUCE_SCATTER", at("buffers/5/value", "y"), ("CEP-O3",),
    ),
    "a scatter of a part": (
        "REDUCE_SCATTER", at("ops/4/inputs", ["a"]), ("CEP-O3",),
    ),
    "an exchange in which one gets all of a part": (
        "ALL_TO_ALL",
        all_of(at("ops/6/inputs", ["a0", "a1"]), at("ops/7/inputs", ["n0", "n1"])),
        ("CEP-O3",),
    ),
    "an exchange with something else in it": (
        "ALL_TO_ALL", at("ops/5", op("relu", ["n0"], "n1")), ("CEP-O3",),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "codes"), OFF.values(), ids=OFF)
def test_what_is_not_of_its_kind_is_refused(kind, change, codes):
    case = together(kind)
    change(case)
    assert errors(case.verify()) == list(codes)


def test_an_op_of_a_collective_without_operands_is_a_finding():
    case = together("ALL_TO_ALL")
    del case.plan["ops"][2]["inputs"]
    assert "CEP-O3" in errors(case.verify())


def test_two_groups_in_the_same_order_are_fine():
    case = mutated("together", two_groups(crossed=False))
    assert errors(case.verify()) == []


def test_a_sum_may_take_over_its_parts():
    def over(case):
        case.plan["buffers"][4:] = [
            buffer("y", "left", 128) | {"in_place_of": 2},
            buffer("y", "right", 128) | {"in_place_of": 3},
        ]

    assert refused_by("together", over) == []


def test_members_write_at_the_same_time():
    case = together()
    case.descriptors = {n: descriptor(n, "host") for n in ("left", "right")}
    case.plan["buffers"][5] = buffer("y", "left", 256, 256)
    assert errors(case.verify()) == ["CEP-M3", "CEP-M6"]


def test_what_one_member_waits_for_holds_for_all():
    """right reads the sum in left's memory, ordered by its own member alone."""

    def change(case):
        case.descriptors = {n: descriptor(n, "host") for n in ("left", "right")}
        case.plan["ops"].append(op("relu", ["y"], "z"))
        case.plan["values"].append(case.plan["values"][-1] | {"id": "z"})
        case.plan["outputs"].append({"name": "z", "value": "z"})
        case.plan["buffers"].append(buffer("z", "right", 512))
        case.plan["steps"].append(run("right", [3], [4], [6]))

    assert refused_by("together", change) == []


def test_a_common_memory_connects_devices():
    def change(case):
        case.descriptors = {n: descriptor(n, "host") for n in ("left", "right")}
        case.links = []

    assert refused_by("together", change) == []


def test_a_deterministic_plan_needs_every_member_to_be():
    case = together()
    case.plan["constraints"]["deterministic"] = True
    for found in case.descriptors.values():
        for claim in found["ops"]:
            claim["variants"][0]["numerics"] = {"determinism": "SAME_UNIT"}
    assert case.verify().ok
    adds = [o for o in case.descriptors["right"]["ops"] if o["op"].endswith("add.Tensor")]
    del adds[0]["variants"][0]["numerics"]
    (found,) = [d for d in case.verify().diagnostics if d.severity.name == "ERROR"]
    assert (found.code, found.path) == ("CEP-T6", "/steps/3/collective/ops/0")


def test_hostile_groups_cost_no_more_than_they_are_long():
    document = together().plan
    document["queues"] = [{"id": f"q{n}", "device": "left", "kind": "COMPUTE"} for n in range(500)]
    document["steps"] = [
        collective(f"q{n}", "both", "BROADCAST", [], [2], []) for n in range(500)
    ] * 40
    case = together()
    case.plan = document
    assert "CEP-O3" in errors(case.verify())


def test_two_devices_that_are_alike_are_connected_by_a_link_between_them():
    assert errors(mutated("together", alike(link("bus", "left", "right"))).verify()) == []


def test_devices_that_meet_a_predicate_are_connected_like_others():
    case = together()
    case.plan["features"] = ["collectives", "predicates"]
    case.plan["devices"] = [
        {"slot": slot, "predicate": f'subject.model == "{slot}"'} for slot in ("left", "right")
    ]
    assert errors(case.verify()) == []
    case.links = []
    assert errors(case.verify()) == ["CEP-O5"]


@pytest.mark.parametrize("first", ["left", "right"])
def test_every_member_keeps_the_weights_of_the_joint_region(first):
    """Whichever of the two the plan lists first."""
    case = chain()
    case.plan |= {
        "features": ["collectives"],
        "values": [value(n, r, "4", "4") for n, r in (("n", "IN"), ("w", "CONST"), ("s", "OUT"))],
        "inputs": [{"name": "n", "value": "n"}],
        "outputs": [{"name": "s", "value": "s"}],
        "ops": [op("add.Tensor", ["n", "w"], "s", alpha={"integer": "1"})],
        "buffers": [
            buffer("n", "left", 0), buffer("w", "right", 0),
            buffer("s", "left", 128), buffer("s", "right", 128),
        ],
        "steps": [
            collective("left", "both", "ALL_REDUCE", [0], [0], [2]),
            collective("right", "both", "ALL_REDUCE", [0], [1], [3]),
        ],
    }  # fmt: skip
    del case.plan["symbols"]
    if first == "right":
        case.plan["steps"].reverse()
    for promised, codes in (("4160", []), ("4159", ["CEP-M8"])):
        case.plan["constraints"]["peak_bytes"] = [
            {"device": slot, "bytes": promised} for slot in ("left", "right")
        ]
        report = case.verify()
        assert errors(report) == codes
        places = [d.path for d in report.diagnostics if d.code == "CEP-M8"]
        assert places == [f"/constraints/peak_bytes/{i}/bytes" for i in range(2) if codes]
