"""Certificates of compiled code: what was compared with what, on which inputs, and how far apart.

A certificate says enough that whoever has the artifact can repeat the comparison: the region by its
digest, the seed and the sizes of the samples. `spec/cep.md`, CEP-E3, defines how inputs are drawn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from acp import canonical
from acp.diagnostics import Refused
from cep.graph import graph_digest
from cep.v1.graph import Binding, Graph

if TYPE_CHECKING:
    from cep.v1.plan import Evidence, Plan

KIND: Final = "differential"
CHECKER: Final = "cep-differential-1"
MAX_SAMPLES: Final = 1024
MAX_BELOW: Final = 2**31

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,19}")


@dataclass(frozen=True, slots=True)
class Certificate:
    """The outcome of comparing an artifact with the reference semantics of its region.

    Attributes:
        artifact: Digest of the compiled code.
        region: Digest of the region, as `Regions.digest` computes it.
        seed: Where the inputs come from, 0 to 2^64 - 1.
        samples: Sizes of the plan's symbols in each comparison.
        integers_below: Integers are drawn from 0 up to this, which is excluded.
        worst: Largest difference, in the unit of the plan's numeric class.
    """

    artifact: str
    region: str
    seed: int
    samples: tuple[Mapping[str, int], ...]
    integers_below: int
    worst: int

    @classmethod
    def of(cls, evidence: Evidence) -> Certificate:
        """Read the certificate that an entry of `evidence` holds.

        Raises:
            ValueError: It holds none, or not in its one form.
        """
        if evidence.checker != CHECKER or evidence.inline is None:
            raise ValueError(f"it must be inline, and its checker {CHECKER}")
        try:
            value = canonical.decode(evidence.inline)
        except Refused as refusal:
            raise ValueError(str(refusal.diagnostics[0])) from None
        if not isinstance(value, dict) or canonical.canonicalize(value) != evidence.inline:
            raise ValueError("it is not an object in canonical form")
        match value:
            case {
                "artifact": str(artifact),
                "region": str(region),
                "seed": str(seed),
                "samples": list(samples),
                "integers_below": str(below),
                "worst": str(worst),
            } if len(value) == 6 and 1 <= len(samples) <= MAX_SAMPLES:  # noqa: PLR2004 - members
                if not all(map(_DIGEST.fullmatch, (artifact, region))):
                    raise ValueError("a digest is malformed")
                found = cls(
                    artifact,
                    region,
                    _number(seed),
                    tuple(_sizes(sample) for sample in samples),
                    _number(below),
                    _number(worst),
                )
                if found.seed >= 2**64 or not 1 <= found.integers_below <= MAX_BELOW:
                    raise ValueError("seed or integers_below is out of range")
                return found
        raise ValueError("it has not the members of a certificate")

    def to_bytes(self) -> bytes:
        """Return the one form of the certificate."""
        return canonical.canonicalize(
            {
                "artifact": self.artifact,
                "region": self.region,
                "seed": str(self.seed),
                "samples": [{s: str(n) for s, n in sizes.items()} for sizes in self.samples],
                "integers_below": str(self.integers_below),
                "worst": str(self.worst),
            }
        )


def _number(text: object) -> int:
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise ValueError("a number is not a string of decimal digits")
    return int(text)


def _sizes(sample: object) -> Mapping[str, int]:
    match sample:
        case dict():
            return {symbol: _number(size) for symbol, size in sample.items()}
    raise ValueError("a sample is not an object of sizes by symbol")


@dataclass
class Regions:
    """The regions of a plan as graphs of their own.

    Attributes:
        plan: The plan; its references resolve.
    """

    plan: Plan
    _digests: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._constants = {c.value: c for c in self.plan.constants}
        self._values = {v.id: v for v in self.plan.values}

    def graph(self, step: int) -> Graph:
        """Return the region of a RUN step.

        Its inputs are the values of the buffers that the step reads, constants aside, in their
        order, by the names ``in0``, ``in1``, …; its outputs those that it writes: ``out0``, ….
        """
        body = self.plan.steps[step]
        ops = tuple(self.plan.ops[i] for i in (body.run.ops if body.run else ()))
        used = dict.fromkeys(v for op in ops for v in (*op.inputs, *op.outputs))
        read = [self.plan.buffers[i].value for i in body.reads]
        return Graph(
            spec=self.plan.spec,
            opsets=self.plan.opsets,
            symbols=self.plan.symbols,
            values=tuple(self._values[v] for v in used),
            constants=tuple(self._constants[v] for v in used if v in self._constants),
            ops=ops,
            inputs=_bindings("in", [v for v in read if v not in self._constants]),
            outputs=_bindings("out", [self.plan.buffers[i].value for i in body.writes]),
        )

    def digest(self, step: int) -> str:
        """Return the graph digest of the region of a RUN step (spec/cep.md, section 6).

        Raises:
            GraphError: The region reads what is neither in its buffers nor made by it.
        """
        if step not in self._digests:
            graph = self.graph(step)
            read = (self.plan.buffers[i].value for i in self.plan.steps[step].reads)
            # Code takes its operands in the order of `reads`, so that it matters where weights are.
            held = tuple(
                Binding(name=f"read{place}", value=value)
                for place, value in enumerate(read)
                if value in self._constants
            )
            told = graph.replace(outputs=(*graph.outputs, *held))
            self._digests[step] = graph_digest(told)
        return self._digests[step]


def _bindings(prefix: str, values: Sequence[str]) -> tuple[Binding, ...]:
    return tuple(Binding(name=f"{prefix}{i}", value=value) for i, value in enumerate(values))
