"""Rules of family O: do the steps always come to an end, and do devices see each other's data?

What happens before what is computed once, by `cep.clocks`, for these rules and those of memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cep.clocks import clocks, cycle_of
from cep.verify.collectives import unconnected
from cep.verify.rules import Finding, once, rule

if TYPE_CHECKING:
    from cep.verify.subject import Subject


MAX_CLOCKS: Final = 32_000_000
"""Most entries of vector clocks that are kept and joined; 2 million steps on 16 queues."""
MAX_SHOWN: Final = 16


@rule("CEP-O1", stage=2)
def deadlock_free(s: Subject) -> Iterator[Finding]:
    """Happens-before has no cycle, so that some step can always begin."""
    count = len(s.plan.steps)
    if (count + len(s.waits)) * len(s.plan.queues) > MAX_CLOCKS:
        message = f"steps and waits times queues are more than {MAX_CLOCKS}; use fewer queues"
        yield Finding(("queues",), message)
        return
    s.order, s.clocks = clocks(s)
    if len(s.order) < count:
        stuck = sorted({members[0] for members in s.party}.difference(s.order))
        cycle = [str(i) for i in cycle_of(s, stuck)]
        if len(cycle) > MAX_SHOWN:
            cycle[MAX_SHOWN // 2 : -MAX_SHOWN // 2] = ["..."]
        shown = " -> ".join(cycle)
        message = f"steps wait for each other and none can begin: {shown}"
        yield Finding(("steps", stuck[0], "waits"), message)


@rule("CEP-O2", stage=2)
def epochs_exist(s: Subject) -> Iterator[Finding]:
    """Every epoch that is waited for is reached by some step."""
    lengths = {queue: len(steps) for queue, steps in s.step_at.items()}
    late = [wait for wait in s.waits if wait.epoch > lengths[wait.queue]]
    for i, step in enumerate(s.plan.steps if late else ()):
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
    sound: list[int] = []
    for i in [i for i, step in enumerate(s.plan.steps) if step.transfer is not None]:
        reads, writes = s.reads[i], s.writes[i]
        if len(reads) != 1 or len(writes) != 1:
            yield Finding(("steps", i), "a transfer reads one buffer and writes one")
            continue
        sound.append(i)
        source, target = s.values[reads[0]], s.values[writes[0]]
        if source != target:
            message = f"copies {source!r} to the place of {target!r}"
            yield Finding(("steps", i, "writes"), message)
    yield from once([s.kinds[i] for i in sound], lambda n: _carried(s, sound[n]))


def _carried(s: Subject, i: int) -> Iterator[Finding]:
    transfer = s.plan.steps[i].transfer
    link = transfer.link if transfer is not None else None
    source, target = (s.places[b][0] for b in (s.reads[i][0], s.writes[i][0]))
    ends = tuple(s.arenas[arena].device for arena in (source, target))
    yield from reached_from(s, i, s.queue_of[i])
    if link is None:
        if ends[0] != ends[1] and not _share(s, source, target):
            message = f"goes from {ends[0]!r} to {ends[1]!r}, but names no link"
            yield Finding(("steps", i, "transfer"), message)
    elif not _linked(s, link, source, target):
        message = (
            f"no system descriptor that was given has a link {link!r} from "
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
    yield from once(s.kinds, lambda i: seen_from(s, i, s.queue_of[i]))


def seen_from(s: Subject, i: int, queue: str) -> Iterator[Finding]:
    """Check what CEP-O6 says of buffers for a step, carried out by the device of a queue."""
    step, slot = s.plan.steps[i], s.queues[queue].device
    own = s.sight.visible.get(slot, frozenset())
    if step.run is None and step.collective is None:
        return
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
