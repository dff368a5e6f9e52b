"""Run the benchmarks and write their results: ``python -m benchmarks [NAME...]``."""

from __future__ import annotations

import importlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

NAMES = ("one_region", "per_step", "verifier", "startup", "documents")
RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    """Run those that are named, or all."""
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from benchmarks.workbench import ROOT, Workbench, machine, told

    unknown = set(sys.argv[1:]) - set(NAMES)
    if unknown:
        raise SystemExit(f"no benchmark is called {sorted(unknown)}; there are {', '.join(NAMES)}")
    with told("setting up: keys, probe, model"):
        bench = Workbench.at(ROOT / "out" / "bench")
    for name in sys.argv[1:] or NAMES:
        with told(name):
            result = importlib.import_module(f"benchmarks.{name}").measure(bench)
        RESULTS.mkdir(exist_ok=True)
        record = {
            "benchmark": name,
            "measured_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "machine": machine(),
            **result,
        }
        (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
