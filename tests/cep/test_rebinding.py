"""Whether a plan holds with another descriptor in place of the one it was made for."""

from __future__ import annotations

import copy

import pytest

from acp.canonical import canonicalize
from acp.changes.plans import rechecks
from acp.diagnostics import Refused
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor
from cep.rebinding import recheck
from tests.cep.plans import NOW, chain, descriptor, fork, system


def standing(case, change, slot="left", predicate=None):
    """How the plan of a case stands after a change of the descriptor of a slot."""
    old = case.descriptors[slot]
    new = copy.deepcopy(old)
    change(new)
    case.seal()
    for device in case.plan["devices"]:
        if predicate and device["slot"] == slot:
            del device["descriptor_digest"]
            device["predicate"] = predicate
            case.plan["features"] = ["predicates"]
    read = CapabilityDescriptor.from_json
    others = [read(one) for name, one in case.descriptors.items() if name != slot]
    box = SystemDescriptor.from_json(system(case.descriptors, case.links))
    return recheck(canonicalize(case.plan), read(old), read(new), [*others, box], NOW)


def revise(new):
    new["revision"] = "2"


def codes(found):
    return sorted({one.code for one in found if one.severity == "error"})


@pytest.mark.parametrize("base", [fork, chain])
def test_a_plan_holds_where_only_the_revision_is_new(base):
    found = standing(base(), revise)
    assert found.slots == ("left",)
    assert found.held, found.before
    assert found.holds, found.after


def without(op):
    return lambda d: d.update(ops=[one for one in d["ops"] if one["op"] != op])


def only(**limit):
    def narrow(d):
        variants = [{"engine": "core", "operands": {"*": limit}}]
        d["ops"] = [{"op": one["op"], "variants": variants} for one in d["ops"]]

    return narrow


REFUSED = {
    "an op less": (without("cep-core/1:relu"), "CEP-C2"),
    "another dtype": (only(dtypes=["f64"]), "CEP-C2"),
    "another name of the memory": (lambda d: d["memories"][0].update(id="mem"), "CEP-M1"),
    "fewer queues": (lambda d: d.update(queues=[{"kind": "COMPUTE", "max": 0}]), "CEP-C4"),
    "a rule broken": (lambda d: d["memories"][0].update(line_bytes="96"), "CEP-C5"),
    "expired": (lambda d: d.update(expires_at="2026-11-02T00:00:00Z"), "CEP-C5"),
}


def without_rates(change):
    """A change of a descriptor that says no rates, which other rules would ask ops for."""

    def both(new):
        change(new)
        new["engines"][0].pop("rates", None)

    return both


@pytest.mark.parametrize(("change", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_a_plan_relied_on_is_missed(change, expected):
    found = standing(fork(), without_rates(change))
    assert found.held
    assert not found.holds
    assert expected in codes(found.after)


def test_memory_that_two_devices_no_longer_share_is_missed():
    found = standing(fork(), lambda d: d["memories"][0].update(coherence_domain="elsewhere"))
    assert found.held
    assert not found.holds


def test_a_slot_with_a_condition_is_bound_to_the_new_descriptor():
    small = "memories[ram].capacity_bytes_per_instance >= 1048576"
    found = standing(chain(), revise, predicate=small)
    assert (found.slots, found.held, found.holds) == (("left",), True, True)

    def halve(new):
        new["memories"][0]["capacity_bytes_per_instance"] = "524288"

    found = standing(chain(), halve, predicate=small)
    assert found.held
    assert codes(found.after) == ["CEP-C1"]


def test_a_plan_that_does_not_use_the_descriptor_is_refused():
    case = fork()
    stranger = CapabilityDescriptor.from_json(descriptor("stranger"))
    with pytest.raises(Refused, match="no device of the plan is"):
        recheck(canonicalize(case.plan), stranger, stranger, [], NOW)


def test_what_is_no_plan_is_refused():
    stranger = CapabilityDescriptor.from_json(descriptor("stranger"))
    with pytest.raises(Refused):
        recheck(b"{}", stranger, stranger, [], NOW)


def test_the_command_line_of_acp_finds_it():
    assert rechecks() is recheck
