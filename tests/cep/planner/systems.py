"""Random graphs and systems to plan for, and what the planner makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from acp.canonical import canonicalize
from acp.dsse import CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor
from cep.graph import graph_digest
from cep.opset import opset_digest
from cep.planner.compile import Options, compile_plan
from cep.planner.devices import devices
from cep.v1.graph import Graph
from cep.v1.plan import Source
from cep.verify import verify
from tests.cep.plans import NOW, POLICY, descriptor, link, op, sha256, signed, system, value

OPTIONS = {
    "issuer": "example.com",
    "uri": "urn:example:plan",
    "issued_at": datetime(2026, 11, 20, tzinfo=UTC),
}


def graph(ops, *, inputs=("x",), outputs=("y",), constants=(), shape=("b", "4"), most="8"):
    """A graph whose values all have one shape."""
    made = [v for o in ops for v in o["outputs"]]
    return Graph.from_json(
        {
            "spec": "cep/1",
            "opsets": [{"namespace": "cep-core", "version": 1, "schema_digest": opset_digest()}],
            "symbols": [{"name": "b", "min": "0", "max": most}],
            "values": [
                *(value(n, "IN", *shape) for n in inputs),
                *(value(n, "CONST", "4", "4") for n in constants),
                *(value(n, "OUT" if n in outputs else "TEMP", *shape) for n in made),
            ],
            **(
                {"constants": [
                    {"value": n, "digest": sha256(n.encode()), "store_digest": sha256(b""),
                     "key": n} for n in constants
                ]} if constants else {}
            ),
            "ops": ops,
            "inputs": [{"name": n, "value": n} for n in inputs],
            "outputs": [{"name": n, "value": n} for n in outputs],
        }
    )  # fmt: skip


def line(count):
    """x -> relu -> relu … -> y."""
    names = ["x", *(f"v{i}" for i in range(count - 1)), "y"]
    return graph([op("relu", [a], b) for a, b in pairwise(names)])


@dataclass
class System:
    """Devices in memories of their own or shared, and the links between them.

    Attributes:
        descriptors: By name, as JSON values.
        links: As JSON values.
        nodes: Further members of nodes, by name.
    """

    descriptors: dict
    links: list
    nodes: dict = field(default_factory=dict)

    @classmethod
    def of(cls, domains, *, linked=True, **changes):
        """Devices d0, d1 … in the given coherence domains (None: memory of their own)."""
        names = [f"d{i}" for i in range(len(domains))]
        made = {n: descriptor(n, d, **changes) for n, d in zip(names, domains, strict=True)}
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
        return cls(made, [link(f"{a}{b}", a, b) for a, b in pairs] if linked else [])

    @property
    def document(self):
        return SystemDescriptor.from_json(system(self.descriptors, self.links, self.nodes))

    @property
    def devices(self):
        parsed = [CapabilityDescriptor.from_json(d) for d in self.descriptors.values()]
        return devices(self.document, parsed, ())

    def compile(self, made, **options):
        source = Source(graph_digest=graph_digest(made))
        return compile_plan(
            made, source, self.devices, self.document, Options(**OPTIONS, **options)
        )

    def verify(self, plan, **kwargs):
        envelopes = [
            *(signed(d, CAPABILITY_DESCRIPTOR) for d in self.descriptors.values()),
            signed(system(self.descriptors, self.links, self.nodes), SYSTEM_DESCRIPTOR),
        ]
        return verify(
            canonicalize(plan.to_json()),
            descriptors=envelopes, policy=POLICY, now=NOW, unsigned=True, **kwargs,
        )  # fmt: skip
