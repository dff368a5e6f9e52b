"""Inputs that are made to hurt, by name, each with the code that must refuse it.

Three kinds: plans that were changed as JSON, texts that no encoder writes, and files of weights.
"""

from __future__ import annotations

import base64
import json
from itertools import pairwise

from acp.canonical import canonicalize
from acp.dsse import PLAN
from cep.expr import Dim, parse
from tests.cep.plans import (
    WEIGHTS,
    all_of,
    at,
    buffer,
    fork,
    mutated,
    op,
    run,
    safetensors,
    sha256,
    signed,
    transfer,
    value,
)

MILLION = 10**6


def given(case, dim, *, name=None):
    """Have the caller give a tensor of some size, which nothing needs."""
    name = name or f"v{len(case.plan['values'])}"
    case.plan["values"].append(value(name, "IN", dim))
    case.plan["inputs"].append({"name": name, "value": name})


def symbol(case, name, least=1, most=8, **more):
    case.plan["symbols"].append({"name": name, "min": str(least), "max": str(most), **more})
    given(case, name)


def exploding_product(case):
    names = [f"s{n:02}" for n in range(63)]
    for name in names:
        symbol(case, name)
    wide = " + ".join(names)
    for n in range(50):
        case.plan["values"] += [
            value(f"w{n}", "IN", *[f"{wide} + {n + 1}"] * 16), value(f"o{n}", "TEMP", "4")
        ]  # fmt: skip
        case.plan["inputs"].append({"name": f"w{n}", "value": f"w{n}"})
        size = {"dims": {"items": ["4"]}}
        case.plan["ops"].append(op("view", [f"w{n}"], f"o{n}", size=size))
    case.plan["steps"][0]["run"]["ops"] += range(3, 53)


def doubling(case):
    """Sixty-four values of twice the size of the one before: 2^64 rows in the end."""
    last = "x"
    for n in range(64):
        rows = f"{2 ** min(n + 1, 62)}*b"
        case.plan["values"].append(value(f"v{n}", "TEMP", rows, "4"))
        case.plan["ops"].append(op("cat", [last, last], f"v{n}", dim={"integer": "0"}))
        last = f"v{n}"
    case.plan["steps"][0]["run"]["ops"] += range(3, 67)


def sums_of_sums(count):
    """A line of sums of a value with itself; written out, it has 2^count terms."""

    def change(case):
        last = "a"
        for n in range(count):
            case.plan["values"].append(value(f"v{n}", "TEMP", "b", "4"))
            one = {"integer": "1"}
            case.plan["ops"].append(op("add.Tensor", [last, last], f"v{n}", alpha=one))
            last = f"v{n}"
        case.plan["ops"][2]["inputs"][0] = last
        case.plan["ops"].append(case.plan["ops"].pop(2))
        case.plan["steps"][0]["run"]["ops"] += range(2, 2 + count)
        case.plan["steps"][0]["writes"] = [1]
        case.plan["buffers"][1]["value"] = last
        case.plan["steps"][2]["run"]["ops"] = [2 + count]
        case.plan["constraints"] = {"numeric": "RELATIVE", "numeric_tolerance": "1000000000000"}

    return change


def ring(case):
    """Fifty queues, each of which waits for the next one at every step."""
    for n in range(50):
        case.plan["queues"].append({"id": f"q{n}", "device": "left", "kind": "COMPUTE"})
    for n in range(20_000):
        wait = (f"q{(n + 1) % 50}", n // 50 + 1)
        case.plan["steps"].append(transfer(f"q{n % 50}", 0, 0, wait))


def nested_buffers(case):
    """Inputs in buffers within buffers within buffers."""
    count = 20_000
    size = 64 * 2 * count
    for device in case.descriptors.values():
        device["memories"][0]["capacity_bytes_per_instance"] = str(2**30)
    case.plan["arenas"].append(
        {
            "id": "big",
            "device": "left",
            "memory": "ram",
            "bytes": str(size),
            "alignment_bytes": "64",
        }
    )
    for n in range(count - 1):
        case.plan["buffers"].append(buffer("x", "big", 64 * n, size - 128 * n))


def overlapping_accesses(case):
    """Thousands of buffers on one another, each read in full."""
    nested_buffers(case)
    for _ in range(1000):
        case.plan["steps"].append(transfer("left", 4, 0))


def in_place_everywhere(case):
    """One input, taken over by four thousand results at once."""
    count, plan = 4000, case.plan
    plan["values"] = [value("x", "IN", "b", "4")]
    plan["values"] += [value(f"v{n}", "OUT", "b", "4") for n in range(count)]
    plan["ops"] = [op("relu", ["x"], f"v{n}") for n in range(count)]
    plan["outputs"] = [{"name": f"v{n}", "value": f"v{n}"} for n in range(count)]
    plan["buffers"] = [buffer("x", "left", 0)]
    plan["buffers"] += [{**buffer(f"v{n}", "left", 0), "in_place_of": 0} for n in range(count)]
    plan["steps"] = [run("left", [*range(count)], [0], [*range(1, count + 1)])]


def alternates_of_thousands(case):
    """A region of four thousand operations, for which there are a thousand alternates."""
    count, plan = 4000, case.plan
    names = ["x", *(f"v{n}" for n in range(count - 1)), "y"]
    plan["features"] = ["alternates"]
    plan["values"] = [value(name, "TEMP", "b", "4") for name in names]
    plan["values"][0]["role"], plan["values"][-1]["role"] = "IN", "OUT"
    plan["ops"] = [op("relu", [a], b) for a, b in pairwise(names)]
    plan["buffers"] = [buffer("x", "left", 0), buffer("y", "left", 128)]
    plan["steps"] = [run("left", [*range(count)], [0], [1])]
    plan["steps"][0]["alternates"] = [{"queue": "right"}] * 1000


def in_place_circle(case):
    """Each of three buffers takes over another one."""
    for n in (1, 2, 3):
        case.plan["buffers"][n] |= {"in_place_of": n % 3 + 1}


def many(member, count, entry):
    """A change that appends entries to a list of the plan."""

    def change(case):
        case.plan[member] += [entry(n) for n in range(count)]

    return change


def questions(case):
    """Thousands of sizes whose sign takes a proof, of which each is right."""
    for name in ("p", "q"):
        symbol(case, name, 1, 2**20)
    for n in range(1, 3000):
        given(case, f"-2*p*q + p^2 + q^2 + {n}")


def hard_sizes(case):
    """Sizes of sixteen symbols and degree 16 that are never negative, which nobody can prove."""
    names = "cdefghijklmnopqr"
    for name in names:
        symbol(case, name, 1, 2)
    for n in range(20):
        mixed = " - ".join(f"2*{a}^8*{b}^8" for a, b in pairwise(names))
        squares = " + ".join(f"{name}^16" for name in names)
        given(case, str(collected(f"-{mixed} + 2*{squares.replace(' + ', ' + 2*')} + {n + 1}")))


def collected(terms):
    """The dim that is the sum of terms in any order."""
    total = Dim.constant(0)
    for term in terms.replace(" - ", " + -").split(" + "):
        total = total + parse(term)
    return total


PLANS = {
    "a shape of 2^64": ("fork", at("values/0/shape", [str(2**64), "4"]), "CEP-I3"),
    "sizes whose product is 2^126": (
        "fork", lambda case: given(case, f"{2**62}*b^2"), "CEP-T4"),
    "a size of 2^1000": ("fork", lambda case: given(case, "b^16*" * 20 + "b^16"), "CEP-I3"),
    "a buffer of 2^64 bytes": ("fork", at("buffers/0/size", str(2**64 - 1)), "CEP-M1 CEP-M2"),
    "a buffer at 2^64": ("fork", at("buffers/0/offset", str(2**64 - 64)), "CEP-M1"),
    "an offset beyond 64 bits": ("fork", at("buffers/0/offset", str(2**64)), "ENV-S3"),
    "an arena of 2^64 bytes": ("fork", at("arenas/0/bytes", str(2**64 - 1)), "CEP-M8"),
    "an alignment of 2^63": ("fork", at("arenas/0/alignment_bytes", str(2**63)), "CEP-M1"),
    "an epoch of 2^32 - 1": (
        "fork", at("steps/2/waits", [{"queue": "right", "epoch": 2**32 - 1}]), "CEP-O2"),
    "an epoch of 2^32": (
        "fork", at("steps/2/waits", [{"queue": "right", "epoch": 2**32}]), "ENV-S3"),
    "a buffer of index 2^32 - 1": ("fork", at("steps/0/reads", [2**32 - 1]), "CEP-I6"),
    "an op of index 2^32 - 1": ("fork", at("steps/0/run/ops", [2**32 - 1]), "CEP-I6"),
    "a micro-batch of 2^32 copies": (
        "fork", all_of(at("stream", {"microbatches": 2**32 - 1, "ring_depth": 2**32 - 1}),
                       at("features", ["streams"])), "CEP-M8"),
    "two steps that wait for each other": (
        "fork", all_of(at("steps/0/waits", [{"queue": "right", "epoch": 1}]),
                       at("steps/1/waits", [{"queue": "left", "epoch": 1}])), "CEP-O1"),
    "a step that waits for itself": (
        "fork", at("steps/0/waits", [{"queue": "left", "epoch": 1}]), "CEP-O1"),
    "twenty thousand steps in a ring": ("fork", ring, "CEP-O1"),
    "a thousand alternates of thousands of ops": ("fork", alternates_of_thousands, "CEP-C6"),
    "too many queues for their steps": (
        "fork", all_of(many("queues", 4000, lambda n: {"id": f"q{n}", "device": "left",
                                                       "kind": "COMPUTE"}),
                       many("steps", 9000, lambda _: transfer("left", 0, 0))), "CEP-O1"),
    "ten thousand queues": (
        "fork", many("queues", 10_000, lambda n: {"id": f"q{n}", "device": "left",
                                                  "kind": "COPY"}), "ENV-S3"),
    "ten thousand devices": (
        "fork", many("devices", 10_000, lambda n: {"slot": f"d{n}", "descriptor_digest":
                                                    sha256(b"")}), "ENV-S3"),
    "ten thousand waits": (
        "fork", at("steps/2/waits", [{"queue": "right", "epoch": 1}] * 10_000), "ENV-S3"),
    "one buffer in 65536 reads of each step": (
        "fork", at("steps", [run("left", [n], [0] * 65536, [1]) for n in range(3)]), "CEP-S3"),
    "pairs of reads and writes without end": (
        "fork", at("steps/0", run("left", [0], [0] * 3000, [1] * 3000)), "CEP-S3"),
    "a value of twice the size, sixty-four times": ("fork", doubling, "CEP-T3 CEP-T4"),
    "a product of sixteen long sums": ("fork", exploding_product, "CEP-T3 CEP-T4"),
    "thousands of signs to be proven": ("fork", questions, "CEP-T4"),
    "signs that nobody can prove": ("fork", hard_sizes, "CEP-T4"),
    "sixty-five symbols": (
        "fork", lambda case: [symbol(case, f"s{n}") for n in range(65)], "ENV-S3"),
    "a symbol without a size": ("fork", at("symbols/0/min", "9"), "CEP-T5"),
    "a symbol between two multiples": (
        "fork", at("symbols/0", {"name": "b", "min": "5", "max": "7", "divisor": "4"}), "CEP-T5"),
    "a symbol with a divisor of 2^64": (
        "fork", at("symbols/0/divisor", str(2**64 - 1)), "CEP-T5"),
    "a symbol up to 2^64": ("fork", at("symbols/0/max", str(2**64 - 1)), "CEP-T5"),
    "buffers within buffers": ("fork", nested_buffers, "CEP-M3"),
    "buffers on buffers, read again and again": ("fork", overlapping_accesses, "CEP-M3"),
    "one place for four thousand results": ("fork", in_place_everywhere, "CEP-M2"),
    "places taken over in a circle": ("fork", in_place_circle, "CEP-M2"),
    "a key that is a path": ("chain", at("constants/0/key", "../../../etc/passwd"), "CEP-I2"),
    "a key that is an absolute path": ("chain", at("constants/0/key", "/etc/passwd"), "CEP-I2"),
    "a store that is a path": (
        "chain", at("constants/0/store_digest", "sha256:../../../../etc/passwd"), "ENV-S3"),
    "a store that nobody has": (
        "chain", at("constants/0/store_digest", "sha256:" + "0" * 64), "CEP-I2"),
    "a name that is a path": ("fork", at("arenas/0/id", "../left"), "ENV-S3"),
    "a value of role and name of another": ("fork", at("values/1/id", "x"), "CEP-T1"),
}  # fmt: skip


def text(change=lambda text: text, base=fork):
    """The bytes of a plan, with its text changed."""
    case = base()
    case.seal()
    return change(canonicalize(case.plan))


def out_of_order(plan):
    members = json.loads(plan)
    return json.dumps(dict(reversed(members.items())), separators=(",", ":")).encode()


def deep(member):
    return lambda: text(lambda t: t.replace(b'"arenas":[', b'"%s":[' % member + b"[" * MILLION, 1))


TEXTS = {
    "arrays a million deep": (lambda: b"[" * MILLION, "ENV-J3"),
    "objects a million deep": (lambda: b'{"a":' * MILLION, "ENV-J3"),
    "a plan with a member a million deep": (deep(b"arenas"), "ENV-J3"),
    "closed arrays a million deep": (lambda: b"[" * MILLION + b"]" * MILLION, "ENV-J3"),
    "a member twice": (
        lambda: text(lambda t: t.replace(b'"spec":', b'"spec":"cep/1","spec":', 1)), "ENV-J2"),
    "a member twice, once escaped": (
        lambda: text(lambda t: t.replace(b'"spec":', b'"\\u0073pec":"cep/1","spec":', 1)),
        "ENV-J2"),
    "a hundred thousand members of one name": (
        lambda: b"{" + b",".join([b'"a":0'] * 100_000) + b"}", "ENV-J2"),
    "members out of order": (lambda: text(out_of_order), "CEP-I3"),
    "a space": (lambda: text(lambda t: t.replace(b",", b", ", 1)), "CEP-I3"),
    "names in the order of code points": (
        lambda: text(lambda t: t[:-1] + ',"\ue000":0,"\U00010000":0}'.encode()), "ENV-S2"),
    "no UTF-8": (lambda: text(lambda t: t.replace(b"left", b"l\xffft")), "ENV-J1"),
    "overlong UTF-8": (lambda: text(lambda t: t.replace(b"left", b"\xc1\xacft")), "ENV-J1"),
    "UTF-16": (lambda: text().decode().encode("utf-16"), "ENV-J1"),
    "a byte order mark": (lambda: b"\xef\xbb\xbf" + text(), "ENV-J1"),
    "half a surrogate pair": (lambda: text(lambda t: t.replace(b"left", b"\\ud800")), "ENV-J1"),
    "surrogates in UTF-8": (
        lambda: text(lambda t: t.replace(b"left", b"\xed\xa0\x80")), "ENV-J1"),
    "a zero byte": (lambda: text() + b"\x00", "ENV-J1"),
    "an integer of a million digits": (
        lambda: text(lambda t: t.replace(b'"version":1', b'"version":' + b"9" * MILLION)),
        "ENV-J4"),
    "a string of a million digits": (
        lambda: text(lambda t: t.replace(b'"revision":"2"', b'"revision":"%s"' % (b"9" * MILLION))),
        "ENV-S3"),
    "an exponent of a million": (
        lambda: text(lambda t: t.replace(b'"version":1', b'"version":1e1000000')), "ENV-J4"),
    "a million queues": (
        lambda: b'{"queues":[' + b'{"device":"left","id":"q","kind":"COPY"},' * MILLION + b"{}]}",
        "ENV-J3"),
    "five million values": (lambda: b"[" + b"0," * 5 * MILLION + b"0]", "ENV-J3"),
    "sixty-five mebibytes": (lambda: b'"' + b"a" * (65 << 20) + b'"', "ENV-J3"),
    "a quote too many": (lambda: text() + b'"', "ENV-J1"),
    "a million quotes": (lambda: b'"' * MILLION, "ENV-J1"),
    "a million backslashes": (lambda: b'"' + b"\\" * MILLION, "ENV-J1"),
}  # fmt: skip


def envelope(**members):
    case = fork()
    case.seal()
    return json.loads(signed(case.plan, PLAN)) | members


def signatures(count, *, alike=False):
    made = envelope()
    first = made["signatures"][0]
    extra = [{**first, "keyid": f"k{n}", **({} if alike else {"sig": f"{n:08}"})}
             for n in range(count)]  # fmt: skip
    return canonicalize(made | {"signatures": [*extra, first]})


ENVELOPES = {
    "a hundred thousand signatures": lambda: signatures(100_000),
    "one signature sixteen times": lambda: signatures(15, alike=True),
    "sixteen signatures of strangers": lambda: signatures(16),
    "a payload of a million layers": lambda: canonicalize(
        envelope(payload=base64.b64encode(b"[" * MILLION).decode())),
    "a payload of another kind": lambda: canonicalize(envelope(payloadType="text/plain")),
    "a payload that is no Base64": lambda: canonicalize(envelope(payload="=" * MILLION)),
    "a million layers around it": lambda: b'{"payload":' * MILLION,
    "members twice": lambda: b'{"payload":"","payload":"","payloadType":"","signatures":[]}',
}  # fmt: skip


def file_of(header, data=WEIGHTS):
    return safetensors(header, data)


def one(**changes):
    return {"w": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64], **changes}}


FILES = {
    "nothing": lambda: b"",
    "seven bytes": lambda: b"\x00" * 7,
    "a header of 2^64 bytes": lambda: b"\xff" * 8 + b"{}",
    "a header beyond the file": lambda: (100).to_bytes(8, "little") + b"{}",
    "a header a million deep": lambda: file_of(b"[" * MILLION),
    "a header that is an array": lambda: file_of(b"[]"),
    "a header that names one tensor twice": lambda: file_of(
        b'{"w":{"dtype":"F32","shape":[4,4],"data_offsets":[0,64]},'
        b'"w":{"dtype":"F32","shape":[4,4],"data_offsets":[0,64]}}'),
    "tensors that overlap": lambda: file_of(
        one() | {"v": {"dtype": "F32", "shape": [4], "data_offsets": [48, 64]}}),
    "a tensor beyond the file": lambda: file_of(one(data_offsets=[64, 128])),
    "a tensor that ends before it begins": lambda: file_of(one(data_offsets=[64, 0])),
    "a tensor before the file": lambda: file_of(one(data_offsets=[-64, 0])),
    "offsets of 2^60": lambda: file_of(one(data_offsets=[2**60 - 64, 2**60])),
    "offsets that are no integers": lambda: file_of(one(data_offsets=[0.0, 64.0])),
    "offsets that are true": lambda: file_of(one(shape=[], dtype="U8",
                                                 data_offsets=[False, True])),
    "a shape of 2^100 elements": lambda: file_of(one(shape=[2**50, 2**50])),
    "a shape of nothing, and much": lambda: file_of(one(shape=[2**50, 0])),
    "a shape of seventeen axes": lambda: file_of(one(shape=[1] * 17)),
    "a dtype that nobody knows": lambda: file_of(one(dtype="F128")),
    "a dtype that is a list": lambda: file_of(one(dtype=["F32"])),
    "other bytes": lambda: file_of(one(), bytes(64)),
    "twenty thousand tensors of nothing": lambda: file_of(
        {f"t{n}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for n in range(20_000)}),
}  # fmt: skip


def with_file(data):
    """The plan `chain` that names a file by its digest."""
    case = mutated("chain", at("constants/0/store_digest", sha256(data)))
    case.seal()
    return case


def many_memories(case):
    left = case.descriptors["left"]
    left["memories"] += [{**left["memories"][0], "id": f"m{n}"} for n in range(4000)]


def huge_memory(case):
    for device in case.descriptors.values():
        device["memories"][0] |= {"instances": 2**32 - 1,
                                  "capacity_bytes_per_instance": str(2**64 - 1)}  # fmt: skip


def no_room(case):
    case.descriptors["left"]["memories"][0]["usable_bytes"] = "1"


DESCRIPTORS = {
    "a memory of 2^96 bytes": (huge_memory, None),
    "four thousand memories": (many_memories, None),
    "a memory of one byte": (no_room, ["CEP-M8"]),
}
