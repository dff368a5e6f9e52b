"""The verdict against every interleaving, on mutants of valid plans of many kinds."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from acp.diagnostics import Refused
from cep.graph import GraphView
from cep.machine import HappensBefore, explore
from cep.mutate import mutants
from cep.v1.plan import Plan
from cep.verify import RULES
from tests.cep.machine.scope import judged, subject
from tests.cep.mutate.bases import small
from tests.cep.plans import NOW

GROUND = sorted(
    (rule for rule in RULES.values() if rule.code in ("CEP-I4", "CEP-I6") or rule.code[4] in "TS"),
    key=lambda rule: rule.stage,
)
"""Rules on what a plan says, without which it means nothing that could go wrong."""


def meaningful(mutant):
    """The plan of a mutant and its view, if what it says makes sense."""
    try:
        document = Plan.from_json(mutant.document)
        view = GraphView.of(document)
    except Refused:
        return None
    judged_by = subject(document, view)
    if any(True for rule in GROUND for _ in rule.diagnostics(judged_by)):
        return None
    return document, view


def idle(document):
    """Whether some `in_place_of` takes over nothing: refused, though nothing goes wrong."""

    def apart(a, b):
        disjoint = a.offset + a.size <= b.offset or b.offset + b.size <= a.offset
        return a.arena != b.arena or disjoint

    places = document.buffers
    named = [(step.reads, places[w]) for step in document.steps for w in step.writes]
    return any(
        new.in_place_of is not None
        and (new.in_place_of not in reads or apart(new, places[new.in_place_of]))
        for reads, new in named
    )


@pytest.fixture(scope="module")
def benches(tmp_path_factory):
    return small(tmp_path_factory.mktemp("bases"))


def empty(document):
    """Whether copies or lags are declared that nothing uses: refused, though nothing goes wrong."""
    stream = document.stream
    if stream is None:
        return any(wait.lag for step in document.steps for wait in step.waits)
    return stream.ring_depth > stream.microbatches


def beyond(document):
    """Whether a wait with a lag is for an epoch of a later one: refused, though it comes."""
    lengths = Counter(step.queue for step in document.steps)
    return any(w.lag and w.epoch > lengths[w.queue] for step in document.steps for w in step.waits)


@pytest.mark.parametrize(
    "base", ["chain", "fork", "full", "annex", "lattice", "pipeline", "together", "scattered"]
)
def test_mutants_are_judged_as_every_interleaving_says(benches, base):
    compared = wrong = 0
    for mutant in mutants(benches[base].plan, now=NOW, count=1500):
        if (found := meaningful(mutant)) is None:
            continue
        document, view = found
        codes, tried = judged(document, view), explore(document)
        assert tried.complete
        harmless = (
            (codes == ["CEP-M2"] and idle(document))
            or (codes == ["CEP-O4"] and empty(document))
            or (codes == ["CEP-O2"] and beyond(document))
            # Of what CEP-O3 asks for, only a part is about interleavings.
            or codes == ["CEP-O3"]
        )
        if not harmless:
            assert tried.safe != bool(codes), (codes, tried, mutant.change)
        compared += 1
        wrong += not tried.safe
        if document.stream is not None:
            continue
        clocks, bits = subject(document, view), HappensBefore(document)
        assert bool(list(RULES["CEP-O1"].diagnostics(clocks))) == bits.cyclic
        if not bits.cyclic:
            for first, then in itertools.product(range(len(document.steps)), repeat=2):
                assert clocks.before(first, then) == bits.before(first, then)
    assert compared > 100
    assert wrong > 10
