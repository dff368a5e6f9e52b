"""Public keys and their ids: ENV-K1."""

from __future__ import annotations

from conformance.author import keys
from conformance.author.book import Book, Question


def write() -> Book:
    """Write the area down."""
    book = Book("keys", "keys")
    good = book.accept(
        "key-ed25519",
        "ENV-K1",
        "the id of a key is the digest of its SubjectPublicKeyInfo",
        Question("key", keys.pem("vendor").encode()),
        keys.keyid("vendor"),
    )
    book.accept(
        "key-p256",
        "ENV-K1",
        "hardware modules sign with P-256",
        Question("key", keys.pem("module").encode()),
        keys.keyid("module"),
        feature="ecdsa-p256",
    )
    pem = keys.pem("vendor")
    for name, data, mutation, why in (
        ("rsa", keys.foreign_pem("rsa"), "an RSA key in its place", "no rule says how RSA signs"),
        ("p384", keys.foreign_pem("p384"), "a key on P-384 in its place", "there is one curve"),
        (
            "x25519",
            keys.foreign_pem("x25519"),
            "an X25519 key in its place",
            "a key for key agreement cannot sign",
        ),
        (
            "private",
            keys.private_pem("vendor"),
            "the private key in place of the public one",
            "a policy is no place for secrets",
        ),
        ("two", pem * 2, "the key twice", "of two keys, readers would take different ones"),
        ("no-pem", pem.replace("BEGIN", "BEGUN"), "the first line misspelt", "it is no PEM"),
        (
            "truncated",
            pem.replace(pem.splitlines()[1], pem.splitlines()[1][:-8]),
            "six bytes of the key missing",
            "half a key is no key",
        ),
    ):
        book.refuse(f"key-{name}", "ENV-K1", good, mutation, why, input=data.encode())
    return book
