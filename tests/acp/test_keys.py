from __future__ import annotations

import json
import os
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from acp.canonical import digest_bytes
from acp.diagnostics import KeyFileError
from acp.keys import Algorithm, PrivateKey, PublicKey

ALGORITHMS = list(Algorithm)
SPKI_P256 = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")


def public_pem(handle):
    return handle.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def private_pem(handle, form=serialization.PrivateFormat.PKCS8):
    return handle.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def code_of(refusal):
    (diagnostic,) = refusal.value.diagnostics
    return diagnostic.code


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_signs_and_verifies(algorithm):
    key, other = PrivateKey.generate(algorithm), PrivateKey.generate(algorithm)
    signature = key.sign(b"data")
    assert key.public.algorithm is algorithm
    assert key.public.verify(signature, b"data")
    assert not key.public.verify(signature, b"Data")
    assert not other.public.verify(signature, b"data")


@pytest.mark.parametrize("verifier", ALGORITHMS)
@pytest.mark.parametrize("signer", ALGORITHMS)
def test_no_signature_verifies_under_another_algorithm(signer, verifier):
    signature = PrivateKey.generate(signer).sign(b"data")
    assert not PrivateKey.generate(verifier).public.verify(signature, b"data")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(signature=st.binary(max_size=100), data=st.binary(max_size=10))
def test_verify_answers_any_bytes(algorithm, signature, data):
    assert PrivateKey.generate(algorithm).public.verify(signature, data) is False


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("passphrase", [None, b"correct horse"], ids=["open", "encrypted"])
def test_files_round_trip(tmp_path, algorithm, passphrase):
    key = PrivateKey.generate(algorithm)
    key.save(tmp_path / "key.pem", passphrase)
    key.public.save(tmp_path / "key.pub.pem")
    loaded = PrivateKey.load(tmp_path / "key.pem", passphrase)
    assert loaded == key
    assert PublicKey.load(tmp_path / "key.pub.pem") == key.public
    assert key.public.verify(loaded.sign(b"data"), b"data")


def test_secret_is_not_shown():
    key = PrivateKey.generate()
    secret = private_pem(key._handle).split(b"\n")[1].decode()
    assert secret not in repr(key)
    assert "object at" not in repr(key)


def test_private_file_belongs_to_its_owner_alone_whatever_the_umask(tmp_path):
    previous = os.umask(0)
    try:
        PrivateKey.generate().save(tmp_path / "key.pem")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644, 0o601])
def test_exposed_private_key_is_refused(tmp_path, mode):
    path = tmp_path / "key.pem"
    PrivateKey.generate().save(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"{mode:04o}.*chmod 600") as refusal:
        PrivateKey.load(path)
    assert code_of(refusal) == "ENV-K2"


def test_passphrase_mistakes(tmp_path):
    PrivateKey.generate().save(tmp_path / "open.pem")
    PrivateKey.generate().save(tmp_path / "locked.pem", b"right")
    for name, passphrase, message in [
        ("locked.pem", b"wrong", "wrong passphrase"),
        ("locked.pem", None, "give its passphrase"),
        ("open.pem", b"any", "give no passphrase"),
    ]:
        with pytest.raises(KeyFileError, match=message) as refusal:
            PrivateKey.load(tmp_path / name, passphrase)
        assert code_of(refusal) == "ENV-K2"


@pytest.mark.parametrize("passphrase", [b"", b"x" * 2000], ids=["empty", "long"])
def test_unusable_passphrase_leaves_no_file(tmp_path, passphrase):
    with pytest.raises(KeyFileError) as refusal:
        PrivateKey.generate().save(tmp_path / "key.pem", passphrase)
    assert code_of(refusal) == "ENV-K2"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["file", "dangling link", "link", "directory"])
def test_nothing_is_overwritten(tmp_path, what):
    path = tmp_path / "key.pem"
    target = tmp_path / "target"
    if what == "file":
        path.write_bytes(b"precious")
    elif what == "directory":
        path.mkdir()
    else:
        path.symlink_to(target)
        if what == "link":
            target.write_bytes(b"precious")
    key = PrivateKey.generate()
    for save in (key.save, key.public.save):
        with pytest.raises(KeyFileError, match="never overwritten") as refusal:
            save(path)
        assert code_of(refusal) == "ENV-K3"
    assert what != "file" or path.read_bytes() == b"precious"
    assert what != "link" or target.read_bytes() == b"precious"
    assert what != "dangling link" or not target.exists()


def test_full_disk_leaves_no_half_key(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match="No space left"):
        PrivateKey.generate().save(tmp_path / "key.pem")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("load", [PrivateKey.load, PublicKey.load])
def test_unreadable_files(tmp_path, load):
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "long").write_bytes(b"-" * 70_000)
    (tmp_path / "long").chmod(0o600)
    for path in (
        tmp_path / "none",
        tmp_path / "none" / "key",
        tmp_path,
        tmp_path / "pipe",
        tmp_path / "long",
        "nul\0byte",
    ):
        with pytest.raises(KeyFileError) as refusal:
            load(path)
        assert code_of(refusal) == "ENV-K3"


def test_missing_folder(tmp_path):
    with pytest.raises(KeyFileError, match="No such file") as refusal:
        PrivateKey.generate().save(tmp_path / "none" / "key.pem")
    assert code_of(refusal) == "ENV-K3"


P256 = ec.generate_private_key(ec.SECP256R1())
FOREIGN = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "Ed448": ed448.Ed448PrivateKey.generate(),
}


@pytest.mark.parametrize("handle", FOREIGN.values(), ids=FOREIGN.keys())
def test_other_algorithms_are_refused(handle):
    for read, pem in (
        (PrivateKey.from_pem, private_pem(handle)),
        (PublicKey.from_pem, public_pem(handle.public_key())),
    ):
        with pytest.raises(KeyFileError, match="allowed are Ed25519 and ECDSA") as refusal:
            read(pem)
        assert code_of(refusal) == "ENV-K1"


ED25519 = PrivateKey.generate()
MALFORMED = {
    "empty": b"",
    "no PEM": b"\x30\x2a\xff",
    "empty block": b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
    "no key inside": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    "truncated": ED25519.public.pem.encode()[:-40],
    "two keys": ED25519.public.pem.encode() * 2,
    "other half": b"",
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
def test_malformed_keys_are_refused(private, name):
    data = MALFORMED[name].replace(b"PUBLIC", b"PRIVATE" if private else b"PUBLIC")
    if name == "other half":
        data = ED25519.public.pem.encode() if private else private_pem(ED25519._handle)
    with pytest.raises(KeyFileError) as refusal:
        (PrivateKey if private else PublicKey).from_pem(data)
    assert code_of(refusal) == "ENV-K1"


def test_sec1_keys_of_other_tools_are_read():
    sec1 = private_pem(P256, serialization.PrivateFormat.TraditionalOpenSSL)
    assert PrivateKey.from_pem(sec1) == PrivateKey.from_pem(private_pem(P256))


def test_spelling_of_a_key_does_not_change_its_id():
    point = P256.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    bits = b"\x03" + bytes([len(point) + 1, 0]) + point
    body = SPKI_P256 + bits
    compressed = serialization.load_der_public_key(b"\x30" + bytes([len(body)]) + body)
    pem = public_pem(P256.public_key())
    key = PublicKey.from_pem(pem)
    assert PublicKey.from_pem(public_pem(compressed)) == key
    assert PublicKey.from_pem(b"a comment\n" + pem.replace(b"\n", b"\r\n")) == key
    assert PublicKey.from_pem(key.pem) == key


def test_keyid_is_the_digest_of_the_der_form():
    key = PublicKey.from_pem(public_pem(P256.public_key()))
    der = P256.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert key.keyid == digest_bytes(der)


def test_rfc_8032_test_3():
    secret = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
    point = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    key = PrivateKey.from_pem(
        private_pem(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)))
    )
    assert key.public._handle.public_bytes_raw().hex() == point
    assert key.sign(b"\xaf\x82") == signature
    assert key.public.verify(signature, b"\xaf\x82")


@pytest.mark.parametrize("name", ["ed25519", "ecdsa_secp256r1_sha256"])
def test_wycheproof(shared_data, name):
    suite = json.loads((shared_data / "wycheproof" / f"{name}_test.json").read_bytes())
    wrong = []
    checked = 0
    for group in suite["testGroups"]:
        key = PublicKey.from_pem(group["publicKeyPem"])
        for case in group["tests"]:
            checked += 1
            verdict = key.verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
            if case["result"] != "acceptable" and verdict != (case["result"] == "valid"):
                wrong.append((case["tcId"], case["comment"], case["result"]))
    assert checked == suite["numberOfTests"] > 100
    assert wrong == []


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAA\n"])
def test_what_is_wrong_with_a_key_file_names_the_file(tmp_path, content):
    path = tmp_path / "some.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    for load in (PublicKey.load, PrivateKey.load):
        with pytest.raises(KeyFileError, match=r"some\.pem: ") as refusal:
            load(path)
        assert code_of(refusal) == "ENV-K1"


def test_a_public_key_for_a_private_one_is_said_before_its_mode(tmp_path):
    PrivateKey.generate().public.save(tmp_path / "k.pub.pem")
    with pytest.raises(KeyFileError, match="a public key where a private key is expected"):
        PrivateKey.load(tmp_path / "k.pub.pem")
