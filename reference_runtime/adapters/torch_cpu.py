"""PyTorch on the host's processor, eager: the stack that graphs are captured from.

Calls the very kernels of the source, one after the other, so it keeps every numeric class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from reference_runtime.adapter import (
    DescribedDevice,
    NumericClass,
    NumericError,
    Support,
    Thunk,
    UnsupportedError,
    View,
)
from reference_runtime.adapters.coverage import Coverage
from reference_runtime.adapters.torch_module import RegionGraph, graph_of, tensor, torch_library
from reference_runtime.host import DTYPES, HostAdapter, check_views
from reference_runtime.probe.system import host_device

if TYPE_CHECKING:
    from cep.graph import Region

COVERAGE: Final = Coverage(
    dtypes=frozenset(DTYPES), narrowed={"avg_pool3d": frozenset({"f64", "f32"})}
)


class TorchCpuAdapter(HostAdapter):
    """Runs regions as straight lines of ATen calls."""

    name: ClassVar[str] = "torch-cpu"

    def __init__(self) -> None:
        """Import torch.

        Raises:
            ModuleNotFoundError: It is not installed.
        """
        self._torch = torch_library()

    def describe(self) -> tuple[DescribedDevice, ...]:
        """Return the processor as torch drives it."""
        return (host_device("torch", ("torch",), COVERAGE.claims),)

    def supports(self, region: Region) -> Support:
        """Say whether the region can be prepared."""
        return Support(tuple(COVERAGE.reasons(region)))

    def prepare(
        self,
        region: Region,
        *,
        device: str,  # noqa: ARG002 - there is one
        artifact: bytes | None,
        constants: Mapping[str, View],
        numeric: NumericClass,  # noqa: ARG002 - the source's kernels keep every class
    ) -> TorchExecutable:
        """Build the straight line of calls; see `Adapter.prepare`."""
        support = self.supports(region)
        if artifact is not None or not support.ok:
            reasons = (
                ("this stack takes no artifacts",) if artifact is not None else support.reasons
            )
            raise UnsupportedError.because("RUN-A3", f"{self.name}: {'; '.join(reasons)}")
        precision = self._torch.get_float32_matmul_precision()
        if precision != "highest":
            raise NumericError.because(
                "RUN-N1",
                f"torch's float32 matmul precision is {precision!r}, which is not f32; "
                "call torch.set_float32_matmul_precision('highest')",
            )
        graph = graph_of(region, in_place=True)
        return TorchExecutable(region, graph, tuple(tensor(constants[c]) for c in graph.constants))


@dataclass(frozen=True, slots=True)
class TorchExecutable:
    """A region as a torch function, with its constants."""

    region: Region
    graph: RegionGraph
    constants: tuple[Any, ...]

    def bind(
        self, inputs: Sequence[View], outputs: Sequence[View], sizes: Mapping[str, int]
    ) -> Thunk:
        """Return the call of the function on these buffers; see `Executable.bind`."""
        check_views(self.region, inputs, outputs, sizes)
        made = [tensor(view) for view in outputs]
        arguments = (
            *map(tensor, inputs),
            *self.constants,
            *(dim.evaluate(sizes) for dim in self.graph.sizes),
            *(made[i] for i in self.graph.written),
        )
        targets = tuple(t for i, t in enumerate(made) if i not in self.graph.written)
        forward, inference_mode = self.graph.forward, torch_library().inference_mode

        def thunk() -> None:
            with inference_mode():
                for target, result in zip(targets, forward(*arguments), strict=True):
                    target.copy_(result)

        return thunk
