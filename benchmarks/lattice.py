"""Valid signed plans of any length, and a device whose steps cost next to nothing.

A lattice has `lanes` devices, each with memory and a queue of its own. In each layer, a lane copies
what its neighbour made in the layer before, and takes the maximum with what it made itself::

    lane 0   v0.0 -- max -- v1.0 -- max -- v2.0 ...   one TRANSFER and one RUN a lane and layer;
                  X copies       X copies             each waits for its neighbour, places are used
    lane 1   v0.1 -- max -- v1.1 -- max -- v2.1 ...   again as soon as happens-before allows it

With one lane there is nobody to copy from, and each step negates what the one before it made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from acp.canonical import canonicalize, digest
from acp.dsse import CAPABILITY_DESCRIPTOR, PLAN, RECEIPT, SYSTEM_DESCRIPTOR, sign
from acp.keys import PrivateKey
from acp.policy import Grant, TrustedKey, TrustPolicy
from acp.v1.capability import (
    CapabilityDescriptor,
    Engine,
    Memory,
    Operand,
    OperatingPoint,
    Operation,
    OperationVariant,
    Provenance,
    Software,
    Subject,
)
from acp.v1.system import SystemDescriptor
from cep.graph import Region, graph_digest
from cep.opset import opset_digest
from cep.v1.plan import Plan
from reference_runtime.adapter import DescribedDevice, NumericClass, Support, Thunk, View
from reference_runtime.host import HostAdapter

ISSUER = "bench.example"
MEANING = {"cep-core/1:neg": np.negative, "cep-core/1:maximum": np.maximum}
BATCH = 4


@dataclass(frozen=True, slots=True)
class Lattice:
    """A signed plan, with everything that is needed to verify and to run it.

    Attributes:
        plan: The signed plan.
        descriptors: Signed descriptors of the devices, and of the system.
        policy: Trusts the one key.
        key: Signed everything.
        steps: Number of steps.
        lanes: Number of devices and queues.
        width: Elements of each row of a value.
    """

    plan: bytes
    descriptors: tuple[bytes, ...]
    policy: TrustPolicy
    key: PrivateKey
    steps: int
    lanes: int
    width: int

    def inputs(self) -> dict[str, View]:
        """Return admissible inputs."""
        shape = (BATCH, self.width)
        return {f"x{lane}": np.ones(shape, np.float32) for lane in range(self.lanes)}


class TinyAdapter(HostAdapter):
    """A device that computes one element-wise operation a step, with NumPy.

    Attributes:
        thunks: Every thunk that was bound, in the order of binding: the work without the runtime.
    """

    simulated = True

    def __init__(self, name: str, *, idle: bool = False, memory_bytes: int = 2**30) -> None:
        """Set the name.

        Args:
            name: Name of the adapter and of its device.
            idle: Steps do nothing at all.
            memory_bytes: Capacity that the device claims.
        """
        self.name = name
        self.idle = idle
        self.memory_bytes = memory_bytes
        self.thunks: list[Thunk] = []

    def describe(self) -> Sequence[DescribedDevice]:
        """Return the one device."""
        claimed = {"*": Operand(dtypes=("f32",))}
        return [
            DescribedDevice(
                subject=Subject(
                    scope="UNIT",
                    vendor=ISSUER,
                    model="Tiny",
                    device_class="cpu",
                    unit_id=f"tiny:{self.name}",
                ),
                operating_point=OperatingPoint(name="default"),
                software=(Software(component="numpy", version_range=f"=={np.__version__}"),),
                engines=(Engine(id="alu", kind="VECTOR"),),
                memories=(
                    Memory(
                        id="ram",
                        kind="ddr5",
                        role="DEVICE",
                        instances=1,
                        capacity_bytes_per_instance=self.memory_bytes,
                    ),
                ),
                ops=tuple(
                    Operation(op=op, variants=(OperationVariant(engine="alu", operands=claimed),))
                    for op in MEANING
                ),
                provenance=(Provenance(paths=("",), basis="DERIVED"),),
            )
        ]

    def supports(self, region: Region) -> Support:
        """Say which operations are missing."""
        return Support(tuple(n.target for n in region.nodes if n.target not in MEANING))

    def prepare(
        self,
        region: Region,
        *,
        device: str,
        artifact: bytes | None,
        constants: Mapping[str, View],
        numeric: NumericClass,
    ) -> _Tiny:
        """Return the region's one operation."""
        del device, artifact, constants, numeric
        return _Tiny(self, region)


@dataclass(frozen=True, slots=True)
class _Tiny:
    adapter: TinyAdapter
    region: Region

    def bind(
        self, inputs: Sequence[View], outputs: Sequence[View], sizes: Mapping[str, int]
    ) -> Thunk:
        del sizes
        (node,) = self.region.nodes
        function: Callable[..., Any] = MEANING[node.target]
        work = _nothing if self.adapter.idle else partial(function, *inputs, out=outputs[0])
        self.adapter.thunks.append(work)
        return work


def _nothing() -> None:
    """Do nothing."""


def lattice(steps: int, *, lanes: int = 1, width: int = 4, idle: bool = False) -> Lattice:
    """Return a plan of about `steps` steps: a multiple of twice the number of lanes, if several.

    Args:
        steps: How many steps.
        lanes: How many devices and queues.
        width: Elements of each row of a value; a value has `BATCH` rows at most.
        idle: For devices whose steps do nothing; says nothing about the plan.
    """
    key = PrivateKey.generate()
    term = _term()
    size = BATCH * width * 4
    devices = adapters(lanes, idle=idle, memory_bytes=max(2**30, 64 * lanes * size))
    described = [_descriptor(adapter, term) for adapter in devices]
    layers = steps if lanes == 1 else max(1, -(-steps // (2 * lanes)))
    members = {
        "spec": "cep/1",
        "uri": f"https://{ISSUER}/plans/lattice",
        "revision": "1",
        "issuer": ISSUER,
        **term,
        "source": {"graph_digest": "sha256:" + "0" * 64},
        "opsets": [{"namespace": "cep-core", "version": 1, "schema_digest": opset_digest()}],
        "symbols": [{"name": "b", "min": "1", "max": str(BATCH)}],
        "devices": [
            {"slot": adapter.name, "descriptor_digest": digest(document.to_json())}
            for adapter, document in zip(devices, described, strict=True)
        ],
        "arenas": [
            {
                "id": f"ram{lane}",
                "device": adapter.name,
                "memory": "ram",
                "bytes": str((lanes + 4) * size),
                "alignment_bytes": "16",
            }
            for lane, adapter in enumerate(devices)
        ],
        "queues": [
            {"id": f"q{lane}", "device": adapter.name, "kind": "COMPUTE"}
            for lane, adapter in enumerate(devices)
        ],
        "constraints": {"numeric": "RELATIVE", "numeric_tolerance": "10000"},
        **_body(layers, lanes, width, size),
    }
    members["source"] = {"graph_digest": graph_digest(Plan.from_json(members))}
    return Lattice(
        plan=_signed(members, PLAN, key),
        descriptors=(
            *(_signed(one.to_json(), CAPABILITY_DESCRIPTOR, key) for one in described),
            _signed(_system(devices, described, term).to_json(), SYSTEM_DESCRIPTOR, key),
        ),
        policy=_policy(key),
        key=key,
        steps=len(members["steps"]),
        lanes=lanes,
        width=width,
    )


def adapters(lanes: int, *, idle: bool = False, memory_bytes: int = 2**30) -> list[TinyAdapter]:
    """Return the devices of a lattice."""
    return [TinyAdapter(f"d{i}", idle=idle, memory_bytes=memory_bytes) for i in range(lanes)]


def _term() -> dict[str, str]:
    now = datetime.now(UTC).replace(microsecond=0)
    moments = {"issued_at": now - timedelta(days=1), "expires_at": now + timedelta(days=1)}
    return {name: moment.strftime("%Y-%m-%dT%H:%M:%SZ") for name, moment in moments.items()}


def _signed(members: Any, kind: str, key: PrivateKey) -> bytes:
    return sign(canonicalize(members), kind, [key]).to_bytes()


def _policy(key: PrivateKey) -> TrustPolicy:
    grant = Grant(
        document_types=(CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR, PLAN, RECEIPT),
        issuers=(ISSUER,),
        keyids=(key.public.keyid,),
    )
    return TrustPolicy(spec="acp-trust/1", keys=(TrustedKey.of(key.public),), grants=(grant,))


def _descriptor(adapter: TinyAdapter, term: Mapping[str, str]) -> CapabilityDescriptor:
    (described,) = adapter.describe()
    return CapabilityDescriptor(
        spec="acp/1",
        uri=f"https://{ISSUER}/units/{adapter.name}",
        revision=1,
        issuer=ISSUER,
        issued_at=term["issued_at"],
        expires_at=term["expires_at"],
        subject=described.subject,
        operating_point=described.operating_point,
        software=described.software,
        engines=described.engines,
        memories=described.memories,
        ops=described.ops,
        provenance=described.provenance,
    )


def _system(
    devices: Sequence[TinyAdapter],
    described: Sequence[CapabilityDescriptor],
    term: Mapping[str, str],
) -> SystemDescriptor:
    """Return the ring of devices."""
    links = [
        {
            "id": f"link{lane}",
            "a": {"node": devices[(lane + 1) % len(devices)].name},
            "b": {"node": devices[lane].name},
            "kind": "pcie5",
            "a_to_b_bytes_per_s": "1000000000",
            "b_to_a_bytes_per_s": "1000000000",
        }
        for lane in range(len(devices))
    ]
    members: dict[str, Any] = {
        "spec": "acp/1",
        "uri": f"https://{ISSUER}/systems/ring",
        "revision": "1",
        "issuer": ISSUER,
        **term,
        "nodes": [
            {"id": adapter.name, "descriptor_digest": digest(document.to_json())}
            for adapter, document in zip(devices, described, strict=True)
        ],
        **({"links": links} if len(devices) > 1 else {}),
    }
    return SystemDescriptor.from_json(members)


def _body(layers: int, lanes: int, width: int, size: int) -> dict[str, Any]:
    """Return values, operations, buffers and steps.

    What lane q makes in layer l is read by its neighbour in layer l + 1. It takes `lanes` layers
    until the neighbour's step is certain to have ended, so a lane has that many places, at least 2.
    """
    ring = max(lanes, 2)
    values: list[dict[str, Any]] = []
    ops: list[dict[str, Any]] = []
    buffers: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    made: dict[tuple[int, int], int] = {}

    def place(value: str, lane: int, slot: int) -> int:
        buffers.append(
            {"value": value, "arena": f"ram{lane}", "offset": str(slot * size), "size": str(size)}
        )
        return len(buffers) - 1

    for layer in range(layers + 1):
        role = "IN" if layer == 0 else "OUT" if layer == layers else "TEMP"
        for lane in range(lanes):
            name = f"v{layer}.{lane}"
            shape = ["b", str(width)]
            values.append({"id": name, "dtype": "f32", "shape": shape, "role": role})
            slot = ring if layer == 0 else layer % ring
            made[layer, lane] = place(name, lane, slot)
    for layer in range(1, layers + 1):
        for lane in range(lanes):
            neighbour = (lane + 1) % lanes
            own, other = f"v{layer - 1}.{lane}", f"v{layer - 1}.{neighbour}"
            reads = [made[layer - 1, lane]]
            if lanes > 1:
                copied = place(other, lane, ring + 1)
                transfer: dict[str, Any] = {
                    "queue": f"q{lane}",
                    "transfer": {"link": f"link{lane}"},
                    "reads": [made[layer - 1, neighbour]],
                    "writes": [copied],
                }
                if layer > 1:
                    transfer["waits"] = [{"queue": f"q{neighbour}", "epoch": 2 * (layer - 1)}]
                steps.append(transfer)
                reads.append(copied)
            target = "maximum" if lanes > 1 else "neg"
            operands = [own, other] if lanes > 1 else [own]
            ops.append(
                {
                    "target": f"cep-core/1:{target}",
                    "inputs": operands,
                    "outputs": [f"v{layer}.{lane}"],
                }
            )
            steps.append(
                {
                    "queue": f"q{lane}",
                    "run": {"ops": [len(ops) - 1]},
                    "reads": reads,
                    "writes": [made[layer, lane]],
                }
            )
    return {
        "values": values,
        "ops": ops,
        "buffers": buffers,
        "steps": steps,
        "inputs": [{"name": f"x{lane}", "value": f"v0.{lane}"} for lane in range(lanes)],
        "outputs": [{"name": f"y{lane}", "value": f"v{layers}.{lane}"} for lane in range(lanes)],
    }
