"""What CEP-Core covers: ``python -m benchmarks.coverage --kernelbench DIR``.

Captures the 250 problems of KernelBench levels 1 to 3 from a checkout in DIR, and the models of
`tests.cep.capture.zoo`, and counts what `cep.capture.exported.refusals` refuses. Models and inputs
are on PyTorch's meta device, so that nothing is computed and no weight takes memory; where a
constructor reads a number from a tensor, they are on the processor. Every model is in inference
mode. Sequences are shortened where a model unrolls them. The checkout's code is run: use one that
you trust. Writes benchmarks/results/coverage.json; with ``--again`` only what was refused there is
captured anew, which is what a new operation or rewrite can change.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import operator
import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, Final

RESULT: Final = Path(__file__).resolve().parent / "results" / "coverage.json"
LEVELS: Final = (1, 2, 3)
SHORTER: Final = {"sequence_length": 16, "seq_len": 16}
"""Constants of the recurrent problems of level 3 that are made smaller: each step is unrolled."""
NODE: Final = re.compile(r" \(node \w+\)")
RECURRENT: Final = re.compile(r"\d+_(?:VanillaRNN|LSTM|GRU)")


def main() -> None:
    """Capture everything and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kernelbench", type=Path, required=True, metavar="DIR")
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    folder: Path = asked.kernelbench
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.disable(logging.WARNING)
    import torch

    from cep.opset import OPERATIONS, opset_digest
    from tests.cep.capture.zoo import ZOO

    problems = {
        f"level{level}/{path.stem}": (lambda p=path: problem(p))
        for level in LEVELS
        for path in sorted((folder / "KernelBench" / f"level{level}").glob("*.py"))
    }
    before = json.loads(RESULT.read_text()) if asked.again else {"kernelbench": {}, "models": {}}
    record = {
        "benchmark": "coverage",
        "opset_digest": opset_digest(),
        "operations": len(OPERATIONS),
        "torch": torch.__version__.partition("+")[0],
        "kernelbench": {
            "commit": commit(folder) or before["kernelbench"].get("commit", ""),
            "shortened": SHORTER,
            **judged(problems, before["kernelbench"]),
        },
        "models": judged(ZOO, before["models"]),
    }
    RESULT.write_text(json.dumps(record, indent=1) + "\n")


def judged(programs: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what is captured of some models, how many use each operation, and what is refused.

    Args:
        programs: What makes each model and its inputs, by name.
        before: An earlier result; what it does not refuse is captured still, and not tried again.
    """
    from cep.capture.exported import decomposed, refusals

    known = {} if before is None else before
    captured, used, refused = [], Counter[str](known.get("core_operations", {})), {}
    for name, make in programs.items():
        if known and name not in known["refused"]:
            captured.append(name)
            continue
        try:
            program = exported(make())
            reasons = [NODE.sub("", d.message) for d in refusals(program)]
            if not known:
                used.update({str(n.target) for n in decomposed(program).graph.nodes if _is_call(n)})
        except Exception as error:  # noqa: BLE001 - whatever a model makes torch.export raise
            reasons = [f"torch.export: {type(error).__name__}: {error}".splitlines()[0]]
        if reasons:
            refused[name] = list(dict.fromkeys(reasons))
        else:
            captured.append(name)
        print(name, *reasons[:1], file=sys.stderr, flush=True)
    return {
        "total": len(programs),
        "captured": len(captured),
        "by_group": by_group(programs, captured),
        "refused": refused,
        "core_operations": dict(sorted(used.items(), key=lambda item: (-item[1], item[0]))),
    }


def by_group(programs: dict[str, Any], captured: list[str]) -> dict[str, list[int]]:
    """Return how many of how many are captured, by what their names begin with."""
    total = Counter(name.partition("/")[0] for name in programs if "/" in name)
    made = Counter(name.partition("/")[0] for name in captured)
    return {group: [made[group], total[group]] for group in sorted(total)}


def exported(given: tuple[Any, tuple[Any, ...]]) -> Any:
    """Return a model as an exported program."""
    import torch

    model, inputs = given
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(model.eval(), inputs, strict=False)


def problem(path: Path) -> tuple[Any, tuple[Any, ...]]:
    """Return the model of a problem and its inputs, if possible without any elements."""
    import torch

    loaded = module(path)
    for name, value in SHORTER.items() if RECURRENT.match(path.stem) else ():
        if hasattr(loaded, name):
            setattr(loaded, name, value)
    for device in (torch.device("meta"), nullcontext()):
        try:
            with device:
                return loaded.Model(*loaded.get_init_inputs()), tuple(loaded.get_inputs())
        except RuntimeError as error:
            if "meta tensors" not in str(error):
                raise
    raise AssertionError(path)


def module(path: Path) -> ModuleType:
    """Return a problem's module."""
    spec = importlib.util.spec_from_file_location(f"kernelbench_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python module")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def commit(folder: Path) -> str:
    """Return the commit of a checkout, or nothing where git does not know."""
    done = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def _is_call(node: Any) -> bool:
    return node.op == "call_function" and node.target is not operator.getitem


if __name__ == "__main__":
    main()
