"""Fuzzing documents: a hundred thousand in JSON, YAML, protobuf and envelopes.

The documents of the conformance vectors, most of them without a fault, are changed in the ways
that the parsers of each form fear: bits, bytes, tokens and members as above; lines, indentation,
anchors, tags, directives, quotes and disputed scalars of YAML; fields, lengths, tags and nesting of
protobuf's encoding; and noise. Every input must end in a document or a diagnostic with a code that
the specifications know. What is taken for a document is judged by all rules, written in every form,
and read again: its digest must stay, and another parser of YAML must find the same. What raises,
takes more than two seconds of processor time, or makes the process larger than a gibibyte is a
failure.
``python -m tests.fuzz --corpus documents --seed 1 --only N`` makes an input again.

Target: no failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.fuzz import QUICK, SEED, WORKERS, told
from tests.fuzz.harness import fuzz

if TYPE_CHECKING:
    from benchmarks.workbench import Workbench

INPUTS = 100_000


def measure(bench: Workbench) -> dict[str, object]:
    """Return what became of the inputs."""
    count = QUICK if bench.quick else INPUTS
    return told(lambda: fuzz(count, SEED, workers=WORKERS, corpus="documents"))
