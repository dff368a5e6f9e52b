from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from acp.canonical import canonicalize
from acp.dsse import CAPABILITY_DESCRIPTOR, PLAN
from acp.policy import Floor
from cep.store import Store
from cep.verify import verify
from tests.cep.plans import (
    KEY,
    NOW,
    POLICY,
    STRANGER,
    WEIGHTS_FILE,
    all_of,
    at,
    buffer,
    chain,
    descriptor,
    errors,
    fork,
    op,
    safetensors,
    sha256,
    signed,
    value,
)
from tests.cep.verify.cases import refused_by, test_cases

FEATURES = {
    "stream": at("stream", {"microbatches": 2, "ring_depth": 1}),
    "safety": at("safety", {"nan_guard": True}),
    "artifact": at(
        "artifacts", [{"digest": sha256(b""), "media_type": "text/plain", "abi": "none"}]
    ),
    "evidence": at("evidence", [{"kind": "test", "checker": "nobody", "digest": sha256(b"")}]),
    "deadline": at("constraints/deadline_ns", "1000"),
    "energy": at("constraints/energy_fj", "1000"),
    "locality": at("constraints/locality_labels", ["eu"]),
    "predicate": at("devices/0", {"slot": "left", "predicate": "true"}),
    "layout": at("values/0/layout", "channels_last"),
    "state": at("values/1/role", "STATE"),
    "token": at("values/1/role", "TOKEN"),
    "collective": at(
        "steps/3",
        {"queue": "left", "collective": {"group": "all", "kind": "ALL_REDUCE"}, "reads": [0]},
    ),
    "call": at("steps/3", {"queue": "left", "call": {"subplan": sha256(b"")}}),
    "alternate": at("steps/0/alternates", [{"queue": "right"}]),
    "artifact of a step": at("steps/0/run/artifact", sha256(b"")),
}

CASES = {
    "an opset of another version": ("fork", at("opsets/0/version", 2), ("CEP-T2",)),
    "an opset with another table": ("fork", at("opsets/0/schema_digest", sha256(b"")), "CEP-I2"),
    "an unknown opset beside the known": (
        "fork",
        at("opsets/1", {"namespace": "x.example.com/own", "version": 1,
                        "schema_digest": sha256(b"")}),
        "CEP-I2",
    ),
    "a feature that nobody knows": ("fork", at("features", ["time-travel"]), "CEP-I4"),
    "features out of order": ("fork", at("features", ["b", "a"]), "CEP-I4"),
    "a feature twice": ("fork", at("features", ["a", "a"]), "CEP-I4"),
    "a slot twice": ("fork", at("devices/1/slot", "left"), "CEP-I6"),
    "an arena twice": ("fork", at("arenas/1/id", "left"), "CEP-I6"),
    "a queue twice": ("fork", at("queues/1/id", "left"), "CEP-I6"),
    "an output name twice": ("fork", at("outputs/1", {"name": "y", "value": "y"}), "CEP-I6"),
    "an arena of no device": ("fork", at("arenas/0/device", "nobody"), "CEP-I6"),
    "a queue of no device": ("fork", at("queues/0/device", "nobody"), "CEP-I6"),
    "a buffer in no arena": ("fork", at("buffers/0/arena", "nowhere"), "CEP-I6"),
    "a step on no queue": ("fork", at("steps/0/queue", "none"), "CEP-I6"),
    "a wait for no queue": (
        "fork", at("steps/0/waits", [{"queue": "none", "epoch": 1}]), "CEP-I6",
    ),
    "a promise for no device": (
        "fork", at("constraints/peak_bytes", [{"device": "nobody", "bytes": "1"}]), "CEP-I6",
    ),
    "a read of no buffer": ("fork", at("steps/0/reads", [4]), "CEP-I6"),
    "a write of no buffer": ("fork", at("steps/0/writes", [4294967295]), "CEP-I6"),
    "a step of no op": ("fork", at("steps/0/run/ops", [3]), "CEP-I6"),
    "in place of no buffer": ("fork", at("buffers/0/in_place_of", 4), "CEP-I6"),
}  # fmt: skip


@pytest.mark.parametrize(**test_cases(CASES))
def test_changed_plans_are_refused(base, change, codes):
    assert refused_by(base, change) == codes


@pytest.mark.parametrize("change", FEATURES.values(), ids=FEATURES)
def test_what_needs_a_feature_is_refused_without_it(change):
    assert "CEP-I4" in refused_by("fork", change)


# --- I1, I3 ---------------------------------------------------------------------------------------


def verified(payload, key=KEY, kind=PLAN, case=None, **kwargs):
    case = case or fork()
    envelope = payload if isinstance(payload, bytes) else signed(payload, kind, key)
    return verify(
        envelope, **{"descriptors": case.envelopes, "policy": POLICY, "now": NOW, **kwargs}
    )


@pytest.fixture
def case():
    made = fork()
    made.seal()
    return made


def test_a_signed_plan_is_accepted_and_every_rule_ran(case):
    from cep.verify import RULESET

    report = verified(case.plan)
    assert report.ok
    assert report.rules == RULESET
    assert report.plan_digest == sha256(canonicalize(case.plan))
    assert sorted(report.descriptors) == ["left", "right"]


def test_an_unsigned_plan_is_not_called_signed(case):
    assert "CEP-I1" not in case.verify().rules


ENVELOPES = {
    "the bare plan": canonicalize,
    "no bytes": lambda _: b"",
    "no JSON": lambda _: b"\xff",
    "signed by a stranger": lambda plan: signed(plan, PLAN, STRANGER),
    "signed as something else": lambda plan: signed(plan, CAPABILITY_DESCRIPTOR),
    "issued by somebody else": lambda plan: signed({**plan, "issuer": "evil.example"}, PLAN),
}


@pytest.mark.parametrize("wrapped", ENVELOPES.values(), ids=ENVELOPES)
def test_other_envelopes_are_refused(case, wrapped):
    report = verified(wrapped(case.plan))
    assert errors(report) == ["CEP-I1"]
    assert report.plan is None


def test_another_encoding_of_the_plan_is_refused(case):
    report = verify(
        b" " + canonicalize(case.plan),
        descriptors=case.envelopes, policy=POLICY, now=NOW, unsigned=True,
    )  # fmt: skip
    assert errors(report) == ["CEP-I3"]


def test_an_unknown_member_is_refused(case):
    case.plan["hint"] = "skip the checks"
    case.sealed = False
    assert errors(case.verify()) == ["ENV-S2"]


def test_a_member_twice_is_refused():
    report = verify(
        b'{"spec":"cep/1","spec":"cep/1"}',
        descriptors=(), policy=POLICY, now=NOW, unsigned=True,
    )  # fmt: skip
    assert errors(report) == ["ENV-J2"]


NOT_CANONICAL = {
    "a dim": at("values/0/shape/0", "1*b"),
    "an attribute twice": at("ops/2/attributes/1", {"name": "alpha", "integer": "1"}),
    "an empty list": at("ops/0/attributes", [{"name": "dims", "integers": {}}]),
}


@pytest.mark.parametrize("change", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_other_spellings_inside_the_plan_are_refused(case, change):
    change(case)
    assert errors(case.verify()) == ["CEP-I3"]


# --- I5 -------------------------------------------------------------------------------------------


def test_the_term_of_a_plan_is_half_open(case):
    case.plan |= {"not_before": "2026-11-10T00:00:00Z", "expires_at": "2026-12-01T00:00:00Z"}
    begins = datetime.fromisoformat("2026-11-10T00:00:00Z")
    ends = datetime.fromisoformat("2026-12-01T00:00:00Z")
    second = timedelta(seconds=1)
    assert errors(case.verify(now=begins - second)) == ["CEP-I5"]
    assert case.verify(now=begins).ok
    assert case.verify(now=ends - second).ok
    assert errors(case.verify(now=ends)) == ["CEP-I5"]


def test_an_older_revision_than_the_policy_allows_is_refused(case):
    floor = Floor(issuer="example.com", uri=case.plan["uri"], min_revision=3)
    assert errors(case.verify(policy=POLICY.model_copy(update={"floors": (floor,)}))) == ["CEP-I5"]
    floor = floor.model_copy(update={"min_revision": 2})
    assert case.verify(policy=POLICY.model_copy(update={"floors": (floor,)})).ok


def test_a_clock_without_time_zone_is_the_callers_mistake(case):
    with pytest.raises(ValueError, match="time zone"):
        case.verify(now=datetime(2026, 11, 20))  # noqa: DTZ001 - the point


# --- I2 -------------------------------------------------------------------------------------------


def test_a_descriptor_that_is_not_given_is_missed(case):
    assert errors(case.verify(descriptors=case.envelopes[1:])) == ["CEP-I2"]


def test_a_descriptor_that_was_changed_is_another(case):
    changed = signed(descriptor("left", "host", revision="9"), CAPABILITY_DESCRIPTOR)
    assert errors(case.verify(descriptors=[changed, *case.envelopes[1:]])) == ["CEP-I2"]


def test_without_weights_a_warning_says_so():
    (warning,) = chain().verify().diagnostics
    assert (warning.code, str(warning.severity)) == ("CEP-I2", "warning")


def test_weights_are_checked(tmp_path):
    store = Store(tmp_path)
    store.add(WEIGHTS_FILE)
    report = chain().verify(store=store)
    assert report.ok
    assert not report.diagnostics


def test_missing_weights_are_refused(tmp_path):
    assert errors(chain().verify(store=Store(tmp_path))) == ["CEP-I2"]


def weights(dtype="F32", shape=(4, 4), data=bytes(64), name="w", key="w"):
    """A change that stores other weights, with digests that fit."""

    def change(case, store):
        header = {name: {"dtype": dtype, "shape": list(shape), "data_offsets": [0, len(data)]}}
        file = safetensors(header, data)
        store.add(file)
        case.plan["constants"][0] |= {
            "digest": sha256(data), "store_digest": sha256(file), "key": key,
        }  # fmt: skip

    return change


STORED = {
    "another dtype": weights(dtype="I32"),
    "another shape": weights(shape=(2, 8)),
    "another rank": weights(shape=(16,)),
    "another name": weights(name="v"),
    "fewer bytes than its shape": weights(data=bytes(60)),
    "no bytes": weights(data=b""),
}


@pytest.mark.parametrize("change", STORED.values(), ids=STORED)
def test_weights_that_do_not_fit_the_plan_are_refused(tmp_path, change):
    case, store = chain(), Store(tmp_path)
    change(case, store)
    assert errors(case.verify(store=store)) == ["CEP-I2"]


@pytest.mark.parametrize("header", [b"{", b"[]", b'{"w":1}', b"\xff\xfe", b'{"w":{},"w":{}}'])
def test_a_broken_weights_file_is_refused_and_never_raises(tmp_path, header):
    case, store = chain(), Store(tmp_path)
    file = safetensors(header, bytes(64))
    store.add(file)
    case.plan["constants"][0]["store_digest"] = sha256(file)
    assert errors(case.verify(store=store)) == ["CEP-I2"]


def test_one_missing_file_is_told_once(tmp_path):
    case = chain()
    case.plan["values"].append(value("v", "CONST", "4", "4"))
    case.plan["constants"].append({**case.plan["constants"][0], "value": "v"})
    case.plan["ops"].append(op("relu", ["v"], "z"))
    case.plan["values"].append(value("z", "TEMP", "4", "4"))
    case.plan["steps"][2]["run"]["ops"] = [1, 2]
    assert case.verify().ok
    assert len(case.verify(store=Store(tmp_path)).diagnostics) == 1


def test_the_same_tensor_is_hashed_once(tmp_path, monkeypatch):
    import hashlib

    store, case = Store(tmp_path), chain()
    store.add(WEIGHTS_FILE)
    constants = case.plan["constants"]
    for n in range(50):
        case.plan["values"].append(value(f"v{n}", "CONST", "4", "4"))
        constants.append({**constants[0], "value": f"v{n}"})
    lengths = []
    original = hashlib.sha256
    monkeypatch.setattr(
        hashlib, "sha256", lambda data=b"": lengths.append(len(data)) or original(data)
    )
    assert case.verify(store=store).ok
    assert lengths.count(64) == 1


def test_constants_may_have_buffers(tmp_path):
    store = Store(tmp_path)
    store.add(WEIGHTS_FILE)
    change = all_of(at("buffers/4", buffer("w", "left", 256, 64)), at("steps/0/reads", [0, 4]))
    assert refused_by("chain", change, store=store) == []
