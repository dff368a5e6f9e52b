"""Mutations of when and where steps run: waits, queues, regions, reads and writes, transfers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cep.mutate.change import REMOVED, Change, Document, Family, Surroundings
from cep.mutate.computation import without
from cep.mutate.identity import NOTHING

FAMILY: Final = Family()
HAZARDS: Final = frozenset({"CEP-M3", "CEP-M4", "CEP-M5", "CEP-M6", "CEP-M7", "CEP-O4"})
ORDER: Final = HAZARDS | {"CEP-O1", "CEP-O2"}
PLACE: Final = ORDER | {
    "CEP-O3",
    "CEP-O5",
    "CEP-O6",
    "CEP-C2",
    "CEP-C4",
    "CEP-C6",
    "CEP-T6",
    "CEP-M8",
}
CUT: Final = frozenset({"CEP-S1", "CEP-S2", "CEP-S3", "CEP-S4", "CEP-O3"})


def _lengths(plan: Document) -> dict[str, int]:
    lengths = {q["id"]: 0 for q in plan["queues"]}
    for step in plan["steps"]:
        lengths[step["queue"]] += 1
    return lengths


def _waits(plan: Document) -> Iterator[tuple[int, int, dict[str, Any]]]:
    for i, step in enumerate(plan["steps"]):
        for j, wait in enumerate(step.get("waits", [])):
            yield i, j, wait


@FAMILY.meant_for(*HAZARDS)
def _wait_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Do not wait."""
    for i, j, _wait in _waits(plan):
        yield Change(("steps", i, "waits"), without(plan["steps"][i]["waits"], j))


@FAMILY.meant_for(*ORDER)
def _wait_shifted(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Wait for an earlier or later epoch of the same queue."""
    lengths = _lengths(plan)
    for i, j, wait in _waits(plan):
        for epoch in range(1, lengths[wait["queue"]] + 1):
            if epoch != wait["epoch"]:
                yield Change(("steps", i, "waits", j, "epoch"), epoch)


@FAMILY.meant_for("CEP-O2")
def _wait_forever(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Wait for an epoch that never comes."""
    lengths = _lengths(plan)
    for i, j, wait in _waits(plan):
        for beyond in (1, 1000):
            yield Change(("steps", i, "waits", j, "epoch"), lengths[wait["queue"]] + beyond)
    for i, step in enumerate(plan["steps"]):
        for queue, length in lengths.items():
            wait = {"queue": queue, "epoch": length + 1}
            yield Change(("steps", i, "waits"), [*step.get("waits", []), wait])


@FAMILY.meant_for(*ORDER)
def _wait_redirected(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Wait for another queue."""
    for i, j, wait in _waits(plan):
        for queue in plan["queues"]:
            if queue["id"] != wait["queue"]:
                yield Change(("steps", i, "waits", j, "queue"), queue["id"])


@FAMILY.meant_for("CEP-O1")
def _wait_added(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Wait for one epoch more."""
    lengths = _lengths(plan)
    for i, step in enumerate(plan["steps"]):
        waits = step.get("waits", [])
        for queue, length in lengths.items():
            for epoch in range(1, length + 1):
                wait = {"queue": queue, "epoch": epoch}
                if wait not in waits:
                    yield Change(("steps", i, "waits"), [*waits, wait])


@FAMILY.meant_for(*ORDER)
def _steps_swapped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Exchange two steps of a queue."""
    steps = plan["steps"]
    for i, one in enumerate(steps):
        for j in range(i + 1, len(steps)):
            if steps[j]["queue"] == one["queue"]:
                between = steps[i + 1 : j]
                yield Change(("steps",), [*steps[:i], steps[j], *between, one, *steps[j + 1 :]])


@FAMILY.meant_for(*PLACE)
def _step_moved(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Move a step to another queue."""
    for i, step in enumerate(plan["steps"]):
        for queue in plan["queues"]:
            if queue["id"] != step["queue"]:
                yield Change(("steps", i, "queue"), queue["id"])


@FAMILY.meant_for(*PLACE)
def _queue_device(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give a queue that is used to another device."""
    used = {t["queue"] for t in plan["steps"]}
    for i, queue in enumerate(plan["queues"]):
        for device in plan["devices"]:
            if device["slot"] != queue["device"] and queue["id"] in used:
                yield Change(("queues", i, "device"), device["slot"])


@FAMILY.meant_for("CEP-S1", "CEP-I6", "CEP-O3", *ORDER)
def _step_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Drop a step."""
    for i in range(len(plan["steps"]) if len(plan["steps"]) > 1 else 0):
        yield Change(("steps",), without(plan["steps"], i))


@FAMILY.meant_for("CEP-S1", "CEP-O3", *ORDER)
def _step_twice(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Run a step a second time, at once or at the end."""
    steps = plan["steps"]
    for i, step in enumerate(steps):
        yield Change(("steps",), [*steps[: i + 1], step, *steps[i + 1 :]])
        if i + 1 < len(steps):
            yield Change(("steps",), [*steps, step])


def _regions(plan: Document) -> Iterator[tuple[int, list[int]]]:
    for i, step in enumerate(plan["steps"]):
        if "run" in step:
            yield i, step["run"]["ops"]


@FAMILY.meant_for("CEP-S1")
def _region_op_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Leave an operation out of its region."""
    for i, ops in _regions(plan):
        for j in range(len(ops) if len(ops) > 1 else 0):
            yield Change(("steps", i, "run", "ops"), without(ops, j))


@FAMILY.meant_for("CEP-S1")
def _region_op_added(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Run an operation in a second region, or twice in its own."""
    for i, ops in _regions(plan):
        for op in range(len(plan["ops"])):
            yield Change(("steps", i, "run", "ops"), [*ops, op])


@FAMILY.meant_for("CEP-S1")
def _region_op_redirected(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Run another operation in the place of one."""
    for i, ops in _regions(plan):
        for j, op in enumerate(ops):
            for other in range(len(plan["ops"])):
                if other != op:
                    yield Change(("steps", i, "run", "ops", j), other)


@FAMILY.meant_for(*CUT)
def _region_op_moved(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Move an operation from one region to another."""
    regions = list(_regions(plan))
    for i, ops in regions:
        for j, op in enumerate(ops):
            for k, others in regions:
                if k != i and len(ops) > 1:
                    steps = list(plan["steps"])
                    steps[i] = steps[i] | {"run": steps[i]["run"] | {"ops": without(ops, j)}}
                    moved = sorted([*others, op])
                    steps[k] = steps[k] | {"run": steps[k]["run"] | {"ops": moved}}
                    yield Change(("steps",), steps)


@FAMILY.meant_for(*CUT)
def _regions_exchanged(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Let two steps run each other's region."""
    regions = list(_regions(plan))
    for n, (i, _ops) in enumerate(regions):
        for j, _others in regions[n + 1 :]:
            steps = list(plan["steps"])
            one, two = steps[i]["run"], steps[j]["run"]
            steps[i], steps[j] = steps[i] | {"run": two}, steps[j] | {"run": one}
            yield Change(("steps",), steps)


@FAMILY.meant_for(*CUT)
def _region_reordered(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Exchange two neighbouring operations of a region."""
    for i, ops in _regions(plan):
        for j in range(len(ops) - 1):
            swapped = [*ops[:j], ops[j + 1], ops[j], *ops[j + 2 :]]
            yield Change(("steps", i, "run", "ops"), swapped)


@FAMILY.meant_for("CEP-O5", *CUT)
def _access_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Do not read, or not write, a buffer."""
    for i, step in enumerate(plan["steps"]):
        for member in ("reads", "writes"):
            for j in range(len(step.get(member, []))):
                yield Change(("steps", i, member), without(step[member], j))


@FAMILY.meant_for("CEP-O5", *CUT)
def _access_added(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Read or write one buffer more."""
    for i, step in enumerate(plan["steps"]):
        for member in ("reads", "writes"):
            for buffer in range(len(plan["buffers"])):
                yield Change(("steps", i, member), [*step.get(member, []), buffer])


@FAMILY.meant_for("CEP-O5", "CEP-O6", "CEP-M2", *CUT, *HAZARDS)
def _access_redirected(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Read or write another buffer."""
    for i, step in enumerate(plan["steps"]):
        for member in ("reads", "writes"):
            for j, index in enumerate(step.get(member, [])):
                for buffer in range(len(plan["buffers"])):
                    if buffer != index:
                        yield Change(("steps", i, member, j), buffer)


@FAMILY.meant_for(*CUT)
def _accesses_swapped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Exchange two operands of a step."""
    for i, step in enumerate(plan["steps"]):
        for member in ("reads", "writes"):
            held = step.get(member, [])
            for j in range(len(held) - 1):
                swapped = [*held[:j], held[j + 1], held[j], *held[j + 2 :]]
                yield Change(("steps", i, member), swapped)


@FAMILY.meant_for("CEP-M2", "CEP-O5", *CUT, *HAZARDS)
def _direction_reversed(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Read what a step writes, and write what it reads."""
    for i, step in enumerate(plan["steps"]):
        reads, writes = step.get("reads", []), step.get("writes", [])
        turned = {k: v for k, v in step.items() if k not in ("reads", "writes")}
        turned |= ({"reads": writes} if writes else {}) | ({"writes": reads} if reads else {})
        yield Change(("steps", i), turned)


@FAMILY.meant_for("CEP-O5")
def _link(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Copy over no link, or one that there is not."""
    for i, step in enumerate(plan["steps"]):
        if "transfer" in step:
            yield Change(("steps", i, "transfer", "link"), NOTHING)
            if "link" in step["transfer"]:
                yield Change(("steps", i, "transfer", "link"), REMOVED)


@FAMILY.meant_for("CEP-O5")
def _link_redirected(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Copy over a link that leads elsewhere."""
    links = {t["transfer"].get("link") for t in plan["steps"] if "transfer" in t} - {None}
    for i, step in enumerate(plan["steps"]):
        for link in sorted(links) if "transfer" in step else ():
            if link != step["transfer"].get("link"):
                yield Change(("steps", i, "transfer", "link"), link)


@FAMILY.meant_for("CEP-S1", "CEP-S3", "CEP-O5")
def _body_exchanged(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Copy where a region should run."""
    for i, step in enumerate(plan["steps"]):
        if "run" in step:
            rest = {k: v for k, v in step.items() if k != "run"}
            yield Change(("steps", i), rest | {"transfer": {}})


@FAMILY.meant_for("CEP-O5", "CEP-M2", "CEP-I6", *ORDER)
def _transfer_added(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Copy one buffer to another of the same value, or of another, at the end of a queue."""
    places = plan["buffers"]
    for queue in plan["queues"]:
        for read in range(len(places)):
            for write in range(len(places)):
                if read != write and places[read]["arena"] == places[write]["arena"]:
                    step = {
                        "queue": queue["id"],
                        "transfer": {},
                        "reads": [read],
                        "writes": [write],
                    }
                    yield Change(("steps",), [*plan["steps"], step])
