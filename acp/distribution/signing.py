"""The keys of `acp.keys` as keys of TUF: the same secret, never exported.

A key has the id of TUF in metadata, so that any client of TUF can read a registry, and our id, the
digest of the key itself, wherever people see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from securesystemslib.signer import Key, Signature, Signer, SSlibKey
from typing_extensions import override

from acp.diagnostics import KeyFileError
from acp.distribution.names import RegistryError
from acp.keys import PrivateKey, PublicKey

if TYPE_CHECKING:
    from securesystemslib.signer import SecretsHandler


class KeySigner(Signer):
    """Signs metadata with a key of ours."""

    def __init__(self, key: PrivateKey) -> None:
        """Sign with `key`."""
        self._private = key
        self._public = tuf_key(key.public)

    @property
    @override
    def public_key(self) -> Key:
        """The half that verifies, as TUF writes it."""
        return self._public

    @override
    def sign(self, payload: bytes) -> Signature:
        """Return the signature of `payload`."""
        return Signature(self._public.keyid, self._private.sign(payload).hex())

    @classmethod
    @override
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        """Refuse: keys come from `acp.keys`, not from URIs.

        Raises:
            ValueError: Always.
        """
        raise ValueError("keys are loaded with acp.keys.PrivateKey.load")


def tuf_key(key: PublicKey) -> SSlibKey:
    """Return a key as metadata holds it, under the id that TUF computes."""
    return SSlibKey.from_crypto(load_pem_public_key(key.pem.encode()))


def our_key(key: Key) -> PublicKey:
    """Return a key of metadata as one of ours.

    Raises:
        RegistryError: REG-M5, it is not of an algorithm that registries use.
    """
    value = key.keyval.get("public")
    try:
        if (key.keytype, key.scheme) == ("ed25519", "ed25519"):
            raw = Ed25519PublicKey.from_public_bytes(bytes.fromhex(str(value)))
            form = raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            return PublicKey.from_pem(form)
        if (key.keytype, key.scheme) == ("ecdsa", "ecdsa-sha2-nistp256"):
            return PublicKey.from_pem(str(value))
    except (KeyFileError, ValueError):
        pass
    reason = (
        f"key {key.keyid[:80]} is of type {key.keytype[:40]!r} and scheme {key.scheme[:40]!r}, or "
        "malformed; allowed are Ed25519 and ECDSA on P-256"
    )
    raise RegistryError.because("REG-M5", reason)


def our_id(key: Key) -> str:
    """Return the id that people see for a key of metadata.

    Raises:
        RegistryError: As `our_key`.
    """
    return our_key(key).keyid


def require_distinct(role: str, keyids: Iterable[str], keys: Mapping[str, Key]) -> None:
    """Check that the keys of a role differ as keys: one secret must never count twice.

    Raises:
        RegistryError: REG-L3, two are the same; REG-M5, one is no key for a registry, or is not
            there.
    """
    seen: dict[str, str] = {}
    for keyid in keyids:
        if keyid not in keys:
            reason = f"role {role!r} names the key {keyid[:80]!r}, which is not there"
            raise RegistryError.because("REG-M5", reason)
        ours = our_id(keys[keyid])
        if ours in seen:
            reason = f"role {role!r} has key {ours} twice, so that one secret would count as two"
            raise RegistryError.because("REG-L3", reason)
        seen[ours] = keyid
