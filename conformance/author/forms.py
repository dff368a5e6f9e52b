"""Other forms of documents: YAML (ENV-Y1 to ENV-Y3) and protobuf's binary encoding (ENV-P1)."""

from __future__ import annotations

from typing import Any, Final

from acp.dsse import CAPABILITY_DESCRIPTOR, STATUS_LIST
from acp.protobuf import to_binary
from acp.v1.capability import CapabilityDescriptor
from acp.v1.status import StatusList
from conformance.author.book import Book, Json, Question, Vector, identity
from conformance.author.documents import DESCRIPTOR, STATUS

_TEXT: Final = """\
# A comment: no part of the value.
name: V1
tile: {m: 16, n: 8}
sparsity: "2:4"
ports:
- id: p0
  up: true
  note: null
digest: sha256:5a5a  # of what it replaces
"""
_VALUE: Final = {
    "name": "V1",
    "tile": {"m": 16, "n": 8},
    "sparsity": "2:4",
    "ports": [{"id": "p0", "up": True, "note": None}],
    "digest": "sha256:5a5a",
}

_GOOD: Final = (
    ("json", '{"a": [1, -2, "x\\/\\u00e9", true, null, {}]}', {"a": [1, -2, "x/é", True, None, {}]},
     "a text in JSON is one in YAML, and stands for the same value"),
    ("marks", "---\na: b\n...\n", {"a": "b"}, "a document may begin and end with its marks"),
    ("quotes", "a: 'it''s'\nb: \"no\"\nc: \"\"\n", {"a": "it's", "b": "no", "c": ""},
     "what is in quotes is a text"),
    ("blocks", "a: |\n  x\n\n  y\nb: >-\n  x\n  y\n", {"a": "x\n\ny\n", "b": "x y"},
     "a text may have several lines"),
    ("integers", "[0, 9007199254740991, -9007199254740991]",
     [0, 9007199254740991, -9007199254740991], "the largest integers are numbers"),
    ("names", "{n: 1, y: 2}", {"n": 1, "y": 2}, "the tile of a rate has a member called n"),
    ("escapes", 'a: "\\N\\L\\P\\uFEFF\\t"\n', {"a": "\x85\u2028\u2029\ufeff\t"},
     "characters that are disputed may be escaped"),
)  # fmt: skip

_CODES: Final = {
    "ENV-Y1": (
        ("second-document", "a: b\n---\nc: d\n", "a second document after the first"),
        ("tab", "a:\n\tb: c\n", "a tab in place of two spaces"),
        ("unclosed", "a: [b\n", "a bracket that is not closed"),
        ("nested-on-one-line", "a: b: c\n", "a map within the line of another"),
        ("next-line", "a: b\x85c: d\n", "U+0085, which ends a line under YAML 1.1 only"),
        ("line-separator", "a: b\u2028c: d\n", "U+2028, which ends a line under YAML 1.1 only"),
    ),
    "ENV-Y2": (
        ("anchor", "a: &x b\n", "an anchor"),
        ("alias", "a: &x b\nc: *x\n", "an anchor and its alias"),
        ("tag", "a: !!str 1\n", "a tag"),
        ("own-tag", "a: !vendor b\n", "a tag of somebody's own"),
        ("integer-as-name", "1: b\n", "an integer in place of a name"),
        ("flag-as-name", "true: b\n", "a flag in place of a name"),
        ("list-as-name", "? [a]\n: b\n", "a list in place of a name"),
    ),
    "ENV-Y3": (
        ("norway", "a: no\n", "a text that YAML 1.1 takes for a flag"),
        ("yes", "a: YES\n", "a flag of YAML 1.1 in capitals"),
        ("capital-null", "a: Null\n", "null with a capital letter"),
        ("tilde", "a: ~\n", "a tilde for null"),
        ("ratio", "a: 2:4\n", "a text that YAML 1.1 takes for the number 124"),
        ("date", "a: 2026-01-01\n", "a text that YAML 1.1 takes for a date"),
        ("instant", "a: 2026-01-01T00:00:00Z\n", "an instant without quotes"),
        ("octal", "a: 0755\n", "a zero before a number"),
        ("hexadecimal", "a: 0x1F\n", "a hexadecimal number"),
        ("underscores", "a: 1_000\n", "a number with underscores"),
        ("plus", "a: +1\n", "a plus sign before a number"),
        ("fraction", "a: 1.5\n", "a number with a fraction"),
        ("exponent", "a: 1e3\n", "a number with an exponent"),
        ("not-a-number", "a: .nan\n", "a number that is none"),
        ("no-value", "a:\n", "no value after a name"),
        ("merge", "<<: {a: b}\n", "a merge"),
        ("flag-of-one-letter", "a: y\n", "y as a value"),
    ),
    "ENV-J1": (("noncharacter", 'a: "\\uffff"\n', "an escaped noncharacter"),),
    "ENV-J2": (
        ("repeated-name", "a: b\na: c\n", "a name repeated"),
        ("repeated-in-quotes", 'a: b\n"a": c\n', "a name repeated in quotes"),
    ),
    "ENV-J4": (("large-integer", "a: 9007199254740992\n", "an integer that is too large"),),
}  # fmt: skip


def write_yaml() -> Book:
    """Write the area of YAML down."""
    book = Book("yaml", "yaml")
    every = "ENV-Y1 ENV-Y2 ENV-Y3"
    plain = _good(book, "yaml-plain", _TEXT, _VALUE, every, "people write documents like this")
    for name, given, value, why in _GOOD:
        _good(book, f"yaml-{name}", given, value, every, why)
    small = _good(book, "yaml-one-member", "a: b\n", {"a": "b"}, every, "the text of the next ones")
    for code, cases in _CODES.items():
        for name, given, mutation in cases:
            why = "readers of YAML see different documents in such a text, or far too large ones"
            book.refuse(f"yaml-{name}", code, small, mutation, why, input=given.encode())
    for name, data, mutation in (
        ("directive", b"%YAML 1.1\n---\n", "a directive before the text"),
        ("byte-order-mark", b"\xef\xbb\xbf", "a byte order mark before the text"),
        ("latin-1", b"z: \xe9\n", "a letter in Latin-1 before the text"),
    ):
        code = "ENV-Y2" if name == "directive" else "ENV-Y1"
        why = "the same text has one reading, whoever reads it"
        book.refuse(f"yaml-{name}", code, plain, mutation, why, input=data + _TEXT.encode())
    deepest = _good(
        book, "yaml-depth", "[" * 64 + "]" * 64, _nested(63), "ENV-Y1", "64 levels are allowed"
    )
    book.refuse(
        "yaml-too-deep",
        "ENV-Y1",
        deepest,
        "one more level around it all",
        "limits that differ make readers differ",
        input=b"[" + deepest.question.input + b"]",
    )
    return book


def write_binary() -> Book:
    """Write the area of the binary encoding down."""
    book = Book("binary", "binary")
    status = to_binary(StatusList.from_json(STATUS))
    device = to_binary(CapabilityDescriptor.from_json(DESCRIPTOR))
    plain = _binary(book, "binary-status", STATUS_LIST, status, STATUS)
    whole = _binary(book, "binary-descriptor", CAPABILITY_DESCRIPTOR, device, DESCRIPTOR)
    spec, issuer = b"\x0a\x05acp/1", b"\x12\x0evendor.example"
    turned = status.removeprefix(spec) + spec
    _binary(book, "binary-order-of-fields", STATUS_LIST, turned, STATUS)
    for name, code, given, mutation in (
        ("truncated", "ENV-P1", status[:-1], "the last byte missing"),
        ("endless-tag", "ENV-P1", status + b"\xff" * 10 + b"\x01", "a tag of eleven bytes added"),
        ("wire-type", "ENV-P1", status + b"\x08\x01", "`spec` added as an integer"),
        (
            "beyond-the-end",
            "ENV-P1",
            status + b"\x12\x7fx",
            "a text added that ends beyond the end",
        ),
        ("not-utf-8", "ENV-P1", status + b"\x12\x01\xff", "an issuer added that is not UTF-8"),
        ("unknown-field", "ENV-S2", status + b"\xa0\x06\x01", "a field number 100 added"),
        ("no-issuer", "ENV-S1", status.replace(issuer, b""), "the issuer left out"),
    ):
        why = "a reader that makes do with such bytes sees another document than others"
        book.refuse(f"binary-{name}", code, plain, mutation, why, input=given)
    strange = device.replace(b"\x08\x01" + issuer, b"\x08\x63" + issuer)
    book.refuse(
        "binary-unknown-scope",
        "ENV-S3",
        whole,
        "the number 99 as `subject.scope`",
        "a scope that nobody knows is none",
        input=strange,
    )
    return book


def _binary(book: Book, name: str, kind: str, data: bytes, document: Json) -> Vector:
    return book.accept(
        name,
        "ENV-P1 ENV-S1 ENV-S2 ENV-S3",
        "a program that keeps messages sees the same document as one that keeps JSON",
        Question("binary", data, type=kind),
        identity(document),
    )


def _good(book: Book, name: str, given: str, value: Any, requires: str, why: str) -> Vector:
    return book.accept(name, requires, why, Question("yaml", given.encode()), identity(value))


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value
