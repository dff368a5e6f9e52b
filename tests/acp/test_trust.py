from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import acp.trust
from acp.canonical import canonicalize
from acp.diagnostics import Refused, Severity, SignatureError
from acp.dsse import (
    CAPABILITY_DESCRIPTOR,
    PAYLOAD_TYPES,
    PLAN,
    RECEIPT,
    SYSTEM_DESCRIPTOR,
    Envelope,
    Signature,
    pae,
    sign,
)
from acp.keys import Algorithm, PrivateKey
from acp.trust import Grant, TrustedKey, TrustPolicy, verify

NOW = datetime(2026, 11, 20, 9, 0, 0, tzinfo=UTC)
ALICE, BOB, STRANGER = (PrivateKey.generate() for _ in range(3))
CAROL = PrivateKey.generate(Algorithm.ECDSA_P256)
PAYLOAD = b'{"issuer":"example.com","spec":"acp/1"}'


def policy(*grants, keys=(ALICE, BOB, CAROL), **windows):
    return TrustPolicy(
        spec="acp-trust/1",
        keys=[TrustedKey.of(key.public, **windows) for key in keys],
        grants=grants or [grant(ALICE)],
    )


def grant(*keys, types=(CAPABILITY_DESCRIPTOR,), issuers=("example.com",), threshold=1):
    return Grant(
        document_types=types,
        issuers=issuers,
        keyids=[key.public.keyid for key in keys],
        threshold=threshold,
    )


def signed(*keys, payload=PAYLOAD, kind=CAPABILITY_DESCRIPTOR):
    return sign(payload, kind, keys).to_bytes()


def check(data, trusted, *, now=NOW, expected=PAYLOAD_TYPES):
    return verify(data, trusted, now=now, expected=expected)


def refusal_of(data, trusted, **arguments):
    with pytest.raises(Refused) as refusal:
        check(data, trusted, **arguments)
    (diagnostic,) = refusal.value.diagnostics
    return diagnostic


def edited(data, **changes):
    return json.dumps(json.loads(data) | changes).encode()


def test_accepts_and_says_who_signed():
    verified = check(signed(BOB, ALICE, STRANGER), policy(grant(ALICE, BOB)))
    assert verified.payload == PAYLOAD
    assert verified.payload_type == CAPABILITY_DESCRIPTOR
    assert verified.issuer == "example.com"
    assert verified.keyids == (ALICE.public.keyid, BOB.public.keyid)
    assert verified.value == json.loads(PAYLOAD)
    assert verified.diagnostics == ()


@pytest.mark.parametrize("key", [ALICE, CAROL], ids=["Ed25519", "ECDSA"])
def test_bytes_are_never_reencoded(key):
    payload = b'  { "z": 1, "issuer"\n: "ex\\u0061mple.com" }'
    verified = check(signed(key, payload=payload), policy(grant(key)))
    assert verified.payload == payload
    assert verified.issuer == "example.com"


def test_receipts_name_their_issuer_in_the_predicate():
    trusted = policy(grant(ALICE, types=(RECEIPT,)))
    inside = b'{"predicate":{"issuer":"example.com"}}'
    assert check(signed(ALICE, payload=inside, kind=RECEIPT), trusted).issuer == "example.com"
    outside = signed(ALICE, payload=PAYLOAD, kind=RECEIPT)
    assert refusal_of(outside, trusted).path == "/predicate/issuer"


# --- which key may sign what ---------------------------------------------------------------------

GRANTS = {
    # name: (grants, signers, code of the refusal, or None)
    "the granted key": ([grant(ALICE)], [ALICE], None),
    "another known key": ([grant(ALICE)], [BOB], "ENV-T3"),
    "an unknown key": ([grant(ALICE)], [STRANGER], "ENV-T1"),
    "an unknown key beside the granted one": ([grant(ALICE)], [STRANGER, ALICE], None),
    "another type": ([grant(ALICE, types=(PLAN,))], [ALICE], "ENV-T3"),
    "another issuer": ([grant(ALICE, issuers=("example.org",))], [ALICE], "ENV-T3"),
    "type and issuer in different grants": (
        [grant(ALICE, types=(PLAN,)), grant(ALICE, issuers=("example.org",))],
        [ALICE],
        "ENV-T3",
    ),
    "one of several issuers": ([grant(ALICE, issuers=("a.example", "example.com"))], [ALICE], None),
    "one of several types": ([grant(ALICE, types=(PLAN, CAPABILITY_DESCRIPTOR))], [ALICE], None),
    "two of two": ([grant(ALICE, CAROL, threshold=2)], [CAROL, ALICE], None),
    "one of two": ([grant(ALICE, BOB, threshold=2)], [ALICE], "ENV-T2"),
    "one and a stranger of two": ([grant(ALICE, BOB, threshold=2)], [ALICE, STRANGER], "ENV-T2"),
    "one and a key not granted of two": (
        [grant(ALICE, BOB, threshold=2)],
        [ALICE, CAROL],
        "ENV-T2",
    ),
    "two of three": ([grant(ALICE, BOB, CAROL, threshold=2)], [ALICE, CAROL], None),
    "thresholds don't add up over grants": (
        [grant(ALICE, CAROL, threshold=2), grant(BOB, CAROL, threshold=2)],
        [ALICE, BOB],
        "ENV-T2",
    ),
    "the easier of two grants": ([grant(ALICE, BOB, threshold=2), grant(BOB)], [BOB], None),
    "a key named twice in a grant": (
        [grant(ALICE, ALICE, BOB, threshold=2)],
        [ALICE],
        "ENV-T2",
    ),
}


@pytest.mark.parametrize(("grants", "signers", "code"), GRANTS.values(), ids=GRANTS.keys())
def test_grants(grants, signers, code):
    data = signed(*signers)
    if code is None:
        assert check(data, policy(*grants)).payload == PAYLOAD
    else:
        assert refusal_of(data, policy(*grants)).code == code


def test_only_keys_of_a_satisfied_grant_count():
    trusted = policy(grant(ALICE), grant(BOB, CAROL, threshold=2))
    assert check(signed(ALICE, BOB), trusted).keyids == (ALICE.public.keyid,)


ISSUERS = {
    ("example.com", "example.com"): True,
    ("example.com", "a.example.com"): False,
    ("*.example.com", "a.example.com"): True,
    ("*.example.com", "a.b.example.com"): True,
    ("*.example.com", "example.com"): False,
    ("*.example.com", "badexample.com"): False,
    ("*.example.com", "a.example.com.evil.org"): False,
    ("*.example.com", "a.badexample.com"): False,
}


@pytest.mark.parametrize(("case", "accepted"), ISSUERS.items(), ids=map(" for ".join, ISSUERS))
def test_issuer_patterns(case, accepted):
    pattern, issuer = case
    data = signed(ALICE, payload=canonicalize({"issuer": issuer}))
    trusted = policy(grant(ALICE, issuers=(pattern,)))
    if accepted:
        assert check(data, trusted).issuer == issuer
    else:
        assert refusal_of(data, trusted).code == "ENV-T3"


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        ".example.com",
        "*.example.com",
        "a..example.com",
        "A.example.com",
        "a.example.com.",
        "a.example.com\n",
        "evil.org/.example.com",
        "a_b.example.com",
        "-a.example.com",
        "a." * 130 + "example.com",
        "é.example.com",
        7,
        None,
        ["a.example.com"],
    ],
    ids=repr,
)
def test_issuers_that_are_no_dns_names_are_refused(issuer):
    data = signed(ALICE, payload=canonicalize({"issuer": issuer}))
    found = refusal_of(data, policy(grant(ALICE, issuers=("*.example.com",))))
    assert (found.code, found.path) == ("ENV-T3", "/issuer")


@pytest.mark.parametrize("payload", [b"{}", b"[]", b"1", b'{"predicate":{"issuer":"example.com"}}'])
def test_payloads_without_an_issuer_are_refused(payload):
    assert refusal_of(signed(ALICE, payload=payload), policy()).path == "/issuer"


WINDOWS = {
    "before": ({"not_before": "2026-11-20T09:00:01Z"}, "ENV-T4"),
    "first second": ({"not_before": "2026-11-20T09:00:00Z"}, None),
    "last second": ({"not_after": "2026-11-20T09:00:01Z"}, None),
    "after": ({"not_after": "2026-11-20T09:00:00Z"}, "ENV-T4"),
}


@pytest.mark.parametrize(("window", "code"), WINDOWS.values(), ids=WINDOWS.keys())
def test_validity(window, code):
    trusted = policy(**window)
    if code is None:
        check(signed(ALICE), trusted)
    else:
        assert refusal_of(signed(ALICE), trusted).code == code


def test_expired_key_does_not_count_towards_a_threshold():
    trusted = TrustPolicy(
        spec="acp-trust/1",
        keys=[
            TrustedKey.of(ALICE.public, not_after="2026-01-01T00:00:00Z"),
            TrustedKey.of(BOB.public),
        ],
        grants=[grant(ALICE, BOB, threshold=2)],
    )
    found = refusal_of(signed(ALICE, BOB), trusted)
    assert found.code == "ENV-T2"
    assert ALICE.public.keyid in found.message


def test_time_zones_are_converted():
    trusted = policy(not_after="2026-11-20T09:00:01Z")
    check(signed(ALICE), trusted, now=datetime.fromisoformat("2026-11-20T10:00:00+01:00"))
    late = datetime.fromisoformat("2026-11-20T09:00:01-01:00")
    assert refusal_of(signed(ALICE), trusted, now=late).code == "ENV-T4"


# --- attacks -------------------------------------------------------------------------------------


def test_unknown_key_and_altered_payload_are_told_apart():
    unknown = refusal_of(signed(STRANGER), policy())
    altered = refusal_of(edited(signed(ALICE), payload="e30="), policy())
    assert unknown.code == altered.code == "ENV-T1"
    assert "no signature is by a key of the policy" in unknown.message
    assert "altered" in altered.message


def test_type_is_authenticated():
    trusted = policy(grant(ALICE, types=tuple(PAYLOAD_TYPES)))
    swapped = edited(signed(ALICE), payloadType=SYSTEM_DESCRIPTOR)
    assert refusal_of(swapped, trusted).code == "ENV-T1"
    unexpected = refusal_of(signed(ALICE), trusted, expected=[PLAN])
    assert (unexpected.code, unexpected.path) == ("ENV-E3", "/payloadType")


def test_signature_over_the_bare_payload_is_refused():
    bare = Envelope(
        PAYLOAD, CAPABILITY_DESCRIPTOR, (Signature(ALICE.public.keyid, ALICE.sign(PAYLOAD)),)
    )
    assert refusal_of(bare.to_bytes(), policy()).code == "ENV-T1"


def test_bytes_cannot_move_between_type_and_payload():
    kind = CAPABILITY_DESCRIPTOR + " 2 {}"
    shifted = Envelope(b"", kind, (Signature("", ALICE.sign(pae(CAPABILITY_DESCRIPTOR, b"{}"))),))
    assert refusal_of(shifted.to_bytes(), policy(), expected=[kind]).code == "ENV-T1"


def test_one_key_under_two_ids_counts_once():
    message = pae(CAPABILITY_DESCRIPTOR, PAYLOAD)
    # ECDSA signs with fresh randomness, so the same key makes two different signatures.
    signatures = (
        Signature(CAROL.public.keyid, CAROL.sign(message)),
        Signature(ALICE.public.keyid, CAROL.sign(message)),
    )
    data = Envelope(PAYLOAD, CAPABILITY_DESCRIPTOR, signatures).to_bytes()
    trusted = policy(grant(ALICE, CAROL, threshold=2))
    assert refusal_of(data, trusted).code == "ENV-T2"
    assert check(data, policy(grant(ALICE, CAROL))).keyids == (CAROL.public.keyid,)


def test_copied_signature_is_refused():
    (signature,) = json.loads(signed(ALICE))["signatures"]
    twice = edited(signed(ALICE), signatures=[signature, signature | {"keyid": BOB.public.keyid}])
    assert refusal_of(twice, policy(grant(ALICE, BOB, threshold=2))).code == "ENV-E4"


@pytest.mark.parametrize(
    "hint",
    ["", "nonsense", BOB.public.keyid, CAROL.public.keyid],
    ids=["none", "nonsense", "of a granted key", "of another key"],
)
def test_key_ids_of_the_envelope_neither_allow_nor_break(hint):
    (signature,) = json.loads(signed(ALICE))["signatures"]
    data = edited(signed(ALICE), signatures=[signature | {"keyid": hint}])
    assert check(data, policy()).keyids == (ALICE.public.keyid,)
    assert refusal_of(data, policy(grant(BOB, CAROL))).code == "ENV-T3"


def test_signatures_do_not_cross_algorithms():
    (signature,) = json.loads(signed(CAROL))["signatures"]
    data = edited(signed(CAROL), signatures=[signature | {"keyid": ALICE.public.keyid}])
    assert refusal_of(data, policy(keys=[ALICE])).code == "ENV-T1"


def test_signature_is_checked_before_the_payload_is_parsed(monkeypatch):
    def parsed(_):
        pytest.fail("an unverified payload was parsed")

    monkeypatch.setattr(acp.trust, "_parse", parsed)
    assert refusal_of(signed(STRANGER, payload=b'{"a":1,"a":2}'), policy()).code == "ENV-T1"


def test_signed_nonsense_is_still_nonsense():
    assert refusal_of(signed(ALICE, payload=b'{"a":1,"a":2}'), policy()).code == "ENV-J2"


def test_work_for_unhelpful_key_ids_is_bounded(monkeypatch):
    monkeypatch.setattr(acp.trust, "_TRIAL_BYTES", 100)
    (signature,) = json.loads(signed(CAROL))["signatures"]
    unhelpful = edited(signed(CAROL), signatures=[signature | {"keyid": ""}])
    assert refusal_of(unhelpful, policy(grant(CAROL))).code == "ENV-E4"
    check(signed(CAROL), policy(grant(CAROL)))


@pytest.mark.parametrize(
    ("key", "original"),
    # Signed once: an ECDSA signature is of another length each time.
    [(ALICE, signed(ALICE)), (CAROL, signed(CAROL))],
    ids=["Ed25519", "ECDSA"],
)
@given(data=st.data())
def test_any_changed_byte_is_refused_or_changes_nothing(key, original, data):
    place = data.draw(st.integers(0, len(original) - 1))
    flipped = bytearray(original)
    flipped[place] ^= data.draw(st.integers(1, 255))
    try:
        verified = check(bytes(flipped), policy(grant(key)))
    except Refused:
        return
    assert (verified.payload, verified.payload_type) == (PAYLOAD, CAPABILITY_DESCRIPTOR)


@given(data=st.data())
def test_any_changed_payload_or_signature_byte_is_refused(data):
    envelope = sign(PAYLOAD, CAPABILITY_DESCRIPTOR, [ALICE])
    payload, sig = bytearray(envelope.payload), bytearray(envelope.signatures[0].sig)
    target = data.draw(st.sampled_from([payload, sig]))
    target[data.draw(st.integers(0, len(target) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = Envelope(bytes(payload), CAPABILITY_DESCRIPTOR, (Signature("", bytes(sig)),))
    assert refusal_of(changed.to_bytes(), policy()).code == "ENV-T1"


# --- misuse --------------------------------------------------------------------------------------


def test_unsafe_policy_warns_and_still_wants_form():
    anything = TrustPolicy.unsafe_accept_anything()
    verified = check(signed(STRANGER), anything)
    (warning,) = verified.diagnostics
    assert (warning.code, warning.severity) == ("ENV-T6", Severity.WARNING)
    assert verified.keyids == ()
    assert verified.payload == PAYLOAD
    assert refusal_of(signed(STRANGER), anything, expected=[PLAN]).code == "ENV-E3"
    assert refusal_of(edited(signed(ALICE), signatures=[]), anything).code == "ENV-E4"
    assert refusal_of(edited(signed(ALICE), payload="e30"), anything).code == "ENV-E2"
    assert refusal_of(signed(ALICE, payload=b"{"), anything).code == "ENV-J1"


def test_caller_mistakes_are_loud():
    with pytest.raises(ValueError, match="time zone"):
        check(signed(ALICE), policy(), now=NOW.replace(tzinfo=None))
    with pytest.raises(TypeError, match="collection"):
        check(signed(ALICE), policy(), expected=CAPABILITY_DESCRIPTOR)
    assert refusal_of(signed(ALICE), policy(), expected=()).code == "ENV-E3"


def test_bare_document_instead_of_an_envelope():
    with pytest.raises(SignatureError) as refusal:
        check(PAYLOAD, policy())
    assert refusal.value.diagnostics[0].code == "ENV-E1"


@given(st.binary(max_size=100))
def test_unsigned_bytes_never_pass(payload):
    members = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": CAPABILITY_DESCRIPTOR,
        "signatures": [{"keyid": ALICE.public.keyid, "sig": base64.b64encode(payload).decode()}],
    }
    assert refusal_of(json.dumps(members).encode(), policy()).code == "ENV-T1"
