"""The verifier is tested with faulty plans: whatever it accepts is proven to be harmless."""

from __future__ import annotations

import json

import pytest

from acp.canonical import canonicalize
from acp.diagnostics import Refused
from cep.graph import GraphView
from cep.mutate import OPERATORS, Tally, Verdict, ancestors, mutants, unproven
from cep.v1.plan import Plan
from cep.verify import RULES, RULESET, verify
from cep.verify.order import deadlock_free
from cep.verify.subject import Subject
from tests.cep.mutate.bases import large, small
from tests.cep.plans import NOW, POLICY, chain, fork, transfer

OUTSIDE = {"CEP-I1"}
"""A signature is no part of a plan."""
BACKED = {"CEP-C5", "CEP-M5", "CEP-M7", "CEP-O1", "CEP-S2", "CEP-T4"}
"""Without one of these, others still refuse each plan that one change has spoilt."""


@pytest.fixture(scope="module")
def benches(tmp_path_factory):
    return small(tmp_path_factory.mktemp("bases"))


@pytest.fixture(scope="module")
def judged(benches):
    """The mutants of the small bases with what became of them."""
    return [
        (name, bench.judge(mutant))
        for name, bench in benches.items()
        for mutant in bench.mutants(seed=1, count=500)
    ]


@pytest.fixture(scope="module")
def tally(judged):
    counts = Tally()
    for _, judgement in judged:
        counts.add(judgement)
    return counts


def shown(tally):
    return [
        (j.verdict, j.mutant.operator.name, j.mutant.change.where, j.codes, j.reason)
        for j in tally.remarkable[:20]
    ]


def test_the_bases_are_valid(benches):
    for name, bench in benches.items():
        assert bench.report.ok, (name, bench.report.diagnostics)


def test_what_is_accepted_is_proven_equivalent(benches, tally):
    assert tally.total() == 500 * len(benches)
    assert tally.total(Verdict.ACCEPTED) == 0, shown(tally)


def test_the_intended_rule_refuses_the_others(tally):
    assert tally.intended_ppm >= 990_000, shown(tally)


def test_every_rule_and_every_operator_is_exercised(tally):
    assert set(RULESET) - set(tally.rules) == OUTSIDE
    assert set(OPERATORS) == set(tally.counts)
    assert set().union(*(o.trips for o in OPERATORS.values())) == set(RULESET) - OUTSIDE


@pytest.mark.parametrize("code", sorted(set(RULES) - BACKED))
def test_a_verifier_without_one_rule_is_noticed(code, benches, judged, monkeypatch):
    alone = [(name, j) for name, j in judged if j.codes == (code,)]
    assert alone, "no mutant needs this rule"
    monkeypatch.delitem(RULES, code)

    def noticed(name, judgement):
        try:
            return benches[name].judge(judgement.mutant).verdict is Verdict.ACCEPTED
        except (LookupError, ValueError, Refused):
            return True  # later rules rely on what this one shows

    assert any(noticed(name, judgement) for name, judgement in alone)


def test_two_happens_before_agree(judged):
    agreed = 0
    for _, judgement in judged[::3]:
        try:
            plan = Plan.from_text(judgement.mutant.payload)
            found = ancestors(judgement.mutant.document)
        except Refused:
            continue
        queues = {q.id for q in plan.queues}
        named = {t.queue for t in plan.steps} | {w.queue for t in plan.steps for w in t.waits}
        if len(queues) < len(plan.queues) or not named <= queues:
            continue
        try:
            view = GraphView.of(plan)
        except Refused:
            continue
        subject = Subject(plan, view, POLICY, NOW, descriptors={}, refused={})
        refused = list(deadlock_free(subject))
        if found is None:
            continue  # a cycle, or an epoch that never comes: CEP-O2
        assert not refused
        steps = range(len(plan.steps))
        assert found == [sum(1 << j for j in steps if subject.before(j, i)) for i in steps]
        agreed += 1
    assert agreed > 300


def test_the_same_seed_gives_the_same_mutants(benches):
    plan = benches["fork"].plan
    one, same, other = (
        [m.payload for m in mutants(plan, now=NOW, seed=seed, count=100)] for seed in (3, 3, 4)
    )
    assert one == same != other
    assert len(set(one)) == 100
    assert plan not in one


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_an_operator_changes_one_place_and_not_its_argument(name, benches):
    for bench in benches.values():
        original = json.loads(bench.plan)
        for mutant in bench.mutants([name], count=5):
            assert canonicalize(mutant.document) == mutant.payload
            different = {
                member
                for member in original.keys() | mutant.document.keys()
                if original.get(member) != mutant.document.get(member)
            }
            assert different == {mutant.change.path[0]}
        assert bench.plan == canonicalize(original)


# --- equivalence --------------------------------------------------------------------------------


def descriptors(case):
    case.seal()
    return verify(
        canonicalize(case.plan),
        descriptors=case.envelopes,
        policy=POLICY,
        now=NOW,
        unsigned=True,
    ).descriptors


def changed(document, change):
    copied = json.loads(json.dumps(document))
    change(copied)
    return copied


HARMLESS = {
    "a wait that is implied": lambda p: p["steps"][2].update(waits=[{"queue": "left", "epoch": 1}]),
    "a larger arena": lambda p: p["arenas"][0].update(bytes="8192"),
    "a finer arena": lambda p: p["arenas"][0].update(alignment_bytes="32"),
    "a copy that is made twice": lambda p: p["steps"].insert(
        2, transfer("right", 1, 2, ("left", 1), over="bus")
    ),
}
HARMFUL = {
    "another operation": lambda p: p["ops"][1].update(target="cep-core/1:neg"),
    "no wait": lambda p: p["steps"][1].pop("waits"),
    "another link": lambda p: p["steps"][1]["transfer"].update(link="other"),
    "a step less": lambda p: p["steps"].pop(),
    "a place that is used": lambda p: p["buffers"][1].update(offset="0"),
    "a place that is too small": lambda p: p["buffers"][1].update(size="64"),
    "a copy of something else": lambda p: p["steps"][1].update(reads=[0]),
    "a cycle": lambda p: p["steps"][0].update(waits=[{"queue": "right", "epoch": 2}]),
    "another device": lambda p: p["steps"][2].update(queue="left"),
    "less time": lambda p: p.update(expires_at="2026-12-01T00:00:00Z"),
    "a larger arena than there is": lambda p: p["arenas"][0].update(bytes="1048576"),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_a_harmless_change_is_proven(change):
    case = chain()
    known = descriptors(case)
    assert unproven(case.plan, changed(case.plan, change), known) == ""


@pytest.mark.parametrize("change", HARMFUL.values(), ids=HARMFUL)
def test_a_harmful_change_is_not_proven(change):
    case = chain()
    known = descriptors(case)
    assert unproven(case.plan, changed(case.plan, change), known)


def test_what_is_refused_is_not_proven_equivalent(benches):
    schedules = ("wait-dropped", "wait-shifted", "steps-swapped", "buffer-moved", "buffer-rebound")
    for name in ("fork", "full", "lattice"):
        bench = benches[name]
        for mutant in bench.mutants(schedules, seed=2, count=150):
            judgement = bench.judge(mutant)
            reason = unproven(json.loads(bench.plan), mutant.document, bench.report.descriptors)
            if judgement.verdict is Verdict.EQUIVALENT:
                assert not reason
            else:
                # To declare in place what lies apart harms nobody, and is refused all the same.
                assert reason or judgement.codes == ("CEP-M2",), (mutant.change, judgement.codes)


def test_ancestors():
    assert ancestors(fork().plan) == [0b000, 0b000, 0b011]
    assert ancestors(chain().plan) == [0b000, 0b001, 0b011]


# --- scale --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_hundred_thousand_mutants(tmp_path):
    tally = Tally()
    for bench, count in large(tmp_path):
        assert bench.report.ok
        for mutant in bench.mutants(seed=7, count=count):
            tally.add(bench.judge(mutant))
    assert tally.total() >= 100_000
    assert tally.total(Verdict.ACCEPTED) == 0, shown(tally)
    assert tally.intended_ppm >= 990_000, shown(tally)


@pytest.mark.slow
@pytest.mark.parametrize("domains", [(None, None), ("host", "host")], ids=["apart", "shared"])
def test_mutants_of_ten_captured_models(domains):
    from tests.cep.mutate.captured import captured

    tally, models = Tally(), 0
    for _, bench in captured(domains):
        assert bench.report.ok
        models += 1
        for mutant in bench.mutants(seed=11, count=500):
            tally.add(bench.judge(mutant))
    assert models == 10
    assert tally.total() >= 4000
    assert tally.total(Verdict.ACCEPTED) == 0, shown(tally)
    assert tally.intended_ppm >= 990_000, shown(tally)


@pytest.mark.slow
def test_mutants_of_architectures_that_people_run():
    from tests.cep.mutate.captured import ARCHITECTURES, architectures

    tally, models = Tally(), 0
    for name, bench in architectures((None, None)):
        assert bench.report.ok, name
        models += 1
        for mutant in bench.mutants(seed=13, count=60):
            tally.add(bench.judge(mutant))
    assert models == len(ARCHITECTURES) >= 10
    assert tally.total(Verdict.ACCEPTED) == 0, shown(tally)
    assert tally.intended_ppm >= 990_000, shown(tally)
