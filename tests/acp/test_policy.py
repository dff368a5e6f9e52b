from __future__ import annotations

import json

import pytest

from acp.diagnostics import DecodeError, TrustError
from acp.dsse import CAPABILITY_DESCRIPTOR
from acp.keys import Algorithm, PrivateKey
from acp.policy import Floor, Grant, TrustedKey, TrustPolicy, is_dns_name

ALICE, BOB = PrivateKey.generate(), PrivateKey.generate()
CAROL = PrivateKey.generate(Algorithm.ECDSA_P256)


def grant(*keys):
    return Grant(
        document_types=[CAPABILITY_DESCRIPTOR],
        issuers=["example.com"],
        keyids=[key.public.keyid for key in keys],
    )


def policy(*grants):
    return TrustPolicy(
        spec="acp-trust/1",
        keys=[TrustedKey.of(key.public) for key in (ALICE, BOB, CAROL)],
        grants=grants or [grant(ALICE)],
    )


def document(**changes):
    members = json.loads(policy(grant(ALICE, BOB)).to_bytes()) | changes
    return {name: value for name, value in members.items() if value is not ...}


def key_entry(**changes):
    return json.loads(policy().to_bytes())["keys"][0] | changes


def grant_entry(**changes):
    return document()["grants"][0] | changes


MALFORMED = {
    "array": ([1], ""),
    "unknown version": (document(spec="acp-trust/2"), "/spec"),
    "no version": (document(spec=...), "/spec"),
    "unknown member": (document(key=[1]), "/key"),
    "no keys": (document(keys=...), "/keys"),
    "empty keys": (document(keys=[]), "/keys"),
    "empty grants": (document(grants=[]), "/grants"),
    "null": (document(floors=None), "/floors"),
    "null inside": (document(keys=[key_entry(comment=None)]), "/keys/0/comment"),
    "keys is an object": (document(keys={"a": 1}), "/keys"),
    "unknown member of a key": (document(keys=[key_entry(name="a")]), "/keys/0/name"),
    "key id of another key": (
        document(keys=[key_entry(keyid=CAROL.public.keyid)]),
        "/keys/0/keyid",
    ),
    "key id in upper case": (
        document(keys=[key_entry(keyid="sha256:" + "A" * 64)]),
        "/keys/0/keyid",
    ),
    "not a key": (document(keys=[key_entry(public_key="AAAA")]), "/keys/0/public_key"),
    "key twice": (document(keys=[key_entry(), key_entry()]), "/keys/1"),
    "thirteenth month": (
        document(keys=[key_entry(not_before="2026-13-01T00:00:00Z")]),
        "/keys/0/not_before",
    ),
    "local time": (
        document(keys=[key_entry(not_after="2026-11-20T09:00:00")]),
        "/keys/0/not_after",
    ),
    "trailing newline": (
        document(keys=[key_entry(not_after="2026-11-20T09:00:00Z\n")]),
        "/keys/0/not_after",
    ),
    "empty window": (
        document(
            keys=[key_entry(not_before="2026-01-01T00:00:00Z", not_after="2026-01-01T00:00:00Z")]
        ),
        "/keys/0/not_after",
    ),
    "unknown key": (
        document(grants=[grant_entry(keyids=["sha256:" + "0" * 64])]),
        "/grants/0/keyids/0",
    ),
    "misspelt type": (
        document(grants=[grant_entry(document_types=["application/json"])]),
        "/grants/0/document_types/0",
    ),
    "threshold 0": (document(grants=[grant_entry(threshold=0)]), "/grants/0/threshold"),
    "threshold true": (document(grants=[grant_entry(threshold=True)]), "/grants/0/threshold"),
    "threshold as text": (document(grants=[grant_entry(threshold="1")]), "/grants/0/threshold"),
    "threshold out of reach": (
        document(grants=[grant_entry(threshold=2, keyids=[ALICE.public.keyid] * 2)]),
        "/grants/0/threshold",
    ),
    "wildcard alone": (document(grants=[grant_entry(issuers=["*"])]), "/grants/0/issuers/0"),
    "wildcard inside": (document(grants=[grant_entry(issuers=["a.*.com"])]), "/grants/0/issuers/0"),
    "upper-case issuer": (document(grants=[grant_entry(issuers=["A.com"])]), "/grants/0/issuers/0"),
    "issuer as text": (document(grants=[grant_entry(issuers="a.com")]), "/grants/0/issuers"),
    "adapter with a space": (document(adapters=["a b"]), "/adapters/0"),
    "floor without revision": (
        document(floors=[{"issuer": "example.com", "uri": "u"}]),
        "/floors/0/min_revision",
    ),
    "negative floor": (
        document(floors=[{"issuer": "example.com", "uri": "u", "min_revision": -1}]),
        "/floors/0/min_revision",
    ),
    "two floors": (
        document(floors=[{"issuer": "example.com", "uri": "u", "min_revision": 1}] * 2),
        "/floors/1",
    ),
    "two floors of status lists": (
        document(status_floors=[{"issuer": "example.com", "min_sequence": 1}] * 2),
        "/status_floors/1",
    ),
    "floor of status lists without a sequence": (
        document(status_floors=[{"issuer": "example.com"}]),
        "/status_floors/0/min_sequence",
    ),
}


@pytest.mark.parametrize(("value", "path"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_policies_are_refused(value, path):
    with pytest.raises(TrustError) as refusal:
        TrustPolicy.from_bytes(json.dumps(value).encode())
    found = {(one.code, one.path) for one in refusal.value.diagnostics}
    assert ("ENV-T5", path) in found


def test_policies_round_trip(tmp_path):
    full = TrustPolicy(
        spec="acp-trust/1",
        keys=[
            TrustedKey.of(ALICE.public, not_before="2026-01-01T00:00:00Z", comment="release key")
        ],
        grants=[grant(ALICE)],
        adapters=["acp-cep"],
        floors=[Floor(issuer="example.com", uri="https://example.com/x", min_revision=7)],
    )
    (tmp_path / "policy.json").write_bytes(full.to_bytes())
    assert TrustPolicy.load(tmp_path / "policy.json") == full
    assert b"adapters" not in policy().to_bytes()
    assert TrustPolicy.from_bytes(policy().to_bytes()) == policy()


def test_unreadable_policies(tmp_path):
    for path in (tmp_path / "none", tmp_path, "nul\0byte"):
        with pytest.raises(TrustError) as refusal:
            TrustPolicy.load(path)
        assert refusal.value.diagnostics[0].code == "ENV-T5"
    (tmp_path / "long").write_bytes(b" " * 2_000_000)
    with pytest.raises(DecodeError):
        TrustPolicy.load(tmp_path / "long")


def test_floors_and_adapters():
    floor = Floor(issuer="example.com", uri="u", min_revision=7)
    trusted = TrustPolicy(
        spec="acp-trust/1",
        keys=[TrustedKey.of(ALICE.public)],
        grants=[grant(ALICE)],
        adapters=["My_Adapter"],
        floors=[floor],
    )
    assert trusted.min_revision("example.com", "u") == 7
    assert trusted.min_revision("example.org", "u") == 0
    assert trusted.allows_adapter("my-adapter")
    assert not trusted.allows_adapter("my-adapter2")
    assert not policy().allows_adapter("my-adapter")


def test_unsafe_policy_cannot_be_written_down():
    with pytest.raises(TrustError):
        TrustPolicy.from_bytes(TrustPolicy.unsafe_accept_anything().to_bytes())
    with pytest.raises(TrustError):
        TrustPolicy.from_bytes(json.dumps(document(_accepts_anything=True)).encode())


@pytest.mark.parametrize("text", ["a", "example.com", "1.2.3", "xn--bcher-kva.example"])
def test_dns_names(text):
    assert is_dns_name(text)


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a b", "A", "a\n", "-a", "a-", "a" * 64, 1])
def test_other_texts_are_no_dns_names(text):
    assert not is_dns_name(text)


def test_a_floor_of_status_lists():
    value = document(status_floors=[{"issuer": "example.com", "min_sequence": 12}])
    policy = TrustPolicy.from_bytes(json.dumps(value).encode())
    assert policy.min_sequence("example.com") == 12
    assert policy.min_sequence("other.example") == 0
    assert TrustPolicy.from_bytes(policy.to_bytes()) == policy
