"""Rules of family O: do the steps always come to an end, and do devices see each other's data?

Happens-before is the transitive closure of two relations: a step comes after the one before it in
its queue, and after the steps whose epochs it waits for. It is kept as one vector clock a step: how
far each queue has certainly come when the step begins, its own epoch included. The members of a
collective begin and end together, so that they share a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cep.verify.collectives import unconnected
from cep.verify.rules import Finding, once, rule

if TYPE_CHECKING:
    from cep.v1.plan import Transfer
    from cep.verify.subject import Subject


MAX_CLOCKS: Final = 32_000_000
"""Most entries of vector clocks that are kept and joined; 2 million steps on 16 queues."""
MAX_SHOWN: Final = 16


@rule("CEP-O1", stage=2)
def deadlock_free(s: Subject) -> Iterator[Finding]:
    """Happens-before has no cycle, so that some step can always begin."""
    count = len(s.plan.steps)
    if (count + sum(len(t.waits) for t in s.plan.steps)) * len(s.plan.queues) > MAX_CLOCKS:
        message = f"steps and waits times queues are more than {MAX_CLOCKS}; use fewer queues"
        yield Finding(("queues",), message)
        return
    before = {members[0]: s.predecessors(members[0]) for members in s.party}
    s.order, s.clocks = _clocks(s, before)
    stuck = sorted(before.keys() - set(s.order))
    if stuck:
        cycle = [str(i) for i in _cycle(stuck, before)]
        if len(cycle) > MAX_SHOWN:
            cycle[MAX_SHOWN // 2 : -MAX_SHOWN // 2] = ["..."]
        shown = " -> ".join(cycle)
        message = f"steps wait for each other and none can begin: {shown}"
        yield Finding(("steps", stuck[0], "waits"), message)


def _clocks(s: Subject, before: dict[int, list[int]]) -> tuple[list[int], list[tuple[int, ...]]]:
    """Return the steps that can be put in order, in order, and the clock of each step.

    Steps are taken as they come. What comes too early is held until the step that it waits for has
    a clock; what is taken out of `before` has been waited for.
    """
    clocks: list[tuple[int, ...]] = [()] * len(s.plan.steps)
    start = (0,) * len(s.plan.queues)
    begun: dict[int, tuple[int, ...]] = {}
    held: dict[int, list[int]] = {}
    order: list[int] = []
    for first in before:
        ready = [first]
        while ready:
            i = ready.pop()
            left, clock = before[i], begun.pop(i, start)
            while left and (reached := clocks[left[-1]]):
                clock = reached if clock is start else tuple(map(max, clock, reached))
                left.pop()
            if left:
                begun[i] = clock
                held.setdefault(left[-1], []).append(i)
                continue
            ended = list(clock)
            for member in s.party[i]:
                ended[s.lines[member]] = s.epochs[member]
            clock = tuple(ended)
            for member in s.party[i]:
                clocks[member] = clock
                order.append(member)
            if i in held:
                ready += held.pop(i)
    return order, clocks


def _cycle(stuck: list[int], before: dict[int, list[int]]) -> list[int]:
    """Return one cycle, each step followed by one that it waits for."""
    inside = set(stuck)
    path: list[int] = []
    seen: dict[int, int] = {}
    at = stuck[0]
    while at not in seen:
        seen[at] = len(path)
        path.append(at)
        at = next(b for b in before[at] if b in inside)
    return [*path[seen[at] :], at]


@rule("CEP-O2", stage=2)
def epochs_exist(s: Subject) -> Iterator[Finding]:
    """Every epoch that is waited for is reached by some step."""
    lengths = {queue: len(steps) for queue, steps in s.step_at.items()}
    for i, step in enumerate(s.plan.steps):
        for j, wait in enumerate(step.waits):
            if wait.epoch > lengths[wait.queue]:
                message = (
                    f"queue {wait.queue!r} ends at epoch {lengths[wait.queue]}; epoch {wait.epoch} "
                    "never comes"
                )
                yield Finding(("steps", i, "waits", j), message)


@rule("CEP-O5", stage=4)
def transfers(s: Subject) -> Iterator[Finding]:
    """A device at one end copies one value between two places, over a link that exists."""
    yield from unconnected(s)
    copies: list[tuple[int, Transfer]] = []
    ways: list[object] = []
    for i, step in enumerate(s.plan.steps):
        if step.transfer is None:
            continue
        if len(step.reads) != 1 or len(step.writes) != 1:
            yield Finding(("steps", i), "a transfer reads one buffer and writes one")
            continue
        source, target = s.plan.buffers[step.reads[0]], s.plan.buffers[step.writes[0]]
        if source.value != target.value:
            message = f"copies {source.value!r} to the place of {target.value!r}"
            yield Finding(("steps", i, "writes"), message)
        copies.append((i, step.transfer))
        ways.append((step.queue, step.transfer.link, source.arena, target.arena))
    yield from once(ways, lambda n: _carried(s, *copies[n]))


def _carried(s: Subject, i: int, transfer: Transfer) -> Iterator[Finding]:
    step = s.plan.steps[i]
    source, target = (s.plan.buffers[b].arena for b in (step.reads[0], step.writes[0]))
    ends = tuple(s.arenas[arena].device for arena in (source, target))
    yield from reached_from(s, i, step.queue)
    if transfer.link is None:
        if ends[0] != ends[1] and not _share(s, source, target):
            message = f"goes from {ends[0]!r} to {ends[1]!r}, but names no link"
            yield Finding(("steps", i, "transfer"), message)
    elif not _linked(s, transfer.link, source, target):
        message = (
            f"no system descriptor that was given has a link {transfer.link!r} from "
            f"{ends[0]!r} to {ends[1]!r}"
        )
        if s.refused_systems:
            message += f"; one is not believed: {s.refused_systems[0]}"
        yield Finding(("steps", i, "transfer", "link"), message)


def reached_from(s: Subject, i: int, queue: str) -> Iterator[Finding]:
    """Check what CEP-O5 says of the device for a transfer, carried out by the device of a queue."""
    step, slot = s.plan.steps[i], s.queues[queue].device
    arenas = [s.plan.buffers[b].arena for b in (*step.reads, *step.writes)]
    if not s.sight.visible.get(slot, frozenset()) & {s.sight.domains[a] for a in arenas}:
        yield Finding(("steps", i, "queue"), f"{slot!r} sees neither {' nor '.join(arenas)}")


def _linked(s: Subject, name: str, source: str, target: str) -> bool:
    """Say whether a link leads from devices that see one arena to devices that see the other."""
    sources, targets = (
        s.sight.seen_by[s.sight.domains[source]],
        s.sight.seen_by[s.sight.domains[target]],
    )
    return any(a in sources and b in targets for a, b, *_ in s.sight.links.get(name, ()))


def _share(s: Subject, left: str, right: str) -> bool:
    return s.sight.domains[left] == s.sight.domains[right] is not None


@rule("CEP-O6", stage=4)
def visible(s: Subject) -> Iterator[Finding]:
    """RUN and COLLECTIVE touch their device's memory only, or memory that is coherent with it."""
    domains = [s.sight.domains[b.arena] for b in s.plan.buffers]
    own = {q.id: s.sight.visible.get(q.device, frozenset()) for q in s.plan.queues}
    for i, step in enumerate(s.plan.steps):
        if step.run is None and step.collective is None:
            continue
        if not own[step.queue].issuperset([domains[b] for b in (*step.reads, *step.writes)]):
            yield from seen_from(s, i, step.queue)


def seen_from(s: Subject, i: int, queue: str) -> Iterator[Finding]:
    """Check what CEP-O6 says of buffers for a step, carried out by the device of a queue."""
    step, slot = s.plan.steps[i], s.queues[queue].device
    own = s.sight.visible.get(slot, frozenset())
    for member, indices in (("reads", step.reads), ("writes", step.writes)):
        for j, index in enumerate(indices):
            buffer = s.plan.buffers[index]
            if s.sight.domains[buffer.arena] not in own:
                message = (
                    f"{slot!r} cannot see arena {buffer.arena!r} of "
                    f"{s.arenas[buffer.arena].device!r}: the memories share no coherence "
                    f"domain. Move {buffer.value!r} with a transfer"
                )
                yield Finding(("steps", i, member, j), message)
