"""The base plans: small enough to be checked by hand.

Every plan is about values of at most 256 bytes. The first one computes ``relu(linear(x))`` as two
regions on two devices that share a memory; its steps and buffers are drawn here::

    steps                                   arena `main`, in the memory that both devices see
      queue left:   0 linear: x -> h          0 x    256 h    384 y    512 (end: 4096)
      queue right:  1 relu:   h -> y          waits for `left` to reach epoch 1
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from acp.canonical import canonicalize
from acp.diagnostics import Refused
from acp.dsse import CAPABILITY_DESCRIPTOR, PLAN, STATUS_LIST, SYSTEM_DESCRIPTOR
from cep.graph import graph_digest
from cep.opset import opset_digest
from cep.v1.plan import Plan
from conformance.author import keys
from conformance.author.book import NOW, Edit, Json, Question, edited, identity, text
from conformance.author.documents import HEADER, ISSUER, grant, policy

_HEADER: Final[Json] = {
    **{name: value for name, value in HEADER.items() if name != "spec"},
    "spec": "cep/1",
    "opsets": [{"namespace": "cep-core", "version": 1, "schema_digest": opset_digest()}],
    "symbols": [{"name": "s0", "min": "1", "max": "8"}],
    "constraints": {"numeric": "RELATIVE", "numeric_tolerance": "10000"},
}

POLICY: Final[Json] = policy(
    "vendor",
    "planner",
    grants=[
        grant("vendor", types=(CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR, STATUS_LIST)),
        grant("planner", types=(PLAN,)),
    ],
)

_OPS: Final = ("linear", "relu", "neg", "tanh", "abs", "sum.dim_IntList")


def device(name: str, domain: str | None = "host") -> Json:
    """Return the descriptor of a device that computes with f32 in a memory of 1 MiB.

    Args:
        name: Unit and engine.
        domain: Coherence domain of its memory; a memory of its own if absent.
    """
    shared = {} if domain is None else {"coherence_domain": domain}
    return {
        **HEADER,
        "uri": f"https://vendor.example/units/{name}",
        "subject": {
            "scope": "UNIT",
            "vendor": ISSUER,
            "model": "V1",
            "device_class": "cpu",
            "unit_id": name,
        },
        "operating_point": {"name": "default"},
        "engines": [{"id": name, "kind": "VECTOR"}],
        "memories": [
            {
                "id": "dram",
                "kind": "ddr5",
                "role": "SHARED",
                "instances": 1,
                "capacity_bytes_per_instance": "1048576",
                **shared,
            }
        ],
        "ops": [
            {
                "op": f"cep-core/1:{op}",
                "variants": [
                    {
                        "engine": name,
                        "operands": {"*": {"dtypes": ["f32"], "rank": {"min": 1, "max": 4}}},
                        "numerics": {"reduction_order": "FIXED", "determinism": "SAME_UNIT"},
                    }
                ],
            }
            for op in _OPS
        ],
        "provenance": [{"paths": ["/memories"], "basis": "VENDOR_CLAIM"}],
    }


def system(left: Json, right: Json) -> Json:
    """Return the system of two devices with a link between them."""
    return {
        **HEADER,
        "uri": "https://vendor.example/systems/pair",
        "nodes": [
            {"id": "l", "descriptor_digest": identity(left)},
            {"id": "r", "descriptor_digest": identity(right)},
        ],
        "links": [
            {
                "id": "bridge",
                "a": {"node": "l"},
                "b": {"node": "r"},
                "kind": "pcie5",
                "a_to_b_bytes_per_s": "63000000000",
                "b_to_a_bytes_per_s": "63000000000",
            }
        ],
    }


@dataclass(frozen=True, slots=True)
class Deck:
    """A plan with all that comes with it.

    Attributes:
        plan: The plan, but for the digests of devices and graph, which follow from the rest.
        devices: Descriptors by slot.
        signers: Who signs the descriptor of a slot or the `system`, where it is not the vendor.
        withheld: Slots whose descriptor does not come with the plan.
        linked: A system descriptor comes with the plan.
        links: Edits of the system descriptor.
        context: Further members of the question.
        graph: Digest of the source graph, where that isn't the plan's.
    """

    plan: Json
    devices: Mapping[str, Json]
    signers: Mapping[str, str] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    linked: bool = False
    links: tuple[Edit, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    graph: str = ""

    def edited(self, *edits: Edit) -> Deck:
        """Return the deck with edits of the plan."""
        return replace(self, plan=edited(self.plan, *edits))

    def device(self, slot: str, *edits: Edit) -> Deck:
        """Return the deck with edits of a descriptor; the plan's digest of it follows."""
        return replace(self, devices={**self.devices, slot: edited(self.devices[slot], *edits)})

    def system(self, *edits: Edit) -> Deck:
        """Return the deck with edits of the system descriptor."""
        return replace(self, links=edits)

    def document(self, graph: str | None = None) -> Json:
        """Return the plan with all digests filled in.

        Args:
            graph: Digest of the graph, if it is not to follow from the plan.
        """
        slots = [
            {"slot": slot, "descriptor_digest": identity(document)}
            for slot, document in self.devices.items()
        ]
        plan = {**self.plan, "devices": self.plan.get("devices", slots)}
        return {**plan, "source": {"graph_digest": graph or self.graph or _graph(plan)}}

    def question(self, payload: bytes | None = None, *signers: str) -> Question:
        """Return the question, with the plan or another payload signed by the planner or others."""
        signed = keys.sealed(payload or text(self.document()), PLAN, *(signers or ("planner",)))
        return Question(
            "plan",
            signed,
            type=PLAN,
            now=NOW,
            policy=canonicalize(POLICY),
            descriptors=self.descriptors(),
            **self.context,
        )

    def descriptors(self) -> tuple[bytes, ...]:
        """Return the envelopes of the descriptors, and of the system."""
        sealed = [
            keys.sealed(text(one), CAPABILITY_DESCRIPTOR, self.signers.get(slot, "vendor"))
            for slot, one in self.devices.items()
            if slot not in self.withheld
        ]
        if self.linked:
            pair = edited(system(*self.devices.values()), *self.links)
            signer = self.signers.get("system", "vendor")
            sealed.append(keys.sealed(text(pair), SYSTEM_DESCRIPTOR, signer))
        return tuple(sealed)


def _graph(plan: Json) -> str:
    """Return the digest of what a plan computes; of nothing, where it is not a plan."""
    nothing = "sha256:" + "00" * 32
    try:
        return graph_digest(Plan.from_json({**plan, "source": {"graph_digest": nothing}}))
    except (Refused, LookupError):
        return nothing


def _value(name: str, role: str, *shape: str) -> Json:
    return {"id": name, "dtype": "f32", "shape": list(shape), "role": role}


def _op(target: str, inputs: list[str], output: str) -> Json:
    return {"target": f"cep-core/1:{target}", "inputs": inputs, "outputs": [output]}


def _arena(name: str, slot: str) -> Json:
    return {"id": name, "device": slot, "memory": "dram", "bytes": "4096", "alignment_bytes": "64"}


def _buffer(value: str, offset: int, size: int, arena: str = "main") -> Json:
    return {"value": value, "arena": arena, "offset": str(offset), "size": str(size)}


def _queue(name: str, slot: str, kind: str = "COMPUTE") -> Json:
    return {"id": name, "device": slot, "kind": kind}


def _run(queue: str, ops: list[int], reads: list[int], writes: list[int], *waits: Json) -> Json:
    awaited = {"waits": list(waits)} if waits else {}
    return {"queue": queue, "run": {"ops": ops}, "reads": reads, "writes": writes, **awaited}


def _wait(queue: str, epoch: int) -> Json:
    return {"queue": queue, "epoch": epoch}


WEIGHTS: Final = {"w": struct.pack("<32f", *range(32)), "b": struct.pack("<4f", *range(4))}


def safetensors() -> bytes:
    """Return the file of the two constants."""
    header = canonicalize(
        {
            "b": {"dtype": "F32", "shape": [4], "data_offsets": [128, 144]},
            "w": {"dtype": "F32", "shape": [4, 8], "data_offsets": [0, 128]},
        }
    )
    padded = header + b" " * (-len(header) % 8)
    return len(padded).to_bytes(8, "little") + padded + WEIGHTS["w"] + WEIGHTS["b"]


def _constant(name: str) -> Json:
    store = hashlib.sha256(safetensors()).hexdigest()
    return {
        "value": name,
        "digest": f"sha256:{hashlib.sha256(WEIGHTS[name]).hexdigest()}",
        "store_digest": f"sha256:{store}",
        "key": name,
    }


_LINEAR: Final[Json] = {
    **_HEADER,
    "uri": "https://vendor.example/plans/linear",
    "values": [
        _value("x", "IN", "s0", "8"),
        _value("w", "CONST", "4", "8"),
        _value("b", "CONST", "4"),
        _value("h", "TEMP", "s0", "4"),
        _value("y", "OUT", "s0", "4"),
    ],
    "constants": [_constant("w"), _constant("b")],
    "ops": [_op("linear", ["x", "w", "b"], "h"), _op("relu", ["h"], "y")],
    "inputs": [{"name": "input", "value": "x"}],
    "outputs": [{"name": "output", "value": "y"}],
}


def shared() -> Deck:
    """Two regions on two devices that share a memory."""
    plan = {
        **_LINEAR,
        "arenas": [_arena("main", "left")],
        "buffers": [_buffer("x", 0, 256), _buffer("h", 256, 128), _buffer("y", 384, 128)],
        "queues": [_queue("ql", "left"), _queue("qr", "right")],
        "steps": [_run("ql", [0], [0], [1]), _run("qr", [1], [1], [2], _wait("ql", 1))],
    }
    return Deck(plan, {"left": device("left"), "right": device("right")})


def separate() -> Deck:
    """Two regions on two devices with memories of their own, and a transfer between them."""
    plan = {
        **_LINEAR,
        "arenas": [_arena("al", "left"), _arena("ar", "right")],
        "buffers": [
            _buffer("x", 0, 256, "al"),
            _buffer("h", 256, 128, "al"),
            _buffer("h", 0, 128, "ar"),
            _buffer("y", 128, 128, "ar"),
        ],
        "queues": [_queue("ql", "left"), _queue("copy", "left", "COPY"), _queue("qr", "right")],
        "steps": [
            _run("ql", [0], [0], [1]),
            {
                "queue": "copy",
                "transfer": {"link": "bridge"},
                "reads": [1],
                "writes": [2],
                "waits": [_wait("ql", 1)],
            },
            _run("qr", [1], [2], [3], _wait("copy", 1)),
        ],
    }
    devices = {"left": device("left", None), "right": device("right", None)}
    return Deck(plan, devices, linked=True)


def one_region() -> Deck:
    """Everything in one step on one device."""
    plan = {
        **_LINEAR,
        "arenas": [_arena("main", "left")],
        "buffers": [_buffer("x", 0, 256), _buffer("y", 256, 128)],
        "queues": [_queue("ql", "left")],
        "steps": [_run("ql", [0, 1], [0], [1])],
    }
    return Deck(plan, {"left": device("left")})


def chain(*queues: str) -> Deck:
    """Return three steps: a = relu(x), b = neg(a), c = abs(x), of which c takes over a's bytes.

    Args:
        queues: The queues of the three steps: `ql` for all, or `ql`, `qr`, `ql`.
    """
    crossed = len(set(queues)) > 1
    plan = {
        **_HEADER,
        "uri": "https://vendor.example/plans/reuse",
        "values": [
            _value("x", "IN", "s0", "8"),
            _value("a", "TEMP", "s0", "8"),
            _value("b", "OUT", "s0", "8"),
            _value("c", "OUT", "s0", "8"),
        ],
        "ops": [_op("relu", ["x"], "a"), _op("neg", ["a"], "b"), _op("abs", ["x"], "c")],
        "inputs": [{"name": "input", "value": "x"}],
        "outputs": [{"name": "minus", "value": "b"}, {"name": "absolute", "value": "c"}],
        "arenas": [_arena("main", "left")],
        "buffers": [
            _buffer("x", 0, 256),
            _buffer("a", 256, 256),
            _buffer("b", 512, 256),
            _buffer("c", 256, 256),
        ],
        "queues": [_queue(name, {"ql": "left", "qr": "right"}[name]) for name in sorted({*queues})],
        "steps": [
            _run(queues[0], [0], [0], [1]),
            _run(queues[1], [1], [1], [2], *([_wait("ql", 1)] if crossed else [])),
            _run(queues[2], [2], [0], [3], *([_wait("qr", 1)] if crossed else [])),
        ],
    }
    slots = ("left", "right") if crossed else ("left",)
    return Deck(plan, {slot: device(slot) for slot in slots})


def line() -> Deck:
    """Three steps in a line on one device: a = relu(x), b = neg(a), c = tanh(b)."""
    plan = {
        **_HEADER,
        "uri": "https://vendor.example/plans/line",
        "values": [
            _value("x", "IN", "s0", "8"),
            _value("a", "TEMP", "s0", "8"),
            _value("b", "TEMP", "s0", "8"),
            _value("c", "OUT", "s0", "8"),
        ],
        "ops": [_op("relu", ["x"], "a"), _op("neg", ["a"], "b"), _op("tanh", ["b"], "c")],
        "inputs": [{"name": "input", "value": "x"}],
        "outputs": [{"name": "output", "value": "c"}],
        "arenas": [_arena("main", "left")],
        "buffers": [
            _buffer("x", 0, 256),
            _buffer("a", 256, 256),
            _buffer("b", 512, 256),
            _buffer("c", 768, 256),
        ],
        "queues": [_queue("ql", "left")],
        "steps": [
            _run("ql", [0], [0], [1]),
            _run("ql", [1], [1], [2]),
            _run("ql", [2], [2], [3]),
        ],
    }
    return Deck(plan, {"left": device("left")})


def sized(*shape: str, size: int) -> Deck:
    """Return y = relu(x) for values of a shape that needs `size` bytes at most."""
    plan = {
        **_HEADER,
        "uri": "https://vendor.example/plans/sized",
        "values": [_value("x", "IN", *shape), _value("y", "OUT", *shape)],
        "ops": [_op("relu", ["x"], "y")],
        "inputs": [{"name": "input", "value": "x"}],
        "outputs": [{"name": "output", "value": "y"}],
        "arenas": [_arena("main", "left")],
        "buffers": [_buffer("x", 0, size), _buffer("y", 2048, size)],
        "queues": [_queue("ql", "left")],
        "steps": [_run("ql", [0], [0], [1])],
    }
    return Deck(plan, {"left": device("left")})


def summed() -> Deck:
    """Return the sum over the second axis, which is kept: an operation with two attributes."""
    deck = sized("s0", "8", size=256)
    attributes = [
        {"name": "dim", "integers": {"items": ["1"]}},
        {"name": "keepdim", "flag": True},
    ]
    op = {**_op("sum.dim_IntList", ["x"], "y"), "attributes": attributes}
    return deck.edited(("/ops/0", op), ("/values/1/shape/1", "1"))
