"""Placement: which device runs which operation, and thereby where the graph is cut.

The operations are taken in the graph's order, so that every stretch of that order is a convex
region. Among all ways to give each operation a device, dynamic programming finds the cheapest:
the measured time of the operations, plus, where the device changes, the start of a new region, the
writing and reading of all values that are alive there, and their transfer between memories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Final

from cep.planner.devices import Device, PlanningError
from cep.planner.work import size_bytes

if TYPE_CHECKING:
    from cep.graph import GraphView

_MAX_SPREAD: Final = 8


@dataclass(frozen=True, slots=True)
class Stretch:
    """Operations in a row that one device runs as one region.

    Attributes:
        device: Index of the device.
        start: Index of the first operation.
        end: Index after the last.
        time_ns: What they are expected to take, the start of the region included.
    """

    device: int
    start: int
    end: int
    time_ns: float


@dataclass(frozen=True, slots=True)
class Link:
    """What moving bytes between two devices costs.

    Attributes:
        id: Name in the system descriptor; empty where both see the same memory.
        bytes_per_s: Rate.
        latency_ns: Time of the smallest message.
    """

    id: str
    bytes_per_s: float
    latency_ns: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What each operation costs on each device, and what a cut costs.

    Attributes:
        times: Nanoseconds by operation and device; infinite where it is not supported.
        alive: Bytes that are alive before each operation: made before it, read at or after it.
        handover_ns: Nanoseconds per byte that is alive, to write it and read it again.
        links: By pair of devices; None where there is no way between them.
        calls: Time to start a region by device.
    """

    times: Sequence[Sequence[float]]
    alive: Sequence[int]
    handover_ns: Sequence[float]
    links: Mapping[tuple[int, int], Link | None]
    calls: Sequence[float]

    def switch(self, before: int, after: int, at: int) -> float:
        """Return the cost of going from one device to another before operation `at`."""
        link = self.links[before, after]
        if link is None:
            return inf
        alive = self.alive[at]
        cost = self.calls[after] + alive * (self.handover_ns[before] + self.handover_ns[after])
        if link.id:
            cost += link.latency_ns + alive / link.bytes_per_s * 1e9
        return cost


@dataclass(frozen=True, slots=True)
class _State:
    """What the cheapest way to an operation must remember.

    Attributes:
        device: Where the operation runs.
        seen: Devices that have been used, as bits; all set where that does not matter.
        length: Operations in the region so far, up to the least that a region must have.
    """

    device: int
    seen: int
    length: int


def place(costs: Costs, *, spread: bool = False, least: int = 1) -> tuple[Stretch, ...]:
    """Return the cheapest placement in which every region has at least `least` operations.

    Args:
        costs: What operations and cuts cost.
        spread: Every device must be used.
        least: Smallest number of operations of a region, where there is more than one.

    Raises:
        PlanningError: Some operation is supported nowhere, or no placement uses every device
            (CEP-X5).
    """
    count = len(costs.calls)
    if spread and count > _MAX_SPREAD:
        raise PlanningError.because("CEP-X5", f"spreading over {count} devices is not supported")
    full = (1 << count) - 1
    best = {
        _State(d, 1 << d if spread else full, min(1, least)): costs.calls[d] + costs.times[0][d]
        for d in range(count)
    }
    came: list[dict[_State, _State]] = [{}]
    for at in range(1, len(costs.times)):
        fresh: dict[_State, float] = {}
        origin: dict[_State, _State] = {}
        for state, so_far in best.items():
            for after, cost in _moves(costs, state, at, least):
                total = so_far + cost + costs.times[at][after.device]
                if total < fresh.get(after, inf):
                    fresh[after] = total
                    origin[after] = state
        best = fresh
        came.append(origin)
    whole = min(least, len(costs.times))
    ends = {s: t for s, t in best.items() if s.seen == full and s.length >= whole and t < inf}
    if not ends:
        raise PlanningError.because(
            "CEP-X5",
            "no placement: some operation is supported by no device, or by none that the others "
            "can exchange data with, or there are too few operations to use every device",
        )
    return _stretches(costs, _trace(min(ends, key=lambda s: ends[s]), came))


def _moves(costs: Costs, state: _State, at: int, least: int) -> Iterator[tuple[_State, float]]:
    """Yield the states that operation `at` can be in, and what going there costs."""
    yield _State(state.device, state.seen, min(state.length + 1, least)), 0.0
    if state.length >= least:
        for other in range(len(costs.calls)):
            if other != state.device:
                after = _State(other, state.seen | 1 << other, min(1, least))
                yield after, costs.switch(state.device, other, at)


def _trace(state: _State, came: Sequence[Mapping[_State, _State]]) -> list[int]:
    chosen = [state.device]
    for origin in reversed(came[1:]):
        state = origin[state]
        chosen.append(state.device)
    return chosen[::-1]


def _stretches(costs: Costs, chosen: Sequence[int]) -> tuple[Stretch, ...]:
    cuts = [0, *(i for i in range(1, len(chosen)) if chosen[i] != chosen[i - 1]), len(chosen)]
    return tuple(
        Stretch(
            device=chosen[start],
            start=start,
            end=end,
            time_ns=costs.calls[chosen[start]]
            + sum(costs.times[i][chosen[start]] for i in range(start, end)),
        )
        for start, end in pairwise(cuts)
    )


def alive_bytes(view: GraphView, sizes: Mapping[str, int]) -> list[int]:
    """Return, for each operation, the bytes that are alive just before it.

    What the caller gave is not counted: it lies in memory whoever reads it.
    """
    readers = view.consumers()
    change = [0] * (len(view.nodes) + 1)
    results = {b.value for b in view.outputs}
    for i, node in enumerate(view.nodes):
        for value in node.outputs:
            last = len(view.nodes) - 1 if value in results else max(readers.get(value, [i]))
            if last > i:
                size = size_bytes(view.types[value], sizes)
                change[i + 1] += size
                change[last + 1] -= size
    alive, total = [], 0
    for difference in change[:-1]:
        total += difference
        alive.append(total)
    return alive


def costs_of(
    view: GraphView,
    devices: Sequence[Device],
    links: Mapping[tuple[int, int], Link | None],
    sizes: Mapping[str, int],
) -> Costs:
    """Return what the operations of a graph cost on some devices.

    Raises:
        PlanningError: An operation is supported by no device (CEP-X5).
    """
    times = []
    for node in view.nodes:
        row = [
            d.time_ns(node, view.types, sizes) if d.supports(node, view.types, view.ranges) else inf
            for d in devices
        ]
        if min(row) == inf:
            operands = ", ".join(str(view.types[v]) for v in node.inputs)
            raise PlanningError.because(
                "CEP-X5",
                f"no device of the system claims {node.target} for ({operands}); it makes "
                f"{node.outputs[0]!r}",
            )
        times.append(row)
    return Costs(
        times=times,
        alive=alive_bytes(view, sizes),
        handover_ns=[_byte_ns(d) for d in devices],
        links=links,
        calls=[d.call_ns for d in devices],
    )


def _byte_ns(device: Device) -> float:
    memory = device.memory
    rate = memory.combined_bytes_per_s or memory.read_bytes_per_s
    return 1e9 / rate if rate else 0.1
