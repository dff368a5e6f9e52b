from __future__ import annotations

import pytest

from tests.cep.plans import (
    all_of,
    at,
    buffer,
    descriptor,
    fork,
    link,
    mutated,
    run,
    transfer,
)
from tests.cep.verify.cases import refused_by, test_cases


def waits(step, *which):
    return at(f"steps/{step}/waits", [{"queue": q, "epoch": e} for q, e in which])


def third_device(case):
    case.descriptors["far"] = descriptor("far")
    case.plan["devices"].append({"slot": "far", "descriptor_digest": "sha256:" + "0" * 64})
    case.plan["queues"].append({"id": "far", "device": "far", "kind": "COPY"})


def no_links(case):
    case.links = []


def one_way(there, back):
    def change(case):
        case.links = [link("bus", "left", "right", there, back)]

    return change


CASES = {
    # O1
    "a step that waits for itself": ("fork", waits(0, ("left", 1)), "CEP-O1"),
    "a step that waits for the next on its queue": ("fork", waits(0, ("left", 2)), "CEP-O1"),
    "two steps that wait for each other": (
        "fork", all_of(waits(1, ("left", 2)), waits(2, ("right", 1))), "CEP-O1",
    ),
    # O2
    "an epoch that never comes": ("fork", waits(2, ("right", 2)), "CEP-O2"),
    "an epoch far beyond": ("fork", waits(2, ("right", 2**32 - 1)), "CEP-O2"),
    "an epoch of a queue without steps": (
        "fork",
        all_of(at("queues/2", {"id": "idle", "device": "left", "kind": "COPY"}),
               waits(0, ("idle", 1))),
        "CEP-O2",
    ),
    # O5
    "no link where memories are apart": ("chain", at("steps/1/transfer", {}), "CEP-O5"),
    "a link of another name": ("chain", at("steps/1/transfer", {"link": "busy"}), "CEP-O5"),
    "no such link in the system": ("chain", no_links, "CEP-O5"),
    "a link that goes the other way only": ("chain", one_way("0", "1"), "CEP-O5"),
    "a link between others": (
        "chain",
        all_of(third_device, lambda case: case.links.clear(),
               lambda case: case.links.append(link("bus", "left", "far"))),
        "CEP-O5",
    ),
    "a copy into another value's place": (
        "chain", at("steps/1/writes", [3]), ("CEP-O5",),
    ),
    "a copy of nothing": ("chain", at("steps/1/reads", ...), "CEP-O5"),
    "a copy to nowhere": ("chain", at("steps/1/writes", ...), "CEP-O5"),
    "a copy to two places": (
        "chain",
        all_of(at("buffers/4", buffer("h", "right", 256)), at("steps/1/writes", [2, 4])),
        "CEP-O5",
    ),
    "a copy by a device at neither end": (
        "chain",
        all_of(third_device, at("steps/1/queue", "far"), waits(2, ("far", 1))),
        "CEP-O5",
    ),
    # O6
    "a read of what the device cannot see": ("chain", at("steps/2/reads", [1]), "CEP-O6"),
    "a write where the device cannot see": (
        "chain",
        all_of(at("buffers/3", buffer("y", "left", 256))),
        "CEP-O6",
    ),
    "a coherence domain on one side only": (
        "fork",
        lambda case: case.descriptors.update(right=descriptor("right", "elsewhere")),
        "CEP-O6",
    ),
}  # fmt: skip


@pytest.mark.parametrize(**test_cases(CASES))
def test_changed_plans_are_refused(base, change, codes):
    assert refused_by(base, change) == codes


def test_a_deadlock_is_shown_as_a_cycle():
    change = all_of(waits(1, ("left", 2)), waits(2, ("right", 1)))
    (found,) = mutated("fork", change).verify().diagnostics
    assert (found.code, found.path) == ("CEP-O1", "/steps/1/waits")
    assert found.message.endswith("1 -> 2 -> 1")


def test_a_long_cycle_is_abridged():
    def change(case):
        steps = case.plan["steps"]
        for n in range(500):
            steps.append(transfer("left" if n % 2 else "right", 0, 0))
        steps[0]["waits"] = [{"queue": "left", "epoch": 252}]

    (found,) = mutated("fork", change).verify().diagnostics
    assert found.code == "CEP-O1"
    assert " -> ... -> " in found.message
    assert len(found.message) < 300


def test_waits_may_repeat_and_say_what_the_queue_says_anyway():
    assert refused_by("fork", waits(2, ("right", 1), ("right", 1), ("left", 1))) == []


def test_a_link_may_be_used_in_either_direction_that_has_a_rate():
    assert refused_by("chain", one_way("1", "0")) == []


def test_within_shared_memory_a_copy_needs_no_link():
    case = fork()
    case.plan["buffers"].append(buffer("n", "left", 384))
    case.plan["steps"][2:] = [
        transfer("left", 2, 4, ("right", 1)),
        run("left", [2], [1, 4], [3]),
    ]
    assert case.verify().ok


def test_the_receiver_or_the_sender_may_copy():
    sender = all_of(at("steps/1/queue", "left"), at("steps/1/waits", ...), waits(2, ("left", 2)))
    assert refused_by("chain", sender) == []


def test_more_clocks_than_memory_are_refused_quickly():
    def change(case):
        case.plan["queues"] += [
            {"id": f"q{n}", "device": "left", "kind": "COPY"} for n in range(4000)
        ]
        case.plan["steps"] += [transfer("left", 0, 0) for _ in range(9000)]

    (found,) = mutated("fork", change).verify().diagnostics
    assert (found.code, found.path) == ("CEP-O1", "/queues")
