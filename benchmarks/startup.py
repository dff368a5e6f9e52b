"""How long a command takes to start: `acp validate` on one descriptor, beside Python with click.

Whole processes, from start to end, in turns. Ratios are to a Python that only imports click, which
is what every command line made with it pays.

Target: at most 4 times that.
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.workbench import BIN, ROOT, Workbench, interleaved, summary

ROUNDS = 20
TARGET_RATIO = 4.0


def measure(bench: Workbench) -> dict[str, object]:
    """Return times of whole processes."""
    example = ROOT / "examples" / "documents" / "capability-descriptor.json"
    lines = {
        "python": [sys.executable, "-c", "pass"],
        "python with click": [sys.executable, "-c", "import click"],
        "acp --version": [str(BIN / "acp"), "--version"],
        "acp validate": [str(BIN / "acp"), "validate", str(example)],
    }
    calls = {
        name: lambda line=line: subprocess.run(line, check=True, capture_output=True)
        for name, line in lines.items()
    }
    times = interleaved(calls, rounds=bench.rounds(ROUNDS), warm=2)
    found = {name: summary(taken) for name, taken in times.items()}
    base = found["python with click"]["p50_ns"]
    return {
        "rows": [
            {"command": name, **taken, "ratio": round(taken["p50_ns"] / base, 2)}
            for name, taken in found.items()
        ],
        "target_ratio": TARGET_RATIO,
    }
