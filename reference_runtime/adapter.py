"""The adapter API: what a device's software stack must offer to run steps of plans.

The life of a step::

    described = adapter.describe()                    # what is here; nothing is measured
    adapter.supports(region)                          # yes, or every reason why not
    executable = adapter.prepare(region, device=unit, # compiled once, for all admissible sizes
                                 artifact=None, constants=weights, numeric=numeric)
    arena = adapter.alloc(unit, nbytes, 64, "ddr5")   # memory that steps read and write
    thunk = executable.bind(inputs, outputs, sizes)   # once for each set of sizes
    queue = adapter.queue(unit, QueueKind.COMPUTE)
    queue.submit(thunk)                               # per run: nothing but the stack's own call
    queue.sync(timeout_s=5.0)

Invariants that every adapter keeps:

* Views are memory of an arena. `bind` accepts any dense row-major view of the right dtype and
  shape; it neither reads nor writes the elements. A thunk reads its inputs when it is called, never
  writes them, and has written all of every output when its work is done.
* A region is compiled once. `bind` may be called many times, with other sizes of the symbols, and
  every thunk stays valid; thunks of one executable are not called at the same time.
* The numeric class is kept or refused (RUN-N1), never weakened.
* A thunk that fails raises; it never leaves wrong numbers silently.

A host device needs only `describe`, `supports` and `prepare`: `reference_runtime.host.HostAdapter`
gives the rest. `docs/adapters.md` walks through a complete adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

from acp.diagnostics import Refused

if TYPE_CHECKING:
    import numpy.typing as npt

    from acp.v1.capability import (
        Engine,
        Memory,
        OperatingPoint,
        Operation,
        Provenance,
        QueueLimit,
        Software,
        Subject,
    )
    from cep.graph import Region

    View: TypeAlias = npt.NDArray[Any]
else:
    View = Any

ABI: Final = 1
"""Version of this interface. An adapter with another one is refused (RUN-A2)."""

ENTRY_POINT_GROUP: Final = "cep.adapters.v1"
"""Entry point group in which adapters are found: name = class or factory without arguments."""

Thunk: TypeAlias = Callable[[], None]
"""Work that is bound to its buffers. It takes nothing and returns nothing."""


class AdapterError(Refused):
    """An adapter that is not allowed (RUN-A1), or is missing, there twice or unfit (RUN-A2)."""


class UnsupportedError(Refused):
    """A region that the adapter cannot prepare: an op, dtype, shape or artifact (RUN-A3)."""


class NumericError(Refused):
    """A numeric class that the stack cannot keep (RUN-N1)."""


class StepError(Refused):
    """A step that failed while it ran (RUN-X1)."""


class DeviceLostError(Refused):
    """A device that is gone or does not answer in time (RUN-X2)."""


class Numeric(StrEnum):
    """How close the outputs of a plan are to those of its source graph."""

    BITWISE = "BITWISE"
    ULP = "ULP"
    RELATIVE = "RELATIVE"


@dataclass(frozen=True, slots=True)
class NumericClass:
    """The promise of a plan about its numbers.

    Attributes:
        kind: What the tolerance counts.
        tolerance: Units in the last place (ULP) or parts per billion (RELATIVE); 0 for BITWISE.
    """

    kind: Numeric
    tolerance: int = 0


class QueueKind(StrEnum):
    """What a queue does."""

    COMPUTE = "COMPUTE"
    COPY = "COPY"


@dataclass(frozen=True, slots=True)
class DescribedDevice:
    """The facts about a device that a capability descriptor states, before anybody issues one.

    The members have the names and types of `CapabilityDescriptor`'s. Admission compares `subject`
    and `software` with the descriptor that a plan names; `acp probe` adds a header and what it
    measures.

    Attributes:
        subject: The device: one unit with one software stack. ``unit_id`` is stable over reboots.
        operating_point: Settings under which the device runs now.
        software: Packages whose exact versions matter to numbers or speed.
        engines: Things that compute, without measured rates.
        memories: Things that hold data, with sizes that the system tells.
        ops: Operations of CEP-Core that `Adapter.supports` accepts, with their dtypes.
        provenance: Where the values come from.
        queues: How many lines of work it carries out at the same time; one of a kind not listed.
    """

    subject: Subject
    operating_point: OperatingPoint
    software: tuple[Software, ...]
    engines: tuple[Engine, ...]
    memories: tuple[Memory, ...]
    ops: tuple[Operation, ...]
    provenance: tuple[Provenance, ...]
    queues: tuple[QueueLimit, ...] = ()

    @property
    def unit_id(self) -> str:
        """The unit's name: what `Adapter.prepare`, `alloc` and `queue` take as `device`."""
        return self.subject.unit_id or ""


@dataclass(frozen=True, slots=True)
class Support:
    """Whether an adapter can run a region.

    Attributes:
        reasons: Why not, each naming the op or value; empty if it can.
    """

    reasons: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the region can be prepared."""
        return not self.reasons


class Arena(Protocol):
    """A block of device memory."""

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        ...

    def view(self, offset: int, shape: Sequence[int], dtype: str) -> View:
        """Return a dense row-major view of the bytes from `offset` on.

        Args:
            offset: First byte.
            shape: Sizes in elements; empty for a scalar.
            dtype: Token, such as ``f32``.

        Raises:
            UnsupportedError: The dtype has no view on this device (RUN-A3).
            ValueError: The view leaves the arena, or `offset` does not suit the dtype.
        """
        ...


class Executable(Protocol):
    """A compiled region."""

    def bind(
        self, inputs: Sequence[View], outputs: Sequence[View], sizes: Mapping[str, int]
    ) -> Thunk:
        """Return the work of one run of the region on these buffers.

        Args:
            inputs: One view for each of the region's inputs, in their order.
            outputs: One view for each of the region's outputs, in their order. No output overlaps
                an input or another output.
            sizes: Size of each of the region's symbols.

        Raises:
            UnsupportedError: Number, dtype or shape of the views do not fit the region (RUN-A3).
        """
        ...


class Event(Protocol):
    """A point in a queue's work."""

    def done(self) -> bool:
        """Say whether everything before the point has ended."""
        ...


class Queue(Protocol):
    """A line of work on one device: what is submitted ends in the order of submission."""

    @property
    def synchronous(self) -> bool:
        """Whether a thunk's work is done when the thunk returns.

        If so, a caller that orders steps itself may call thunks directly, without the queue.
        """
        ...

    def submit(self, work: Thunk) -> None:
        """Append bound work. Returns at once."""
        ...

    def copy(self, source: View, destination: View) -> None:
        """Append a copy between views of equal shape and dtype."""
        ...

    def signal(self) -> Event:
        """Append a point that others can wait for."""
        ...

    def wait(self, event: Event) -> None:
        """Append a wait for a point of another queue."""
        ...

    def sync(self, timeout_s: float) -> None:
        """Return when all appended work has ended.

        Args:
            timeout_s: Longest time to wait, in seconds.

        Raises:
            StepError: Some work raised; what was appended after it was not run (RUN-X1).
            DeviceLostError: The work has not ended in time (RUN-X2).
        """
        ...

    def close(self) -> None:
        """Take no more work, and free what the queue holds."""
        ...


@dataclass(frozen=True, slots=True)
class Precompiled:
    """A region that was compiled ahead of time: what a plan carries as an artifact.

    Attributes:
        data: The compiled code.
        media_type: What the bytes are.
        abi: Component of the device's software that loads them (CEP-C3).
        driver_range: Versions of that component that can, as a PEP 440 specifier.
    """

    data: bytes = field(repr=False)
    media_type: str
    abi: str
    driver_range: str


@runtime_checkable
class Precompiling(Protocol):
    """What an adapter has beyond `Adapter` if its stack can compile ahead of time."""

    def precompile(
        self, region: Region, *, device: str, constants: Mapping[str, View], numeric: NumericClass
    ) -> Precompiled:
        """Return a region in a form that `Adapter.prepare` takes as `artifact`.

        Raises:
            UnsupportedError: The region cannot be compiled here (RUN-A3).
            NumericError: The stack cannot keep the numeric class (RUN-N1).
        """
        ...


@runtime_checkable
class Measuring(Protocol):
    """What an adapter has beyond `Adapter` if it can tell how its devices are doing."""

    def health(self, device: str) -> Mapping[str, int]:
        """Return what can be measured of a device now, by quantity.

        Quantities are those that plans limit: ``memory_bytes``, ``power_mw``,
        ``temperature_mdegc``. What cannot be measured here is left out, and a plan that limits it
        is refused.
        """
        ...


class Adapter(Protocol):
    """A software stack that drives one or more devices of this machine."""

    @property
    def abi(self) -> int:
        """Version of this interface that the adapter was written for: `ABI`."""
        ...

    @property
    def name(self) -> str:
        """Name of the adapter: that of its entry point."""
        ...

    def describe(self) -> Sequence[DescribedDevice]:
        """Return the devices that can be driven here and now.

        Cheap: nothing is compiled or measured.

        Raises:
            AdapterError: The stack is not installed or does not start (RUN-A2).
        """
        ...

    def supports(self, region: Region) -> Support:
        """Say whether the region can be prepared, for all admissible sizes of its symbols."""
        ...

    def prepare(
        self,
        region: Region,
        *,
        device: str,
        artifact: bytes | None,
        constants: Mapping[str, View],
        numeric: NumericClass,
    ) -> Executable:
        """Compile a region.

        Args:
            region: What to compute. Inputs and outputs are in the order of the step's reads and
                writes.
            device: Unit to run on (`DescribedDevice.unit_id`).
            artifact: Compiled code that the plan names instead of compiling; None to compile.
            constants: Elements of the region's constants, by value id. They stay unchanged and
                alive as long as the executable.
            numeric: What the plan promises about its numbers.

        Raises:
            UnsupportedError: The region or the artifact cannot be run here (RUN-A3).
            NumericError: The stack cannot keep the numeric class (RUN-N1).
        """
        ...

    def alloc(self, device: str, nbytes: int, alignment: int, kind: str) -> Arena:
        """Allocate memory.

        Args:
            device: Unit whose memory it is.
            nbytes: Size in bytes.
            alignment: Alignment of the first byte: a power of two.
            kind: Id of the memory in the device's descriptor.

        Raises:
            DeviceLostError: There is no such device, or it has no such memory left (RUN-X2).
        """
        ...

    def queue(self, device: str, kind: QueueKind) -> Queue:
        """Return a new queue.

        Raises:
            DeviceLostError: There is no such device (RUN-X2).
        """
        ...
