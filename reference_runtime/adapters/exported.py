"""Regions as exported programs, which ONNX Runtime and OpenVINO convert from.

torch.export specialises sizes where a guard depends on them. Four measures keep programs general:

* An axis that is a product of symbols is given as several axes, one a factor: the caller reshapes
  the dense input, which costs nothing, and every symbol is an axis of its own.
* A symbol that is on no axis of the inputs comes as the length of an input that is never read.
* Sizes are not guessed from the example: guards about 0 and 1 are decided as for any size.
* The program that comes out is looked at: every symbol must still be one, over its whole range.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cep.expr import Dim, Range
from reference_runtime.adapter import (
    Numeric,
    NumericClass,
    NumericError,
    Precompiled,
    Support,
    UnsupportedError,
    View,
)
from reference_runtime.adapters.torch_module import graph_of, tensor, torch_library
from reference_runtime.host import DTYPES

if TYPE_CHECKING:
    from cep.graph import Region

Axes = tuple[str | int, ...]
"""Axes of an input of the program: a symbol's name, or a fixed size."""

CARRIER: Final = np.int8
"""Dtype of the vectors that only carry a size."""

_EXAMPLE_SIZES: Final = (3, 5, 7, 11, 13, 17, 19, 23)


@dataclass(frozen=True, slots=True)
class Entrance:
    """The way the inputs of a region's program are given; it follows from the region alone.

    Attributes:
        axes: Axes of each input, carriers last.
        carriers: Symbols that no input of the region has on an axis. Each comes as an input of its
            own, a vector whose length is the size and whose elements are never read.
    """

    axes: tuple[Axes, ...]
    carriers: tuple[str, ...] = ()

    @classmethod
    def of(cls, region: Region) -> Entrance:
        """Return the entrance of a region's program."""
        carriers = _carriers(region)
        axes = (*(_axes(region, name) for name in region.inputs), *((c,) for c in carriers))
        return cls(axes, carriers)

    def shaped(self, inputs: Sequence[View], sizes: Mapping[str, int]) -> list[View]:
        """Return the views, without copies, in the shapes that the program takes, and carriers."""
        given = [*inputs, *(np.zeros(sizes[symbol], CARRIER) for symbol in self.carriers)]
        return [
            view.reshape([sizes[a] if isinstance(a, str) else a for a in axes])
            for view, axes in zip(given, self.axes, strict=True)
        ]


def reasons(region: Region) -> Iterator[str]:
    """Yield why a region cannot be exported for all admissible sizes."""
    for name in region.inputs:
        if any(len(dim.terms) > 1 for dim in region.types[name].shape):
            yield f"an axis of input {name} is a sum, {region.types[name]}"


def export(region: Region, constants: Mapping[str, View]) -> Any:
    """Return a region as a `torch.export.ExportedProgram` with dynamic sizes.

    Raises:
        UnsupportedError: torch cannot export it, or only for some sizes (RUN-A3).
    """
    torch = torch_library()
    entrance = Entrance.of(region)
    axes, carriers = entrance.axes, entrance.carriers
    module = _module(region, constants, axes)
    ranges = {s: region.ranges[s] for a in axes for s in a if isinstance(s, str)}
    examples = _examples(ranges)
    dtypes = [DTYPES[region.types[n].dtype] for n in region.inputs] + [CARRIER] * len(carriers)
    inputs = tuple(_example(d, a, examples) for d, a in zip(dtypes, axes, strict=True))
    hints = {s: torch.export.Dim.AUTO(min=r.min, max=r.max) for s, r in ranges.items()}
    dynamic = tuple(
        {i: hints[axis] for i, axis in enumerate(a) if isinstance(axis, str)} for a in axes
    )
    try:
        with quiet(), torch.fx.experimental._config.patch(backed_size_oblivious=True):  # noqa: SLF001
            exported = torch.export.export(module, inputs, dynamic_shapes=(dynamic,), strict=False)
    except Exception as error:
        raise not_converted("torch.export", error) from error
    _check(exported, axes, ranges)
    return exported


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' warnings and logs, which are about themselves, off the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _module(region: Region, constants: Mapping[str, View], axes: tuple[Axes, ...]) -> Any:
    """Return the region as a module that finds the sizes on the axes of its inputs."""
    torch = torch_library()
    graph = graph_of(region)
    fixed = {s: region.ranges[s].min for s in _fixed(region)}
    places = {
        axis: (i, j)
        for i, a in enumerate(axes)
        for j, axis in enumerate(a)
        if isinstance(axis, str)
    }
    shapes = tuple(region.types[name].shape for name in region.inputs)

    class RegionModule(torch.nn.Module):  # type: ignore[misc,name-defined] # torch is not typed
        """Calls the region's graph; constants are its buffers."""

        def __init__(self) -> None:
            super().__init__()
            for position, name in enumerate(graph.constants):
                self.register_buffer(f"c{position}", tensor(constants[name]))

        def forward(self, *inputs: Any) -> Any:
            sizes = {s: inputs[i].shape[j] for s, (i, j) in places.items()} | fixed
            given = [
                x.reshape([d.evaluate(sizes) for d in shape]) if len(shape) != len(a) else x
                for x, shape, a in zip(inputs, shapes, axes, strict=False)  # carriers are left
            ]
            return graph.forward(*given, *self.buffers(), *(d.evaluate(sizes) for d in graph.sizes))

    return RegionModule()


def _fixed(region: Region) -> set[str]:
    """Return the symbols that have one admissible size only."""
    return {name for name, r in region.ranges.items() if r.min == r.max}


def _carriers(region: Region) -> tuple[str, ...]:
    """Return the symbols that the region uses, but that are on no axis of its inputs."""
    visible = {s for n in region.inputs for d in region.types[n].shape for s in d.symbols}
    used = {s for t in region.types.values() for d in t.shape for s in d.symbols}
    for node in region.nodes:
        for value in node.attributes.values():
            dims = value if isinstance(value, tuple) else (value,)
            used |= {s for d in dims if isinstance(d, Dim) for s in d.symbols}
    return tuple(sorted(used - visible - _fixed(region)))


def _axes(region: Region, name: str) -> Axes:
    fixed = _fixed(region)
    found: list[str | int] = []
    for dim in region.types[name].shape:
        if dim.value is not None:
            found.append(dim.value)
            continue
        ((monomial, factor),) = dim.terms
        for symbol, exponent in monomial:
            if symbol in fixed:
                factor *= region.ranges[symbol].min ** exponent
            else:
                found += [symbol] * exponent
        if factor != 1:
            found.append(factor)
    return tuple(found)


def _examples(ranges: Mapping[str, Range]) -> dict[str, int]:
    """Return an admissible size for each symbol, different and above 1 where there are such."""
    chosen: dict[str, int] = {}
    for symbol, span in sorted(ranges.items()):
        candidates = [span.divisor * n for n in _EXAMPLE_SIZES]
        inside = [c for c in candidates if span.min <= c <= span.max and c not in chosen.values()]
        chosen[symbol] = inside[0] if inside else span.max
    return chosen


def _example(dtype: Any, axes: Axes, sizes: Mapping[str, int]) -> Any:
    torch = torch_library()
    return torch.from_numpy(np.zeros([sizes[a] if isinstance(a, str) else a for a in axes], dtype))


def _check(exported: Any, axes: tuple[Axes, ...], ranges: Mapping[str, Range]) -> None:
    """Refuse a program that lost a symbol, or some of its sizes."""
    torch = torch_library()
    values = [node.meta["val"] for node in exported.graph.nodes if node.op == "placeholder"]
    given = values[len(values) - len(axes) :]
    for value, a in zip(given, axes, strict=True):
        for axis, size in zip(a, value.shape, strict=True):
            if not isinstance(axis, str):
                continue
            if not isinstance(size, torch.SymInt):
                raise UnsupportedError.because(
                    "RUN-A3", f"torch.export fixes the size of {axis} to {size}"
                )
            span = exported.range_constraints.get(size.node.expr)
            want = ranges[axis]
            # What is assumed to be at least 2 holds for 1 too: guards about 1 are not specialised.
            if span is not None and (span.lower > max(want.min, 2) or span.upper < want.max):
                raise UnsupportedError.because(
                    "RUN-A3",
                    f"torch.export limits {axis} to {span.lower} to {span.upper}; "
                    f"admissible are {want.min} to {want.max}",
                )


def constant_bytes(region: Region, constants: Mapping[str, View]) -> int:
    """Return the size of the region's constants together, in bytes."""
    return sum(prod(constants[c].shape) * constants[c].itemsize for c in region.constants)


def not_converted(name: str, error: Exception) -> UnsupportedError:
    """Return the refusal of a region that a stack should take but does not (RUN-A3)."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = f"{type(error).__name__}: {lines[0] if lines else ''}"
    return UnsupportedError.because("RUN-A3", f"{name} does not take the region: {reason}")


def precompiled(component: str, media_type: str, data: bytes) -> Precompiled:
    """Return compiled code for exactly the version of a stack that is installed."""
    return Precompiled(data, media_type, component, f"=={version(component)}")


def not_loaded(name: str, error: Exception) -> UnsupportedError:
    """Return the refusal of an artifact that is no program of the stack (RUN-A3)."""
    return UnsupportedError.because(
        "RUN-A3",
        f"{name} does not load the artifact: {type(error).__name__}. It was made for another "
        "version or machine: make it again with 'cep artifact make'",
    )


def refuse_misfit(name: str, region: Region, *, inputs_fit: bool, outputs: Sequence[Any]) -> None:
    """Refuse a program whose inputs and outputs are not those of the region.

    Args:
        name: The adapter.
        region: What the program is to compute.
        inputs_fit: Whether the program takes the inputs of the region's entrance.
        outputs: Shapes of the program's outputs, as sequences of axes.

    Raises:
        UnsupportedError: The inputs don't fit, or the outputs differ in number or rank (RUN-A3).
    """
    ranks = [region.types[value].rank for value in region.outputs]
    if not inputs_fit or [len(shape) for shape in outputs] != ranks:
        raise UnsupportedError.because(
            "RUN-A3", f"{name}: the artifact has other inputs or outputs than the region"
        )


def refuse_unsupported(name: str, support: Support) -> None:
    """Refuse a region that is not supported.

    Raises:
        UnsupportedError: It is not, with every reason (RUN-A3).
    """
    if not support.ok:
        raise UnsupportedError.because("RUN-A3", f"{name}: {'; '.join(support.reasons)}")


def refuse_bitwise(name: str, numeric: NumericClass) -> None:
    """Refuse the numeric class that only the stack of the source graph keeps.

    Raises:
        NumericError: The class is BITWISE (RUN-N1).
    """
    if numeric.kind is Numeric.BITWISE:
        raise NumericError.because(
            "RUN-N1",
            f"{name} sums in another order than the source's kernels, so it cannot give the same "
            "bits; plan with RELATIVE, or for a device of the source's stack",
        )
