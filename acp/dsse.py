"""DSSE v1 envelopes: signatures over exact bytes and their type.

Invariants (normative text: spec/envelope.md):

* What is signed is the pre-authentication encoding of the payload type and the payload's exact
  bytes. The payload is never parsed here, and never encoded a second time.
* Nothing but the payload and its type is authenticated: key ids are hints, and members that the
  envelope specification doesn't define are ignored and dropped.
* One byte string has one accepted Base64 form in each of the two alphabets that DSSE allows.

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import msgspec

from acp.canonical import JsonValue, canonicalize, decode
from acp.diagnostics import SignatureError, pointer

if TYPE_CHECKING:
    from acp.keys import PrivateKey

CAPABILITY_DESCRIPTOR: Final = "application/vnd.acp.capability-descriptor.v1+json"
SYSTEM_DESCRIPTOR: Final = "application/vnd.acp.system-descriptor.v1+json"
MEASUREMENT_RECORD: Final = "application/vnd.acp.measurement-record.v1+json"
STATUS_LIST: Final = "application/vnd.acp.status-list.v1+json"
PLAN: Final = "application/vnd.cep.plan.v1+json"
RECEIPT: Final = "application/vnd.in-toto+json"

PAYLOAD_TYPES: Final = frozenset(
    {CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR, MEASUREMENT_RECORD, STATUS_LIST, PLAN, RECEIPT}
)
"""Every payload type that ACP and CEP define."""

MAX_SIGNATURES: Final = 16


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of an envelope.

    Attributes:
        keyid: Unauthenticated hint at the key that made it; empty where there is none.
        sig: The signature's bytes.
    """

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with its type and signatures; holding one says nothing about its truth.

    Attributes:
        payload: The exact signed bytes.
        payload_type: How to interpret them.
        signatures: One to `MAX_SIGNATURES`, each with other bytes.
    """

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        """Check the number of signatures.

        Raises:
            SignatureError: ENV-E4.
        """
        count = len(self.signatures)
        if not 1 <= count <= MAX_SIGNATURES:
            reason = f"{count} signatures; 1 to {MAX_SIGNATURES} are allowed"
            raise SignatureError.because("ENV-E4", reason, "/signatures")
        if len({signature.sig for signature in self.signatures}) != count:
            reason = "the same signature occurs twice; remove one"
            raise SignatureError.because("ENV-E4", reason, "/signatures")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read an envelope from its JSON form.

        Raises:
            DecodeError: `data` isn't strict JSON (ENV-J1 to ENV-J4).
            SignatureError: A member is missing or has the wrong type (ENV-E1), a value isn't
                Base64 (ENV-E2), or signatures are absent, too many or repeated (ENV-E4).
        """
        envelope = decode(data)
        if not isinstance(envelope, dict):
            raise SignatureError.because("ENV-E1", "an envelope must be a JSON object")
        if not envelope.keys() & {"payload", "payloadType", "signatures"}:
            reason = "this is no envelope, so nothing in it is signed: sign the document first"
            raise SignatureError.because("ENV-E1", reason, "/payloadType")
        payload_type = _string(envelope, "payloadType")
        if not payload_type:
            raise SignatureError.because("ENV-E1", "the payload type is empty", "/payloadType")
        payload = _unbase64(_string(envelope, "payload"), "/payload")
        entries = envelope.get("signatures")
        if not isinstance(entries, list):
            reason = "member 'signatures' must be an array"
            raise SignatureError.because("ENV-E1", reason, "/signatures")
        if len(entries) > MAX_SIGNATURES:
            reason = f"{len(entries)} signatures; 1 to {MAX_SIGNATURES} are allowed"
            raise SignatureError.because("ENV-E4", reason, "/signatures")
        return cls(payload, payload_type, tuple(map(_signature, entries, range(len(entries)))))

    def to_bytes(self) -> bytes:
        """Return the envelope's JSON form, canonical and with standard Base64."""
        signatures = [
            {"sig": _base64(signature.sig)}
            | ({"keyid": signature.keyid} if signature.keyid else {})
            for signature in self.signatures
        ]
        return canonicalize(
            {
                "payload": _base64(self.payload),
                "payloadType": self.payload_type,
                "signatures": signatures,
            }
        )

    @property
    def signed_bytes(self) -> bytes:
        """What each signature covers: the pre-authentication encoding of payload and type."""
        return pae(self.payload_type, self.payload)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding; both lengths count bytes, not characters."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, payload_type: str, keys: Iterable[PrivateKey]) -> Envelope:
    """Return an envelope of `payload` with one signature of each of `keys`.

    Raises:
        SignatureError: ENV-E4, no key, a key given twice, or more than `MAX_SIGNATURES` keys;
            ENV-E1, an empty payload type.
    """
    signers = tuple(keys)
    if not payload_type:
        raise SignatureError.because("ENV-E1", "the payload type is empty", "/payloadType")
    if len({signer.public for signer in signers}) != len(signers):
        raise SignatureError.because("ENV-E4", "a key signs twice; give each key once")
    message = pae(payload_type, payload)
    signatures = (Signature(signer.public.keyid, signer.sign(message)) for signer in signers)
    return Envelope(payload, payload_type, tuple(signatures))


def _signature(entry: JsonValue, index: int) -> Signature:
    path = pointer("signatures", index)
    if not isinstance(entry, dict):
        raise SignatureError.because("ENV-E1", "a signature must be a JSON object", path)
    keyid = _string(entry, "keyid", path) if "keyid" in entry else ""
    return Signature(keyid, _unbase64(_string(entry, "sig", path), f"{path}/sig"))


def _string(members: dict[str, JsonValue], name: str, path: str = "") -> str:
    value = members.get(name)
    if not isinstance(value, str):
        reason = f"member {name!r} must be present, and a string"
        raise SignatureError.because("ENV-E1", reason, f"{path}/{name}")
    return value


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(text: str, path: str) -> bytes:
    alphabet = b"-_" if "-" in text or "_" in text else None
    try:
        # This is most of an envelope; msgspec reads it five times as fast as the standard library.
        data = (
            msgspec.convert(text, bytes)
            if alphabet is None
            else base64.b64decode(text, altchars=alphabet, validate=True)
        )
    except (msgspec.ValidationError, ValueError, binascii.Error):
        data = b""
    # Decoders skip unused bits and take both alphabets; only what encodes back is taken here. That
    # is told by the length and the last group, if the rest is of one alphabet.
    last = base64.b64encode(data[max(len(data) - 1, 0) // 3 * 3 :], altchars=alphabet)
    mixed = alphabet == b"-_" and ("+" in text or "/" in text)
    if mixed or len(text) != -(-len(data) // 3) * 4 or not text.endswith(last.decode("ascii")):
        reason = "not Base64 (RFC 4648 section 4 or 5, padded, without stray characters or bits)"
        raise SignatureError.because("ENV-E2", reason, path)
    return data
