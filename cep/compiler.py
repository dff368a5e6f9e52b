"""The compiler's front door: from a model file and documents about devices to a plan.

`cep compile` and the Python API both come through here. Documents are read without checking their
signatures, since nothing here is believed: the verifier checks them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acp import canonical, documents
from acp.diagnostics import Refused
from acp.dsse import PLAN, Envelope, sign
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.system import SystemDescriptor
from cep.capture.archive import CaptureError
from cep.graph import GraphView, graph_digest
from cep.passes import Pass, Passed, optimize
from cep.planner.compile import Compiled, Options, Phase, compile_plan
from cep.planner.devices import PlanningError, devices
from cep.planner.wellformed import check_graph
from cep.v1.graph import Graph
from cep.v1.plan import Evidence, Plan, Source

if TYPE_CHECKING:
    from acp.keys import PrivateKey
    from cep.store import Store


@dataclass(frozen=True, slots=True)
class DeviceDocuments:
    """What is known about the devices, unverified.

    Attributes:
        descriptors: Capability descriptors.
        records: Measurement records.
        systems: System descriptors.
    """

    descriptors: tuple[CapabilityDescriptor, ...]
    records: tuple[MeasurementRecord, ...]
    systems: tuple[SystemDescriptor, ...]

    @classmethod
    def read(cls, files: Iterable[bytes]) -> DeviceDocuments:
        """Read documents, bare or in envelopes; other kinds of documents are passed over.

        Raises:
            Refused: A file is not strict JSON, or a document about devices is malformed.
        """
        found = [_document(data) for data in files]
        return cls(
            descriptors=tuple(d for d in found if isinstance(d, CapabilityDescriptor)),
            records=tuple(d for d in found if isinstance(d, MeasurementRecord)),
            systems=tuple(d for d in found if isinstance(d, SystemDescriptor)),
        )

    def only_system(self) -> SystemDescriptor:
        """Return the one system descriptor.

        Raises:
            PlanningError: There is none, or there are several (CEP-X4).
        """
        if len(self.systems) != 1:
            raise PlanningError.because(
                "CEP-X4",
                f"{len(self.systems)} system descriptors were given; one says what to plan for",
            )
        return self.systems[0]


@dataclass(frozen=True, slots=True)
class CapturedModel:
    """A graph, where it came from, and how long that took.

    Attributes:
        graph: The graph document.
        source: What a plan says of where it came from.
        phase: The capture, for people to see.
    """

    graph: Graph
    source: Source
    phase: Phase


@dataclass(frozen=True, slots=True)
class CompiledModel(Compiled):
    """A plan for a model, the graph as it was captured, and how the plan came about.

    Attributes:
        passed: What the passes over the graph did, in order.
    """

    passed: tuple[Passed, ...]


def capture_model(model: Path, store: Store) -> CapturedModel:
    """Return the graph of a model, and put its weights into the store.

    Args:
        model: What `torch.export.save` wrote (``.pt2``), or a graph document (``.json``), whose
            weights are in the store already.
        store: Where weights go.

    Raises:
        CaptureError: The model cannot be captured (CEP-X1 to CEP-X3), or read (ENV-F1).
        Refused: The graph document is malformed, or the store cannot be written (ENV-F2).
    """
    began = time.perf_counter()
    if model.suffix == ".json":
        try:
            data = model.read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            raise CaptureError.because("ENV-F1", f"cannot be read: {reason}") from None
        graph = documents.load(data, Graph, (Plan,))
        source = Source(graph_digest=graph_digest(graph))
        outcome = f"{len(graph.ops)} operations of CEP-Core, as they were captured before"
    else:
        from cep.capture.archive import load
        from cep.capture.exported import capture

        captured = capture(load(model))
        store.add(captured.weights)
        graph = captured.graph
        source = captured.source(graph_digest(graph))
        outcome = (
            f"{captured.nodes_before} nodes of {captured.tool} became {len(graph.ops)} operations "
            "of CEP-Core"
        )
    return CapturedModel(graph, source, Phase("capture", time.perf_counter() - began, outcome))


def compile_model(
    model: Path,
    known: DeviceDocuments | Iterable[bytes],
    *,
    store: Store,
    options: Options,
    system: SystemDescriptor | None = None,
    passes: Sequence[Pass] = (),
) -> CompiledModel:
    """Return a plan for a model, unsigned and unverified.

    Args:
        model: As `capture_model` takes it.
        known: Documents about devices: descriptors, the measurements they refer to, the system.
        store: Where weights go.
        options: What the caller decides.
        system: The devices to plan for; the one system among `known` where nothing is said.
        passes: What to do with the graph first; the plan carries the log of it.

    Raises:
        Refused: As `capture_model`; a document is malformed; or there is no plan (CEP-X4 to X6).
    """
    about = known if isinstance(known, DeviceDocuments) else DeviceDocuments.read(known)
    system = system or about.only_system()
    usable = devices(system, about.descriptors, about.records)
    captured = capture_model(model, store)
    check_graph(GraphView.of(captured.graph))
    exact = options.promises.numeric == "BITWISE"
    optimized = optimize(captured.graph, passes, store, exact=exact)
    compiled = compile_plan(optimized.graph, captured.source, usable, system, options)
    phases = (Phase(p.name, p.seconds, p.outcome) for p in optimized.passed)
    return CompiledModel(
        _with_evidence(compiled.plan, optimized.evidence),
        captured.graph,
        compiled.stretches,
        (captured.phase, *phases, *compiled.phases),
        optimized.passed,
    )


def _with_evidence(plan: Plan, evidence: Evidence | None) -> Plan:
    if evidence is None:
        return plan
    features = tuple(sorted({*plan.features, "evidence"}))
    return plan.replace(features=features, evidence=(*plan.evidence, evidence))


def plan_bytes(plan: Plan) -> bytes:
    """Return the one encoding of a plan (CEP-I3)."""
    return canonical.canonicalize(plan.to_json())


def sign_plan(plan: Plan, *keys: PrivateKey) -> bytes:
    """Return a plan in its signed envelope."""
    return sign(plan_bytes(plan), PLAN, keys).to_bytes()


def _document(data: bytes) -> object:
    value = canonical.decode(data)
    if isinstance(value, dict) and "payloadType" in value:
        data = Envelope.from_bytes(data).payload
        value = canonical.decode(data)
    kinds = (CapabilityDescriptor, MeasurementRecord, SystemDescriptor)
    try:
        kind = documents.identify(value, tuple(documents.SIGNED.values()))
    except Refused:
        return None
    return kind.from_text(data) if kind in kinds else None
