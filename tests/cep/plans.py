"""Two small plans with everything that the verifier asks for, as JSON values to be changed.

`chain`: left runs ``h = mm(x, w)`` and copies h to right, which runs ``y = relu(h)``. The two have
         separate memories and a link.
`fork`:  left runs ``a = relu(x)``, right ``n = neg(x)`` and left ``y = a + n``, all in one memory.
"""

from __future__ import annotations

import copy
import hashlib
import json
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from acp.canonical import canonicalize
from acp.diagnostics import Refused, Severity
from acp.documents import digest
from acp.dsse import CAPABILITY_DESCRIPTOR, PLAN, SYSTEM_DESCRIPTOR, sign
from acp.keys import PrivateKey
from acp.policy import Grant, TrustedKey, TrustPolicy
from cep.graph import graph_digest
from cep.opset import OPERATIONS, opset_digest
from cep.v1.plan import Plan
from cep.verify import verify

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TERM = {"issued_at": "2026-11-01T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z"}
ISSUER = "example.com"
KEY = PrivateKey.generate()
STRANGER = PrivateKey.generate()
POLICY = TrustPolicy(
    spec="acp-trust/1",
    keys=(TrustedKey.of(KEY.public),),
    grants=(
        Grant(
            document_types=(CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR, PLAN),
            issuers=(ISSUER,),
            keyids=(KEY.public.keyid,),
        ),
    ),
)
WEIGHTS = struct.pack("<16f", *range(16))


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def safetensors(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


WEIGHTS_FILE = safetensors(
    {"w": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}}, WEIGHTS
)


def descriptor(name, domain=None, **changes):
    memory = {
        "id": "ram",
        "kind": "example.com/simulated",
        "role": "SHARED",
        "instances": 1,
        "capacity_bytes_per_instance": "1048576",
        "combined_bytes_per_s": "10000000000",
    }
    return {
        "spec": "acp/1",
        "uri": f"https://example.com/{name}",
        "revision": "1",
        "issuer": ISSUER,
        **TERM,
        "subject": {
            "scope": "UNIT",
            "vendor": ISSUER,
            "model": name,
            "device_class": "cpu",
            "unit_id": name,
        },
        "operating_point": {"name": "default"},
        "engines": [
            {
                "id": "core",
                "kind": "VECTOR",
                "rates": [
                    {"a": "f32", "b": "f32", "out": "f32", "sparsity": "dense",
                     "peak_ops_per_s": "100000000000", "exposed": False}
                ],
            }
        ],
        "memories": [memory | ({"coherence_domain": domain} if domain else {})],
        "ops": [{"op": op, "variants": [{"engine": "core"}]} for op in sorted(OPERATIONS)],
        "provenance": [{"paths": [""], "basis": "ESTIMATED"}],
        "queues": [{"kind": "COMPUTE", "max": 3}, {"kind": "COPY", "max": 2}],
        **changes,
    }  # fmt: skip


def system(descriptors, links, nodes=None):
    # A view makes no way for data, but the nodes one system (ACP-L04).
    names = list(descriptors)
    views = [{"initiator": names[0], "target": name, "bytes_per_s": "1"} for name in names[1:]]
    return {
        "spec": "acp/1",
        "uri": "https://example.com/box",
        "revision": "1",
        "issuer": ISSUER,
        **TERM,
        "nodes": [
            {"id": name, "descriptor_digest": digest(d), **(nodes or {}).get(name, {})}
            for name, d in descriptors.items()
        ],
        **({"links": links} if links else {}),
        **({"memory_views": views} if views else {}),
    }


def link(name, a, b, there="1000000000", back="1000000000"):
    return {
        "id": name,
        "a": {"node": a},
        "b": {"node": b},
        "kind": "pcie5",
        "a_to_b_bytes_per_s": there,
        "b_to_a_bytes_per_s": back,
    }


def signed(value, kind, key=KEY):
    return sign(canonicalize(value), kind, [key]).to_bytes()


@dataclass
class Case:
    """A plan, its devices and what the caller of the verifier says.

    Attributes:
        plan: The plan as a JSON value.
        descriptors: Descriptors by slot, as JSON values.
        links: Links of the system.
        nodes: Further members of the system's nodes, by their names.
        sealed: The digests in the plan are made to fit before it is judged.
    """

    plan: dict
    descriptors: dict
    links: list = field(default_factory=list)
    nodes: dict = field(default_factory=dict)
    sealed: bool = True

    def seal(self):
        """Make the digests of devices and graph fit."""
        for device in self.plan["devices"]:
            if device["slot"] in self.descriptors and "descriptor_digest" in device:
                device["descriptor_digest"] = digest(self.descriptors[device["slot"]])
        with suppress(Refused):
            self.plan["source"]["graph_digest"] = graph_digest(Plan.from_json(self.plan))

    @property
    def envelopes(self):
        return [
            *(signed(d, CAPABILITY_DESCRIPTOR) for d in self.descriptors.values()),
            signed(system(self.descriptors, self.links, self.nodes), SYSTEM_DESCRIPTOR),
        ]

    def verify(self, **kwargs):
        if self.sealed:
            self.seal()
        return verify(
            canonicalize(self.plan),
            **{
                "descriptors": self.envelopes,
                "policy": POLICY,
                "now": NOW,
                "unsigned": True,
                **kwargs,
            },
        )


def errors(report):
    """The codes of all errors, sorted, each once."""
    return sorted({d.code for d in report.diagnostics if d.severity is Severity.ERROR})


def value(name, role, *shape, dtype="f32"):
    return {"id": name, "dtype": dtype, "role": role} | ({"shape": list(shape)} if shape else {})


def op(target, inputs, *outputs, **attributes):
    made = {"target": f"cep-core/1:{target}", "outputs": list(outputs)}
    if inputs:
        made["inputs"] = list(inputs)
    if attributes:
        made["attributes"] = [
            {"name": name, **member} for name, member in sorted(attributes.items())
        ]
    return made


def buffer(name, arena, offset, size=128):
    return {"value": name, "arena": arena, "offset": str(offset), "size": str(size)}


def run(queue, ops, reads, writes, *waits):
    return _step(queue, {"run": {"ops": ops}}, reads, writes, waits)


def transfer(queue, read, write, *waits, over=None):
    body = {"transfer": {"link": over} if over else {}}
    return _step(queue, body, [read], [write], waits)


def collective(queue, group, kind, ops, reads, writes, *waits):
    body = {"collective": {"group": group, "kind": kind} | ({"ops": ops} if ops else {})}
    return _step(queue, body, reads, writes, waits)


def _step(queue, body, reads, writes, waits):
    step = {"queue": queue, **body}
    if reads:
        step["reads"] = list(reads)
    if writes:
        step["writes"] = list(writes)
    if waits:
        step["waits"] = [{"queue": q, "epoch": e} for q, e in waits]
    return step


def plan(slots, **members):
    return {
        "spec": "cep/1",
        "uri": "https://example.com/plans/small",
        "revision": "2",
        "issuer": ISSUER,
        **TERM,
        "source": {"graph_digest": "sha256:" + "0" * 64},
        "opsets": [{"namespace": "cep-core", "version": 1, "schema_digest": opset_digest()}],
        "symbols": [{"name": "b", "min": "1", "max": "8"}],
        "inputs": [{"name": "x", "value": "x"}],
        "outputs": [{"name": "y", "value": "y"}],
        "devices": [{"slot": s, "descriptor_digest": "sha256:" + "0" * 64} for s in slots],
        "arenas": [
            {"id": s, "device": s, "memory": "ram", "bytes": "4096", "alignment_bytes": "64"}
            for s in slots
        ],
        "queues": [{"id": s, "device": s, "kind": "COMPUTE"} for s in slots],
        "constraints": {"numeric": "RELATIVE", "numeric_tolerance": "10000"},
        **members,
    }


def chain():
    members = plan(
        ("left", "right"),
        values=[
            value("x", "IN", "b", "4"),
            value("w", "CONST", "4", "4"),
            value("h", "TEMP", "b", "4"),
            value("y", "OUT", "b", "4"),
        ],
        constants=[
            {
                "value": "w",
                "digest": sha256(WEIGHTS),
                "store_digest": sha256(WEIGHTS_FILE),
                "key": "w",
            }
        ],
        ops=[op("mm", ["x", "w"], "h"), op("relu", ["h"], "y")],
        buffers=[
            buffer("x", "left", 0),
            buffer("h", "left", 128),
            buffer("h", "right", 0),
            buffer("y", "right", 128),
        ],
        steps=[
            run("left", [0], [0], [1]),
            transfer("right", 1, 2, ("left", 1), over="bus"),
            run("right", [1], [2], [3]),
        ],
    )
    devices = {"left": descriptor("left"), "right": descriptor("right")}
    return Case(members, devices, [link("bus", "left", "right")])


def fork():
    members = plan(
        ("left", "right"),
        values=[
            value("x", "IN", "b", "4"),
            value("a", "TEMP", "b", "4"),
            value("n", "TEMP", "b", "4"),
            value("y", "OUT", "b", "4"),
        ],
        ops=[
            op("relu", ["x"], "a"),
            op("neg", ["x"], "n"),
            op("add.Tensor", ["a", "n"], "y", alpha={"integer": "1"}),
        ],
        buffers=[
            buffer("x", "left", 0),
            buffer("a", "left", 128),
            buffer("n", "right", 0),
            buffer("y", "left", 256),
        ],
        steps=[
            run("left", [0], [0], [1]),
            run("right", [1], [0], [2]),
            run("left", [2], [1, 2], [3], ("right", 1)),
        ],
    )
    return Case(members, {"left": descriptor("left", "host"), "right": descriptor("right", "host")})


def pipeline():
    """`chain` as a stream of three micro-batches that take turns with two copies."""
    case = chain()
    case.plan["features"] = ["streams"]
    case.plan["stream"] = {"microbatches": 3, "ring_depth": 2}
    case.plan["steps"][0]["waits"] = [{"queue": "right", "epoch": 1, "lag": 2}]
    return case


_PLUS = {"alpha": {"integer": "1"}}


def _cut(start, end):
    return {"dim": {"integer": "1"}, "start": {"dim": str(start)}, "end": {"dim": str(end)}}


TOGETHER = {
    # Values that are made jointly, the ops that make them, and what each device gets.
    "BROADCAST": ({}, [], ("a", "a")),
    "ALL_REDUCE": ({"y": ("b", "4")}, [op("add.Tensor", ["a", "n"], "y", **_PLUS)], ("y", "y")),
    "ALL_GATHER": (
        {"y": ("2*b", "4")},
        [op("cat", ["a", "n"], "y", dim={"integer": "0"})],
        ("y", "y"),
    ),
    "REDUCE_SCATTER": (
        {"s": ("b", "4"), "y": ("b", "2"), "z": ("b", "2")},
        [
            op("add.Tensor", ["a", "n"], "s", **_PLUS),
            op("slice.Tensor", ["s"], "y", **_cut(0, 2)),
            op("slice.Tensor", ["s"], "z", **_cut(2, 4)),
        ],
        ("y", "z"),
    ),
    "ALL_TO_ALL": (
        {
            **dict.fromkeys(("a0", "a1", "n0", "n1"), ("b", "2")),
            "y": ("b", "4"),
            "z": ("b", "4"),
        },
        [
            *(
                op("slice.Tensor", [part], f"{part}{i}", **_cut(2 * i, 2 * i + 2))
                for part in "an"
                for i in (0, 1)
            ),
            op("cat", ["a0", "n0"], "y", dim={"integer": "1"}),
            op("cat", ["a1", "n1"], "z", dim={"integer": "1"}),
        ],
        ("y", "z"),
    ),
}


def together(kind="ALL_REDUCE"):
    """left runs ``a = relu(x)`` and right ``n = neg(x)``; then both take part in a collective.

    The two have separate memories and a link; x is in both.
    """
    made, joint, gets = copy.deepcopy(TOGETHER[kind])
    parts = ["a"] if kind == "BROADCAST" else ["a", "n"]
    results = sorted({*gets})
    inner = {v: shape for v, shape in made.items() if v not in results}
    own = [op("relu", ["x"], "a"), op("neg", ["x"], "n")][: len(parts)]
    sizes = {"a": ("b", "4"), "n": ("b", "4"), **made}
    ops = range(len(own), len(own) + len(joint))
    case = plan(
        ("left", "right"),
        features=["collectives"],
        values=[
            value("x", "IN", "b", "4"),
            *(value(v, "TEMP", "b", "4") for v in parts if v not in results),
            *(value(v, "TEMP", *shape) for v, shape in inner.items()),
            *(value(v, "OUT", *sizes[v]) for v in results),
        ],
        ops=[*own, *joint],
        outputs=[{"name": v, "value": v} for v in results],
        buffers=[
            buffer("x", "left", 0),
            buffer("x", "right", 0),
            buffer("a", "left", 128),
            buffer(parts[-1], "right", 128),
            buffer(gets[0], "left", 256, 256),
            buffer(gets[1], "right", 256, 256),
        ],
        steps=[
            run("left", [0], [0], [2]),
            *([run("right", [1], [1], [3])] if len(parts) > 1 else []),
            collective("left", "both", kind, [*ops], [2], [4] if joint else []),
            collective("right", "both", kind, [*ops], [3] if joint else [], [5]),
        ],
    )
    devices = {"left": descriptor("left"), "right": descriptor("right")}
    return Case(case, devices, [link("bus", "left", "right")])


BASES = {"chain": chain, "fork": fork, "pipeline": pipeline, "together": together}


def mutated(base, change):
    """A base plan after `change` was applied to a deep copy of it."""
    case = copy.deepcopy(BASES[base]())
    change(case)
    return case


def at(path, new):
    """A change that sets the member at a path of the plan such as ``steps/1/waits``.

    `...` removes it; at the end of a list, it appends.
    """
    *tokens, last = [int(t) if t.isdecimal() else t for t in path.split("/")]

    def change(case):
        inner = case.plan
        for token in tokens:
            inner = inner[token]
        if new is ...:
            del inner[last]
        elif isinstance(inner, list) and last == len(inner):
            inner.append(new)
        else:
            inner[last] = new

    return change


def all_of(*changes):
    def change(case):
        for one in changes:
            one(case)

    return change
