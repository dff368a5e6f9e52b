"""Fuzzing: a million inputs that nobody would write.

The decoder and the verifier are given what `tests.fuzz` makes: plans, envelopes, descriptors and
files of weights, with bits flipped, bytes cut, moved and repeated, tokens of JSON exchanged for
numbers and strings that parsers fear, members changed, repeated, emptied and nested, Base64
respelt; mutants of valid plans; and any of these under a good signature, so that they get past it.
Where the plan was changed, the digest of its graph is mostly made to fit again. Every input must
get a verdict: accepted, or refused with codes that the specifications know. What raises, takes more
than two seconds, or makes the process larger than a gibibyte is a failure, and so is a decoded
value that other readers of JSON don't find. *Accepted* are changes that leave a valid plan, such as
those of a name. Inputs start from the conformance vectors of plans; with the same vectors, one is a
function of the seed and its number, and ``python -m tests.fuzz --seed 1 --only N`` makes it again.

Target: no failure.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.fuzz.harness import fuzz

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.workbench import Workbench
    from tests.fuzz.harness import Tally

INPUTS = 1_000_000
QUICK = 5_000
SEED = 1
WORKERS = 2


def measure(bench: Workbench) -> dict[str, object]:
    """Return what became of the inputs."""
    return told(lambda: fuzz(QUICK if bench.quick else INPUTS, SEED, workers=WORKERS))


def told(run: Callable[[], Tally]) -> dict[str, object]:
    """Return what a run saw, and how long it took."""
    began = time.monotonic()
    tally = run()
    slow_ns, slow_at, slow_kind = tally.slowest
    grown, grown_at, grown_kind = tally.largest
    return {
        "seed": SEED,
        "inputs": tally.inputs,
        "bytes": tally.bytes,
        "workers": WORKERS,
        "wall_ns": round((time.monotonic() - began) * 1e9),
        "mean_ns": tally.busy_ns // max(1, tally.inputs),
        "slowest": {"ns": slow_ns, "input": slow_at, "kind": slow_kind},
        "largest_growth": {"bytes": grown, "input": grown_at, "kind": grown_kind},
        "peak_bytes": tally.peak_bytes,
        "failures": [
            {"input": number, "kind": kind, "problem": problem.strip().splitlines()[-1]}
            for number, kind, problem in tally.failures
        ],
        "kinds": dict(sorted(tally.kinds.items())),
        "codes": dict(sorted(tally.codes.items())),
    }
