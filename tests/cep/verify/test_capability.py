from __future__ import annotations

from datetime import datetime

import pytest

from acp.canonical import canonicalize
from acp.documents import digest
from acp.dsse import CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR
from acp.v1.status import StatusList
from tests.cep.plans import STRANGER, TERM, at, descriptor, errors, fork, signed, system
from tests.cep.verify.cases import refused_by

NAMES = ("cep-core/1:relu", "cep-core/1:neg", "cep-core/1:add.Tensor")


def claims(**variant):
    """A change after which the devices claim the ops of `fork` in one way only."""

    def change(case):
        for name in case.descriptors:
            ops = [{"op": n, "variants": [{"engine": "core", **variant}]} for n in sorted(NAMES)]
            case.descriptors[name] = descriptor(name, "host", ops=ops)

    return change


def operand(name="*", **limit):
    return claims(operands={name: limit})


ACCEPTED = {
    "nothing said": claims(),
    "the dtype among others": operand(dtypes=["bf16", "f32"]),
    "the result's dtype": operand("out", dtypes=["f32"]),
    "the rank": operand(rank={"min": 2, "max": 2}),
    "the layout": operand(layouts=["contiguous"]),
    "dense": operand(sparsity=["dense"]),
    "a limit on something else": operand("mat2", dtypes=["f64"]),
    "conditions on sizes": claims(where=["self.shape[0] <= 8", "self.shape[-1] % 4 == 0"]),
    "a condition on the dtype": claims(where=['self.dtype in ("f16", "f32")']),
}
REFUSED = {
    "another dtype": operand(dtypes=["f16"]),
    "another dtype of self": operand("self", dtypes=["f16"]),
    "another dtype of the result": operand("out", dtypes=["f16"]),
    "lower ranks": operand(rank={"min": 0, "max": 1}),
    "higher ranks": operand(rank={"min": 3, "max": 8}),
    "another layout": operand(layouts=["channels_last"]),
    "sparse only": operand(sparsity=["2:4"]),
    "quantised only": operand(quant=["mxfp4"]),
    "a size that is too large": claims(where=["self.shape[0] <= 7"]),
    "a size that is no multiple": claims(where=["self.shape[0] % 2 == 0"]),
    "one condition of two": claims(where=["self.rank == 2", "self.shape[-1] == 5"]),
    "an operand that is not there": claims(where=["third.rank != 9"]),
    "an attribute that is not there": claims(where=["attributes.beta != 9"]),
}


@pytest.mark.parametrize("change", ACCEPTED.values(), ids=ACCEPTED)
def test_claims_that_cover_the_plan_are_accepted(change):
    assert refused_by("fork", change) == []


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_claims_that_do_not_cover_the_plan_are_refused(change):
    assert refused_by("fork", change) == ["CEP-C2"]


def test_an_op_that_a_device_does_not_claim_is_refused():
    def change(case):
        ops = [{"op": "cep-core/1:mm", "variants": [{"engine": "core"}]}]
        case.descriptors["right"] = descriptor("right", "host", ops=ops)

    assert refused_by("fork", change) == ["CEP-C2"]


def test_a_condition_is_decided_for_all_sizes():
    def told(divisor, where):
        case = fork()
        case.plan["symbols"][0] |= {"min": "2", "divisor": divisor}
        claims(where=[where])(case)
        return [d.message for d in case.verify().diagnostics]

    assert told("2", "self.shape[0] % 2 == 0") == []
    assert "self.shape[0] % 4 == 0 does not hold for b = " in told("2", "self.shape[0] % 4 == 0")[0]
    assert "b is 2 to 8 in steps of 2" in told("2", "self.shape[0] % 4 == 0")[0]
    messages = told("2", "self.shape[0] != 5")
    assert "cannot be proven for all admissible sizes" in messages[0]


def test_a_condition_on_an_attribute():
    def change(alpha):
        def claimed(case):
            for name in case.descriptors:
                ops = [{"op": n, "variants": [{"engine": "core"}]} for n in sorted(NAMES)]
                ops[0]["variants"][0]["where"] = [f"attributes.alpha == {alpha}"]
                case.descriptors[name] = descriptor(name, "host", ops=ops)

        return claimed

    assert min(NAMES).endswith("add.Tensor")
    assert refused_by("fork", change(1)) == []
    assert refused_by("fork", change(2)) == ["CEP-C2"]


def test_a_condition_that_nobody_can_read_is_no_claim():
    assert refused_by("fork", claims(where=["b < 4"])) == ["CEP-C5"]


def test_one_variant_that_fits_is_enough():
    def change(case):
        variants = [
            {"engine": "core", "operands": {"*": {"dtypes": ["f16"]}}},
            {"engine": "core", "operands": {"*": {"dtypes": ["f32"]}}},
        ]
        ops = [{"op": n, "variants": variants} for n in sorted(NAMES)]
        case.descriptors["right"] = descriptor("right", "host", ops=ops)

    assert refused_by("fork", change) == []


# --- C5 -------------------------------------------------------------------------------------------


def changed(**members):
    def change(case):
        case.descriptors["left"] = descriptor("left", "host", **members)

    return change


UNBELIEVED = {
    "expired": changed(expires_at="2026-11-20T00:00:00Z"),
    "not yet valid": changed(not_before="2026-12-01T00:00:00Z"),
    "of an issuer that the key may not speak for": changed(issuer="vendor.example"),
    "inconsistent": changed(engines=[]),
}


@pytest.mark.parametrize("change", UNBELIEVED.values(), ids=UNBELIEVED)
def test_descriptors_that_are_not_believed_are_refused(change):
    assert refused_by("fork", change) == ["CEP-C5"]


@pytest.fixture
def case():
    made = fork()
    made.seal()
    return made


def test_a_descriptor_that_a_stranger_signed_is_refused(case):
    forged = signed(case.descriptors["left"], CAPABILITY_DESCRIPTOR, STRANGER)
    assert errors(case.verify(descriptors=[forged, *case.envelopes[1:]])) == ["CEP-C5"]
    assert case.verify(descriptors=[forged, *case.envelopes]).ok, "a good copy is enough"
    assert case.verify(descriptors=[*case.envelopes, forged]).ok, "in any order"


def test_a_descriptor_under_another_payload_type_is_refused(case):
    wrapped = signed(case.descriptors["left"], SYSTEM_DESCRIPTOR)
    assert errors(case.verify(descriptors=[wrapped, *case.envelopes[1:]])) == ["CEP-C5"]


def test_a_system_is_no_descriptor(case):
    whole = system(case.descriptors, [])
    case.sealed = False
    case.plan["devices"][0]["descriptor_digest"] = digest(whole)
    envelopes = [*case.envelopes, signed(whole, SYSTEM_DESCRIPTOR)]
    assert errors(case.verify(descriptors=envelopes)) == ["CEP-I2"]


def test_a_revoked_descriptor_is_refused(case):
    entry = {"digest": digest(case.descriptors["left"]), "reason": "wrong rates",
             "effective_at": "2026-11-10T00:00:00Z"}  # fmt: skip
    status = StatusList.from_json(
        {
            "spec": "acp/1", "issuer": "example.com", "sequence": "1",
            "issued_at": TERM["issued_at"], "next_update": "2026-12-01T00:00:00Z",
            "entries": [entry],
        }
    )  # fmt: skip
    assert errors(case.verify(status_lists=[status])) == ["CEP-C5"]


RUBBISH = {
    "nothing": b"",
    "no JSON": b"\x00\xff",
    "a number": b"1",
    "an envelope of nothing": b'{"payload":"","payloadType":"x","signatures":[]}',
    "an envelope of no JSON": b'{"payload":"/w==","payloadType":"x","signatures":[{"sig":"AA=="}]}',
    "too deep": b"[" * 100_000,
    "the plan": canonicalize(fork().plan),
}


@pytest.mark.parametrize("extra", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_among_the_descriptors_does_not_matter(case, extra):
    assert case.verify(descriptors=[extra, *case.envelopes, extra]).ok


def test_the_same_descriptor_may_be_given_twice_and_used_for_two_slots(case):
    assert case.verify(descriptors=case.envelopes * 2).ok
    case.sealed = False
    case.plan["devices"][1]["descriptor_digest"] = case.plan["devices"][0]["descriptor_digest"]
    assert case.verify().ok


def test_no_descriptors_at_all(case):
    assert errors(case.verify(descriptors=[])) == ["CEP-I2"]


def test_a_descriptor_is_judged_at_the_moment_of_the_verdict(case):
    late = datetime.fromisoformat("2026-12-31T23:59:59Z")
    assert case.verify(now=late).ok
    at("expires_at", "2028-01-01T00:00:00Z")(case)
    assert errors(case.verify(now=datetime.fromisoformat("2027-01-01T00:00:00Z"))) == ["CEP-C5"]
