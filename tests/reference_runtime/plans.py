"""Small plans over two simulated devices, with everything that is needed to admit them.

`chain`:  left computes ``h = mm(x, w)``, ``h`` is copied to right, right computes ``y = relu(h)``.
`fork`:   left computes ``a = relu(x)`` and right ``b = neg(x)``, then left ``y = a + b``; both see
          the same memory, so nothing is copied.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from acp.canonical import canonicalize, digest
from acp.dsse import CAPABILITY_DESCRIPTOR, PLAN, RECEIPT, SYSTEM_DESCRIPTOR, sign
from acp.keys import PrivateKey
from acp.policy import Grant, TrustedKey, TrustPolicy
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor
from cep.graph import GraphView, graph_digest
from cep.opset import opset_digest
from cep.receipt import ruleset
from cep.store import Store
from cep.v1.plan import Plan
from cep.v1.receipt import Verification
from reference_runtime.admission import AdmittedPlan, _given, _match
from reference_runtime.binding import Binder
from reference_runtime.runtime import BoundPlan
from tests.reference_runtime.simulated import SimulatedAdapter

# `cep run` judges by the present; so the documents are in force now, whenever that is.
NOW = datetime.now(UTC).replace(microsecond=0)
KEY = PrivateKey.generate()
ISSUER = "example.com"
TERM = {
    name: (NOW + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name, days in (("issued_at", -20), ("expires_at", 40))
}
WEIGHTS = np.arange(16, dtype="<f4").reshape(4, 4) - 7
POLICY = TrustPolicy(
    spec="acp-trust/1",
    keys=(TrustedKey.of(KEY.public),),
    grants=(
        Grant(
            document_types=(CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR, PLAN, RECEIPT),
            issuers=(ISSUER,),
            keyids=(KEY.public.keyid,),
        ),
    ),
)


def signed(document, kind=PLAN, key=KEY):
    value = document.to_json() if hasattr(document, "to_json") else document
    return sign(canonicalize(value), kind, [key]).to_bytes()


def descriptor(adapter, **changes):
    (described,) = adapter.describe()
    return CapabilityDescriptor(
        spec="acp/1",
        uri=f"https://example.com/{adapter.name}",
        revision=1,
        issuer=ISSUER,
        **TERM,
        **(
            {
                "subject": described.subject,
                "operating_point": described.operating_point,
                "software": described.software,
                "engines": described.engines,
                "memories": described.memories,
                "ops": described.ops,
                "provenance": described.provenance,
            }
            | changes
        ),
    )


def weights_file():
    data = WEIGHTS.tobytes()
    entry = {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, len(data)]}
    header = json.dumps({"w": entry}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data


@dataclass
class World:
    """A plan and what belongs to it.

    Attributes:
        members: The plan as a JSON value; change it before it is signed.
        adapters: The devices.
        directory: Folder of the weights.
    """

    members: dict
    adapters: list
    directory: object
    descriptors: list = field(default_factory=list)

    @property
    def plan(self):
        return Plan.from_json(self.members)

    @property
    def envelope(self):
        return signed(self.plan)

    @property
    def signed_descriptors(self):
        system = SystemDescriptor.from_json(
            {
                "spec": "acp/1",
                "uri": "https://example.com/box",
                "revision": "1",
                "issuer": ISSUER,
                **TERM,
                "nodes": [
                    {"id": adapter.name, "descriptor_digest": digest(one.to_json())}
                    for adapter, one in zip(self.adapters, self.descriptors, strict=True)
                ],
                "links": [
                    {
                        "id": "bus",
                        "a": {"node": self.adapters[0].name},
                        "b": {"node": self.adapters[1].name},
                        "kind": "pcie5",
                        "a_to_b_bytes_per_s": "1000000000",
                        "b_to_a_bytes_per_s": "1000000000",
                    }
                ],
            }
        )
        return [
            *(signed(one, CAPABILITY_DESCRIPTOR) for one in self.descriptors),
            signed(system, SYSTEM_DESCRIPTOR),
        ]

    @property
    def store(self):
        return Store(self.directory)


def _value(name, role, *shape):
    return {"id": name, "dtype": "f32", "role": role} | ({"shape": list(shape)} if shape else {})


def _world(members, adapters, directory):
    descriptors = [descriptor(adapter) for adapter in adapters]
    store_digest = "sha256:" + hashlib.sha256(weights_file()).hexdigest()
    if directory is not None:
        Store(directory).add(weights_file())
    members = {
        "spec": "cep/1",
        "uri": "https://example.com/plans/small",
        "revision": "1",
        "issuer": ISSUER,
        **TERM,
        "source": {"graph_digest": "sha256:" + "0" * 64},
        "opsets": [{"namespace": "cep-core", "version": 1, "schema_digest": opset_digest()}],
        "symbols": [{"name": "b", "min": "1", "max": "8"}],
        "devices": [
            {"slot": adapter.name, "descriptor_digest": digest(one.to_json())}
            for adapter, one in zip(adapters, descriptors, strict=True)
        ],
        "arenas": [
            {"id": f"{a.name}-ram", "device": a.name, "memory": "ram", "bytes": "4096",
             "alignment_bytes": "64"}
            for a in adapters
        ],
        "queues": [{"id": f"{a.name}-q", "device": a.name, "kind": "COMPUTE"} for a in adapters],
        "constraints": {"numeric": "RELATIVE", "numeric_tolerance": "10000"},
        **members,
    }  # fmt: skip
    if any(value["role"] == "CONST" for value in members["values"]):
        members["constants"] = [
            {
                "value": "w",
                "digest": "sha256:" + hashlib.sha256(WEIGHTS.tobytes()).hexdigest(),
                "store_digest": store_digest,
                "key": "w",
            }
        ]
    members["source"]["graph_digest"] = graph_digest(Plan.from_json(members))
    return World(members, list(adapters), directory, descriptors)


def chain(directory, left=None, right=None, op="relu"):
    left, right = left or SimulatedAdapter("left"), right or SimulatedAdapter("right")
    members = {
        "values": [
            _value("x", "IN", "b", "4"),
            _value("w", "CONST", "4", "4"),
            _value("h", "TEMP", "b", "4"),
            _value("y", "OUT", "b", "4"),
        ],
        "ops": [
            {"target": "cep-core/1:mm", "inputs": ["x", "w"], "outputs": ["h"]},
            {"target": f"cep-core/1:{op}", "inputs": ["h"], "outputs": ["y"]},
        ],
        "inputs": [{"name": "x", "value": "x"}],
        "outputs": [{"name": "y", "value": "y"}],
        "buffers": [
            {"value": "x", "arena": f"{left.name}-ram", "offset": "0", "size": "128"},
            {"value": "h", "arena": f"{left.name}-ram", "offset": "128", "size": "128"},
            {"value": "h", "arena": f"{right.name}-ram", "offset": "0", "size": "128"},
            {"value": "y", "arena": f"{right.name}-ram", "offset": "128", "size": "128"},
        ],
        "steps": [
            {"queue": f"{left.name}-q", "run": {"ops": [0]}, "reads": [0], "writes": [1],
             "estimate": {"p50_ns": "1000", "p99_ns": "2000"}},
            {"queue": f"{right.name}-q", "transfer": {"link": "bus"}, "reads": [1], "writes": [2],
             "waits": [{"queue": f"{left.name}-q", "epoch": 1}]},
            {"queue": f"{right.name}-q", "run": {"ops": [1]}, "reads": [2], "writes": [3]},
        ],
    }  # fmt: skip
    return _world(members, [left, right], directory)


def fork(left=None, right=None):
    left = left or SimulatedAdapter("left", domain="host")
    right = right or SimulatedAdapter("right", domain="host")
    members = {
        "values": [
            _value("x", "IN", "b", "4"),
            _value("a", "TEMP", "b", "4"),
            _value("n", "TEMP", "b", "4"),
            _value("y", "OUT", "b", "4"),
        ],
        "ops": [
            {"target": "cep-core/1:relu", "inputs": ["x"], "outputs": ["a"]},
            {"target": "cep-core/1:neg", "inputs": ["x"], "outputs": ["n"]},
            {"target": "cep-core/1:add.Tensor", "inputs": ["a", "n"], "outputs": ["y"],
             "attributes": [{"name": "alpha", "integer": "1"}]},
        ],
        "inputs": [{"name": "x", "value": "x"}],
        "outputs": [{"name": "y", "value": "y"}],
        "buffers": [
            {"value": "x", "arena": f"{left.name}-ram", "offset": "0", "size": "128"},
            {"value": "a", "arena": f"{left.name}-ram", "offset": "128", "size": "128"},
            {"value": "n", "arena": f"{right.name}-ram", "offset": "0", "size": "128"},
            {"value": "y", "arena": f"{left.name}-ram", "offset": "256", "size": "128"},
        ],
        "steps": [
            {"queue": f"{left.name}-q", "run": {"ops": [0]}, "reads": [0], "writes": [1]},
            {"queue": f"{right.name}-q", "run": {"ops": [1]}, "reads": [0], "writes": [2]},
            {"queue": f"{left.name}-q", "run": {"ops": [2]}, "reads": [1, 2], "writes": [3],
             "waits": [{"queue": f"{right.name}-q", "epoch": 1}]},
        ],
    }  # fmt: skip
    return _world(members, [left, right], None)


def chain_result(x):
    return np.maximum(x @ WEIGHTS, 0)


def fork_result(x):
    return np.maximum(x, 0) - x


def admitted(world):
    """The plan as if it had been verified: for tests of what comes after admission."""
    wanted = [(a.name, d) for a, d in zip(world.adapters, world.descriptors, strict=True)]
    return AdmittedPlan(
        plan=world.plan,
        digest=digest(world.members),
        view=GraphView.of(world.plan),
        devices=_match(wanted, _given(world.adapters)),
        verification=Verification(
            version="acp-cep 0.1.0", ruleset=ruleset(["CEP-I1"]), verdict="ACCEPTED"
        ),
    )


def bound(world, **kwargs):
    """The plan, ready to run."""
    ready = admitted(world)
    store = world.store if world.plan.constants else None
    return BoundPlan(ready, Binder(ready, store), **{"clock": NOW.timestamp, **kwargs})
