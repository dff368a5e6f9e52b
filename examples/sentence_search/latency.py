"""The plan's latency beside that of single stacks called directly, measured in one process.

    python latency.py DEMO_DIR

The direct calls use each stack's own importer and its own API on the same exported model, with the
same threads and precision, and nothing of this project. Rounds are interleaved, so that all see
the same machine.
"""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from encoder import exported

from acp.policy import TrustPolicy
from cep.store import Store
from reference_runtime.runtime import Runtime

ROUNDS = 40
BATCH, TOKENS = 8, 64
Inputs = Mapping[str, np.ndarray]


def openvino_direct(program: Any, inputs: Inputs) -> Callable[[], object]:
    """Return a call of OpenVINO on the exported model, at f32."""
    import openvino as ov

    model = ov.convert_model(program)
    options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    request = ov.Core().compile_model(model, "CPU", options).create_infer_request()
    for position, array in enumerate(inputs.values()):
        request.set_input_tensor(position, ov.Tensor(array, shared_memory=True))
    return request.infer


def onnxruntime_direct(program: Any, inputs: Inputs) -> Callable[[], object]:
    """Return a call of ONNX Runtime on the exported model, converted by PyTorch's exporter."""
    import onnxruntime
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    buffer = io.BytesIO()
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(program, (), dynamo=True, verbose=False).save(buffer)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(buffer.getvalue(), options, providers=providers)
    given = {i.name: a for i, a in zip(session.get_inputs(), inputs.values(), strict=True)}
    return lambda: session.run(None, given)


def torch_direct(program: Any, inputs: Inputs) -> Callable[[], object]:
    """Return a call of the exported model in PyTorch eager."""
    import torch

    module = program.module()
    tensors = [torch.from_numpy(array) for array in inputs.values()]

    def call() -> object:
        with torch.inference_mode():
            return module(*tensors)

    return call


def medians(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median time of each call in milliseconds, in interleaved rounds."""
    times: dict[str, list[int]] = {name: [] for name in calls}
    for number in range(ROUNDS + 5):
        for name, call in calls.items():
            began = time.perf_counter_ns()
            call()
            if number >= 5:
                times[name].append(time.perf_counter_ns() - began)
    return {name: statistics.median(found) / 1e6 for name, found in times.items()}


def main() -> None:
    """Print the medians."""
    place = Path(sys.argv[1])
    ids = np.random.default_rng(0).integers(1000, 20000, (BATCH, TOKENS), np.int64)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    policy = TrustPolicy.from_bytes((place / "policy.json").read_bytes())
    descriptors = [f.read_bytes() for f in sorted((place / "descriptors").glob("*.dsse.json"))]
    program = exported()
    calls = {
        "OpenVINO called directly": openvino_direct(program, inputs),
        "ONNX Runtime called directly": onnxruntime_direct(program, inputs),
        "PyTorch eager called directly": torch_direct(program, inputs),
    }
    with Runtime(policy=policy) as runtime:
        bound = runtime.load(
            (place / "plan.dsse.json").read_bytes(),
            descriptors=descriptors,
            store=Store(place / "store"),
        )
        queues = {queue.id: queue.device for queue in bound.plan.queues}
        slots = " then ".join(queues[step.queue] for step in bound.plan.steps)
        found = medians({f"the plan: {slots}": lambda: bound.run(inputs)} | calls)
    best = min(found[name] for name in calls)
    print(f"\n  batch {BATCH}, {TOKENS} tokens, median of {ROUNDS} ({datetime.now(UTC):%Y-%m-%d}):")
    for name, milliseconds in found.items():
        mark = "  <- the best single stack" if milliseconds == best else ""
        print(f"    {milliseconds:8.2f} ms  {name}{mark}")


if __name__ == "__main__":
    main()
