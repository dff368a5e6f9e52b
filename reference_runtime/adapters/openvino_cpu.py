"""OpenVINO on the host's processor.

Left alone, OpenVINO computes in bf16 on processors that can, with errors of 1e-2. The adapter asks
for f32, reads back what the compiled model really uses, and refuses anything else. OpenVINO also
holds 64-bit integers in 32 bits: inputs that do not fit are a failed step, not wrong numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from reference_runtime.adapter import (
    DescribedDevice,
    NumericClass,
    NumericError,
    Precompiled,
    StepError,
    Support,
    Thunk,
    UnsupportedError,
    View,
)
from reference_runtime.adapters import exported, indices, narrow_integers
from reference_runtime.adapters.coverage import Coverage
from reference_runtime.adapters.torch_module import torch_library
from reference_runtime.host import HostAdapter, check_views
from reference_runtime.probe.system import host_device, processor

if TYPE_CHECKING:
    from cep.graph import Region

_F32: Final = frozenset({"f32"})

COVERAGE: Final = Coverage(
    dtypes=frozenset({"f32", "i64", "i32", "i1"}),
    narrowed={
        "sub.Scalar": frozenset(),
        "trunc": frozenset(),
        # Sums and products of integers may not fit its 32 bits.
        "cumprod": frozenset(),
        **dict.fromkeys(("cumsum", "prod.dim_int", "sum.dim_IntList"), _F32),
    },
    first_result_only=frozenset({"native_layer_norm", "native_group_norm"}),
    numbers={
        "avg_pool2d": {"divisor_override": None},
        "avg_pool3d": {"divisor_override": None},
        "elu": {"input_scale": 1},
    },
)

MEDIA_TYPE: Final = "application/vnd.openvino.compiled-model"
PRECISION: Final = "INFERENCE_PRECISION_HINT"
_INT32: Final = np.iinfo(np.int32)
_TOO_WIDE: Final = "has an integer beyond the 32 bits in which OpenVINO holds it"


class OpenVinoCpuAdapter(HostAdapter):
    """Compiles regions to OpenVINO models."""

    name: ClassVar[str] = "openvino-cpu"

    def __init__(
        self, *, threads: int | None = None, properties: Mapping[str, object] | None = None
    ) -> None:
        """Import OpenVINO and what converts to it.

        Args:
            threads: Threads of a model; one a physical core if not given.
            properties: Further properties to compile with. They cannot weaken the numeric class:
                what the compiled model reports is checked.

        Raises:
            ModuleNotFoundError: A package is not installed.
        """
        torch_library()
        import openvino

        self._stack = openvino
        self._core = openvino.Core()
        self._properties = {
            PRECISION: "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads or processor().cores,
            **(properties or {}),
        }

    def describe(self) -> tuple[DescribedDevice, ...]:
        """Return the processor as OpenVINO drives it."""
        return (host_device("openvino", ("openvino", "torch"), COVERAGE.claims),)

    def supports(self, region: Region) -> Support:
        """Say whether the region can be prepared."""
        return Support(
            (
                *COVERAGE.reasons(region),
                *narrow_integers.reasons(region),
                *_numbers_not_taken(region),
                *indices.reasons(region),
                *exported.reasons(region),
            )
        )

    def prepare(
        self,
        region: Region,
        *,
        device: str,  # noqa: ARG002 - there is one
        artifact: bytes | None,
        constants: Mapping[str, View],
        numeric: NumericClass,
    ) -> OpenVinoExecutable:
        """Export, convert and compile the region, or load it; see `Adapter.prepare`."""
        exported.refuse_bitwise(self.name, numeric)
        exported.refuse_unsupported(self.name, self.supports(region))
        for name in region.constants:
            if not _fits_int32(constants[name]):
                raise UnsupportedError.because(
                    "RUN-A3", f"{self.name}: constant {name} {_TOO_WIDE}"
                )
        indices.check_constants(region, constants)
        compiled = self._compile(region, constants) if artifact is None else self._load(artifact)
        used = compiled.get_property(PRECISION)
        if used != self._stack.Type.f32:
            raise NumericError.because(
                "RUN-N1",
                f"{self.name}: the compiled region computes in {used.get_type_name()}, not in f32; "
                f"the numeric class {numeric.kind} cannot be kept",
            )
        entrance = exported.Entrance.of(region)
        exported.refuse_misfit(
            self.name,
            region,
            inputs_fit=len(compiled.inputs) == len(entrance.axes),
            outputs=[output.partial_shape for output in compiled.outputs],
        )
        return OpenVinoExecutable(self._stack, region, entrance, compiled)

    def precompile(
        self, region: Region, *, device: str, constants: Mapping[str, View], numeric: NumericClass
    ) -> Precompiled:
        """Return the compiled region as bytes; see `Precompiling.precompile`."""
        executable = self.prepare(
            region, device=device, artifact=None, constants=constants, numeric=numeric
        )
        stream = BytesIO()
        executable.compiled.export_model(stream)
        return exported.precompiled("openvino", MEDIA_TYPE, stream.getvalue())

    def _compile(self, region: Region, constants: Mapping[str, View]) -> Any:
        program = exported.export(region, constants)
        try:
            with exported.quiet():
                model = self._stack.convert_model(program)
            return self._core.compile_model(model, "CPU", self._properties)
        except Exception as error:
            raise exported.not_converted(self.name, error) from error

    def _load(self, artifact: bytes) -> Any:
        try:
            return self._core.import_model(artifact, "CPU", self._properties)
        except Exception as error:
            raise exported.not_loaded(self.name, error) from error


@dataclass(frozen=True, slots=True)
class OpenVinoExecutable:
    """A region as a compiled model."""

    stack: Any
    region: Region
    entrance: exported.Entrance
    compiled: Any

    def bind(
        self, inputs: Sequence[View], outputs: Sequence[View], sizes: Mapping[str, int]
    ) -> Thunk:
        """Return an inference on these buffers; see `Executable.bind`."""
        check_views(self.region, inputs, outputs, sizes)
        request = self.compiled.create_infer_request()
        shared = self.stack.Tensor
        shaped = self.entrance.shaped(inputs, sizes)
        for position, view in enumerate(shaped):
            request.set_input_tensor(position, shared(view, shared_memory=True))
        for position, view in enumerate(outputs):
            request.set_output_tensor(position, shared(view, shared_memory=True))
        wide = tuple(view for view in inputs if view.dtype == np.int64)
        infer = request.infer

        def thunk(_kept: tuple[View, ...] = (*shaped, *outputs)) -> None:
            for view in wide:
                if not _fits_int32(view):
                    raise StepError.because("RUN-X1", f"an input {_TOO_WIDE}")
            # Half the cost of an asynchronous start, and no copies of the outputs.
            infer(share_outputs=True)

        return indices.guarded(self.region, inputs, sizes, thunk)


def _numbers_not_taken(region: Region) -> Iterator[str]:
    """Yield which operations have a number that OpenVINO does not take, or takes for another."""
    for node in region.nodes:
        if any(value != value for value in node.attributes.values()):  # noqa: PLR0124 - not a number
            yield f"{node.target} at {node.outputs[0]} has a number that is NaN"
        if node.attributes.get("ord") == 0:
            yield f"{node.target} at {node.outputs[0]} has ord 0"


def _fits_int32(view: View) -> bool:
    """Say whether OpenVINO keeps every element: no 64-bit integer is beyond 32 bits."""
    if view.dtype != np.int64 or not view.size:
        return True
    return bool(_INT32.min <= view.min() and view.max() <= _INT32.max)
