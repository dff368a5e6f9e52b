from __future__ import annotations

import pytest

from cep.verify import alternates, subject
from tests.cep.plans import all_of, at, descriptor, errors, fork, mutated
from tests.cep.verify.cases import refused_by, test_cases


def alternate(step, *queues):
    """A change that lists queues as alternates of a step."""
    return all_of(
        at("features", ["alternates"]),
        at(f"steps/{step}/alternates", [{"queue": q} for q in queues]),
    )


def described(slot, **changes):
    """A change of a descriptor."""

    def change(case):
        case.descriptors[slot] |= changes

    return change


def determinism(slot, *claims):
    """A change that lets every variant of a device say where it gives the same bits."""

    def change(case):
        for claim in case.descriptors[slot]["ops"]:
            claim["variants"] = [
                {"engine": "core"} | ({"numerics": {"determinism": c}} if c else {}) for c in claims
            ]

    return change


def as_left(case):
    """Let the right device be one of the left one's model."""
    case.descriptors["left"]["subject"] |= {"scope": "MODEL"}
    del case.descriptors["left"]["subject"]["unit_id"]
    case.descriptors["right"] = case.descriptors["left"]


def repeatable(left, right):
    return all_of(
        at("constraints/deterministic", True),  # noqa: FBT003 - a value of the document
        alternate(0, "right"),
        determinism("left", *left),
        determinism("right", *right),
    )


NO_RELU = [{"op": "cep-core/1:neg", "variants": [{"engine": "core"}]}]

CASES = {
    "a device that does not claim the operation": (
        "fork", all_of(alternate(0, "right"), described("right", ops=NO_RELU)), "CEP-C6",
    ),
    "a device that does not see the buffers": ("chain", alternate(0, "right"), "CEP-C6"),
    "a device that sees neither end of the copy": (
        "chain",
        all_of(
            alternate(1, "far"),
            at("devices/2", {"slot": "far", "descriptor_digest": "sha256:" + "0" * 64}),
            at("queues/2", {"id": "far", "device": "far", "kind": "COMPUTE"}),
            lambda case: case.descriptors.update(far=descriptor("far")),
        ),
        "CEP-C6",
    ),
    "the step's own device": ("fork", alternate(0, "left"), "CEP-C6"),
    "a device twice": ("fork", alternate(0, "right", "right"), "CEP-C6"),
    "a queue for copies only": (
        "fork",
        all_of(
            alternate(0, "spare"),
            at("queues/2", {"id": "spare", "device": "right", "kind": "COPY"}),
        ),
        "CEP-C6",
    ),
    "a queue that there is not": ("fork", alternate(0, "middle"), "CEP-I6"),
    "bits that may differ between models": (
        "fork", repeatable(["SAME_MODEL"], ["SAME_MODEL"]), "CEP-C6",
    ),
    "one variant that may give other bits": (
        "fork", repeatable(["CROSS_MODEL"], ["CROSS_MODEL", "SAME_UNIT"]), "CEP-C6",
    ),
    "weights that do not fit the alternate's memory": (
        "chain",
        all_of(
            alternate(0, "right"),
            described("left", memories=descriptor("left", "host")["memories"]),
            described("right", memories=descriptor("right", "host")["memories"]),
            at("constraints/peak_bytes", [{"device": "right", "bytes": "4096"}]),
        ),
        "CEP-M8",
    ),
    "a step that takes the place of what it reads": (
        "fork",
        all_of(
            alternate(2, "right"),
            at("buffers/3/offset", "128"),
            at("buffers/3/in_place_of", 1),
        ),
        "CEP-R2",
    ),
}  # fmt: skip


@pytest.mark.parametrize(**test_cases(CASES))
def test_changed_plans_are_refused(base, change, codes):
    assert refused_by(base, change) == codes


GOOD = {
    "another device that sees the same memory": ("fork", alternate(0, "right")),
    "the other end of a copy": ("chain", alternate(1, "left")),
    "the same bits everywhere": ("fork", repeatable(["CROSS_MODEL"], ["CROSS_MODEL"])),
    "the same bits on one model": (
        "fork", all_of(repeatable(["SAME_MODEL"], ["SAME_MODEL"]), as_left),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("base", "change"), GOOD.values(), ids=GOOD)
def test_alternates_that_can_do_the_step_are_accepted(base, change):
    assert refused_by(base, change) == []


def test_a_finding_names_the_alternate_and_the_rule_that_it_breaks():
    case = mutated("fork", all_of(alternate(0, "right"), described("right", ops=NO_RELU)))
    found = [d for d in case.verify().diagnostics if d.code == "CEP-C6"]
    assert [d.path for d in found] == ["/steps/0/alternates/0"]
    assert "'right' does not claim cep-core/1:relu" in found[0].message
    assert found[0].message.endswith("(CEP-C2)")


def test_more_alternates_than_can_be_checked_are_refused(monkeypatch):
    case = fork()
    alternate(2, "right")(case)
    cost = 1 + 1 + 2 + 1
    for module in (subject, alternates):
        monkeypatch.setattr(module, "MAX_ALTERNATES", cost)
    assert case.verify().ok
    for module in (subject, alternates):
        monkeypatch.setattr(module, "MAX_ALTERNATES", cost - 1)
    assert errors(case.verify()) == ["CEP-C6"]
