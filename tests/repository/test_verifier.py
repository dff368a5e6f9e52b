"""The verifier stays small enough to be read in one sitting, and light."""

from __future__ import annotations

import subprocess
import sys

MOST_LINES = 2500
HEAVY = {"numpy", "onnx", "onnxruntime", "openvino", "safetensors", "torch", "transformers"}


def test_it_has_less_than_2500_lines(repository):
    files = (repository / "cep" / "verify").glob("*.py")
    assert sum(len(file.read_text().splitlines()) for file in files) < MOST_LINES


def test_it_loads_no_tensor_library():
    program = f"import sys, cep.verify; print(*{HEAVY} & {{*sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == []
