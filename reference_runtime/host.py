"""What every adapter for the host's own processor shares: memory, queues, copies.

`HostAdapter` gives `alloc` and `queue`, so that the smallest real adapter is `describe`, `supports`
and `prepare`. All host devices see the same memory, so a view of one's arena is good for another.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from reference_runtime.adapter import (
    ABI,
    DeviceLostError,
    Event,
    Queue,
    QueueKind,
    StepError,
    Thunk,
    UnsupportedError,
    View,
)

if TYPE_CHECKING:
    from cep.graph import Region
    from cep.opset.definition import TensorType

DTYPES: Final[Mapping[str, np.dtype[np.generic]]] = {
    "f64": np.dtype(np.float64),
    "f32": np.dtype(np.float32),
    "f16": np.dtype(np.float16),
    "i64": np.dtype(np.int64),
    "i32": np.dtype(np.int32),
    "i16": np.dtype(np.int16),
    "i8": np.dtype(np.int8),
    "ui8": np.dtype(np.uint8),
    "i1": np.dtype(np.bool_),
}
"""Dtypes of host views. NumPy has no bf16, so neither has host memory here."""

_STATM: Final = Path("/proc/self/statm")


class HostArena:
    """A block of host memory whose first byte is aligned."""

    def __init__(self, nbytes: int, alignment: int) -> None:
        """Allocate.

        Args:
            nbytes: Size in bytes.
            alignment: A power of two.

        Raises:
            ValueError: The size is negative, or the alignment is not a power of two.
            MemoryError: The system has not that much.
        """
        if nbytes < 0 or alignment < 1 or alignment & (alignment - 1):
            raise ValueError(f"{nbytes} bytes aligned to {alignment}: not a size and a power of 2")
        block = np.empty(nbytes + alignment, dtype=np.uint8)
        start = -block.ctypes.data % alignment
        self._bytes = block[start : start + nbytes]

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self._bytes.nbytes

    def view(self, offset: int, shape: Sequence[int], dtype: str) -> View:
        """Return a dense row-major view of the bytes from `offset` on; see `Arena.view`."""
        if dtype not in DTYPES:
            allowed = " ".join(DTYPES)
            raise UnsupportedError.because(
                "RUN-A3", f"host memory has no views of {dtype}; it has {allowed}"
            )
        kind = DTYPES[dtype]
        size = prod(shape) * kind.itemsize
        if offset < 0 or offset + size > self.nbytes:
            raise ValueError(f"bytes {offset} to {offset + size} leave an arena of {self.nbytes}")
        part = self._bytes[offset : offset + size]
        if part.ctypes.data % kind.itemsize:
            raise ValueError(f"offset {offset} is not aligned for {dtype}")
        return part.view(kind).reshape(tuple(shape))


class HostEvent:
    """A point in a host queue's work."""

    def __init__(self) -> None:
        """Make a point that is not reached yet."""
        self._reached = threading.Event()
        self.failure: StepError | None = None

    def done(self) -> bool:
        """Say whether everything before the point has ended."""
        return self._reached.is_set()

    def reach(self, failure: StepError | None) -> None:
        """Mark the point as reached, with the failure of the work before it, if any."""
        self.failure = failure
        self._reached.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the point is reached; False if that takes longer than the timeout."""
        return self._reached.wait(timeout_s)


class HostQueue:
    """A line of host work with a thread of its own, which starts with the first work."""

    synchronous: ClassVar[bool] = True

    def __init__(self, name: str) -> None:
        """Make an empty queue.

        Args:
            name: What diagnostics call it: adapter and device.
        """
        self._name = name
        self._items: SimpleQueue[Callable[[], None] | HostEvent | None] = SimpleQueue()
        self._failure: StepError | None = None
        self._worker: threading.Thread | None = None

    def submit(self, work: Thunk) -> None:
        """Append bound work. Returns at once."""
        if self._worker is None:
            self._worker = threading.Thread(target=self._drain, name=self._name, daemon=True)
            self._worker.start()
        self._items.put(work)

    def copy(self, source: View, destination: View) -> None:
        """Append a copy between views of equal shape and dtype.

        Raises:
            ValueError: Shapes or dtypes differ.
        """
        if source.shape != destination.shape or source.dtype != destination.dtype:
            raise ValueError(
                f"copy of {source.dtype}{list(source.shape)} "
                f"to {destination.dtype}{list(destination.shape)}"
            )
        self.submit(lambda: np.copyto(destination, source))

    def signal(self) -> HostEvent:
        """Append a point that others can wait for."""
        event = HostEvent()
        if self._worker is None:
            event.reach(None)
        else:
            self._items.put(event)
        return event

    def wait(self, event: Event) -> None:
        """Append a wait for a point of another queue; its failure becomes this queue's.

        Raises:
            TypeError: The event is of another kind of device.
        """
        if not isinstance(event, HostEvent):
            raise TypeError(f"a host queue cannot wait for {type(event).__name__}")

        def wait() -> None:
            event.wait()
            if event.failure is not None:
                raise event.failure

        self.submit(wait)

    def sync(self, timeout_s: float) -> None:
        """Return when all appended work has ended; see `Queue.sync`."""
        event = self.signal()
        if not event.wait(timeout_s):
            raise DeviceLostError.because(
                "RUN-X2", f"{self._name} has not finished its work within {timeout_s} s"
            )
        if event.failure is not None:
            self._failure = None
            raise event.failure

    def close(self) -> None:
        """Take no more work; the thread ends after what is appended."""
        self._items.put(None)

    def _drain(self) -> None:
        while (item := self._items.get()) is not None:
            if isinstance(item, HostEvent):
                item.reach(self._failure)
            elif self._failure is None:
                try:
                    item()
                except StepError as failure:
                    self._failure = failure
                except Exception as error:  # noqa: BLE001 - whatever a stack raises is its failure
                    message = f"{self._name}: {type(error).__name__}: {error}"
                    self._failure = StepError.because("RUN-X1", message)
                    self._failure.__cause__ = error


class HostAdapter:
    """Base of adapters whose device computes in host memory.

    A subclass sets `name`, and gives `describe`, `supports` and `prepare`.
    """

    abi: ClassVar[int] = ABI
    name: ClassVar[str]

    def alloc(self, device: str, nbytes: int, alignment: int, kind: str) -> HostArena:
        """Allocate host memory, whatever the memory is called; see `Adapter.alloc`."""
        try:
            return HostArena(nbytes, alignment)
        except MemoryError as error:
            raise DeviceLostError.because(
                "RUN-X2", f"{device} has no {nbytes} bytes of {kind} left"
            ) from error

    def queue(self, device: str, kind: QueueKind) -> Queue:
        """Return a new queue with a thread of its own."""
        return HostQueue(f"{self.name} {device} {kind}")

    def health(self, device: str) -> Mapping[str, int]:  # noqa: ARG002 - all host devices share it
        """Return the memory of this process, where the system tells it; see `Measuring.health`."""
        try:
            pages = int(_STATM.read_text(encoding="ascii").split()[1])
        except (OSError, ValueError, IndexError):
            return {}
        return {"memory_bytes": pages * mmap.PAGESIZE}


def check_views(
    region: Region, inputs: Sequence[View], outputs: Sequence[View], sizes: Mapping[str, int]
) -> None:
    """Check that views are what `Executable.bind` may expect.

    Raises:
        UnsupportedError: Number, dtypes or shapes of the views do not fit the region at these sizes
            of its symbols (RUN-A3).
    """
    if len(inputs) != len(region.inputs) or len(outputs) != len(region.outputs):
        raise UnsupportedError.because(
            "RUN-A3",
            f"{len(inputs)} inputs and {len(outputs)} outputs for a region "
            f"with {len(region.inputs)} and {len(region.outputs)}",
        )
    names, views = (*region.inputs, *region.outputs), (*inputs, *outputs)
    for name, view in zip(names, views, strict=True):
        kind = region.types[name]
        _check_kind(name, kind, view)
        expected = tuple(dim.evaluate(sizes) for dim in kind.shape)
        if view.shape != expected:
            raise UnsupportedError.because(
                "RUN-A3",
                f"{name} is {list(view.shape)}; with {dict(sizes)} it must be {list(expected)}",
            )


def _check_kind(name: str, kind: TensorType, view: View) -> None:
    if kind.dtype not in DTYPES or view.dtype != DTYPES[kind.dtype]:
        raise UnsupportedError.because("RUN-A3", f"{name} is {view.dtype}; it must be {kind.dtype}")
    if not view.flags.c_contiguous:
        raise UnsupportedError.because("RUN-A3", f"{name} must be a dense row-major view")
