from __future__ import annotations

import json
from datetime import timedelta
from importlib.metadata import EntryPoint
from unittest.mock import Mock

import numpy as np
import pytest

from acp.canonical import digest
from acp.diagnostics import Refused
from acp.dsse import CAPABILITY_DESCRIPTOR
from acp.keys import PrivateKey
from acp.policy import TrustPolicy
from acp.v1.capability import Software
from reference_runtime import admission
from reference_runtime.adapter import AdapterError
from reference_runtime.admission import admit
from reference_runtime.registry import InstalledAdapter, StackMissingError
from reference_runtime.runtime import Runtime
from tests.reference_runtime.plans import (
    NOW,
    POLICY,
    chain,
    chain_result,
    descriptor,
    fork,
    fork_result,
    signed,
)
from tests.reference_runtime.simulated import SimulatedAdapter

X = np.ones((2, 4), np.float32)


@pytest.fixture
def world(tmp_path):
    return chain(tmp_path)


def judge(world, **changes):
    return admit(
        **{
            "envelope": world.envelope,
            "descriptors": world.signed_descriptors,
            "policy": POLICY,
            "store": world.store,
            "now": NOW,
            "adapters": world.adapters,
        }
        | changes
    )


def codes(world, **changes):
    with pytest.raises(Refused) as caught:
        judge(world, **changes)
    return {diagnostic.code for diagnostic in caught.value.diagnostics}


def replace_descriptor(world, index, **changes):
    world.descriptors[index] = descriptor(world.adapters[index], **changes)
    world.members["devices"][index]["descriptor_digest"] = digest(
        world.descriptors[index].to_json()
    )


def test_a_good_plan_on_present_devices(world):
    admitted = judge(world)
    assert admitted.digest == digest(world.members)
    assert [device.slot for device in admitted.devices] == ["left", "right"]
    assert [device.adapter for device in admitted.devices] == world.adapters
    assert [d.descriptor_digest for d in admitted.devices] == [
        digest(one.to_json()) for one in world.descriptors
    ]
    assert admitted.verification.verdict == "ACCEPTED"
    assert admitted.verification.version.startswith("acp-cep ")
    assert admitted.diagnostics == ()


def test_all_the_way(world):
    for good, expected in ((world, chain_result(X)), (fork(), fork_result(X))):
        with Runtime(policy=POLICY, adapters=good.adapters, clock=NOW.timestamp) as runtime:
            bound = runtime.load(
                good.envelope,
                descriptors=good.signed_descriptors,
                store=good.store if good.directory else None,
            )
            np.testing.assert_array_equal(bound.run({"x": X})["y"], expected)
        with pytest.raises(Refused, match="RUN-X4"):
            bound.run({"x": X})


REFUSED = {
    "unsigned": (lambda w: {"envelope": signed(w.plan, key=PrivateKey.generate())}, "CEP-I1"),
    "bare": (lambda w: {"envelope": str(w.members).encode()}, "CEP-I1"),
    "no descriptors": (lambda _: {"descriptors": ()}, "CEP-I2"),
    "expired": (lambda _: {"now": NOW + timedelta(days=365)}, "CEP-I5"),
    "too early": (lambda _: {"now": NOW - timedelta(days=365)}, "CEP-I5"),
    "untrusted descriptor": (
        lambda w: {
            "descriptors": [
                signed(one, CAPABILITY_DESCRIPTOR, PrivateKey.generate()) for one in w.descriptors
            ]
        },
        "CEP-C5",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_verifier_refuses_is_refused(world, name):
    change, code = REFUSED[name]
    assert code in codes(world, **change(world))


def test_every_byte_of_the_envelope_counts(world):
    envelope = world.envelope
    hint = envelope.index(b"sha256:", envelope.index(b"keyid"))
    for place in range(0, len(envelope), 97):
        if hint <= place < hint + 71:
            continue
        changed = bytearray(envelope)
        changed[place] ^= 1
        with pytest.raises(Refused):
            judge(world, envelope=bytes(changed))


def test_damaged_weights_are_refused(world):
    (path,) = world.directory.iterdir()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert codes(world) == {"CEP-I2"}


def test_a_missing_device(world):
    with pytest.raises(Refused) as caught:
        judge(world, adapters=world.adapters[:1])
    (found,) = caught.value.diagnostics
    assert (found.code, found.path) == ("RUN-D1", "/devices/1")
    assert "present are: sim:left" in found.message


def test_another_unit_of_the_same_model(world):
    other = SimulatedAdapter("right")
    described = other.describe()[0].subject.replace(unit_id="sim:other")
    replace_descriptor(world, 1, subject=described)
    assert codes(world) == {"RUN-D1"}


@pytest.mark.parametrize(
    ("stated", "holds"),
    [
        ("==1.0", True),
        ("==1.0.0", True),
        (">=0.9,<2", True),
        ("==1.*", True),
        ("==1.1", False),
        ("<1", False),
        ("not a range", False),
    ],
)
def test_software_versions(world, stated, holds):
    software = (Software(component="simulator", version_range=stated),)
    replace_descriptor(world, 0, software=software)
    if holds:
        judge(world)
    else:
        assert codes(world) == {"RUN-D2"}


def test_software_that_is_not_here(world):
    replace_descriptor(world, 0, software=(Software(component="driver", version_range="==1"),))
    with pytest.raises(Refused) as caught:
        judge(world)
    (found,) = caught.value.diagnostics
    assert (found.code, found.path) == ("RUN-D2", "/devices/0")
    assert "driver is not here" in found.message


def test_adapters_of_another_abi_or_of_one_name(world):
    old = SimulatedAdapter("old")
    old.abi = 0
    assert codes(world, adapters=[old]) == {"RUN-A2"}
    assert codes(world, adapters=[world.adapters[0], world.adapters[0]]) == {"RUN-A2"}


def test_a_policy_that_allows_no_adapter(world):
    assert codes(world, adapters=None) == {"RUN-A1"}


def install(monkeypatch, *adapters):
    """Let these adapters, or what they raise, be found as installed by the distribution `sims`."""
    found = {
        name: InstalledAdapter(name, "sims", "2.0", EntryPoint(name, "x:y", "cep.adapters.v1"))
        for name, _ in adapters
    }
    made = dict(adapters)
    activated = []

    def activate(one):
        activated.append(one.name)
        if isinstance(made[one.name], Exception):
            raise made[one.name]
        return made[one.name]

    monkeypatch.setattr(admission, "installed", Mock(return_value=tuple(found.values())))
    monkeypatch.setattr(admission, "activate", activate)
    return activated


ALLOWED = TrustPolicy(
    spec="acp-trust/1", keys=POLICY.keys, grants=POLICY.grants, adapters=("sims",)
)


def test_installed_adapters_are_loaded_until_every_device_is_found(world, monkeypatch):
    left, right = world.adapters
    activated = install(
        monkeypatch,
        ("a", StackMissingError.because("RUN-A2", "no stack")),
        ("left", left),
        ("right", right),
        ("z", AdapterError.because("RUN-A2", "never loaded")),
    )
    admitted = judge(world, adapters=None, policy=ALLOWED)
    assert activated == ["a", "left", "right"]
    assert admitted.devices[0].binding().distribution == "sims 2.0"


def test_an_installed_adapter_that_fails_is_reported(world, monkeypatch):
    install(monkeypatch, ("left", AdapterError.because("RUN-A2", "does not start")))
    assert codes(world, adapters=None, policy=ALLOWED) == {"RUN-A2"}


def asking(world, predicate, index=0):
    """Let a slot have a predicate in place of its descriptor's digest."""
    slot = world.members["devices"][index]["slot"]
    world.members["devices"][index] = {"slot": slot, "predicate": predicate}
    world.members["features"] = ["predicates"]


def another(world, name, **changes):
    """The descriptor of a device that is like the left one, in its envelope."""
    like = world.descriptors[0].replace(**changes)
    return signed(like.replace(uri=f"https://example.com/{name}"),
                  CAPABILITY_DESCRIPTOR)  # fmt: skip


def test_a_predicate_is_bound_to_the_device_that_meets_it(world):
    asking(world, 'subject.unit_id == "sim:left"')
    admitted = judge(world)
    assert admitted.device("left").unit_id == "sim:left"
    assert [d.descriptor_digest for d in admitted.devices] == [
        digest(one.to_json()) for one in world.descriptors
    ]


def test_of_several_descriptors_the_one_whose_device_is_here_is_bound(world):
    asking(world, 'subject.unit_id in ("sim:left", "sim:away")')
    subject = world.descriptors[0].subject.replace(unit_id="sim:away")
    away = another(world, "away", subject=subject)
    admitted = judge(world, descriptors=[away, *world.signed_descriptors])
    assert admitted.device("left").unit_id == "sim:left"
    assert admitted.device("left").descriptor_digest == digest(world.descriptors[0].to_json())


def test_the_device_that_is_bound_has_the_software_that_was_described(world):
    asking(world, 'subject.unit_id == "sim:left"')
    newer = another(
        world, "newer", software=(Software(component="simulator", version_range="==9"),)
    )
    admitted = judge(world, descriptors=[newer, *world.signed_descriptors])
    assert admitted.device("left").descriptor_digest == digest(world.descriptors[0].to_json())


def test_of_two_that_are_here_the_operator_says_which(world):
    asking(world, 'subject.unit_id in ("sim:left", "sim:right")')
    with pytest.raises(Refused, match="--bind left=DIGEST"):
        judge(world)
    left, right = (digest(one.to_json()) for one in world.descriptors)
    assert judge(world, binding={"left": left}).device("left").unit_id == "sim:left"
    # The right device has no link to itself, nor sees the left one's memory.
    assert codes(world, binding={"left": right}) == {"CEP-O5"}


def test_a_predicate_that_no_device_here_meets(world):
    asking(world, 'subject.unit_id == "sim:away"')
    subject = world.descriptors[0].subject.replace(unit_id="sim:away")
    away = another(world, "away", subject=subject)
    assert codes(world) == {"CEP-C1"}
    assert "CEP-O5" in codes(world, descriptors=[away, *world.signed_descriptors])


def test_adapters_are_not_loaded_for_a_plan_that_nobody_signed(world, monkeypatch):
    asking(world, "1 == 1")
    activated = install(monkeypatch, ("left", world.adapters[0]))
    forged = signed(world.plan, key=PrivateKey.generate())
    assert codes(world, envelope=forged, adapters=None, policy=ALLOWED) == {"CEP-I1"}
    assert activated == []


def test_a_receipt_names_the_descriptor_that_was_bound(world):
    asking(world, 'subject.unit_id == "sim:left"')
    key = PrivateKey.generate()
    with Runtime(policy=POLICY, adapters=world.adapters, clock=NOW.timestamp) as runtime:
        bound = runtime.load(
            world.envelope, descriptors=world.signed_descriptors, store=world.store
        )
        np.testing.assert_array_equal(bound.run({"x": X})["y"], chain_result(X))
        receipt = json.loads(bound.receipt(key, "example.com").payload)["predicate"]
    assert receipt["descriptors"] == [digest(one.to_json()) for one in world.descriptors]
