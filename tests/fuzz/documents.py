"""Inputs for the fuzzer: documents of ACP in JSON, YAML and protobuf's encoding, and envelopes.

They start from the documents of the conformance vectors, valid and broken ones, and are changed in
the ways that the parsers of each form fear. As in `tests.fuzz.inputs`, an input is a function of a
seed and a number.
"""

from __future__ import annotations

import json
import random
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from acp import protobuf, yaml_emit
from acp.diagnostics import Refused
from acp.documents import SIGNED
from conformance.author import keys
from conformance.author.documents import ALL_TYPES, ISSUER, grant, policy
from conformance.cases import Suite
from tests.fuzz.inputs import Input, changed, retold, spoilt, written

LINES = (
    b"a: &x [1, 2]", b"b: *x", b"<<: *x", b"c: !!str 1", b"!!python/object:os.system d: e",
    b"%YAML 1.1", b"---", b"...", b"- ", b"? x", b": y", b"e:", b"f: |", b"f: >-", b"\tg: 1",
    b"h: no", b"i: 2:4", b"j: 2026-01-01", b"k: 0x1F", b"l: 1_0", b"m: .inf", b"n: ~", b"o: 'p",
    b'q: "r', b"s: [t", b"u: {v", b"# w", b"x: \xc2\x85y", b"\xef\xbb\xbf",
    b"z: 9007199254740993", b"extensions: {a.b: {c: 1.5}}", b"[" * 70, b"{a: " * 70, b"- " * 70,
    b"? " * 70, b"&a " * 30, b"!a " * 30, b"*a", b"@", b"`", b"|2x",
)  # fmt: skip
PIECES = (
    b": ", b" #", b"- ", b"&", b"*", b"!", b"|", b">", b"'", b'"', b"%", b"\r", b"\t", b"\n ",
    b"[", b"]", b"{", b"}", b",", b"?", b"~", b"<<", b"=", b"\\", b"\x00", b"\xff",
)  # fmt: skip
FIELDS = (
    b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xff" * 9 + b"\x01", b"\xff" * 11, b"\x08\x00",
    b"\x0a\x00", b"\x0a\x7f", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b\x0c", b"\x0d\x00\x00\x00\x00",
    b"\xa0\x06\x01", b"\x12\x01\xff", b"\x12\x03\xef\xbf\xbf", b"\x12\x03\xed\xa0\x80",
    b"\x3a\x00" * 300, b"\xb2\x01\x00" * 300,
    b"\xb2\x01\x10\x0a\x03a.b\x12\x09\x0a\x07\x0a\x01x\x12\x02\x08\x00", b"\x0a\x05acp/1",
)  # fmt: skip
SOUND = 0.7
"""Share of inputs that start from a document without a fault."""

POLICY = policy("vendor", grants=[grant("vendor", types=tuple(ALL_TYPES), issuers=(ISSUER,))])


@dataclass(frozen=True, slots=True)
class Document:
    """A document to start from.

    Attributes:
        kind: Its kind.
        value: Its JSON value.
        text: The bytes of its case.
        accepted: It breaks no rule.
    """

    kind: type
    value: object
    text: bytes
    accepted: bool


@cache
def bases():
    """The documents of ACP in the conformance vectors."""
    found = []
    for case in Suite.load().cases.values():
        kind = SIGNED.get(case.data.get("type"))
        if case.data["operation"] != "document" or kind is None:
            continue
        with suppress(ValueError):
            data = b64decode(case.data["input"])
            good = case.expect["outcome"] == "accepted"
            found.append(Document(kind, json.loads(data), data, good))
    found = [one for one in found if isinstance(one.value, dict) and len(one.text) < 100_000]
    return tuple(found)


@cache
def accepted():
    """Those that break no rule."""
    return tuple(one for one in bases() if one.accepted)


def base(chosen):
    """A document to start from: more often one that breaks no rule."""
    return chosen.choice(accepted() if chosen.random() < SOUND else bases())


@cache
def texts():
    """Bytes to splice others with."""
    return tuple(one.text for one in bases())


@cache
def good():
    """Those with a right structure, as YAML and binary: without a fault, and all."""
    found = []
    for one in bases():
        with suppress(Refused):
            document = one.kind.from_json(one.value)
            found.append((one, yaml_emit.encode(document.to_json()), protobuf.to_binary(document)))
    return tuple(f for f in found if f[0].accepted), tuple(found)


def formed(chosen):
    """A document with its YAML and its binary form."""
    sound, every = good()
    return chosen.choice(sound if chosen.random() < SOUND else every)


@cache
def binaries():
    """Bytes to splice binary forms with."""
    return tuple(binary for _, _, binary in good()[1])


def made(seed, number):
    """Return the input with a number."""
    chosen = random.Random(seed << 40 | number)  # noqa: S311 - no secret
    return WAYS[chosen.choices(range(len(WAYS)), WEIGHTS)[0]](chosen)


def _json(chosen):
    """A document in JSON with bytes, tokens or members changed."""
    one = base(chosen)
    match chosen.randrange(4):
        case 0:
            how, data = spoilt(chosen, one.text, texts())
        case 1:
            how, data = "tokens", retold(chosen, one.text)
        case _:
            how, data = "members", written(changed(chosen, one.value))
    return Input("json", how, data, one)


def _yaml(chosen):
    """A document in YAML with bytes, lines or members changed."""
    one, text, _ = formed(chosen)
    match chosen.randrange(6):
        case 0:
            how, data = spoilt(chosen, text, texts())
        case 1 | 2:
            how, data = "lines", _relined(chosen, text)
        case 3:
            how, data = "pieces", _sprinkled(chosen, text)
        case 4:
            how, data = "flow", retold(chosen, one.text)
        case _:
            how, data = "members", _as_yaml(changed(chosen, one.value))
    return Input("yaml", how, data, one)


def _binary(chosen):
    """A document in protobuf's encoding with bytes or fields changed."""
    one, _, data = formed(chosen)
    match chosen.randrange(4):
        case 0 | 1:
            how, data = spoilt(chosen, data, binaries())
        case 2:
            at = chosen.randrange(len(data) + 1)
            how, data = "fields", data[:at] + chosen.choice(FIELDS) + data[at:]
        case _:
            how, data = "fields added", data + b"".join(chosen.choices(FIELDS, k=3))
    return Input("binary", how, data, one)


def _sealed(chosen):
    """An envelope that was changed, or a changed document under a good signature."""
    one = base(chosen)
    payload = one.text if chosen.random() < 0.5 else _json(chosen).data
    sealed = keys.sealed(payload, one.kind.PAYLOAD_TYPE, "vendor")
    match chosen.randrange(4):
        case 0:
            how, data = spoilt(chosen, sealed, texts())
        case 1:
            how, data = "tokens", retold(chosen, sealed)
        case 2:
            how, data = "members", written(changed(chosen, json.loads(sealed)))
        case _:
            how, data = "signed", sealed
    return Input("sealed", how, data, one)


def _noise(chosen):
    """Bytes at random."""
    kind = chosen.choice(("json", "yaml", "binary", "sealed"))
    data = chosen.randbytes(chosen.choice((0, 1, 3, 20, 300)))
    return Input(kind, "noise", data, chosen.choice(bases()))


WAYS = (_json, _yaml, _binary, _sealed, _noise)
WEIGHTS = (30, 34, 20, 14, 2)


def _relined(chosen, text):
    """Change lines."""
    lines = text.split(b"\n")
    for _ in range(chosen.choice((1, 1, 2, 5))):
        at = chosen.randrange(len(lines))
        indent = b" " * (len(lines[at]) - len(lines[at].lstrip()))
        match chosen.randrange(7):
            case 0 | 1:
                lines.insert(at, indent + chosen.choice(LINES))
            case 2:
                lines[at] = chosen.choice(LINES)
            case 3:
                del lines[at : at + chosen.choice((1, 2, 9))]
                lines = lines or [b""]
            case 4:
                lines[at:at] = lines[at : at + chosen.choice((1, 2, 9))] * chosen.choice((1, 30))
            case 5:
                lines[at] = chosen.choice((b" ", b"  ", b"\t", b"- ")) + lines[at]
            case _:
                lines[at] = lines[at].lstrip()
    return b"\n".join(lines)


def _sprinkled(chosen, text):
    """Put in, or exchange, what has a meaning in YAML."""
    data = bytearray(text)
    for _ in range(chosen.choice((1, 2, 4))):
        at = chosen.randrange(len(data) + 1)
        data[at : at + chosen.choice((0, 1, 2))] = chosen.choice(PIECES)
    return bytes(data)


def _as_yaml(value):
    try:
        return yaml_emit.encode(value)
    except Refused:
        return json.dumps(value).encode()
