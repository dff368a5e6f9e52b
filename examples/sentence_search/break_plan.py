"""Three plausible mistakes in a plan, each of which the verifier must refuse.

    python break_plan.py PLAN.json OUT_DIR

writes the broken plans, unsigned. Each differs from PLAN in one place.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from acp.canonical import canonicalize


def forget_to_wait(plan: dict[str, Any]) -> None:
    """Let a step begin before the step on another device that makes its input has ended."""
    step = next(s for s in plan["steps"] if s.get("waits"))
    del step["waits"]


def overlap(plan: dict[str, Any]) -> None:
    """Save memory by putting what a step makes on top of what it reads."""
    step = next(s for s in plan["steps"] if s.get("reads") and s.get("writes"))
    source, target = plan["buffers"][step["reads"][0]], plan["buffers"][step["writes"][0]]
    target["offset"] = source["offset"]


def skip_an_operation(plan: dict[str, Any]) -> None:
    """Make the model faster by leaving out the scaling of its result."""
    plan["ops"][-1]["inputs"][1] = plan["ops"][-1]["inputs"][0]


MISTAKES = {
    "forgotten-wait": forget_to_wait,
    "overlapping-buffers": overlap,
    "another-model": skip_an_operation,
}

if __name__ == "__main__":
    original = Path(sys.argv[1]).read_bytes()
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for name, mistake in MISTAKES.items():
        broken = json.loads(original)
        mistake(broken)
        (folder / f"{name}.json").write_bytes(canonicalize(broken))
        print(f"wrote {folder / name}.json: {mistake.__doc__}")
