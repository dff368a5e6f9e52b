"""docs/opset-coverage.md: what is known about every operation of CEP-Core.

``python -m tests.cep.reference.coverage`` runs all OpInfo cases and writes the counts to
docs/opset-coverage.json and the page from them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from cep.opset import NAMESPACE, OPERATIONS, VERSION, opset_digest
from cep.opset.error_classes import ERROR_CLASSES
from cep.reference import FUNCTIONS, class_of
from tests.cep.opset.cases import CASES
from tests.cep.reference.opinfo import tally

DOCS = Path(__file__).resolve().parents[3] / "docs"
JSON = DOCS / "opset-coverage.json"
CAPTURES = DOCS.parent / "benchmarks" / "results" / "coverage.json"
PAGE = DOCS / "opset-coverage.md"
COLUMNS = ("f64", "f32", "exact")
_HEAD = """# What is known about each operation of CEP-Core

Written by `python -m tests.cep.reference.coverage` from [opset-coverage.json](opset-coverage.json).
Do not edit. It covers {namespace}/{version}, digest

```text
{digest}
```

- **Inference**: the type rule gives ATen's shapes and dtypes (`tests/cep/opset/test_inference.py`).
- **Reference**: `cep.reference` computes the operation over any namespace with the common part of
  NumPy 2 and `jax.numpy`.
- **f64, f32, integers and i1**: cases in which the reference, over NumPy, agrees with PyTorch
  {torch} within the bound of the error class, of the cases there are. A case is an ATen call that
  one of PyTorch's OpInfo samples comes down to and that CEP-Core's type rule admits; where CEP-Core
  has an operation with a number, a sample's element and 0.3 are the numbers. `–`: no case, because
  the operation has no such operands or no sample has them.

## Error classes

| Class | Units | Of | Why |
|---|---:|---|---|
{classes}
A unit is the distance from 1 to the next float: 2⁻⁵² in f64, 2⁻²³ in f32. `result` is each element
of the result, `terms` the same with all terms positive, `largest` the largest element of operands
and results. The reference computes in f64 and rounds once, so a bound in f32 is about PyTorch
alone.

{captures}
## Operations

{passed} of {ran} cases passed, over {operations} operations.

| Operation | Inference | Reference | Class | f64 | f32 | integers and i1 |
|---|:---:|:---:|---|---:|---:|---:|
"""


def measure() -> dict[str, Any]:
    """Run all cases, and return the counts."""
    ran, passed, _ = tally()
    return {
        "opset_digest": opset_digest(),
        "torch": torch.__version__.partition("+")[0],
        "operations": {
            o.name: {
                column: {"ran": ran[o.name][column], "passed": passed[o.name][column]}
                for column in COLUMNS
                if o.name in ran and ran[o.name][column]
            }
            for o in sorted(OPERATIONS.values(), key=lambda o: o.name)
        },
    }


def page(counts: dict[str, Any]) -> str:
    """Return the page that shows the counts."""
    operations = counts["operations"]
    cells = [c for row in operations.values() for c in row.values()]
    return _HEAD.format(
        namespace=NAMESPACE,
        version=VERSION,
        digest=counts["opset_digest"],
        torch=counts["torch"],
        classes="".join(
            f"| {n} | {c.units} | {c.of} | {c.why} |\n" for n, c in ERROR_CLASSES.items()
        ),
        passed=sum(c["passed"] for c in cells),
        ran=sum(c["ran"] for c in cells),
        operations=len(operations),
        captures=captures(json.loads(CAPTURES.read_text())),
    ) + "".join(_row(name, row) for name, row in operations.items())


def captures(record: dict[str, Any]) -> str:
    """Return the section about what people write, from what benchmarks.coverage measured."""
    bench, models = record["kernelbench"], record["models"]
    groups = "".join(
        f"| KernelBench {group.replace('level', 'level ')} | {made} of {total} |\n"
        for group, (made, total) in bench["by_group"].items()
    )
    refused = "".join(
        f"- `{name}`: {_plain(reasons[0])}\n"
        for name, reasons in sorted({**bench["refused"], **models["refused"]}.items())
    )
    return _CAPTURES.format(
        groups=groups,
        captured=models["captured"],
        total=models["total"],
        refused=refused,
        operations=record["operations"],
        all=bench["captured"],
        problems=bench["total"],
        commit=bench["commit"][:12],
        torch=record["torch"],
    )


def _plain(reason: str) -> str:
    return reason.partition(": %")[0].replace("<", "").replace(">", "").replace("|", "/")[:160]


_CAPTURES = """## What people write

`python -m benchmarks.coverage --kernelbench DIR` captures the problems of KernelBench
(ScalingIntelligence/KernelBench at {commit}) from a checkout in DIR, and tiny configurations of
{total} architectures of transformers, with PyTorch {torch} and {operations} operations: {all} of
{problems} problems and {captured} of {total} architectures. Models are in inference mode and mostly
on PyTorch's meta device, so capture is counted here, not numbers; each architecture's numbers are
tested in `tests/reference_runtime/test_zoo.py`. Recurrent problems are measured on sequences of 16
elements. Mixtures of experts are set to the implementation `batched_mm`, which picks experts by
index; others depend on the data.

| What | Captured |
|---|---:|
{groups}| architectures of transformers | {captured} of {total} |

Not captured:

{refused}"""


def _row(name: str, row: dict[str, dict[str, int]]) -> str:
    cells = (
        f"`{name}`",
        "yes" if name in CASES else "no",
        "yes" if name in FUNCTIONS else "no",
        class_of(name),
        *(f"{row[c]['passed']} of {row[c]['ran']}" if c in row else "–" for c in COLUMNS),
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    found = measure()
    JSON.write_text(json.dumps(found, indent=1) + "\n")
    PAGE.write_text(page(found))
