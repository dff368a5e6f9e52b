"""Inputs for the fuzzer: documents and envelopes, changed at random in the ways that parsers fear.

With the same conformance vectors, which inputs start from, an input is a function of a seed and a
number alone, so that any of a million can be made again.
"""

from __future__ import annotations

import json
import random
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import islice

from acp.canonical import canonicalize
from acp.diagnostics import Refused
from acp.dsse import CAPABILITY_DESCRIPTOR, PLAN, Envelope
from acp.policy import TrustPolicy
from acp.vouching import vouch
from cep.graph import graph_digest
from cep.mutate import mutants
from cep.v1.plan import Plan
from conformance.author import keys, plan_cases, plans
from conformance.author.book import NOW as NOW_TEXT

NOW = datetime.fromisoformat(NOW_TEXT).astimezone(UTC)
POLICY = TrustPolicy.from_bytes(canonicalize(plans.POLICY))
MUTANTS = 400

NUMBERS = (
    b"0", b"-0", b"1", b"-1", b"00", b"1.5", b"1e3", b"1E400", b"-1e-400", b"9007199254740991",
    b"9007199254740993", b"4294967295", b"4294967296", b"18446744073709551616", b"9" * 400,
    b"NaN", b"Infinity", b"0x10", b"+1", b".5", b"1.",
)  # fmt: skip
STRINGS = (
    b'""', b'"0"', b'"-1"', b'"007"', b'"18446744073709551615"', b'"18446744073709551616"',
    b'"9223372036854775807"', b'"281474976710656"', b'"../../../../etc/passwd"', b'"/etc/passwd"',
    b'"C:\\\\x"', b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ufdd0"', b'"\xed\xa0\x80"',
    b'"\xff"', b'"\xc0\xaf"', b'"\\x41"', b'"s0^16"', b'"-s0 + 8"', b'"s0*s0"', b'"s0 - 1"',
    b'"' + b"*".join(b"a%02d^16" % n for n in range(26)) + b'"', b'"' + b"9" * 60 + b'"',
    b'"sha256:' + b"0" * 64 + b'"', b'"sha256:../' + b"0" * 61 + b'"', b'"cep-core/1:mm"',
    b'"cep-core/1:view"', b'"cep-core/99:mm"', b'"f64"', b'"i1"', b'"IN"', b'"OUT"', b'"CONST"',
    b'"2026-02-30T00:00:00Z"', b'"9999-12-31T23:59:60Z"', b'"' + b"a" * 5000 + b'"',
)  # fmt: skip
OTHERS = (
    b"null", b"true", b"false", b"[]", b"{}", b"[[]]", b'{"a":{}}', b"[" * 70 + b"]" * 70,
    b"[" * 2000, b'{"a":' * 500, b'{"":0,"":0}', b"[0" + b",0" * 3000 + b"]", b'{"$ref":"#"}',
)  # fmt: skip
DIMS = (
    "0", "-1", "1", "s0", "s0 - 1", "-s0 + 8", "s0^2", "s0^16", "8*s0", "s0*s1", "s1", "s0 - 9",
    "s0^2 - 6*s0 + 9", "9223372036854775807", "9223372036854775807*s0^16", "-s0*s1^2 + s0^2*s1",
    "s0^3 - 21*s0^2 + 147*s0 - 343",
)  # fmt: skip
VALUES = (
    *DIMS, "", 0, 1, 2, 3, 7, 2**31, 2**32 - 1, -1, True, False, [], {}, [0], [0, 0], ["s0"], "x",
    "y", "h", "w", "b", "left", "right", "main", "ql", "qr", "copy", "bridge", "dram", "f32", "f16",
    "i64", "i1", "IN", "OUT", "TEMP", "CONST", "STATE", "TOKEN", "NET", "64", "4096", "0", "-1",
    "18446744073709551615", "281474976710657", "cep-core/1:add.Tensor", "cep-core/1:view",
    "cep-core/1:mm", "cep-core/1:full", "cep-core/1:cat", "0x1.0000000000000p+0", "nan",
    "sha256:" + "0" * 64, {"name": "s1", "min": "0", "max": "281474976710656", "divisor": "7"},
    {"queue": "ql", "epoch": 1}, {"queue": "qr", "epoch": 4294967295}, {"integer": "1"},
    {"items": ["1", "s0"]}, {"name": "size", "dims": {"items": ["s0", "8"]}}, {"link": "bridge"},
)  # fmt: skip
SPACES = (b" ", b"\n", b"\t", b"\xc2\xa0", b"\xef\xbb\xbf")
TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[\[\]{},:]')


@dataclass(frozen=True, slots=True)
class Base:
    """A case to start from.

    Attributes:
        name: Its name.
        envelope: The plan, signed.
        payload: The plan.
        vouched: Descriptors that are believed for it.
        document: The plan as a JSON value, if it is one.
    """

    name: str
    envelope: bytes
    payload: bytes
    vouched: object
    document: object


@dataclass(frozen=True, slots=True)
class Input:
    """What is put to the code under test.

    Attributes:
        kind: `plan` (bare), `envelope` (of a plan), `descriptor` (in an envelope) or `weights`; or
            those of `tests.fuzz.documents`.
        how: What was done.
        data: The bytes.
        base: The case it comes from.
    """

    kind: str
    how: str
    data: bytes
    base: Base


@cache
def bases():
    """All conformance vectors of plans, in the order in which the author writes them."""
    found, known = [], {}
    for name, vector in plan_cases.write().vectors.items():
        given = vector.question.descriptors
        if given not in known:
            known[given] = vouch(given, policy=POLICY, now=NOW)
        try:
            payload = Envelope.from_bytes(vector.question.input).payload
        except Refused:
            continue
        try:
            document = json.loads(payload)
        except (ValueError, RecursionError):
            document = None
        found.append(Base(name, vector.question.input, payload, known[given], document))
    return tuple(found)


@cache
def payloads():
    """The plans of all vectors."""
    return tuple(base.payload for base in bases())


@cache
def spread():
    """Bases with a plan that can be taken apart; those that are accepted come more often."""
    whole = [b for b in bases() if isinstance(b.document, dict)]
    decks = (plans.shared, plans.separate, plans.one_region, plans.line, plans.summed)
    good = []
    for deck in decks:
        question = deck().question()
        payload = Envelope.from_bytes(question.input).payload
        known = vouch(question.descriptors, policy=POLICY, now=NOW)
        good.append(Base(deck.__name__, question.input, payload, known, json.loads(payload)))
    return (*good * (1 + len(whole) // len(good)), *whole)


@cache
def broken():
    """Mutants of the accepted plans."""
    made = []
    for base in dict.fromkeys(b.name for b in spread()[:5]):
        one = next(b for b in spread() if b.name == base)
        found = islice(mutants(one.payload, now=NOW, seed=1), MUTANTS)
        made += [replace(one, name=f"{one.name} {m.operator.name}", payload=m.payload,
                         document=m.document) for m in found]  # fmt: skip
    return tuple(made)


@cache
def descriptors():
    """Envelopes of descriptors, of the two kinds."""
    deck = plans.separate()
    return tuple(deck.descriptors())


@cache
def weights():
    """A file of weights."""
    return plans.safetensors()


def made(seed, number):
    """Return the input with a number."""
    chosen = random.Random(seed << 40 | number)  # noqa: S311 - no secret
    return WAYS[chosen.choices(range(len(WAYS)), WEIGHTS)[0]](chosen)


def _bytes(chosen):
    """A bare plan with bytes changed."""
    base = chosen.choice(spread())
    how, data = spoilt(chosen, base.payload)
    return Input("plan", how, data, base)


def _tokens(chosen):
    """A bare plan with tokens of its JSON changed."""
    base = chosen.choice(spread())
    return Input("plan", "tokens", retold(chosen, base.payload), base)


def _members(chosen):
    """A bare plan that is canonical JSON, with values changed, moved or taken away."""
    base = chosen.choice(spread() if chosen.random() < 0.6 else broken())
    document = changed(chosen, base.document)
    if chosen.random() < 0.7:
        document = resealed(document)
    return Input("plan", "members", written(document), base)


def _mutant(chosen):
    """A mutant as it is, or with one more change."""
    base = chosen.choice(broken())
    if chosen.random() < 0.3:
        return Input("plan", "mutant", base.payload, base)
    return Input("plan", "mutant", retold(chosen, base.payload), base)


def _signed(chosen):
    """A changed plan under a good signature."""
    one = chosen.choice((_bytes, _tokens, _members))(chosen)
    return replace(one, kind="envelope", how=f"{one.how}, signed",
                   data=keys.sealed(one.data, PLAN, "planner"))  # fmt: skip


def _envelope(chosen):
    """An envelope that was changed itself."""
    base = chosen.choice(bases())
    match chosen.randrange(4):
        case 0:
            how, data = spoilt(chosen, base.envelope)
        case 1:
            how, data = "tokens", retold(chosen, base.envelope)
        case 2:
            how, data = "base64", rebased(chosen, base.envelope)
        case _:
            envelope = json.loads(base.envelope)
            how, data = "members", written(changed(chosen, envelope))
    return Input("envelope", how, data, base)


def _descriptor(chosen):
    """A changed descriptor, signed or with a changed envelope."""
    sealed, base = chosen.choice(descriptors()), chosen.choice(spread()[:5])
    if chosen.random() < 0.3:
        how, data = spoilt(chosen, sealed)
        return Input("descriptor", how, data, base)
    envelope = Envelope.from_bytes(sealed)
    match chosen.randrange(3):
        case 0:
            how, payload = spoilt(chosen, envelope.payload)
        case 1:
            how, payload = "tokens", retold(chosen, envelope.payload)
        case _:
            how, payload = "members", written(changed(chosen, json.loads(envelope.payload)))
    kind = envelope.payload_type if chosen.random() < 0.9 else CAPABILITY_DESCRIPTOR
    return Input("descriptor", f"{how}, signed", keys.sealed(payload, kind, "vendor"), base)


def _weights(chosen):
    """A changed file of weights."""
    data = weights()
    length = int.from_bytes(data[:8], "little")
    if chosen.random() < 0.5:
        header = retold(chosen, data[8 : 8 + length])
        data = len(header).to_bytes(8, "little") + header + data[8 + length :]
    if chosen.random() < 0.5:
        _, data = spoilt(chosen, data)
    return Input("weights", "bytes", data, chosen.choice(spread()[:5]))


WAYS = (_bytes, _tokens, _members, _mutant, _signed, _envelope, _descriptor, _weights)
WEIGHTS = (8, 12, 38, 14, 11, 8, 6, 3)


def spoilt(chosen, data, others=None):
    """Change bytes, or splice them with those of others."""
    made, other = bytearray(data), chosen.choice(others or payloads())
    at = chosen.randrange(len(made) + 1)
    size = min(chosen.choice((1, 2, 3, 8, 40, 300)), len(made))
    match chosen.randrange(7):
        case 0:
            for _ in range(size if size < 9 else 1):
                made[chosen.randrange(len(made))] ^= 1 << chosen.randrange(8)
            return "bits", bytes(made)
        case 1:
            return "cut", bytes(made[:at])
        case 2:
            del made[at : at + size]
            return "bytes removed", bytes(made)
        case 3:
            made[at:at] = chosen.randbytes(size)
            return "bytes added", bytes(made)
        case 4:
            made[at:at] = made[at : at + size] * chosen.choice((1, 2, 50))
            return "bytes repeated", bytes(made)
        case 5:
            begin = chosen.randrange(len(other) + 1)
            made[at : at + chosen.choice((0, size))] = other[begin : begin + size]
            return "spliced", bytes(made)
        case _:
            return "joined", bytes(made[:at]) + other[chosen.randrange(len(other)) :]


def retold(chosen, data):
    """Change tokens of a JSON text."""
    found = TOKENS.findall(data)
    if not found:
        return data
    for _ in range(chosen.choice((1, 1, 1, 2, 5))):
        at = chosen.randrange(len(found))
        match chosen.randrange(8):
            case 0 | 1:
                same = NUMBERS if found[at][:1].isdigit() else STRINGS
                found[at] = chosen.choice(same)
            case 2:
                found[at] = chosen.choice(chosen.choice((NUMBERS, STRINGS, OTHERS)))
            case 3:
                other = chosen.randrange(len(found))
                found[at], found[other] = found[other], found[at]
            case 4:
                found[at:at] = found[at : at + chosen.choice((1, 2, 4, 20))]
            case 5:
                del found[at : at + chosen.choice((1, 2, 4, 20))]
                found = found or [b"0"]
            case 6:
                found[at:at] = SPACES[: chosen.randint(1, 5)]
            case _:
                alike = [t for t in found if t[:1] == found[at][:1]]
                found[at] = chosen.choice(alike)
    return b"".join(found)


def places(value):
    """All places in a JSON value that can be changed: the container and the key."""
    pending, found = [value], []
    while pending:
        one = pending.pop()
        keys_of = one.items() if isinstance(one, dict) else enumerate(one)
        for key, inner in keys_of:
            found.append((one, key))
            if isinstance(inner, dict | list):
                pending.append(inner)
    return found


def changed(chosen, document):
    """Return a copy of a document with one to four values changed."""
    copied = json.loads(json.dumps(document))
    for _ in range(chosen.choice((1, 1, 2, 4))):
        every = places(copied)
        if not every:
            break
        holder, key = chosen.choice(every)
        match chosen.randrange(8):
            case 0:
                holder[key] = json.loads(json.dumps(chosen.choice(VALUES)))
            case 1 | 2:
                holder[key] = alike(chosen, holder[key], every)
            case 3:
                del holder[key]
            case 4 if isinstance(holder, list):
                holder += [json.loads(json.dumps(holder[key]))] * chosen.choice((1, 2, 40))
            case 5 if isinstance(holder, list):
                chosen.shuffle(holder)
            case _:
                other, name = chosen.choice(every)
                if isinstance(other, dict) and name not in other:
                    continue
                if isinstance(other, list) and name >= len(other):
                    continue
                holder[key] = json.loads(json.dumps(other[name]))
    return copied


def alike(chosen, value, every):
    """Return another value of the same kind: a neighbour, a known one, or one from elsewhere."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return value
    digits = str(value).isdecimal()
    if digits and chosen.random() < 0.6:
        number = int(value)
        other = chosen.choice(
            (number + 1, number - 1, number * 2, number // 2, number + 64, 0, 1, 64, 128, 1 << 40)
        )
        return type(value)(max(other, 0))
    if chosen.random() < 0.3:
        same = [v for v in VALUES if type(v) is type(value) and str(v).isdecimal() == digits]
    else:
        found = [holder[key] for holder, key in every]
        same = [v for v in found if type(v) is type(value) and str(v).isdecimal() == digits]
    return chosen.choice(same)


def resealed(document):
    """Make the digest of the graph fit, if there is a graph."""
    with suppress(Refused, TypeError, LookupError, AttributeError):
        document["source"]["graph_digest"] = graph_digest(Plan.from_json(document))
    return document


def written(document):
    """Return the canonical form, or any form where there is none."""
    try:
        return canonicalize(document)
    except Refused:
        return json.dumps(document).encode()


def rebased(chosen, envelope):
    """Change the Base64 of an envelope."""
    value = json.loads(envelope)
    at = chosen.choice(("payload", "sig"))
    holder = value if at == "payload" else value["signatures"][0]
    text = holder[at]
    place = chosen.randrange(len(text) + 1)
    match chosen.randrange(6):
        case 0:
            text = text.rstrip("=")
        case 1:
            text += "="
        case 2:
            text = text.replace("+", "-").replace("/", "_")
        case 3:
            text = text[:place] + chosen.choice("\n =-_+/Aé\x00") + text[place:]
        case 4:
            text = text[:place] + text[place + chosen.choice((1, 2, 4)) :]
        case _:
            text = keys.b64(spoilt(chosen, keys.unb64(text))[1])
    holder[at] = text
    return written(value)
