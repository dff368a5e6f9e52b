from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as OtherEnvelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from acp.diagnostics import Refused, SignatureError
from acp.dsse import CAPABILITY_DESCRIPTOR, MAX_SIGNATURES, Envelope, Signature, pae, sign
from acp.keys import Algorithm, PrivateKey

KEYS = {algorithm: PrivateKey.generate(algorithm) for algorithm in Algorithm}


def envelope_json(**changes):
    members = {
        "payload": "aGVsbG8gd29ybGQ=",
        "payloadType": "http://example.com/HelloWorld",
        "signatures": [{"keyid": "k", "sig": "AAAA"}],
    } | changes
    return json.dumps({name: value for name, value in members.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        # The example of the DSSE protocol document.
        (
            "http://example.com/HelloWorld",
            b"hello world",
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world",
        ),
        ("", b"", b"DSSEv1 0  0 "),
        # Lengths count bytes: one character of type and payload here takes three.
        ("€", "€".encode(), "DSSEv1 3 € 3 €".encode()),
        ("a", b"\x00\xff", b"DSSEv1 1 a 2 \x00\xff"),
    ],
)
def test_pae(kind, payload, expected):
    assert pae(kind, payload) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary(), st.text("0 1a"), st.binary())
def test_pae_is_injective(kind, payload, other_kind, other_payload):
    same = (kind, payload) == (other_kind, other_payload)
    assert (pae(kind, payload) == pae(other_kind, other_payload)) is same


@given(
    st.binary(),
    st.text(st.characters(exclude_categories=["Cs", "Cn"]), min_size=1),
    st.lists(
        st.tuples(st.text("ab:", max_size=3), st.binary(max_size=70)),
        min_size=1,
        max_size=16,
        unique_by=lambda one: one[1],
    ),
)
def test_bytes_round_trip(payload, kind, signatures):
    envelope = Envelope(payload, kind, tuple(Signature(*one) for one in signatures))
    assert Envelope.from_bytes(envelope.to_bytes()) == envelope


MALFORMED = {
    "array": (b"[]", "ENV-E1", ""),
    "no payload": (envelope_json(payload=...), "ENV-E1", "/payload"),
    "payload is a number": (envelope_json(payload=1), "ENV-E1", "/payload"),
    "no type": (envelope_json(payloadType=...), "ENV-E1", "/payloadType"),
    "empty type": (envelope_json(payloadType=""), "ENV-E1", "/payloadType"),
    "type is null": (envelope_json(payloadType=None), "ENV-E1", "/payloadType"),
    "no signatures": (envelope_json(signatures=...), "ENV-E1", "/signatures"),
    "signatures is an object": (envelope_json(signatures={}), "ENV-E1", "/signatures"),
    "signature is a string": (envelope_json(signatures=["AAAA"]), "ENV-E1", "/signatures/0"),
    "no sig": (envelope_json(signatures=[{"keyid": "k"}]), "ENV-E1", "/signatures/0/sig"),
    "keyid is null": (
        envelope_json(signatures=[{"keyid": None, "sig": "AAAA"}]),
        "ENV-E1",
        "/signatures/0/keyid",
    ),
    "unpadded": (envelope_json(payload="aGVsbG8gd29ybGQ"), "ENV-E2", "/payload"),
    "overpadded": (envelope_json(payload="aGVsbG8gd29ybGQ=="), "ENV-E2", "/payload"),
    "stray bits": (envelope_json(payload="aGVsbG8gd29ybGR="), "ENV-E2", "/payload"),
    "line break": (envelope_json(payload="aGVs\nbG8gd29ybGQ="), "ENV-E2", "/payload"),
    "space": (envelope_json(payload="aGVsbG8gd29ybGQ= "), "ENV-E2", "/payload"),
    "stray character": (envelope_json(payload="aGVs!bG8gd29ybGQ="), "ENV-E2", "/payload"),
    "other script": (envelope_json(payload="\u0430GVsbG8gd29ybGQ="), "ENV-E2", "/payload"),
    "mixed alphabets": (envelope_json(payload="-_+/"), "ENV-E2", "/payload"),
    "sig isn't Base64": (
        envelope_json(signatures=[{"sig": "AAAA"}, {"sig": "A"}]),
        "ENV-E2",
        "/signatures/1/sig",
    ),
    "empty signatures": (envelope_json(signatures=[]), "ENV-E4", "/signatures"),
    "17 signatures": (
        envelope_json(signatures=[{"sig": "AAA" + letter} for letter in "ABCDEFGHIJKLMNOPQ"]),
        "ENV-E4",
        "/signatures",
    ),
    "a signature twice": (
        envelope_json(signatures=[{"keyid": "a", "sig": "+/+/"}, {"keyid": "b", "sig": "-_-_"}]),
        "ENV-E4",
        "/signatures",
    ),
    "duplicate member": (envelope_json()[:-1] + b', "payload": ""}', "ENV-J2", "/payload"),
    "truncated": (envelope_json()[:-5], "ENV-J1", ""),
}


@pytest.mark.parametrize(("data", "code", "path"), MALFORMED.values(), ids=MALFORMED.keys())
def test_refuses(data, code, path):
    with pytest.raises(Refused) as refusal:
        Envelope.from_bytes(data)
    (diagnostic,) = refusal.value.diagnostics
    assert (diagnostic.code, diagnostic.path) == (code, path)


def test_tolerates_what_dsse_tolerates():
    plain = Envelope.from_bytes(envelope_json(payload="+/+/"))
    assert Envelope.from_bytes(envelope_json(payload="-_-_")) == plain
    assert Envelope.from_bytes(envelope_json(payload="+/+/", extra={"a": 1})) == plain
    extended = envelope_json(payload="+/+/", signatures=[{"keyid": "k", "sig": "AAAA", "cert": 1}])
    assert Envelope.from_bytes(extended) == plain
    assert Envelope.from_bytes(envelope_json(payload="")).payload == b""
    unnamed = Envelope.from_bytes(envelope_json(signatures=[{"sig": "AAAA"}]))
    assert unnamed == Envelope.from_bytes(envelope_json(signatures=[{"keyid": "", "sig": "AAAA"}]))


def test_sixteen_signatures_are_accepted():
    signatures = [{"sig": base64.b64encode(bytes([n])).decode()} for n in range(MAX_SIGNATURES)]
    assert len(Envelope.from_bytes(envelope_json(signatures=signatures)).signatures) == 16


def test_sign_refuses_what_nobody_would_accept():
    key = KEYS[Algorithm.ED25519]
    for keys, kind, code in [
        ((), CAPABILITY_DESCRIPTOR, "ENV-E4"),
        ((key, key), CAPABILITY_DESCRIPTOR, "ENV-E4"),
        ([PrivateKey.generate() for _ in range(17)], CAPABILITY_DESCRIPTOR, "ENV-E4"),
        ((key,), "", "ENV-E1"),
    ]:
        with pytest.raises(SignatureError) as refusal:
            sign(b"{}", kind, keys)
        assert refusal.value.diagnostics[0].code == code


def other_key(key, keyid):
    scheme = {Algorithm.ED25519: "ed25519", Algorithm.ECDSA_P256: "ecdsa-sha2-nistp256"}
    return SSlibKey.from_crypto(
        key.public._handle, keyid=keyid, scheme=scheme[key.public.algorithm]
    )


def test_securesystemslib_verifies_what_we_sign():
    ours = sign(b"\x00 any \xff bytes", CAPABILITY_DESCRIPTOR, KEYS.values())
    theirs = OtherEnvelope.from_dict(json.loads(ours.to_bytes()))
    keys = [other_key(key, key.public.keyid) for key in KEYS.values()]
    assert theirs.pae() == ours.signed_bytes
    assert len(theirs.verify(keys, len(KEYS))) == len(KEYS)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_we_verify_what_securesystemslib_signs(algorithm):
    key = KEYS[algorithm]
    theirs = OtherEnvelope(b"\x00 any \xff bytes", CAPABILITY_DESCRIPTOR, {})
    theirs.sign(CryptoSigner(key._handle, other_key(key, "their-name")))
    ours = Envelope.from_bytes(json.dumps(theirs.to_dict()).encode())
    (signature,) = ours.signatures
    assert signature.keyid == "their-name"
    assert ours.payload == b"\x00 any \xff bytes"
    assert key.public.verify(signature.sig, ours.signed_bytes)


@given(st.binary(max_size=200))
def test_any_bytes_give_an_envelope_or_a_diagnostic(data):
    try:
        envelope = Envelope.from_bytes(data)
    except Refused:
        return
    assert Envelope.from_bytes(envelope.to_bytes()) == envelope


def is_form_of_its_bytes(text, altchars):
    try:
        data = base64.b64decode(text, altchars=altchars)
    except ValueError:
        return False
    return base64.b64encode(data, altchars=altchars).decode() == text


@given(st.text("AQgw+/-_= \n", max_size=12))
def test_base64_is_what_encodes_back_in_one_alphabet(text):
    try:
        payload = Envelope.from_bytes(envelope_json(payload=text)).payload
    except SignatureError:
        payload = None
    forms = [alphabet for alphabet in (b"+/", b"-_") if is_form_of_its_bytes(text, alphabet)]
    assert (payload is not None) == bool(forms)
    for alphabet in forms:
        assert payload == base64.b64decode(text, altchars=alphabet)
