"""The keys that sign the vectors. Their seeds are public: they must never be trusted elsewhere."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    EllipticCurve,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from acp.canonical import canonicalize, digest_bytes
from acp.dsse import pae

ECDSA_NAMES: Final = frozenset({"module"})
"""Names of keys that are P-256; all others are Ed25519."""


def seed(name: str) -> bytes:
    """Return the 32 bytes that the secret key of this name is made of."""
    return hashlib.sha256(f"acp-cep conformance key: {name}".encode()).digest()


@cache
def private(name: str) -> Ed25519PrivateKey | EllipticCurvePrivateKey:
    """Return the private key of this name."""
    if name in ECDSA_NAMES:
        return derive_private_key(int.from_bytes(seed(name)) >> 1, SECP256R1())
    return Ed25519PrivateKey.from_private_bytes(seed(name))


@cache
def pem(name: str) -> str:
    """Return the public key in PEM."""
    return _pem(private(name).public_key())


@cache
def keyid(name: str) -> str:
    """Return the id of the key."""
    return digest_bytes(
        private(name).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )


def private_pem(name: str) -> str:
    """Return the private key in PEM."""
    form = private(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return form.decode("ascii")


def foreign_pem(kind: str) -> str:
    """Return a public key of an algorithm that the envelope does not know."""
    if kind == "p384":
        return _pem(_elliptic(SECP384R1()).public_key())
    if kind == "x25519":
        return _pem(X25519PrivateKey.from_private_bytes(seed(kind)).public_key())
    stream = b"".join(hashlib.sha256(bytes([i]) + seed(kind)).digest() for i in range(8))
    modulus = int.from_bytes(stream) | 1 << 2047 | 1
    return _pem(RSAPublicNumbers(65537, modulus).public_key())


def raw_signature(name: str, message: bytes) -> bytes:
    """Return the signature of exactly `message`; the same one every time."""
    key = private(name)
    if isinstance(key, EllipticCurvePrivateKey):
        return key.sign(message, ECDSA(SHA256(), deterministic_signing=True))
    return key.sign(message)


def signature(name: str, payload: bytes, payload_type: str) -> dict[str, Any]:
    """Return the envelope's entry for one signature."""
    return {"keyid": keyid(name), "sig": b64(raw_signature(name, pae(payload_type, payload)))}


def envelope(payload: bytes, payload_type: str, *names: str) -> dict[str, Any]:
    """Return an envelope with a signature of each key."""
    return {
        "payload": b64(payload),
        "payloadType": payload_type,
        "signatures": [signature(name, payload, payload_type) for name in names],
    }


def sealed(payload: bytes, payload_type: str, *names: str) -> bytes:
    """Return the bytes of an envelope with a signature of each key."""
    return canonicalize(envelope(payload, payload_type, *names))


def b64(data: bytes) -> str:
    """Return Base64 in the standard alphabet."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str) -> bytes:
    """Return the bytes that Base64 in the standard alphabet stands for."""
    return base64.b64decode(text, validate=True)


def _elliptic(curve: EllipticCurve) -> EllipticCurvePrivateKey:
    return derive_private_key(int.from_bytes(seed(curve.name)), curve)


def _pem(public: Any) -> str:
    return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii"))
