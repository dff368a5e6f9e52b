"""Signed documents under a trust policy: ENV-E…, ENV-T…, and what comes after them."""

from __future__ import annotations

import base64
from typing import Any, Final

from acp.canonical import canonicalize
from acp.dsse import CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR, pae
from conformance.author import keys
from conformance.author.book import NOW, Book, Edit, Json, Question, Vector, edited, identity, text
from conformance.author.documents import DESCRIPTOR, ISSUER, SYSTEM, entry, grant, policy

_PAYLOAD: Final = text(DESCRIPTOR)
_ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493


def _question(payload: bytes = _PAYLOAD, *names: str, trusted: Json | None = None) -> Question:
    return Question(
        "envelope",
        keys.sealed(payload, CAPABILITY_DESCRIPTOR, *(names or ("vendor",))),
        type=CAPABILITY_DESCRIPTOR,
        now=NOW,
        policy=canonicalize(trusted or policy("vendor")),
    )


def write() -> Book:
    """Write the area of envelopes down."""
    book = Book("envelopes", "envelope")
    good = book.accept(
        "envelope",
        "ENV-E1 ENV-E2 ENV-E3 ENV-E4 ENV-T1 ENV-T2 ENV-T3 ENV-T4 ENV-T5",
        "a descriptor signed by the one key that may",
        _question(),
        identity(DESCRIPTOR),
    )
    _form(book, good)
    _base64(book, good)
    _count(book, good)
    _signature(book, good)
    _payload(book, good)
    _ecdsa(book)
    return book


def _form(book: Book, good: Vector) -> None:
    whole = keys.envelope(_PAYLOAD, CAPABILITY_DESCRIPTOR, "vendor")
    why = "what is no envelope must not get as far as a signature check"

    def bad(name: str, mutation: str, *edits: Edit) -> None:
        data = canonicalize(edited(whole, *edits))
        book.refuse(f"envelope-{name}", "ENV-E1", good, mutation, why, input=data)

    bad("no-payload", "`payload` removed", ("/payload", ...))
    bad("no-type", "`payloadType` removed", ("/payloadType", ...))
    bad("empty-type", "`payloadType` is empty", ("/payloadType", ""))
    bad("no-signatures", "`signatures` removed", ("/signatures", ...))
    bad("payload-object", "`payload` is an object", ("/payload", {"issuer": ISSUER}))
    bad("one-signature", "`signatures` is an object", ("/signatures", whole["signatures"][0]))
    bad("signature-string", "a signature is a string", ("/signatures/0", "c2ln"))
    bad("no-sig", "`sig` removed", ("/signatures/0/sig", ...))
    bad("keyid-number", "`keyid` is a number", ("/signatures/0/keyid", 1))
    bad("keyid-null", "`keyid` is null", ("/signatures/0/keyid", None))
    book.refuse(
        "envelope-array",
        "ENV-E1",
        good,
        "an array around the envelope",
        why,
        input=canonicalize([whole]),
    )
    book.refuse(
        "envelope-repeated-payload",
        "ENV-J2",
        good,
        "`payload` a second time, with another document",
        "one parser verifies the first, another uses the last",
        input=canonicalize(whole)[:-1] + b',"payload":"e30="}',
    )
    book.refuse(
        "envelope-truncated",
        "ENV-J1",
        good,
        "the last byte missing",
        "half a file is no file",
        input=canonicalize(whole)[:-1],
    )
    lax = "members beside the defined ones are ignored, as DSSE demands"
    members: tuple[tuple[str, Edit], ...] = (
        ("more-members", ("/note", {"any": [None]})),
        ("more-in-signature", ("/signatures/0/cert", "c2ln")),
    )
    for name, edit in members:
        _accept(book, f"envelope-{name}", "ENV-E1", lax, edited(whole, edit))
    hint = "key ids are hints, which nobody has signed"
    hints: tuple[tuple[str, Edit], ...] = (
        ("no-keyid", ("/signatures/0/keyid", ...)),
        ("empty-keyid", ("/signatures/0/keyid", "")),
        ("wrong-keyid", ("/signatures/0/keyid", keys.keyid("other"))),
        ("odd-keyid", ("/signatures/0/keyid", "the usual key")),
    )
    for name, edit in hints:
        _accept(book, f"envelope-{name}", "ENV-E1 ENV-T1", hint, edited(whole, edit))


def _accept(book: Book, name: str, requires: str, why: str, envelope: Json) -> Vector:
    question = Question(
        "envelope",
        canonicalize(envelope),
        type=CAPABILITY_DESCRIPTOR,
        now=NOW,
        policy=canonicalize(policy("vendor")),
    )
    return book.accept(name, requires, why, question, identity(DESCRIPTOR))


def _base64(book: Book, good: Vector) -> None:
    # With a title of this length the payload needs padding, and both special letters of Base64.
    document = edited(DESCRIPTOR, ("/subject/model", "V1 ~?~?~?>>>"))
    for filler in range(3):
        payload = text(edited(document, ("/subject/part_number", "x" * (filler + 1))))
        if len(payload) % 3 == 1:
            document = edited(document, ("/subject/part_number", "x" * (filler + 1)))
            break
    payload = text(document)
    whole = keys.envelope(payload, CAPABILITY_DESCRIPTOR, "vendor")
    standard = whole["payload"]
    question = _question(payload)
    padded = book.accept(
        "envelope-padded",
        "ENV-E2",
        "Base64 in the standard alphabet, with padding",
        question,
        identity(document),
    )
    url_safe = base64.urlsafe_b64encode(payload).decode("ascii")
    if url_safe == standard:
        raise ValueError("the payload has none of the letters that the alphabets differ in")
    book.accept(
        "envelope-url-safe",
        "ENV-E2",
        "Base64 in the URL-safe alphabet, as DSSE allows",
        Question(
            "envelope",
            canonicalize(edited(whole, ("/payload", url_safe))),
            type=CAPABILITY_DESCRIPTOR,
            now=NOW,
            policy=question.policy,
        ),
        identity(document),
    )
    why = "a decoder that skips what it does not know gives one payload many spellings"
    mixed = url_safe.replace("-", "+", 1) if "-" in url_safe else standard
    if "_" not in mixed or "+" not in mixed:
        mixed = standard.replace("/", "_", 1)
    for name, mutation, value in (
        ("unpadded", "the padding missing", standard.rstrip("=")),
        ("white-space", "a line feed after 76 letters", standard[:76] + "\n" + standard[76:]),
        ("mixed-alphabets", "letters of both alphabets", mixed),
        ("unused-bits", "an unused bit set", _with_unused_bit(standard)),
        ("stray-character", "a full stop at the end", standard + "."),
        ("too-much-padding", "one more `=`", standard + "="),
    ):
        data = canonicalize(edited(whole, ("/payload", value)))
        book.refuse(f"envelope-{name}", "ENV-E2", padded, mutation, why, input=data)
    short = edited(keys.envelope(_PAYLOAD, CAPABILITY_DESCRIPTOR, "vendor"))
    sig = short["signatures"][0]["sig"]
    for name, mutation, value in (
        ("sig-unpadded", "the padding of the signature missing", sig.rstrip("=")),
        ("sig-unused-bits", "an unused bit of the signature set", _with_unused_bit(sig)),
    ):
        data = canonicalize(edited(short, ("/signatures/0/sig", value)))
        book.refuse(f"envelope-{name}", "ENV-E2", good, mutation, why, input=data)


def _with_unused_bit(standard: str) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    kept = standard.rstrip("=")
    if kept == standard:
        raise ValueError("without padding no bit is unused")
    return kept[:-1] + letters[letters.index(kept[-1]) + 1] + standard[len(kept) :]


def _count(book: Book, good: Vector) -> None:
    whole = keys.envelope(_PAYLOAD, CAPABILITY_DESCRIPTOR, "vendor")
    strangers = [f"stranger-{i}" for i in range(16)]
    most = keys.envelope(_PAYLOAD, CAPABILITY_DESCRIPTOR, *strangers[:15], "vendor")
    full = _accept(
        book,
        "envelope-16-signatures",
        "ENV-E4",
        "16 signatures are allowed, 15 of them by strangers",
        most,
    )
    book.refuse(
        "envelope-17-signatures",
        "ENV-E4",
        full,
        "one more signature",
        "every signature costs a reader time",
        input=keys.sealed(_PAYLOAD, CAPABILITY_DESCRIPTOR, *strangers, "vendor"),
    )
    book.refuse(
        "envelope-0-signatures",
        "ENV-E4",
        good,
        "no signature",
        "what nobody signed is no signed document",
        input=canonicalize(edited(whole, ("/signatures", []))),
    )
    book.refuse(
        "envelope-signature-twice",
        "ENV-E4",
        good,
        "the signature a second time",
        "a signature that counts twice meets a threshold alone",
        input=canonicalize(edited(whole, ("/signatures/-", whole["signatures"][0]))),
    )


def _signature(book: Book, good: Vector) -> None:
    whole = keys.envelope(_PAYLOAD, CAPABILITY_DESCRIPTOR, "vendor")
    forged = "whoever can change a byte unnoticed writes the document"

    def bad(name: str, mutation: str, *edits: Edit, why: str = forged, also: str = "") -> None:
        data = canonicalize(edited(whole, *edits))
        book.refuse(f"envelope-{name}", "ENV-T1", good, mutation, why, also=also, input=data)

    other = text(edited(DESCRIPTOR, ("/revision", "4")))
    bad("payload-altered", "`revision` is 4 in the payload", ("/payload", keys.b64(other)))
    spaced = b" " + _PAYLOAD
    bad(
        "payload-white-space",
        "a space before the payload, which leaves its canonical form as it was",
        ("/payload", keys.b64(spaced)),
        why="a signature covers bytes; a reader that encodes them again verifies other bytes",
    )
    sig = bytearray(keys.raw_signature("vendor", pae(CAPABILITY_DESCRIPTOR, _PAYLOAD)))
    flipped = bytes([sig[0] ^ 1, *sig[1:]])
    bad("signature-altered", "a bit of the signature", ("/signatures/0/sig", keys.b64(flipped)))
    bad(
        "signature-short", "the last byte missing", ("/signatures/0/sig", keys.b64(bytes(sig[:-1])))
    )
    shifted = int.from_bytes(sig[32:], "little") + _ED25519_ORDER
    malleable = bytes(sig[:32]) + shifted.to_bytes(32, "little")
    bad(
        "signature-malleable",
        "the order of the group added to S",
        ("/signatures/0/sig", keys.b64(malleable)),
        why="RFC 8032 takes S below the order only, so that a signature has one form",
    )
    bad(
        "signature-without-pae",
        "the signature is over the payload alone",
        ("/signatures/0/sig", keys.b64(keys.raw_signature("vendor", _PAYLOAD))),
        why="without its type, a document can be passed off as one of another type",
    )
    miscounted = pae(CAPABILITY_DESCRIPTOR, _PAYLOAD).replace(
        b" %d " % len(_PAYLOAD), b" 0%d " % len(_PAYLOAD)
    )
    bad(
        "signature-other-pae",
        "the signature is over a PAE whose length has a leading zero",
        ("/signatures/0/sig", keys.b64(keys.raw_signature("vendor", miscounted))),
        why="the encoding that is signed has one form",
    )
    bad(
        "signature-of-other-type",
        "the signature is over the payload as a system descriptor",
        ("/signatures/0", keys.signature("vendor", _PAYLOAD, SYSTEM_DESCRIPTOR)),
        why="a signature is for one type of document",
    )
    bad(
        "signature-by-stranger",
        "a stranger's signature in place of it",
        ("/signatures/0", keys.signature("stranger", _PAYLOAD, CAPABILITY_DESCRIPTOR)),
        why="a signature that verifies says nothing unless the key is trusted",
    )
    bad(
        "signature-by-stranger-in-disguise",
        "a stranger's signature under the key id of the vendor",
        (
            "/signatures/0/sig",
            keys.signature("stranger", _PAYLOAD, CAPABILITY_DESCRIPTOR)["sig"],
        ),
        why="a key id is a hint that anybody can write",
    )
    system = text(edited(SYSTEM))
    book.refuse(
        "envelope-of-other-type",
        "ENV-E3",
        good,
        "a system descriptor, rightly signed by the same key, where a capability descriptor is due",
        "a document is used as what its signer meant it to be",
        input=keys.sealed(system, SYSTEM_DESCRIPTOR, "vendor"),
    )
    book.refuse(
        "envelope-type-upper-case",
        "ENV-E3",
        good,
        "the payload type in upper case, and signed so",
        "payload types are compared exactly",
        input=keys.sealed(_PAYLOAD, CAPABILITY_DESCRIPTOR.upper(), "vendor"),
    )
    pretty = _PAYLOAD.replace(b',"', b', "')
    signed = book.accept(
        "envelope-payload-not-canonical",
        "ENV-T1",
        "the exact bytes are signed, canonical or not; the identity is that of the canonical form",
        _question(pretty),
        identity(DESCRIPTOR),
    )
    crossed = edited(
        keys.envelope(pretty, CAPABILITY_DESCRIPTOR, "vendor"),
        ("/signatures/0", keys.signature("vendor", _PAYLOAD, CAPABILITY_DESCRIPTOR)),
    )
    book.refuse(
        "envelope-signature-of-canonical-form",
        "ENV-T1",
        signed,
        "the signature is over the canonical form of the payload, not over its bytes",
        "a reader that encodes again before it verifies accepts bytes that nobody signed",
        input=canonicalize(crossed),
    )


def _payload(book: Book, good: Vector) -> None:
    """A good signature makes a bad document no better."""

    def bad(name: str, codes: str, mutation: str, payload: bytes, why: str) -> None:
        data = keys.sealed(payload, CAPABILITY_DESCRIPTOR, "vendor")
        book.refuse(f"envelope-payload-{name}", codes, good, mutation, why, input=data)

    why = "a good signature does not make a bad document good"
    repeated = _PAYLOAD[:-1] + b',"revision":"4"}'
    bad("repeats", "ENV-J2", "the payload repeats a member", repeated, why)
    bad("broken", "ENV-J1", "the payload lacks its last byte", _PAYLOAD[:-1], why)
    bad(
        "unknown-member",
        "ENV-S2",
        "the payload has a member `colour`",
        text(edited(DESCRIPTOR, ("/colour", "red"))),
        why,
    )
    bad(
        "rule",
        "ACP-C01",
        "the payload has twice the peak rate",
        text(edited(DESCRIPTOR, ("/engines/0/rates/0/peak_ops_per_s", "32768000000000"))),
        why,
    )
    book.refuse(
        "envelope-payload-expired",
        "ACP-T01",
        good,
        "the document has expired, the key has not",
        "the term of a document is not that of the key",
        now="2027-06-01T00:00:00Z",
    )


def _ecdsa(book: Book) -> None:
    trusted = policy("module")
    whole = keys.envelope(_PAYLOAD, CAPABILITY_DESCRIPTOR, "module")
    good = book.accept(
        "envelope-p256",
        "ENV-T1",
        "hardware modules sign with P-256",
        _question(_PAYLOAD, "module", trusted=trusted),
        identity(DESCRIPTOR),
        feature="ecdsa-p256",
    )
    der = keys.raw_signature("module", pae(CAPABILITY_DESCRIPTOR, _PAYLOAD))
    r_size = der[3]
    r = der[4 : 4 + r_size]
    s = der[6 + r_size :]
    raw = r[-32:].rjust(32, b"\0") + s[-32:].rjust(32, b"\0")
    for name, mutation, value, why in (
        ("raw", "r and s without DER", raw, "signatures are in DER"),
        ("trailing-byte", "a byte after the DER", der + b"\0", "DER has one form"),
        ("altered", "a bit of s", der[:-1] + bytes([der[-1] ^ 1]), "it is another signature"),
        (
            "of-other-key",
            "another payload's signature",
            keys.raw_signature("module", pae(CAPABILITY_DESCRIPTOR, b"{}")),
            "a signature is over one payload",
        ),
    ):
        data = canonicalize(edited(whole, ("/signatures/0/sig", keys.b64(value))))
        book.refuse(f"envelope-p256-{name}", "ENV-T1", good, mutation, why, input=data)


def write_trust() -> Book:
    """Write the area of trust policies down."""
    book = Book("trust", "envelope")
    _grants(book)
    _validity(book)
    _thresholds(book)
    _floors(book)
    _policies(book)
    return book


def _good(book: Book, name: str, requires: str, why: str, trusted: Json, *names: str) -> Vector:
    question = _question(_PAYLOAD, *names, trusted=trusted)
    return book.accept(name, requires, why, question, identity(DESCRIPTOR))


def _bad(
    book: Book,
    name: str,
    codes: str,
    sibling: Vector,
    mutation: str,
    why: str,
    trusted: Json,
    also: str = "",
) -> None:
    data = canonicalize(trusted)
    book.refuse(name, codes, sibling, mutation, why, also=also, policy=data)


def _grants(book: Book) -> None:
    wide = policy("vendor", grants=[grant("vendor", issuers=("*.example", "other.test"))])
    wild = _good(book, "trust-wildcard", "ENV-T3", "`*.` covers every name below", wide, "vendor")
    why = "a key speaks for those it was granted for, and for nobody else"
    for name, mutation, issuers in (
        ("other-issuer", "the grant is for another issuer", ("other.example",)),
        ("wildcard-itself", "the wildcard is for names below the issuer's", (f"*.{ISSUER}",)),
        ("subdomain", "the grant is for a name below", (f"sub.{ISSUER}",)),
        ("suffix", "the wildcard ends alike, within a label", ("*.dor.example",)),
    ):
        trusted = policy("vendor", grants=[grant("vendor", issuers=issuers)])
        _bad(book, f"trust-{name}", "ENV-T3", wild, mutation, why, trusted)
    system = policy("vendor", grants=[grant("vendor", types=(SYSTEM_DESCRIPTOR,))])
    _bad(
        book,
        "trust-other-type",
        "ENV-T3",
        wild,
        "the grant is for system descriptors",
        "who may describe systems may not describe chips",
        system,
    )
    apart = policy(
        "vendor",
        "other",
        grants=[grant("vendor", types=(SYSTEM_DESCRIPTOR,)), grant("other")],
    )
    _bad(
        book,
        "trust-grants-mixed",
        "ENV-T3",
        wild,
        "one grant has the key, another one the type",
        "one grant must cover all three: key, type and issuer",
        apart,
    )
    for name, mutation, edit in (
        ("no-issuer", "the payload has no issuer", ("/issuer", ...)),
        ("issuer-dot", "the issuer ends with a dot", ("/issuer", f"{ISSUER}.")),
        ("issuer-case", "the issuer has a capital letter", ("/issuer", "Vendor.example")),
        ("issuer-number", "the issuer is a number", ("/issuer", 7)),
    ):
        data = keys.sealed(text(edited(DESCRIPTOR, edit)), CAPABILITY_DESCRIPTOR, "vendor")
        book.refuse(
            f"trust-{name}",
            "ENV-T3",
            wild,
            mutation,
            "names that compare equal in one reader and not in another grant too much",
            input=data,
        )


def _validity(book: Book) -> None:
    def timed(**members: str) -> Json:
        return edited(policy("vendor"), ("/keys/0", entry("vendor", **members)))

    why = "a key that was retired must not speak for today"
    good = _good(
        book,
        "trust-key-valid-from-now",
        "ENV-T4",
        "a key counts from `not_before` on, inclusive",
        timed(not_before=NOW, not_after="2026-11-20T00:00:01Z"),
        "vendor",
    )
    for name, mutation, members in (
        ("expired", "`not_after` is now", {"not_before": "2026-01-01T00:00:00Z", "not_after": NOW}),
        (
            "early",
            "`not_before` is a second from now",
            {"not_before": "2026-11-20T00:00:01Z", "not_after": "2026-11-20T00:00:02Z"},
        ),
    ):
        _bad(book, f"trust-key-{name}", "ENV-T4", good, mutation, why, timed(**members))


def _thresholds(book: Book) -> None:
    two = policy("vendor", "other", grants=[grant("vendor", "other", threshold=2)])
    good = _good(book, "trust-two-of-two", "ENV-T2", "two keys agree", two, "vendor", "other")
    why = "a threshold protects against the loss of one key"
    book.refuse(
        "trust-one-of-two",
        "ENV-T2",
        good,
        "the second signature missing",
        why,
        input=keys.sealed(_PAYLOAD, CAPABILITY_DESCRIPTOR, "vendor"),
    )
    book.refuse(
        "trust-one-and-stranger",
        "ENV-T2",
        good,
        "a stranger's signature in place of the second",
        why,
        input=keys.sealed(_PAYLOAD, CAPABILITY_DESCRIPTOR, "vendor", "stranger"),
    )
    disguised = keys.envelope(_PAYLOAD, CAPABILITY_DESCRIPTOR, "vendor", "stranger")
    book.refuse(
        "trust-one-and-stranger-in-disguise",
        "ENV-T2",
        good,
        "a stranger's signature with the second key's id",
        "a key id is a hint that anybody can write",
        input=canonicalize(edited(disguised, ("/signatures/1/keyid", keys.keyid("other")))),
    )
    separate = [grant("vendor"), grant("other", threshold=1)]
    split = [
        grant("vendor", "third", threshold=2),
        grant("other", "third", threshold=2),
    ]
    _bad(
        book,
        "trust-keys-of-two-grants",
        "ENV-T2",
        good,
        "the two keys stand in two grants, each of which needs two",
        "keys of different grants are not added up",
        policy("vendor", "other", "third", grants=split),
    )
    retired = edited(two, ("/keys/1", entry("other", not_after="2026-06-01T00:00:00Z")))
    _bad(
        book,
        "trust-one-of-two-expired",
        "ENV-T2",
        good,
        "the second key's validity has ended",
        why,
        retired,
        also="ENV-T4",
    )
    _good(
        book,
        "trust-either-grant",
        "ENV-T2",
        "one grant that is satisfied suffices",
        policy("vendor", "other", grants=separate),
        "vendor",
    )
    _good(
        book,
        "trust-one-of-three",
        "ENV-T2",
        "signatures of strangers do no harm",
        policy("vendor"),
        "stranger",
        "vendor",
    )
    _p256_threshold(book)


def _p256_threshold(book: Book) -> None:
    """ECDSA signatures have a second valid form, so that one key seems to sign twice."""
    trusted = policy("module", "vendor", grants=[grant("module", "vendor", threshold=2)])
    whole = keys.envelope(_PAYLOAD, CAPABILITY_DESCRIPTOR, "module", "vendor")
    good = book.accept(
        "trust-two-with-p256",
        "ENV-T2",
        "keys of both algorithms agree",
        _question(_PAYLOAD, "module", "vendor", trusted=trusted),
        identity(DESCRIPTOR),
        feature="ecdsa-p256",
    )
    der = base64.b64decode(whole["signatures"][0]["sig"])
    mirrored = {"keyid": keys.keyid("vendor"), "sig": keys.b64(_mirrored(der))}
    book.refuse(
        "trust-one-key-twice",
        "ENV-T2",
        good,
        "the module's own signature in its other form, (r, n - s), in place of the second",
        "count keys, not signatures: anybody can turn one ECDSA signature into a second",
        input=canonicalize(edited(whole, ("/signatures/1", mirrored))),
    )


def _mirrored(der: bytes) -> bytes:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    size = der[3]
    r, s = der[2 : 4 + size], int.from_bytes(der[6 + size :])
    raw = (order - s).to_bytes(33).lstrip(b"\0")
    raw = (b"\0" if raw[0] & 0x80 else b"") + raw
    body = r + bytes([2, len(raw)]) + raw
    return bytes([0x30, len(body)]) + body


def _floors(book: Book) -> None:
    def floored(revision: int, **members: Any) -> Json:
        floor = {"issuer": ISSUER, "uri": DESCRIPTOR["uri"], "min_revision": revision, **members}
        return {**policy("vendor"), "floors": [floor]}

    good = _good(
        book, "trust-floor", "ACP-T02", "the lowest revision is allowed", floored(3), "vendor"
    )
    _bad(
        book,
        "trust-below-floor",
        "ACP-T02",
        good,
        "the floor is one higher",
        "an old revision is genuine; only its number tells that a corrected one exists",
        floored(4),
    )
    for name, members in (
        ("other-uri", {"uri": "https://vendor.example/chips/v2"}),
        ("other-issuer", {"issuer": "other.example"}),
    ):
        why = "a floor is for one issuer and uri"
        _good(book, f"trust-floor-{name}", "ACP-T02", why, floored(9, **members), "vendor")


def _policies(book: Book) -> None:
    base = policy("vendor", "other", grants=[grant("vendor", "other", threshold=1)])
    base["keys"][0] |= {"not_before": "2026-01-01T00:00:00Z", "not_after": "2027-01-01T00:00:00Z"}
    base["adapters"] = ["acp-cep"]
    base["floors"] = [{"issuer": ISSUER, "uri": DESCRIPTOR["uri"], "min_revision": 1}]
    good = _good(book, "policy", "ENV-T5", "a policy with every member", base, "vendor")
    why = "a policy that is misread grants what nobody meant to grant"
    for name, mutation, *edits in (
        ("unknown-member", "a member `expires`", ("/expires", NOW)),
        ("unknown-in-grant", "a member `max` of the grant", ("/grants/0/max", 2)),
        ("other-version", "`spec` is acp-trust/2", ("/spec", "acp-trust/2")),
        ("no-grants", "`grants` removed", ("/grants", ...)),
        ("no-keys", "`keys` removed", ("/keys", ...)),
        ("empty-floors", "`floors` is empty", ("/floors", [])),
        ("null", "`comment` of a key is null", ("/keys/0/comment", None)),
        ("wrong-keyid", "a key under the id of a third", ("/keys/1/keyid", keys.keyid("third"))),
        ("repeated-key", "a key a second time", ("/keys/-", entry("other"))),
        ("repeated-floor", "a floor a second time", ("/floors/-", base["floors"][0])),
        (
            "unknown-key",
            "the grant names a key that the policy does not have",
            ("/grants/0/keyids/-", keys.keyid("third")),
        ),
        (
            "unknown-type",
            "the grant is for a type that does not exist",
            ("/grants/0/document_types/-", "application/json"),
        ),
        ("out-of-reach", "a threshold of three for two keys", ("/grants/0/threshold", 3)),
        ("threshold-zero", "a threshold of zero", ("/grants/0/threshold", 0)),
        ("wildcard-alone", "an issuer that is `*`", ("/grants/0/issuers/0", "*")),
        ("wildcard-within", "a wildcard within a name", ("/grants/0/issuers/0", "a.*.example")),
        (
            "no-time",
            "`not_before` is when `not_after` is",
            ("/keys/0/not_before", "2027-01-01T00:00:00Z"),
        ),
        ("foreign-key", "an RSA key", ("/keys/1/public_key", keys.foreign_pem("rsa"))),
    ):
        _bad(
            book,
            f"policy-{name}",
            "ENV-T5",
            good,
            mutation,
            why,
            edited(base, *edits),
            also="ENV-S4 ENV-K1",
        )
    _bad_keys(book, good, base)


def _bad_keys(book: Book, good: Vector, base: Json) -> None:
    reachable = edited(base, ("/grants/0/threshold", 2))
    repeated = edited(reachable, ("/grants/0/keyids", [keys.keyid("vendor"), keys.keyid("vendor")]))
    _bad(
        book,
        "policy-repeated-in-grant",
        "ENV-T5",
        good,
        "a threshold of two for one key that is named twice",
        "distinct keys count",
        repeated,
    )
    data = canonicalize(base)
    book.refuse(
        "policy-repeated-member",
        "ENV-J2",
        good,
        "`grants` a second time",
        "one parser takes the first of two members, another the last",
        policy=data[:-1] + b',"grants":[]}',
    )
