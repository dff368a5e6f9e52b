"""How much a plan costs over calling the device's own stack directly.

One region, one device: the runtime adds what it checks, copies and records. The direct call uses
the stack's own importer and its own API on the same exported model (the sentence encoder of the
demo), with the same precision and threads, on inputs that are already in place, with outputs that
stay where they are; it uses nothing of this project. *To the usual call* is the ratio to the call
with which the stack's manual begins: arrays in, new arrays out, as `BoundPlan.run` does. All are
measured in turns in one process, each with weights of its own; a turn is a few calls in a row, the
first of which does not count; the ratio is the median over the rounds of plan to the mean of two
direct calls. These are instances of the same, one made before the plan was loaded and one after;
*direct to itself* is the ratio between them, and tells how far two things that are equal differ
here. A ratio below 1 does not say that the runtime takes no time: the region reaches the stack as a
graph of core operations, which some stacks run faster than what their importer makes of the
original. What the runtime itself takes is told apart: *outside the steps* is all of a run but the
stack's own work. It is several times what an empty run takes (see dispatch), because a model that
has just streamed its weights through the caches leaves nothing of the runtime in them.

Target: a ratio of at most 1.02.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.workbench import (
    EXAMPLE,
    SLOTS,
    Workbench,
    interleaved,
    paired_difference,
    paired_ratio,
    quiet,
    summary,
)

if TYPE_CHECKING:
    from reference_runtime.runtime import BoundPlan

SHAPES = ((1, 16, 100, 5), (8, 64, 20, 4), (32, 128, 6, 3))
"""Texts, tokens of each text, rounds, calls a turn."""

TARGET = 1.02
Inputs = Mapping[str, "np.ndarray[Any, Any]"]
Caller = Callable[[Any, Inputs], Callable[[], object]]


def torch_direct(program: Any, inputs: Inputs) -> Callable[[], object]:
    """Return a call of the exported program in PyTorch eager."""
    import torch

    module = program.module()
    tensors = [torch.from_numpy(array) for array in inputs.values()]

    def call() -> object:
        with torch.inference_mode():
            return module(*tensors)

    return call


def torch_usual(program: Any, inputs: Inputs) -> Callable[[], object]:
    """Return a call that takes arrays and returns them."""
    import torch

    module = program.module()

    def call() -> object:
        with torch.inference_mode():
            made = module(*map(torch.from_numpy, inputs.values()))
        return {name: tensor.numpy() for name, tensor in made.items()}

    return call


def onnx_model(program: Any) -> bytes:
    """Return the program as an ONNX model, through PyTorch's own exporter."""
    import torch

    buffer = io.BytesIO()
    torch.onnx.export(program, (), dynamo=True, verbose=False).save(buffer)
    return buffer.getvalue()


def onnxruntime_session(model: bytes) -> Any:
    """Return a session of ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def onnxruntime_direct(session: Any, inputs: Inputs) -> Callable[[], object]:
    """Return a call with bound inputs and outputs, ONNX Runtime's fastest."""
    binding = session.io_binding()
    for given, array in zip(session.get_inputs(), inputs.values(), strict=True):
        binding.bind_cpu_input(given.name, array)
    rows = next(iter(inputs.values())).shape[0]
    result = np.empty((rows, 384), np.float32)
    binding.bind_output(
        session.get_outputs()[0].name, "cpu", 0, np.float32, result.shape, result.ctypes.data
    )
    keep = (binding, result)
    return lambda: session.run_with_iobinding(keep[0])


def onnxruntime_usual(session: Any, inputs: Inputs) -> Callable[[], object]:
    """Return the call that ONNX Runtime's manual begins with."""
    names = [given.name for given in session.get_inputs()]
    return partial(session.run, None, dict(zip(names, inputs.values(), strict=True)))


def openvino_model(program: Any) -> Any:
    """Return OpenVINO's compiled model of the program, at f32."""
    import openvino as ov

    options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    return ov.Core().compile_model(ov.convert_model(program), "CPU", options)


def openvino_direct(model: Any, inputs: Inputs) -> Callable[[], object]:
    """Return a call of an infer request whose tensors are set, OpenVINO's fastest."""
    import openvino as ov

    request = model.create_infer_request()
    for position, array in enumerate(inputs.values()):
        request.set_input_tensor(position, ov.Tensor(array, shared_memory=True))
    rows = next(iter(inputs.values())).shape[0]
    result = np.empty((rows, 384), np.float32)
    request.set_output_tensor(0, ov.Tensor(result, shared_memory=True))
    return partial(_infer, request, result)


def _infer(request: Any, result: object) -> object:
    request.infer(share_outputs=True)
    return result


def openvino_usual(model: Any, inputs: Inputs) -> Callable[[], object]:
    """Return the call that OpenVINO's manual begins with."""
    return partial(model, list(inputs.values()))


def measure(bench: Workbench) -> dict[str, object]:
    """Return times and ratios by stack and shape."""
    from acp.policy import TrustPolicy
    from cep.store import Store
    from reference_runtime.runtime import Runtime

    bench.set_up()
    sys.path.insert(0, str(EXAMPLE))
    from encoder import exported

    with quiet():
        program = exported()
        model = onnx_model(program)
    stacks: dict[str, tuple[Callable[[], Any], Caller, Caller]] = {
        "torch-cpu": (lambda: program, torch_direct, torch_usual),
        "onnxruntime-cpu": (
            lambda: onnxruntime_session(model),
            onnxruntime_direct,
            onnxruntime_usual,
        ),
        "openvino-cpu": (lambda: openvino_model(program), openvino_direct, openvino_usual),
    }
    policy = TrustPolicy.load(bench.folder / "policy.json")
    rows = []
    for slot in SLOTS:
        plan = bench.plan(f"one-{slot}", "--regions", "one", "--device", slot)
        with Runtime(policy=policy) as runtime, quiet():
            make, direct, usual = stacks[slot]
            earlier = make()
            bound = runtime.load(
                plan.read_bytes(),
                descriptors=bench.descriptors(),
                store=Store(bench.folder / "store"),
            )
            later, other = make(), make()
            for batch, tokens, rounds, burst in SHAPES:
                inputs = texts(batch, tokens)
                calls: dict[str, Callable[[], object]] = {
                    "plan": partial(bound.run, inputs),
                    "direct": direct(earlier, inputs),
                    "again": direct(later, inputs),
                    "usual": usual(other, inputs),
                }
                times = interleaved(calls, rounds=bench.rounds(rounds), warm=1, burst=burst)
                pairs = zip(times["direct"], times["again"], strict=True)
                mean = [(first + second) / 2 for first, second in pairs]
                row = {
                    "stack": slot,
                    "batch": batch,
                    "tokens": tokens,
                    "plan": summary(times["plan"]),
                    "direct": summary(times["direct"]),
                    "ratio": round(paired_ratio(times["plan"], mean), 4),
                    "usual": summary(times["usual"]),
                    "ratio_to_usual": round(paired_ratio(times["plan"], times["usual"]), 4),
                    "direct_to_itself": round(paired_ratio(times["direct"], times["again"]), 4),
                    "outside_steps_ns": outside_steps(bound, inputs, bench.rounds(rounds)),
                    "added_ns": round(paired_difference(times["plan"], mean)),
                }
                rows.append(row)
                print(f"  {slot} {batch} x {tokens}: {row['ratio']}", file=sys.stderr, flush=True)
    return {"rows": rows, "target_ratio": TARGET}


def outside_steps(bound: BoundPlan, inputs: Inputs, rounds: int) -> int:
    """Return the median of what a run takes beside the work of its steps, in nanoseconds."""
    times = interleaved({"plan": partial(bound.run, inputs)}, rounds=rounds)["plan"]
    records = bound.history[-len(times) :]
    spans = [sum(end - begin for begin, end in one.timeline.spans()) for one in records]
    return round(paired_difference(times, spans))


def texts(batch: int, tokens: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return token ids and a mask that hides none of them."""
    ids = np.random.default_rng(0).integers(1000, 20000, (batch, tokens), np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}
