from __future__ import annotations

import json

import pytest

from acp import dsse
from acp.acceptance import BrokenRuleError, accept, accept_status_list
from acp.canonical import digest
from acp.diagnostics import SignatureError, StructureError, TrustError
from acp.holdings import Holdings
from acp.keys import PrivateKey
from acp.policy import Floor, Grant, TrustedKey, TrustPolicy
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor
from tests.acp.examples import NOW, STATUS, SYSTEM, annex, changed, descriptor

KEY = PrivateKey.generate()
TYPES = (dsse.CAPABILITY_DESCRIPTOR, dsse.SYSTEM_DESCRIPTOR, dsse.STATUS_LIST)
POLICY = TrustPolicy(
    spec="acp-trust/1",
    keys=(TrustedKey.of(KEY.public),),
    grants=(Grant(document_types=TYPES, issuers=("example.com",), keyids=(KEY.public.keyid,)),),
)


def signed(value, payload_type=dsse.CAPABILITY_DESCRIPTOR, key=KEY):
    return dsse.sign(json.dumps(value).encode(), payload_type, [key]).to_bytes()


def status(*revoked):
    entries = [
        {"digest": digest(one), "reason": "recalled", "effective_at": "2026-11-19T00:00:00Z"}
        for one in revoked
    ]
    value = STATUS | {"entries": entries}
    return accept_status_list(signed(value, dsse.STATUS_LIST), POLICY, now=NOW)


def test_accepted():
    accepted = accept(signed(descriptor()), POLICY, now=NOW)
    assert accepted.document == CapabilityDescriptor.from_json(descriptor())
    assert accepted.digest == digest(descriptor())
    assert accepted.issuer == "example.com"
    assert accepted.keyids == (KEY.public.keyid,)
    assert json.loads(accepted.payload) == descriptor()
    assert accepted.warnings == accepted.status_sequences == ()


def test_a_stranger_is_not_even_parsed():
    with pytest.raises(TrustError):
        accept(signed({"issuer": 1}, key=PrivateKey.generate()), POLICY, now=NOW)


def test_only_expected_kinds():
    with pytest.raises(SignatureError):
        accept(signed(descriptor()), POLICY, now=NOW, expected=(SystemDescriptor,))


def test_the_payload_type_decides_the_schema():
    with pytest.raises(StructureError):
        accept(signed(SYSTEM), POLICY, now=NOW)
    assert accept(signed(SYSTEM, dsse.SYSTEM_DESCRIPTOR), POLICY, now=NOW)


def refused(value, policy=POLICY, **options):
    with pytest.raises(BrokenRuleError) as caught:
        accept(signed(value), policy, now=NOW, **options)
    return [one.code for one in caught.value.diagnostics]


def test_rules():
    assert refused(changed(descriptor(), "/power/idle_mw", "800000")) == ["ACP-P01"]


def test_floors_of_the_policy_count():
    floor = Floor(issuer="example.com", uri=descriptor()["uri"], min_revision=4)
    policy = POLICY.model_copy(update={"floors": (floor,)})
    assert refused(descriptor(), policy) == ["ACP-T02"]
    assert accept(signed(changed(descriptor(), "/revision", "4")), policy, now=NOW)


def test_status_lists_count():
    assert refused(descriptor(), status_lists=[status(descriptor())]) == ["ACP-T01"]
    accepted = accept(signed(descriptor()), POLICY, now=NOW, status_lists=[status(SYSTEM)])
    assert accepted.status_sequences == (5,)


def test_critical_extensions_count():
    value = descriptor() | {"extensions": {"a.example": {"a": 1}}, "critical": ["a.example"]}
    assert refused(value) == ["ACP-X01"]
    assert accept(signed(value), POLICY, now=NOW, understood=["a.example"])


def test_warnings_do_not_refuse():
    accepted = accept(signed(descriptor()), TrustPolicy.unsafe_accept_anything(), now=NOW)
    assert [one.code for one in accepted.warnings] == ["ENV-T6"]


def test_a_document_is_judged_by_others_that_were_accepted():
    device = accept(signed(descriptor()), POLICY, now=NOW).document
    unplugged = changed(annex("system"), "/links/0/a/port", "nowhere")
    envelope = signed(unplugged, dsse.SYSTEM_DESCRIPTOR)
    assert accept(envelope, POLICY, now=NOW).warnings == ()
    with pytest.raises(BrokenRuleError) as refused:
        accept(envelope, POLICY, now=NOW, held=Holdings.of([device]))
    assert [one.code for one in refused.value.diagnostics] == ["ACP-L01"]


def test_an_older_status_list_is_refused():
    newer = accept_status_list(signed(STATUS, dsse.STATUS_LIST), POLICY, now=NOW)
    older = signed(STATUS | {"sequence": "4"}, dsse.STATUS_LIST)
    assert accept_status_list(older, POLICY, now=NOW).sequence == 4
    with pytest.raises(BrokenRuleError) as refused:
        accept_status_list(older, POLICY, now=NOW, known=(newer,))
    assert [one.code for one in refused.value.diagnostics] == ["ACP-T02"]
