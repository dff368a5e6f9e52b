"""ONNX Runtime on the host's processor.

A region becomes an exported program, then an ONNX model in memory, then a session. Inputs and
outputs are bound to the arenas' bytes: a run copies nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from reference_runtime.adapter import (
    DescribedDevice,
    NumericClass,
    Precompiled,
    Support,
    Thunk,
    UnsupportedError,
    View,
)
from reference_runtime.adapters import exported, indices
from reference_runtime.adapters.coverage import Coverage
from reference_runtime.adapters.torch_module import torch_library
from reference_runtime.host import HostAdapter, check_views
from reference_runtime.probe.system import host_device, processor

if TYPE_CHECKING:
    from cep.graph import Region

COVERAGE: Final = Coverage(
    dtypes=frozenset({"f32", "i64", "i32", "i1"}),
    narrowed={
        "cumprod": frozenset(),
        "relu": frozenset({"f32"}),
        "index.Tensor": frozenset({"f32", "i64", "i1"}),
    },
    ranks={"scaled_dot_product_attention": 4},
    numbers={
        "avg_pool2d": {"divisor_override": None},
        "avg_pool3d": {"divisor_override": None},
        "elu": {"input_scale": 1},
    },
)

MEDIA_TYPE: Final = "application/vnd.onnx"
MAX_MODEL_BYTES: Final = 2**31 - 2**20
"""Protobuf ends at 2 GiB; some of it is for the graph."""


class OnnxRuntimeCpuAdapter(HostAdapter):
    """Compiles regions to ONNX Runtime sessions."""

    name: ClassVar[str] = "onnxruntime-cpu"

    def __init__(self, *, threads: int | None = None) -> None:
        """Import ONNX Runtime and what converts to it.

        Args:
            threads: Threads of a session; one a physical core if not given.

        Raises:
            ModuleNotFoundError: A package is not installed.
        """
        torch_library()
        import onnx
        import onnxruntime
        import onnxscript

        del onnx, onnxscript
        self._stack = onnxruntime
        self._threads = threads or processor().cores

    def describe(self) -> tuple[DescribedDevice, ...]:
        """Return the processor as ONNX Runtime drives it."""
        packages = ("onnxruntime", "onnx", "onnxscript", "torch")
        return (host_device("onnxruntime", packages, COVERAGE.claims),)

    def supports(self, region: Region) -> Support:
        """Say whether the region can be prepared."""
        return Support(
            (*COVERAGE.reasons(region), *indices.reasons(region), *exported.reasons(region))
        )

    def prepare(
        self,
        region: Region,
        *,
        device: str,  # noqa: ARG002 - there is one
        artifact: bytes | None,
        constants: Mapping[str, View],
        numeric: NumericClass,
    ) -> OnnxRuntimeExecutable:
        """Export and convert the region, or take the artifact; see `Adapter.prepare`."""
        exported.refuse_bitwise(self.name, numeric)
        exported.refuse_unsupported(self.name, self.supports(region))
        size = exported.constant_bytes(region, constants)
        if size > MAX_MODEL_BYTES:
            raise UnsupportedError.because(
                "RUN-A3",
                f"{self.name}: the region's constants have {size} bytes; an ONNX model in memory "
                f"holds {MAX_MODEL_BYTES}: plan smaller regions",
            )
        indices.check_constants(region, constants)
        model = _onnx_model(region, constants) if artifact is None else artifact
        session = self._session(model, given=artifact is not None)
        entrance = exported.Entrance.of(region)
        exported.refuse_misfit(
            self.name,
            region,
            inputs_fit={i.name for i in session.get_inputs()} <= set(_names(entrance)),
            outputs=[output.shape for output in session.get_outputs()],
        )
        return OnnxRuntimeExecutable(region, entrance, session, model)

    def precompile(
        self, region: Region, *, device: str, constants: Mapping[str, View], numeric: NumericClass
    ) -> Precompiled:
        """Return the converted region as bytes; see `Precompiling.precompile`."""
        executable = self.prepare(
            region, device=device, artifact=None, constants=constants, numeric=numeric
        )
        return exported.precompiled("onnxruntime", MEDIA_TYPE, executable.model)

    def _session(self, model: bytes, *, given: bool) -> Any:
        options = self._stack.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = self._stack.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        # Threads that spin between runs take the processor from the other stacks.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # The matrix kernels of the processor that compute in bf16 are not f32.
        options.add_session_config_entry("mlas.enable_gemm_fastmath_arm64_bfloat16", "0")
        try:
            return self._stack.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            refusal = exported.not_loaded if given else exported.not_converted
            raise refusal(self.name, error) from error


@dataclass(frozen=True, slots=True)
class OnnxRuntimeExecutable:
    """A region as a session, with the model that it came from."""

    region: Region
    entrance: exported.Entrance
    session: Any
    model: bytes = field(repr=False)

    def bind(
        self, inputs: Sequence[View], outputs: Sequence[View], sizes: Mapping[str, int]
    ) -> Thunk:
        """Return the run of the session on these buffers; see `Executable.bind`."""
        check_views(self.region, inputs, outputs, sizes)
        shaped = self.entrance.shaped(inputs, sizes)
        binding = self.session.io_binding()
        taken = {i.name for i in self.session.get_inputs()}
        for name, view in zip(_names(self.entrance), shaped, strict=True):
            if name in taken:
                binding.bind_input(name, "cpu", 0, view.dtype, view.shape, view.ctypes.data)
        for node, view in zip(self.session.get_outputs(), outputs, strict=True):
            binding.bind_output(node.name, "cpu", 0, view.dtype, view.shape, view.ctypes.data)
        thunk = _thunk(self.session.run_with_iobinding, binding, (*shaped, *outputs))
        return indices.guarded(self.region, inputs, sizes, thunk)


def _names(entrance: exported.Entrance) -> list[str]:
    """Return the names of a model's inputs."""
    return [f"inputs_{i}" for i in range(len(entrance.axes))]


def _thunk(run: Callable[[Any], None], binding: Any, views: tuple[View, ...]) -> Thunk:
    """Return the run. The binding holds addresses only; the thunk keeps their memory alive."""

    def thunk(_kept: tuple[View, ...] = views) -> None:
        run(binding)

    return thunk


def _onnx_model(region: Region, constants: Mapping[str, View]) -> bytes:
    """Return the region as a serialised ONNX model.

    Raises:
        UnsupportedError: The converter does not know an operation (RUN-A3).
    """
    torch = torch_library()
    program = exported.export(region, constants)
    names = _names(exported.Entrance.of(region))
    try:
        with exported.quiet():
            converted = torch.onnx.export(
                program, (), dynamo=True, verbose=False, input_names=names
            )
        model: bytes = converted.model_proto.SerializeToString()
    except Exception as error:
        raise exported.not_converted("onnxruntime-cpu", error) from error
    return model
