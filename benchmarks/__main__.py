"""Run the benchmarks and write their results: ``python -m benchmarks [--quick] [NAME...]``.

With ``--quick`` every benchmark takes a few rounds only, and its results say so: enough to see that
everything works, too few to be quoted.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

NAMES = ("one_region", "per_step", "verifier", "startup", "documents", "fuzz", "fuzz_documents")
RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    """Run those that are named, or all."""
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from benchmarks.workbench import ROOT, Workbench, machine, told

    names = [word for word in sys.argv[1:] if word != "--quick"]
    quick = len(names) < len(sys.argv[1:])
    unknown = set(names) - set(NAMES)
    if unknown:
        raise SystemExit(f"no benchmark is called {sorted(unknown)}; there are {', '.join(NAMES)}")
    bench = Workbench(ROOT / "out" / "bench", quick=quick)
    for name in names or NAMES:
        with told(name):
            result = importlib.import_module(f"benchmarks.{name}").measure(bench)
        RESULTS.mkdir(exist_ok=True)
        record = {
            "benchmark": name,
            "measured_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "quick": quick,
            "machine": machine(),
            **result,
        }
        (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
