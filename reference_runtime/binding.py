"""Binding: from an admitted plan to thunks that have everything they need.

Each region is compiled once, each arena allocated once, at the plan's sizes. Buffers are laid out
for the symbols' largest values, so one set of arenas serves every admissible size; for each set of
input shapes that occurs, views are made at the plan's offsets and every step is bound to its views.
That work is kept for the shapes used last.

Invariants:

* A step touches the bytes of its buffers and no others: its views are all it is given.
* Constants are the store's bytes, verified against the plan's digests, and read-only.
* Inputs are judged before a byte of an arena changes: RUN-I1 (name), RUN-I2 (dtype), RUN-I3
  (shape).
* Where a trip is followed by alternates, each of them is prepared here, and takes no preparation
  when its turn comes (`reference_runtime.guards`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from acp.diagnostics import Diagnostic, Refused, Severity, pointer
from cep.graph import Cutter, Region
from cep.receipt import RunForm
from reference_runtime.adapter import Arena, Thunk, UnsupportedError, View
from reference_runtime.carriers import Carriers, Progress
from reference_runtime.host import DTYPES
from reference_runtime.joint import joint_work
from reference_runtime.timetable import parties

if TYPE_CHECKING:
    from cep.opset.definition import TensorType
    from cep.store import Store
    from cep.v1.graph import Binding
    from cep.v1.plan import Plan, Step
    from reference_runtime.admission import AdmittedPlan
    from reference_runtime.guards import Log

CAPACITY: Final = 256
"""Sets of input shapes whose binding is kept."""


class InputError(Refused):
    """Inputs that the plan does not admit (RUN-I1, RUN-I2, RUN-I3)."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a plan.

    Attributes:
        name: Name for the caller.
        buffers: Indices of the buffers that hold it: every one that an input must be put into, or
            the one that an output is taken from.
        type: Its type.
    """

    name: str
    buffers: tuple[int, ...]
    type: TensorType


@dataclass(frozen=True, slots=True)
class BoundShapes:
    """A plan bound for one set of input shapes.

    Attributes:
        sizes: Sizes of the symbols.
        inputs: By input of the plan, the views that it must be copied into.
        outputs: By output of the plan, the view that it is taken from.
        thunks: By step, its work.
        given: What a receipt remembers of the inputs.
        made: What a receipt remembers of the outputs.
    """

    sizes: Mapping[str, int]
    inputs: tuple[tuple[View, ...], ...]
    outputs: tuple[View, ...]
    thunks: tuple[Thunk, ...]
    given: RunForm
    made: RunForm


class Binder:
    """Compiled regions and allocated arenas of one plan, bound to input shapes on demand."""

    def __init__(
        self,
        admitted: AdmittedPlan,
        store: Store | None,
        *,
        progress: Progress = lambda items, _: items,
        capacity: int = CAPACITY,
    ) -> None:
        """Allocate the arenas and compile every region.

        Raises:
            UnsupportedError: An adapter cannot run a region (RUN-A3).
            NumericError: A stack cannot keep the plan's numeric class (RUN-N1).
            DeviceLostError: A device has not the memory (RUN-X2).
            StoreError: A constant is missing or damaged (CEP-I2).
        """
        self._admitted = admitted
        self._plan = admitted.plan
        self._capacity = capacity
        self._bound: OrderedDict[tuple[object, ...], BoundShapes] = OrderedDict()
        plan = admitted.plan
        self._parties = parties(plan)
        self._arenas: list[dict[str, Arena]] = [
            {
                arena.id: admitted.device(arena.device).adapter.alloc(
                    admitted.device(arena.device).unit_id,
                    arena.bytes,
                    arena.alignment_bytes,
                    arena.memory,
                )
                for arena in plan.arenas
            }
            for _ in range(_copies(plan))
        ]
        constants = constants_of(admitted, store)
        self._fill(constants)
        cutter = Cutter.of(admitted.view)
        values = [buffer.value for buffer in plan.buffers]
        regions = {i: step_region(cutter, plan.steps[i], values) for i in _runs(plan.steps)}
        self._joint = {
            i: cutter.region(step.collective.ops)
            for i, step in enumerate(plan.steps)
            if step.collective is not None and self._parties[i][0] == i
        }
        self._carriers = Carriers(admitted, regions, constants, store, progress)
        self.inputs = tuple(self._port(b, written=False) for b in plan.inputs)
        self.outputs = tuple(self._port(b, written=True) for b in plan.outputs)
        self._kinds = {port.name: DTYPES.get(port.type.dtype) for port in self.inputs}

    @property
    def log(self) -> Log:
        """What tripped and was made good."""
        return self._carriers.log

    def at(self, inputs: Mapping[str, Any], copy: int = 0) -> tuple[BoundShapes, tuple[View, ...]]:
        """Return the plan bound for the shapes of `inputs`, and the inputs in the plan's order.

        Args:
            inputs: The inputs by name.
            copy: Which copy of the arenas to use, of those that a stream has.

        Raises:
            InputError: The plan does not admit the inputs (RUN-I1, RUN-I2, RUN-I3).
        """
        arrays = self._arrays(inputs)
        key = (copy, *[array.shape for array in arrays])
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bound[key] = self._bind(self._sizes(arrays), self._arenas[copy])
            while len(self._bound) > self._capacity:
                self._bound.popitem(last=False)
        elif len(self._bound) > 1:
            self._bound.move_to_end(key)
        return bound, arrays

    def close(self) -> None:
        """Free bindings, queues and arenas."""
        self._carriers.close()
        self._bound.clear()
        self._arenas = []

    # --- preparing ------------------------------------------------------------------------------

    def _type(self, value: str) -> TensorType:
        return self._admitted.view.types[value]

    def _port(self, binding: Binding, *, written: bool) -> Port:
        """Return an input with the buffers that no step writes, or an output with one that is."""
        steps = {buffer for step in self._plan.steps for buffer in step.writes}
        holding = [i for i, b in enumerate(self._plan.buffers) if b.value == binding.value]
        places = tuple(i for i in holding if (i in steps) is written)
        return Port(binding.name, places[:1] if written else places, self._type(binding.value))

    def _fill(self, constants: Mapping[str, View]) -> None:
        """Put the constants that have buffers into those that no step writes."""
        written = {buffer for step in self._plan.steps for buffer in step.writes}
        for index, buffer in enumerate(self._plan.buffers):
            if buffer.value in constants and index not in written:
                elements = constants[buffer.value]
                dtype = self._type(buffer.value).dtype
                for arenas in self._arenas:
                    place = arenas[buffer.arena].view(buffer.offset, elements.shape, dtype)
                    np.copyto(place, elements)

    # --- inputs ---------------------------------------------------------------------------------

    def _arrays(self, inputs: Mapping[str, Any]) -> tuple[View, ...]:
        """Return the inputs in the plan's order, judged by name and dtype."""
        if inputs.keys() != self._kinds.keys():
            raise InputError(*self._misnamed(inputs))
        arrays = []
        for name, expected in self._kinds.items():
            given = inputs[name]
            # NumPy has one object for each plain dtype; others may be equal to it.
            if type(given) is not np.ndarray or given.dtype is not expected:
                given = self._array(name, given)
            arrays.append(given)
        return tuple(arrays)

    def _array(self, name: str, given: Any) -> View:
        """Return an input as an array, judged by its dtype."""
        port = next(port for port in self.inputs if port.name == name)
        if not isinstance(given, np.ndarray) and not hasattr(given, "__dlpack__"):
            raise _wrong_dtype(port, f"a {type(given).__name__}, which is no array")
        try:
            array: View = given if isinstance(given, np.ndarray) else np.from_dlpack(given)
        except Exception as error:
            told = f"a {type(given).__name__} that NumPy cannot take by DLPack ({error})"
            raise _wrong_dtype(port, told) from error
        if array.dtype != DTYPES[port.type.dtype]:
            raise _wrong_dtype(port, str(array.dtype))
        return array

    def _misnamed(self, inputs: Mapping[str, Any]) -> Iterable[Diagnostic]:
        known = [port.name for port in self.inputs]
        for name in known:
            if name not in inputs:
                reason = f"input {name!r} is missing; the plan takes {', '.join(known)}"
                yield _input_diagnostic("RUN-I1", name, reason)
        for name in inputs:
            if name not in known:
                reason = f"the plan has no input {str(name)!r}; it takes {', '.join(known)}"
                yield _input_diagnostic("RUN-I1", str(name), reason)

    def _sizes(self, arrays: Sequence[View]) -> dict[str, int]:
        """Return the sizes of the symbols that the shapes of the inputs say."""
        sizes: dict[str, int] = {}
        said_by: dict[str, str] = {}
        for port, array in zip(self.inputs, arrays, strict=True):
            if array.ndim != port.type.rank:
                reason = f"has {array.ndim} axes, {list(array.shape)}; allowed are {port.type.rank}"
                raise _wrong_shape(port, reason)
            for axis, (dim, size) in enumerate(zip(port.type.shape, array.shape, strict=True)):
                name = _lone_symbol(dim)
                if name is not None:
                    self._say(port, axis, (name, size), sizes, said_by)
        for port, array in zip(self.inputs, arrays, strict=True):
            for axis, (dim, size) in enumerate(zip(port.type.shape, array.shape, strict=True)):
                if dim.symbols <= sizes.keys() and dim.evaluate(sizes) != size:
                    reason = f"axis {axis} has size {size}; it must be {dim}"
                    if dim.value is None:
                        reason += f" = {dim.evaluate(sizes)}"
                    raise _wrong_shape(port, reason)
        unsaid = sorted(self._admitted.view.ranges.keys() - sizes.keys())
        if unsaid:
            reason = f"no axis of an input is the symbol {unsaid[0]!r} alone, so its size is unsaid"
            raise InputError.because("RUN-I3", reason, "/symbols")
        return sizes

    def _say(
        self,
        port: Port,
        axis: int,
        said: tuple[str, int],
        sizes: dict[str, int],
        said_by: dict[str, str],
    ) -> None:
        """Take the size of a symbol from an axis, if it is admissible and not contradicted."""
        name, size = said
        if sizes.setdefault(name, size) != size:
            reason = (
                f"axis {axis} has size {size}; {said_by[name]} says that {name} is {sizes[name]}"
            )
            raise _wrong_shape(port, reason)
        said_by.setdefault(name, f"axis {axis} of {port.name!r}")
        span = self._admitted.view.ranges[name]
        if not span.min <= size <= span.max or size % span.divisor:
            allowed = f"{name} is {span.min} to {span.max}"
            if span.divisor > 1:
                allowed += f", in multiples of {span.divisor}"
            raise _wrong_shape(port, f"axis {axis} has size {size}; allowed: {allowed}")

    # --- binding --------------------------------------------------------------------------------

    def _bind(self, sizes: Mapping[str, int], arenas: Mapping[str, Arena]) -> BoundShapes:
        plan = self._plan
        views = [
            arenas[buffer.arena].view(
                buffer.offset,
                tuple(dim.evaluate(sizes) for dim in self._type(buffer.value).shape),
                self._type(buffer.value).dtype,
            )
            for buffer in plan.buffers
        ]
        thunks = tuple(self._thunk(index, views, sizes) for index in range(len(plan.steps)))
        return BoundShapes(
            sizes,
            tuple(tuple(views[i] for i in port.buffers) for port in self.inputs),
            tuple(views[port.buffers[0]] for port in self.outputs),
            thunks,
            _form(self.inputs, sizes),
            _form(self.outputs, sizes),
        )

    def _thunk(self, index: int, views: Sequence[View], sizes: Mapping[str, int]) -> Thunk:
        if index not in self._parties:
            return self._carriers.thunk(index, views, sizes)
        if index not in self._joint:
            return _nothing  # The first member does the work of all.
        steps = [self._plan.steps[i] for i in self._parties[index]]
        names = [buffer.value for buffer in self._plan.buffers]
        reads = [(names[b], views[b]) for step in steps for b in step.reads]
        writes = [(names[b], views[b]) for step in steps for b in step.writes]
        work = joint_work(self._joint[index], reads, writes, sizes)
        return self._carriers.joint(self._parties[index], work, views)


def _nothing() -> None:
    pass


def _copies(plan: Plan) -> int:
    """Return how often each arena exists.

    Raises:
        UnsupportedError: The plan is a stream that falls back on alternates (RUN-A3).
    """
    if plan.stream is None:
        return 1
    if plan.safety is not None and plan.safety.on_trip == "ALTERNATE":
        reason = "this runtime takes no alternates in a stream; compile with DRAIN or ABORT"
        raise UnsupportedError.because("RUN-A3", reason, "/safety/on_trip")
    return plan.stream.ring_depth


def _form(ports: Sequence[Port], sizes: Mapping[str, int]) -> RunForm:
    """Return what a receipt remembers of inputs or outputs of the given sizes."""
    return RunForm.of(
        (port.name, port.type.dtype, [dim.evaluate(sizes) for dim in port.type.shape])
        for port in ports
    )


def _runs(steps: Sequence[Step]) -> list[int]:
    """Return the indices of the steps that compute.

    Raises:
        UnsupportedError: A step has a body that this runtime does not carry out (RUN-A3).
    """
    for index, step in enumerate(steps):
        if step.call is not None:
            reason = "this runtime carries out no steps of other plans"
            raise UnsupportedError.because("RUN-A3", reason, pointer("steps", index))
    return [index for index, step in enumerate(steps) if step.run is not None]


def step_region(cutter: Cutter, step: Step, values: Sequence[str]) -> Region:
    """Return a step's region, with inputs and outputs in the order of its reads and writes."""
    region = cutter.region(step.run.ops if step.run is not None else ())
    reads = tuple(values[i] for i in step.reads)
    # A constant that has a buffer is read from there like any other value.
    constants = tuple(name for name in region.constants if name not in reads)
    return replace(
        region, inputs=reads, outputs=tuple(values[i] for i in step.writes), constants=constants
    )


def constants_of(admitted: AdmittedPlan, store: Store | None) -> dict[str, View]:
    """Return the elements of all constants, as read-only arrays over the store's bytes."""
    arrays: dict[str, View] = {}
    for constant in admitted.plan.constants:
        if store is None:
            raise UnsupportedError.because(
                "RUN-A3", "the plan has weights, but no store was given", "/constants"
            )
        entry, data = store.tensor(constant)
        if entry.dtype not in DTYPES:
            reason = f"host memory has no {entry.dtype}; allowed are {' '.join(DTYPES)}"
            raise UnsupportedError.because("RUN-A3", f"{constant.value}: {reason}")
        array = np.frombuffer(data, dtype=DTYPES[entry.dtype]).reshape(entry.shape)
        if not array.flags.aligned:
            array = array.copy()
        array.flags.writeable = False
        arrays[constant.value] = array
    return arrays


def _lone_symbol(dim: Any) -> str | None:
    """Return the name of the symbol that a dim is, if it is one."""
    if len(dim.terms) == 1:
        monomial, coefficient = dim.terms[0]
        if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1:
            return str(monomial[0][0])
    return None


def _input_diagnostic(code: str, name: str, reason: str) -> Diagnostic:
    return Diagnostic(code, Severity.ERROR, pointer("inputs", name), reason)


def _wrong_dtype(port: Port, found: str) -> InputError:
    allowed = DTYPES[port.type.dtype]
    reason = f"input {port.name!r} is {found}; allowed is {allowed}: convert it with .astype"
    return InputError(_input_diagnostic("RUN-I2", port.name, reason))


def _wrong_shape(port: Port, reason: str) -> InputError:
    return InputError(_input_diagnostic("RUN-I3", port.name, f"input {port.name!r} {reason}"))
