"""The verdict against an abstract machine that runs every interleaving of a small plan.

The machine knows nothing of clocks, segments or rules. Its state is how far each queue has come,
which steps are in flight, and what each block of memory holds. A step begins when its predecessor
has ended and its waits are reached; a fault is a conflict with a step in flight, a read of anything
but the value that the step expects, or an output that is not there at the end; a state in which
nothing moves before the end is a deadlock (spec/cep.md, "Operational semantics").
"""

from __future__ import annotations

import itertools
import random

import pytest

from cep.graph import GraphView
from cep.v1.plan import Plan
from cep.verify import RULES
from cep.verify.subject import Subject
from tests.cep.plans import NOW, POLICY, at, buffer, chain, fork, op, plan, run, value

BLOCK = 128
ORDER_AND_MEMORY = ("CEP-O1", "CEP-O2", "CEP-M2", "CEP-M3", "CEP-M4", "CEP-M5", "CEP-M6", "CEP-M7")


def blocks(place):
    first = place.offset // BLOCK
    return [(place.arena, b) for b in range(first, first + -(-place.size // BLOCK))]


class Machine:
    """One plan, run in every order."""

    def __init__(self, document):
        self.plan = document
        self.roles = {v.id: v.role for v in document.values}
        self.queues = [q.id for q in document.queues]
        self.lines = {
            q: [i for i, s in enumerate(document.steps) if s.queue == q] for q in self.queues
        }
        self.written = {b for s in document.steps for b in s.writes}

    def start(self):
        """Memory before the first step, or None if two things would have to be in one place."""
        memory = {}
        for i, place in enumerate(self.plan.buffers):
            if self.roles[place.value] in ("IN", "CONST") and i not in self.written:
                for block in blocks(place):
                    if block in memory:
                        return None
                    memory[block] = i
        return memory

    def faults(self):
        """Whether some interleaving faults or gets stuck."""
        memory = self.start()
        if memory is None:
            return True
        first = (tuple(0 for _ in self.queues), frozenset(), frozenset(memory.items()))
        pending, seen = [first], {first}
        while pending:
            ended, flying, held = pending.pop()
            moves = list(self.moves(ended, flying, held))
            if "fault" in moves:
                return True
            if not moves:
                whole = all(
                    e == len(self.lines[q]) for e, q in zip(ended, self.queues, strict=True)
                )
                if not whole or not self.outputs(dict(held)):
                    return True
            for state in moves:
                if state not in seen:
                    seen.add(state)
                    pending.append(state)
        return False

    def moves(self, ended, flying, held):
        memory = dict(held)
        for n, queue in enumerate(self.queues):
            line = self.lines[queue]
            if ended[n] == len(line):
                continue
            step = line[ended[n]]
            if step in flying:
                after = dict(memory)
                for b in self.plan.steps[step].writes:
                    after.update(dict.fromkeys(blocks(self.plan.buffers[b]), b))
                done = (*ended[:n], ended[n] + 1, *ended[n + 1 :])
                yield (done, flying - {step}, frozenset(after.items()))
            elif all(
                ended[self.queues.index(w.queue)] >= w.epoch for w in self.plan.steps[step].waits
            ):
                if self.conflicts(step, flying) or not self.readable(step, memory):
                    yield "fault"
                else:
                    busy = dict(memory)
                    for b in self.plan.steps[step].writes:
                        busy.update(dict.fromkeys(blocks(self.plan.buffers[b]), "busy"))
                    yield (ended, flying | {step}, frozenset(busy.items()))

    def touched(self, step, member):
        places = [self.plan.buffers[b] for b in getattr(self.plan.steps[step], member)]
        return [block for place in places for block in blocks(place)]

    def conflicts(self, step, flying):
        writes = self.touched(step, "writes")
        if len(set(writes)) != len(writes) or set(writes) & set(self.touched(step, "reads")):
            return True
        return any(
            set(writes) & {*self.touched(other, "writes"), *self.touched(other, "reads")}
            or set(self.touched(step, "reads")) & set(self.touched(other, "writes"))
            for other in flying
        )

    def readable(self, step, memory):
        return all(
            memory.get(block) == b
            for b in self.plan.steps[step].reads
            for block in blocks(self.plan.buffers[b])
        )

    def outputs(self, memory):
        """Every output lies in each buffer that it was written to."""
        return all(
            any(b.value == o.value and i in self.written for i, b in enumerate(self.plan.buffers))
            for o in self.plan.outputs
        ) and all(
            memory.get(block) == i
            for i, place in enumerate(self.plan.buffers)
            if self.roles[place.value] == "OUT" and i in self.written
            for block in blocks(place)
        )


def judged(document):
    """Codes of the rules of families M and O that refuse a plan, as the stages run."""
    subject = Subject(
        plan=document, view=GraphView.of(document), policy=POLICY, now=NOW,
        descriptors={}, refused={},
    )  # fmt: skip
    rules = [RULES[code] for code in ORDER_AND_MEMORY]
    for stage in sorted({rule.stage for rule in rules}):
        now = [r for r in rules if r.stage == stage]
        if found := [r.code for r in now if list(r.diagnostics(subject))]:
            return found
    return []


def small(ops, values, reads, places, queues, waits, order):
    """A plan of three steps on up to two queues, with buffers at any of the given blocks."""
    steps = [run(q, [i], r, [i + 1]) for i, (q, r) in enumerate(zip(queues, reads, strict=True))]
    for step, wait in zip(steps, waits, strict=True):
        if wait:
            step["waits"] = [{"queue": wait[0], "epoch": wait[1]}]
    return plan(
        ("p",),
        queues=[{"id": q, "device": "p", "kind": "COMPUTE"} for q in ("p", "q")],
        values=values,
        ops=ops,
        buffers=[buffer(v["id"], "p", b * BLOCK) for v, b in zip(values, places, strict=True)],
        steps=[steps[i] for i in order],
    )


GRAPHS = {
    "a line": (
        [op("abs", ["x"], "a"), op("neg", ["a"], "c"), op("relu", ["c"], "y")],
        [[0], [1], [2]],
    ),
    "a fork": (
        [op("abs", ["x"], "a"), op("neg", ["x"], "c"), op("mul.Tensor", ["a", "c"], "y")],
        [[0], [0], [1, 2]],
    ),
}
VALUES = [
    value(n, r, "b", "4") for n, r in (("x", "IN"), ("a", "TEMP"), ("c", "TEMP"), ("y", "OUT"))
]
WAITS = [None, ("p", 1), ("p", 2), ("q", 1), ("q", 2)]


def every_small_plan(graph):
    """Three steps, two queues, four buffers in three or four blocks, at most one wait a step."""
    ops, reads = GRAPHS[graph]
    placements = [(0, *rest) for rest in itertools.product(range(4), repeat=3)]
    for queues in itertools.product("pq", repeat=3):
        for order in ((0, 1, 2), (1, 0, 2), (2, 1, 0)):
            for waits in itertools.product(WAITS, repeat=3):
                for places in placements:
                    yield ops, VALUES, reads, places, queues, waits, order


def documents(graph, count, seed):
    """`count` of all small plans, half of them near a valid one, as parsed plans."""
    chosen = random.Random(seed)  # noqa: S311 - a sample, reproducible
    every = list(every_small_plan(graph))
    for parts in chosen.sample(every, count):
        yield Plan.from_json(small(*parts))
    # Plans in the graph's order whose steps wait for all that came before, with any placement.
    ops, reads = GRAPHS[graph]
    for queues in itertools.product("pq", repeat=3):
        for places in itertools.product(range(4), repeat=3):
            others = [[q for q in queues[:i] if q != queues[i]] for i in range(3)]
            waits = [(earlier[-1], len(earlier)) if earlier else None for earlier in others]
            for missing in (None, 1, 2):
                kept = [None if i == missing else w for i, w in enumerate(waits)]
                made = small(ops, VALUES, reads, (0, *places), queues, kept, (0, 1, 2))
                yield Plan.from_json(made)


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_verdict_is_that_of_every_interleaving(graph):
    accepted = refused = 0
    alone = set()
    for document in documents(graph, 4000, seed=2026):
        wrong, codes = Machine(document).faults(), judged(document)
        assert bool(codes) == wrong, (codes, document.steps, document.buffers)
        accepted += not wrong
        refused += wrong
        if len(codes) == 1:
            alone.update(codes)
    assert accepted > 100
    assert refused > 1000
    assert alone >= {"CEP-O1", "CEP-O2", "CEP-M2"}, "without them, the verdict would be wrong"


@pytest.mark.slow
@pytest.mark.parametrize("graph", GRAPHS)
def test_the_verdict_is_that_of_every_interleaving_of_every_small_plan(graph):
    for parts in every_small_plan(graph):
        document = Plan.from_json(small(*parts))
        assert bool(judged(document)) == Machine(document).faults(), document


def longer(chosen):
    """A random plan of four steps with overlaps of every kind, and copies."""
    names = ["x", "a", "c", "d", "y"]
    ops = [op("abs", ["x"], "a"), op("neg", ["a"], "c"), op("relu", ["x"], "d")]
    ops.append(op("mul.Tensor", chosen.sample(["a", "c", "d"], 2), "y"))
    values = [
        value(n, "IN" if n == "x" else "OUT" if n == "y" else "TEMP", "b", "4") for n in names
    ]
    places = [
        buffer(n, "p", BLOCK * chosen.randrange(6), BLOCK * chosen.choice((1, 1, 2))) for n in names
    ]
    queues = [chosen.choice("pq") for _ in ops]
    steps = []
    for i, (made, queue) in enumerate(zip(ops, queues, strict=True)):
        step = run(queue, [i], [names.index(n) for n in made["inputs"]], [i + 1])
        counts = [(q, queues[:i].count(q)) for q in "pq" if q != queue and q in queues[:i]]
        if counts and chosen.random() < 0.8:
            step["waits"] = [{"queue": q, "epoch": chosen.randint(1, n)} if chosen.random() < 0.3
                             else {"queue": q, "epoch": n} for q, n in counts]  # fmt: skip
        steps.append(step)
    if chosen.random() < 0.4:
        at_step = chosen.choice((len(steps), chosen.randrange(1, len(steps) + 1)))
        which = chosen.randrange(len(names))
        places.append(buffer(names[which], "p", BLOCK * chosen.randrange(6)))
        steps.insert(
            at_step,
            {"queue": chosen.choice("pq"), "transfer": {}, "reads": [which],
             "writes": [len(places) - 1]},
        )  # fmt: skip
    return plan(
        ("p",),
        queues=[{"id": q, "device": "p", "kind": "COMPUTE"} for q in "pq"],
        values=values, ops=ops, buffers=places, steps=steps,
    )  # fmt: skip


def test_the_verdict_is_that_of_every_interleaving_of_longer_plans():
    chosen = random.Random(7)  # noqa: S311 - a sample, reproducible
    accepted = 0
    alone = set()
    for _ in range(4000):
        document = Plan.from_json(longer(chosen))
        wrong, codes = Machine(document).faults(), judged(document)
        assert bool(codes) == wrong, (codes, document.steps, document.buffers)
        accepted += not wrong
        if len(codes) == 1:
            alone.update(codes)
    assert accepted > 50
    memory = {"CEP-M2", "CEP-M3", "CEP-M4", "CEP-M5", "CEP-M6"}
    assert alone >= memory, "without one of them, the verdict would be wrong somewhere"


WITHOUT = {
    "CEP-O2": ("fork", at("steps/2/waits", [{"queue": "right", "epoch": 9}])),
    "CEP-O1": ("fork", at("steps/0/waits", [{"queue": "left", "epoch": 2}])),
    "CEP-M3": ("fork", at("buffers/2", buffer("n", "left", 128))),
    "CEP-M4": ("fork", at("steps/2/waits", ...)),
}


@pytest.mark.parametrize("base", [chain, fork])
def test_the_machine_finds_no_fault_in_the_accepted_plans(base):
    assert not Machine(Plan.from_json(base().plan)).faults()


@pytest.mark.parametrize(("base", "change"), WITHOUT.values(), ids=WITHOUT)
def test_the_machine_finds_what_the_rules_find(base, change):
    case = {"chain": chain, "fork": fork}[base]()
    change(case)
    assert Machine(Plan.from_json(case.plan)).faults()
