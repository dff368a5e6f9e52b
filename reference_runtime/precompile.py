"""Artifacts: regions compiled ahead of time, and compared with the reference before they are named.

`precompile` turns an admitted plan into one that brings its compiled code along; `recheck` repeats
the comparison that each certificate of a plan speaks of. Both compare on inputs that anybody can
draw again from the certificate alone (CEP-E3).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Final

import numpy as np

from acp.diagnostics import Refused, pointer
from cep.certificate import CHECKER, KIND, Certificate, Regions
from cep.graph import Cutter, GraphView
from cep.reference import evaluate
from cep.v1.plan import Artifact, Evidence
from reference_runtime.adapter import Numeric, NumericClass, Precompiling
from reference_runtime.binding import constants_of, step_region
from reference_runtime.host import DTYPES

if TYPE_CHECKING:
    from cep.expr import Ranges
    from cep.graph import Region
    from cep.opset.definition import TensorType
    from cep.store import Store
    from cep.v1.plan import Plan
    from reference_runtime.adapter import Executable, View
    from reference_runtime.admission import AdmittedPlan
    from reference_runtime.carriers import Progress

FEATURES: Final = ("artifacts", "evidence")


class CertificateError(Refused):
    """Compiled code that is not close enough to the reference (RUN-N2)."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How the inputs of a comparison are drawn.

    Attributes:
        seed: Where they come from, 0 to 2^64 - 1.
        samples: Sizes of the plan's symbols in each comparison.
        integers_below: Integers are drawn from 0 up to this, which is excluded.
    """

    seed: int
    samples: tuple[Mapping[str, int], ...]
    integers_below: int

    @classmethod
    def smallest(cls, ranges: Ranges, *, seed: int, samples: int, integers_below: int) -> Drawing:
        """Return a drawing at the smallest sizes of which none is 0 or 1, where there are such."""
        sizes = {
            name: min(max(-(-max(r.min, 2) // r.divisor) * r.divisor, r.min), r.max)
            for name, r in ranges.items()
        }
        return cls(seed, (sizes,) * samples, integers_below)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One artifact, compared.

    Attributes:
        step: Index of the step that names it.
        slot: Device that loaded it.
        artifact: Its digest.
        nbytes: Its size.
        worst: Largest difference from the reference, in the unit of the plan's numeric class.
        claimed: What the plan's certificate says of that; None where it is new.
    """

    step: int
    slot: str
    artifact: str
    nbytes: int
    worst: int
    claimed: int | None = None


def precompile(
    admitted: AdmittedPlan,
    store: Store,
    drawing: Drawing,
    *,
    progress: Progress = lambda items, _: items,
) -> tuple[Plan, tuple[Comparison, ...]]:
    """Return the plan with its regions compiled, wherever a device's stack can do that ahead.

    The code goes into the store. The plan that comes back is the next revision, not signed.

    Raises:
        CertificateError: Compiled code differs by more than the plan allows (RUN-N2).
        UnsupportedError: A region cannot be compiled (RUN-A3).
        NumericError: A stack cannot keep the numeric class (RUN-N1).
        StoreError: A constant is missing or damaged (CEP-I2).
    """
    bench = _Bench(admitted, store)
    runs = [i for i, s in enumerate(admitted.plan.steps) if s.run and s.run.artifact is None]
    made = [
        one
        for i in progress(runs, "regions compiled and compared")
        if (one := bench.compiled(i, drawing)) is not None
    ]
    return _with(admitted.plan, made), tuple(comparison for _, _, comparison in made)


def recheck(
    admitted: AdmittedPlan,
    store: Store,
    *,
    progress: Progress = lambda items, _: items,
) -> tuple[Comparison, ...]:
    """Repeat the comparisons that the certificates of a plan speak of.

    Alternates are left out: their devices load their artifacts only when a step trips.

    Raises:
        CertificateError: Compiled code differs by more than the plan allows (RUN-N2).
        UnsupportedError: A device does not load its artifact (RUN-A3).
        StoreError: An artifact or a constant is missing or damaged (CEP-I2).
    """
    plan, bench = admitted.plan, _Bench(admitted, store)
    spoken_of = [
        (step, certificate)
        for certificate, steps in _certificates(plan)
        for step in steps
        if (run := plan.steps[step].run) is not None and run.artifact == certificate.artifact
    ]
    found = []
    for number in progress(range(len(spoken_of)), "artifacts compared"):
        step, shown = spoken_of[number]
        drawing = Drawing(shown.seed, shown.samples, shown.integers_below)
        data = store.artifact(shown.artifact)
        found.append(bench.compared(step, data, drawing, claimed=shown.worst))
    return tuple(found)


def _certificates(plan: Plan) -> Iterator[tuple[Certificate, tuple[int, ...]]]:
    for entry in plan.evidence:
        if entry.kind == KIND:
            yield Certificate.of(entry), entry.subject_steps


class _Bench:
    """What comparisons of one plan share."""

    def __init__(self, admitted: AdmittedPlan, store: Store) -> None:
        self._admitted = admitted
        self._plan = admitted.plan
        self._store = store
        self._constants = constants_of(admitted, store)
        self._cutter = Cutter.of(admitted.view)
        self._regions = Regions(admitted.plan)
        self._slots = {queue.id: queue.device for queue in self._plan.queues}
        self._values = [buffer.value for buffer in self._plan.buffers]
        limits = self._plan.constraints
        self._numeric = NumericClass(Numeric(limits.numeric), limits.numeric_tolerance or 0)

    def compiled(self, step: int, drawing: Drawing) -> tuple[Artifact, Evidence, Comparison] | None:
        """Return a region's artifact with its evidence; None where its stack makes none."""
        device = self._admitted.device(self._slots[self._plan.steps[step].queue])
        if not isinstance(device.adapter, Precompiling):
            return None
        region = self._region(step)
        made = device.adapter.precompile(
            region,
            device=device.unit_id,
            constants={name: self._constants[name] for name in region.constants},
            numeric=self._numeric,
        )
        digest = self._store.add_artifact(made.data)
        comparison = self.compared(step, made.data, drawing)
        certificate = Certificate(
            digest,
            self._regions.digest(step),
            drawing.seed,
            drawing.samples,
            drawing.integers_below,
            comparison.worst,
        )
        artifact = Artifact(
            digest=digest,
            media_type=made.media_type,
            abi=made.abi,
            driver_range=made.driver_range,
        )
        evidence = Evidence(
            kind=KIND, subject_steps=(step,), checker=CHECKER, inline=certificate.to_bytes()
        )
        return artifact, evidence, comparison

    def compared(
        self, step: int, data: bytes, drawing: Drawing, *, claimed: int | None = None
    ) -> Comparison:
        """Load an artifact and compare it with the reference on every sample."""
        slot = self._slots[self._plan.steps[step].queue]
        device = self._admitted.device(slot)
        region = self._region(step)
        executable = device.adapter.prepare(
            region,
            device=device.unit_id,
            artifact=data,
            constants={name: self._constants[name] for name in region.constants},
            numeric=self._numeric,
        )
        worst = max(
            self._difference(step, region, executable, drawing, n)
            for n in range(len(drawing.samples))
        )
        limit = self._numeric.tolerance
        if worst > limit:
            raise CertificateError.because(
                "RUN-N2",
                f"{slot}: the compiled region differs from the reference by {worst:g}; the plan "
                f"allows {limit} ({self._numeric.kind}): plan with a wider class, or without "
                "artifacts on this device",
                pointer("steps", step),
            )
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        return Comparison(step, slot, digest, len(data), int(worst), claimed)

    def _difference(
        self, step: int, region: Region, executable: Executable, drawing: Drawing, sample: int
    ) -> float:
        sizes = drawing.samples[sample]
        graph = GraphView.of(self._regions.graph(step))
        inputs = {
            binding.name: drawn(graph.types[binding.value], drawing, sample, position)
            for position, binding in enumerate(graph.inputs)
        }
        given = {binding.value: inputs[binding.name] for binding in graph.inputs}
        views = [given[v] if v in given else self._constants[v] for v in region.inputs]
        outputs = [
            np.empty(_shape(region.types[v], sizes), DTYPES[region.types[v].dtype])
            for v in region.outputs
        ]
        executable.bind(views, outputs, sizes)()
        held = {name: self._constants[name] for name in graph.constants}
        expected = evaluate(graph, inputs, held, np)
        return max(
            difference(self._numeric.kind, found, expected[binding.name])
            for binding, found in zip(graph.outputs, outputs, strict=True)
        )

    def _region(self, step: int) -> Region:
        return step_region(self._cutter, self._plan.steps[step], self._values)


def _with(plan: Plan, made: Sequence[tuple[Artifact, Evidence, Comparison]]) -> Plan:
    """Return the next revision of a plan, with artifacts and their evidence."""
    if not made:
        return plan
    steps = list(plan.steps)
    for artifact, _, comparison in made:
        step = steps[comparison.step]
        run = step.run
        if run is not None:
            named = run.replace(artifact=artifact.digest)
            steps[comparison.step] = step.replace(run=named)
    artifacts = {a.digest: a for a in (*plan.artifacts, *(a for a, _, _ in made))}
    return plan.replace(
        revision=plan.revision + 1,
        features=tuple(sorted({*plan.features, *FEATURES})),
        steps=tuple(steps),
        artifacts=tuple(artifacts.values()),
        evidence=(*plan.evidence, *(e for _, e, _ in made)),
    )


def drawn(tensor: TensorType, drawing: Drawing, sample: int, position: int) -> View:
    """Return the input at a position, drawn as CEP-E3 says.

    Args:
        tensor: Its type.
        drawing: Seed, sizes and limit.
        sample: Number of the sample, from 0.
        position: Number of the input, from 0.
    """
    shape = _shape(tensor, drawing.samples[sample])
    words = np.frombuffer(_stream(drawing.seed, sample, position, 4 * prod(shape)), "<u4")
    dtype = DTYPES[tensor.dtype]
    if dtype.kind == "f":
        elements = words / 2.0**31 - 1.0
    elif dtype.kind == "b":
        elements = words % 2
        elements[:: max(1, shape[-1]) if shape else 1] = 1
    else:
        elements = words % min(drawing.integers_below, 2 ** (8 * min(dtype.itemsize, 4) - 1))
    return elements.astype(dtype).reshape(shape)


def _stream(seed: int, sample: int, position: int, nbytes: int) -> bytes:
    """Return the first bytes of SHA-256 in counter mode."""
    head = b"".join(n.to_bytes(8, "little") for n in (seed, sample, position))
    blocks = (
        hashlib.sha256(head + k.to_bytes(8, "little")).digest() for k in range(-(-nbytes // 32))
    )
    return b"".join(blocks)[:nbytes]


def _shape(tensor: TensorType, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(dim.evaluate(sizes) for dim in tensor.shape)


def difference(kind: Numeric, found: View, expected: View) -> float:
    """Return how far results are apart, rounded up: in the unit of a numeric class.

    BITWISE counts the elements that differ, ULP units in the last place of the expected element,
    RELATIVE parts per billion of its magnitude, or of one where it is smaller. Integers must be
    equal. Infinite where only one of two elements is NaN, or infinite.
    """
    apart = ~((found == expected) | (np.isnan(found) & np.isnan(expected)))
    if kind is Numeric.BITWISE or found.dtype.kind != "f":
        count = float(np.count_nonzero(apart))
        return count if kind is Numeric.BITWISE or not count else math.inf
    if not apart.any():
        return 0.0
    left, right = found[apart].astype(np.float64), expected[apart].astype(np.float64)
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        return math.inf
    if kind is Numeric.ULP:
        units = np.spacing(np.abs(expected[apart])).astype(np.float64)
    else:
        units = np.maximum(1.0, np.abs(right)) / 1e9
    return float(np.ceil(np.max(np.abs(left - right) / units)))
