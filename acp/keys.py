"""Signature keys: Ed25519, and ECDSA over P-256 with SHA-256 for hardware modules.

Invariants (normative text: spec/envelope.md):

* A key id is the digest of the key itself, so it names one key and can't be chosen.
* A private key on disk is readable by its owner alone; one that isn't, is refused.
* Key files are never overwritten, and never follow a link when they are written.
* ``verify`` answers every byte string with yes or no.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Self, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from acp.canonical import digest_bytes
from acp.diagnostics import KeyFileError

_PrivateHandle: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey
_PublicHandle: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey

_MAX_FILE_BYTES: Final = 64 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_PUBLIC: Final = b"PUBLIC KEY-----"


class Algorithm(StrEnum):
    """The signature algorithms of the envelope; the key, never the document, selects one."""

    ED25519 = "ed25519"
    ECDSA_P256 = "ecdsa-p256"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies signatures.

    Two keys are equal if and only if they verify the same signatures, however their files spell
    them.

    Attributes:
        keyid: ``sha256:`` and the hexadecimal SHA-256 of the key's SubjectPublicKeyInfo in DER,
            with a named curve and an uncompressed point.
        algorithm: How the key's signatures are made.
    """

    keyid: str
    algorithm: Algorithm
    _handle: _PublicHandle = field(repr=False, compare=False)

    @classmethod
    def from_pem(cls, pem: bytes | str) -> Self:
        """Read one public key from its PEM form.

        Raises:
            KeyFileError: ENV-K1, `pem` isn't exactly one Ed25519 or P-256 public key.
        """
        data = pem.encode("utf-8", "replace") if isinstance(pem, str) else pem
        if b"PRIVATE KEY-----" in data:
            raise KeyFileError.because("ENV-K1", "a private key where a public key is expected")
        _require_one_block(data)
        try:
            handle = load_pem_public_key(data)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyFileError.because("ENV-K1", f"not a public key in PEM: {error}") from None
        return cls._of(handle)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read one public key from a PEM file.

        Raises:
            KeyFileError: ENV-K3, the file can't be read; ENV-K1 as in `from_pem`.
        """
        with _naming(path):
            return cls.from_pem(_read(Path(path), private=False))

    @classmethod
    def _of(cls, handle: object) -> Self:
        algorithm = _algorithm(handle)
        assert isinstance(handle, Ed25519PublicKey | EllipticCurvePublicKey)  # noqa: S101 - narrows
        der = handle.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(digest_bytes(der), algorithm, handle)

    @property
    def pem(self) -> str:
        """The key as SubjectPublicKeyInfo in PEM."""
        form = self._handle.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return form.decode("ascii")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the key to a new PEM file that everybody may read.

        Raises:
            KeyFileError: ENV-K3, the file exists or can't be written.
        """
        _write_new(Path(path), self.pem.encode("ascii"), mode=0o644)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Tell whether `signature` over exactly `data` was made with this key's private half."""
        try:
            if isinstance(self._handle, Ed25519PublicKey):
                self._handle.verify(signature, data)
            else:
                self._handle.verify(signature, data, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that signs; its representation never shows the secret.

    Attributes:
        public: The half that verifies.
    """

    public: PublicKey
    _handle: _PrivateHandle = field(repr=False, compare=False)

    @classmethod
    def generate(cls, algorithm: Algorithm = Algorithm.ED25519) -> Self:
        """Make a new key from the system's randomness."""
        if Algorithm(algorithm) is Algorithm.ED25519:
            return cls._of(Ed25519PrivateKey.generate())
        return cls._of(generate_ec(SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes | None = None) -> Self:
        """Read one private key from its PEM form.

        Raises:
            KeyFileError: ENV-K1, `pem` isn't exactly one Ed25519 or P-256 private key; ENV-K2,
                the passphrase is missing, wrong, or given for a key that has none.
        """
        if _PUBLIC in pem:
            raise KeyFileError.because("ENV-K1", "a public key where a private key is expected")
        _require_one_block(pem)
        try:
            handle = load_pem_private_key(pem, passphrase)
        except TypeError:
            reason = (
                "the private key is encrypted; give its passphrase"
                if passphrase is None
                else "the private key is not encrypted; give no passphrase"
            )
            raise KeyFileError.because("ENV-K2", reason) from None
        except (ValueError, UnsupportedAlgorithm) as error:
            if passphrase is not None and b"ENCRYPTED" in pem:
                reason = "wrong passphrase, or a damaged private key"
                raise KeyFileError.because("ENV-K2", reason) from None
            raise KeyFileError.because("ENV-K1", f"not a private key in PEM: {error}") from None
        return cls._of(handle)

    @classmethod
    def load(cls, path: str | os.PathLike[str], passphrase: bytes | None = None) -> Self:
        """Read one private key from a PEM file that only its owner may read.

        Raises:
            KeyFileError: ENV-K3, the file can't be read; ENV-K2, others may read it, or as in
                `from_pem`; ENV-K1 as in `from_pem`.
        """
        with _naming(path):
            return cls.from_pem(_read(Path(path), private=True), passphrase)

    @classmethod
    def _of(cls, handle: object) -> Self:
        _algorithm(handle)
        assert isinstance(handle, Ed25519PrivateKey | EllipticCurvePrivateKey)  # noqa: S101
        return cls(PublicKey._of(handle.public_key()), handle)  # noqa: SLF001 - the same module

    def save(self, path: str | os.PathLike[str], passphrase: bytes | None = None) -> None:
        """Write the key to a new PKCS#8 PEM file with mode 0600.

        A passphrase encrypts it with PBES2 (AES-256, PBKDF2 with few iterations): choose a long
        one.

        Raises:
            KeyFileError: ENV-K3, the file exists or can't be written; ENV-K2, the passphrase is
                empty or longer than 1023 bytes.
        """
        try:
            protection = (
                NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
            )
            pem = self._handle.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
        except ValueError as error:
            raise KeyFileError.because("ENV-K2", f"unusable passphrase: {error}") from None
        _write_new(Path(path), pem, mode=0o600)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`: 64 bytes for Ed25519, a DER sequence for ECDSA."""
        if isinstance(self._handle, Ed25519PrivateKey):
            return self._handle.sign(data)
        return self._handle.sign(data, ECDSA(SHA256()))


def _algorithm(handle: object) -> Algorithm:
    if isinstance(handle, Ed25519PublicKey | Ed25519PrivateKey):
        return Algorithm.ED25519
    if isinstance(handle, EllipticCurvePublicKey | EllipticCurvePrivateKey):
        if isinstance(handle.curve, SECP256R1):
            return Algorithm.ECDSA_P256
        found = f"an elliptic-curve key on {handle.curve.name}"
    else:
        found = f"a key of type {type(handle).__name__}"
    raise KeyFileError.because("ENV-K1", f"{found}; allowed are Ed25519 and ECDSA on P-256")


def _require_one_block(pem: bytes) -> None:
    blocks = pem.count(b"-----BEGIN ")
    if blocks != 1:
        raise KeyFileError.because("ENV-K1", f"found {blocks} PEM blocks where one key is expected")


def _read(path: Path, *, private: bool) -> bytes:
    """Read a small regular file; a private one must be closed to group and others."""
    try:
        # Non-blocking, so that a named pipe is refused below rather than waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError.because("ENV-K3", "not a regular file")
            data = file.read(_MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise KeyFileError.because("ENV-K3", _reason(error)) from None
    if len(data) > _MAX_FILE_BYTES:
        reason = f"longer than the {_MAX_FILE_BYTES} bytes allowed for a key file"
        raise KeyFileError.because("ENV-K3", reason)
    if private and os.name == "posix" and status.st_mode & _OTHERS and _PUBLIC not in data:
        mode = stat.S_IMODE(status.st_mode)
        reason = f"mode {mode:04o} lets others use this private key; chmod 600 it"
        raise KeyFileError.because("ENV-K2", reason)
    return data


@contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the file's name before what is said against the key in it."""
    try:
        yield
    except KeyFileError as refusal:
        found = refusal.diagnostics[0]
        message = f"{os.fspath(path)}: {found.message}"
        raise KeyFileError.because(found.code, message) from refusal.__cause__


def _write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Create a file, never replacing one, and leave none behind that is incomplete."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        reason = f"{path}: exists already, and key files are never overwritten"
        raise KeyFileError.because("ENV-K3", reason) from None
    except (OSError, ValueError) as error:
        raise KeyFileError.because("ENV-K3", f"{path}: {_reason(error)}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise KeyFileError.because("ENV-K3", f"{path}: {_reason(error)}") from None


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
