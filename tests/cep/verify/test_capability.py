from __future__ import annotations

from datetime import datetime

import pytest

from acp.canonical import canonicalize
from acp.documents import digest
from acp.dsse import CAPABILITY_DESCRIPTOR, PLAN, SYSTEM_DESCRIPTOR
from acp.v1.status import StatusList
from tests.cep.plans import (
    STRANGER,
    TERM,
    all_of,
    at,
    chain,
    descriptor,
    errors,
    fork,
    signed,
    system,
)
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
}
UNBELIEVABLE = {
    "a limit on an operand that is not there": operand("mat2", dtypes=["f64"]),
    "a condition on an operand that is not there": claims(where=["third.rank != 9"]),
    "a condition on an attribute that is not there": claims(where=["attributes.beta != 9"]),
    "an axis beyond the rank": claims(
        where=["self.shape[2] != 9"], operands={"*": {"rank": {"min": 2, "max": 2}}}
    ),
}


@pytest.mark.parametrize("change", ACCEPTED.values(), ids=ACCEPTED)
def test_claims_that_cover_the_plan_are_accepted(change):
    assert refused_by("fork", change) == []


@pytest.mark.parametrize("change", UNBELIEVABLE.values(), ids=UNBELIEVABLE)
def test_claims_of_what_the_operation_does_not_have_are_not_believed(change):
    assert refused_by("fork", change) == ["CEP-C5"]


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


# --- C1 -------------------------------------------------------------------------------------------


def asking(predicate, *, slot=0, **descriptors):
    """The plan `fork` with a predicate for a slot, and other descriptors than usual."""
    case = fork()
    case.plan["features"] = ["predicates"]
    case.plan["devices"][slot] = {
        "slot": case.plan["devices"][slot]["slot"],
        "predicate": predicate,
    }
    case.descriptors |= descriptors
    return case


LEFT = 'subject.model == "left"'


@pytest.mark.parametrize(
    "predicate",
    [
        LEFT,
        f'{LEFT} and memories[ram].capacity_bytes_per_instance == 1048576 and "core" != "x"',
        'subject.unit_id in ("left", "middle") and ops[cep-core/1:relu].op != ""',
    ],
)
def test_the_only_descriptor_that_meets_a_predicate_is_bound(predicate):
    case = asking(predicate)
    report = case.verify()
    assert errors(report) == []
    assert report.binding == {name: digest(d) for name, d in case.descriptors.items()}
    assert report.descriptors["left"].subject.model == "left"
    assert report.choices == {}


@pytest.mark.parametrize(
    ("predicate", "reason"),
    {
        f"{LEFT} and subject.part_number != 7": "subject.part_number is not stated",
        "memories[ram].capacity_bytes_per_instance >= 1048577": "is 1048576",
        'subject.device_class == "gpu"': 'subject.device_class is "cpu"',
        "true": "is expected, at character 5",
        "subject.model = 3": "begins nothing that a condition has",
        'subject.model < "a"': "never holds",
    }.items(),
)
def test_a_predicate_that_no_descriptor_meets_is_refused(predicate, reason):
    case = asking(predicate)
    report = case.verify()
    assert errors(report) == ["CEP-C1"]
    (found,) = report.diagnostics
    assert found.path == "/devices/0/predicate"
    assert reason in found.message


def test_where_several_meet_it_the_caller_says_which():
    case = asking('subject.device_class == "cpu"')
    report = case.verify()
    assert errors(report) == ["CEP-C1"]
    left, right = (digest(case.descriptors[name]) for name in ("left", "right"))
    assert left in report.diagnostics[0].message
    assert "--bind left=DIGEST" in report.diagnostics[0].message
    assert set(report.choices["left"]) == {left, right}
    for chosen in (left, right):
        report = case.verify(binding={"left": chosen})
        assert errors(report) == []
        assert report.binding == {"left": chosen, "right": right}


def test_all_rules_see_what_was_bound():
    def small(name):
        memory = descriptor(name, "host")["memories"][0] | {"capacity_bytes_per_instance": "4096"}
        return descriptor(name, "host", memories=[memory])

    case = asking('subject.device_class == "cpu"', far=small("far"))
    chosen = {name: digest(d) for name, d in case.descriptors.items()}
    assert errors(case.verify(binding={"left": chosen["left"]})) == []
    assert errors(case.verify(binding={"left": chosen["far"]})) == ["CEP-M8"]


def test_what_the_caller_says_must_be_given_believed_and_fitting():
    case = asking(LEFT, far=descriptor("far", expires_at="2026-11-20T00:00:00Z"))
    case.seal()
    far, right = digest(case.descriptors["far"]), digest(case.descriptors["right"])
    for chosen, reason in (
        (right, 'subject.model is "right"'),
        (far, "not believed"),
        ("sha256:" + "0" * 64, "it was not given"),
    ):
        report = case.verify(binding={"left": chosen})
        assert errors(report) == ["CEP-C1"]
        assert reason in report.diagnostics[0].message


def test_no_descriptor_is_bound_that_is_not_believed():
    case = asking(LEFT)
    case.seal()
    forged = signed(case.descriptors["left"], CAPABILITY_DESCRIPTOR, STRANGER)
    report = case.verify(descriptors=[forged, *case.envelopes[1:]])
    assert errors(report) == ["CEP-C1"]
    assert "not believed" in report.diagnostics[0].message
    assert errors(case.verify(descriptors=[])) == ["CEP-C1", "CEP-I2"]


def test_other_documents_among_the_descriptors_are_no_candidates():
    case = asking(LEFT)
    case.seal()
    extra = [signed(case.plan, PLAN), canonicalize(case.plan), b"\xff"]
    assert case.verify(descriptors=[*extra, *case.envelopes]).ok


def test_a_slot_with_a_digest_cannot_be_bound_to_another():
    case = fork()
    case.seal()
    left, right = (digest(case.descriptors[name]) for name in ("left", "right"))
    assert case.verify(binding={"left": left}).ok
    assert errors(case.verify(binding={"left": right})) == ["CEP-C1"]
    assert errors(case.verify(binding={"middle": left})) == ["CEP-C1"]


def test_links_are_those_of_the_bound_descriptors():
    case = chain()
    case.plan["features"] = ["predicates"]
    case.plan["devices"][1] = {"slot": "right", "predicate": 'subject.model == "right"'}
    assert errors(case.verify()) == []
    case.plan["devices"][1]["predicate"] = LEFT
    assert errors(case.verify()) == ["CEP-O5"]


# --- C4 -------------------------------------------------------------------------------------------


def limited(*limits):
    def change(case):
        for name in case.descriptors:
            case.descriptors[name] = descriptor(
                name, "host", queues=[{"kind": kind, "max": most} for kind, most in limits]
            )

    return change


def more(kind, count=1, device="left"):
    def change(case):
        case.plan["queues"] += [
            {"id": f"more{n}", "device": device, "kind": kind} for n in range(count)
        ]

    return change


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (limited(("COMPUTE", 1)), []),
        (limited(("COPY", 1)), []),
        (limited(("COMPUTE", 0)), ["CEP-C4"]),
        (all_of(limited(("COPY", 9)), more("COMPUTE")), ["CEP-C4"]),
        (all_of(limited(("COPY", 9)), more("COPY", 9)), []),
        (all_of(limited(("COPY", 9)), more("COPY", 10)), ["CEP-C4"]),
        (all_of(limited(("COMPUTE", 2)), more("COMPUTE")), []),
        (all_of(limited(("COMPUTE", 2)), more("COMPUTE", 2)), ["CEP-C4"]),
        (all_of(limited(("COMPUTE", 2)), more("COPY")), []),
        (all_of(limited(("COMPUTE", 2)), more("COPY", 2)), ["CEP-C4"]),
        (
            all_of(limited(("COMPUTE", 2)), more("COMPUTE"), more("COMPUTE", device="right")),
            ["CEP-I6"],
        ),
        (at("queues/0/kind", "COPY"), ["CEP-C4"]),
    ],
)
def test_queues(change, codes):
    assert refused_by("fork", change) == codes


def test_the_message_says_what_is_allowed():
    case = fork()
    all_of(limited(("COMPUTE", 1)), more("COMPUTE", 2))(case)
    found = case.verify().diagnostics
    assert [d.path for d in found] == ["/queues/2", "/queues/3"]
    assert "'left' has 3 COMPUTE queues; its descriptor allows 1" in found[1].message


def test_what_copies_cannot_compute():
    assert refused_by("chain", at("queues/1/kind", "COPY")) == ["CEP-C4"]
    copying = all_of(more("COPY", device="right"), at("steps/1/queue", "more0"),
                     at("steps/2/waits", [{"queue": "more0", "epoch": 1}]))  # fmt: skip
    assert refused_by("chain", copying) == []
