"""The worked example and the policy of spec/envelope.md, recomputed from its Markdown."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from acp.canonical import MAX_INTEGER, Limits, canonicalize, decode, digest, digest_bytes
from acp.dsse import CAPABILITY_DESCRIPTOR, MAX_SIGNATURES, PAYLOAD_TYPES, pae, sign
from acp.keys import PrivateKey
from acp.trust import TrustPolicy, verify

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def text(repository):
    return (repository / "spec" / "envelope.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def blocks(text):
    found = re.findall(r"^```\w+ id=(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return {name: content.removesuffix("\n") for name, content in found}


@pytest.fixture(scope="module")
def policy(text):
    (content,) = re.findall(r"^```json\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return TrustPolicy.from_bytes(content.encode())


@pytest.fixture(scope="module")
def key(blocks):
    handle = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(blocks["seed"]))
    pem = handle.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return PrivateKey.from_pem(pem)


def test_key(blocks, key):
    der = bytes.fromhex(blocks["spki"])
    assert serialization.load_der_public_key(der) == key.public._handle
    assert digest_bytes(der) == key.public.keyid == blocks["keyid"]


def test_payload(blocks):
    payload = blocks["payload"].encode()
    assert len(payload) == 92
    assert canonicalize(decode(payload)) == payload
    assert digest(decode(payload)) == blocks["digest"]


def test_signature(blocks, key):
    payload = blocks["payload"].encode()
    message = bytes.fromhex(blocks["pae"])
    assert pae(CAPABILITY_DESCRIPTOR, payload) == message
    assert key.sign(message) == bytes.fromhex(blocks["signature"])


def test_envelope(blocks, key, policy):
    payload = blocks["payload"].encode()
    envelope = sign(payload, CAPABILITY_DESCRIPTOR, [key])
    assert json.loads(envelope.to_bytes()) == json.loads(blocks["envelope"])
    data = blocks["envelope"].encode()
    verified = verify(data, policy, now=NOW, expected=PAYLOAD_TYPES)
    assert verified.payload == payload
    assert verified.issuer == "example.com"
    assert verified.keyids == (key.public.keyid,)


def test_limits_and_types_are_those_of_the_code(text):
    prose = " ".join(text.split())
    numbers = (Limits().max_bytes, Limits().max_values, 1024**2, 1024**3, 64 * 1024)
    for number in numbers:
        assert f" {number:,} " in prose
    assert f"deeper than {Limits().max_depth} arrays" in prose
    assert f"−{MAX_INTEGER} and {MAX_INTEGER}" in prose
    assert f"1 to {MAX_SIGNATURES} signatures" in prose
    assert set(re.findall(r"^\|.*\| `([^`]+)` \|$", text, flags=re.MULTILINE)) == PAYLOAD_TYPES


def test_every_code_of_the_trust_layer_is_a_rule_of_the_text(text, repository):
    rules = re.findall(r"^\*\*(ENV-\w+)\*\* \S", text, flags=re.MULTILINE)
    assert len(rules) == len(set(rules))
    modules = ("canonical", "keys", "dsse", "policy", "protobuf", "trust", "yaml_text")
    sources = "".join((repository / "acp" / f"{name}.py").read_text() for name in modules)
    elsewhere = ("ENV-S", "ENV-F")
    raised = set(re.findall(r'"(ENV-\w+)"', sources))
    assert raised == {rule for rule in rules if not rule.startswith(elsewhere)}
