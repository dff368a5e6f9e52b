from __future__ import annotations

import os
import sys
import threading

import numpy as np
import pytest

from acp.v1.capability import Memory
from reference_runtime.measure import hierarchy
from reference_runtime.measure.crew import Crew
from reference_runtime.measure.hierarchy import cores, cycle, working_sets
from reference_runtime.measure.jobs import carry_out
from reference_runtime.probe import system
from reference_runtime.probe.system import host_device, usable_processors

KIB, MIB = 2**10, 2**20


def memory(name, size, instances=1, role="CACHE", level=None, usable=None):
    return Memory(
        id=name, kind="sram" if role == "CACHE" else "dram", role=role, level=level,
        instances=instances, capacity_bytes_per_instance=size, usable_bytes=usable,
    )  # fmt: skip


def sets(*memories):
    return {m.id: s for m, s in working_sets(memories)}


def test_working_sets_fit_one_level_and_not_the_one_before():
    made = sets(
        memory("dram", 64 * 2**30, role="SHARED"),
        memory("l2", MIB, 2, level=2),
        memory("l1", 32 * KIB, 2, level=1),
        memory("l3", 32 * MIB, level=3),
    )
    assert list(made) == ["l1", "l2", "l3", "dram"]
    assert made["l1"] == (16 * KIB, 32 * KIB, 48 * KIB)
    assert made["l2"] == (512 * KIB, MIB, 3 * MIB // 2)
    caches = 64 * KIB + 2 * MIB + 32 * MIB
    assert made["dram"] == (4 * caches, 8 * caches)


def test_a_cache_that_is_hidden_by_the_one_before_is_left_out():
    made = sets(memory("l1", 64 * KIB, 8, level=1), memory("l2", 512 * KIB, level=2))
    assert list(made) == ["l1"]


def test_a_working_set_leaves_memory_for_others():
    caches = memory("l3", 256 * MIB, level=3)
    assert sets(caches, memory("dram", 4 * 2**30, role="SHARED"))["dram"] == (2**30,)
    assert "dram" not in sets(caches, memory("dram", 2**30, role="SHARED"))


def test_one_processor_of_each_core_works(monkeypatch, tmp_path):
    for number, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        folder = tmp_path / f"cpu{number}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings)
    monkeypatch.setattr(hierarchy, "CPUS", tmp_path)
    assert cores([0, 1, 2, 3]) == (0, 1)
    assert cores([2, 3]) == (2, 3)


def test_a_crew_works_at_the_same_time_each_on_its_processor():
    processors = usable_processors()[:2]
    meeting = threading.Barrier(len(processors), timeout=20)
    where = []

    def work():
        meeting.wait()
        where.append(tuple(os.sched_getaffinity(0)))

    with Crew(processors) as crew:
        assert len(crew) == len(processors)
        assert crew.run([work] * len(crew)) > 0
    assert sorted(where) == [(number,) for number in processors]
    assert not any(thread.is_alive() for thread in crew._threads)


def test_a_crew_tells_what_failed_and_goes_on():
    with Crew(usable_processors()[:1]) as crew:
        with pytest.raises(ZeroDivisionError):
            crew.run([lambda: 1 // 0])
        assert crew.run([lambda: None]) >= 0


def test_a_crew_ends_with_its_context():
    with pytest.raises(KeyboardInterrupt), Crew(usable_processors()[:1]) as crew:
        raise KeyboardInterrupt
    assert not any(thread.is_alive() for thread in crew._threads)


def test_a_cycle_leads_once_through_every_line():
    links, start = cycle(64 * 100, 64, seed=3)
    seen, at = [], start
    for _ in range(100):
        seen.append(int(at))
        at = links[at]
    assert at == start
    assert sorted(seen) == list(range(0, 800, 8))
    again, _ = cycle(64 * 100, 64, seed=3)
    assert np.array_equal(again, links)
    other, _ = cycle(64 * 100, 64, seed=4)
    assert not np.array_equal(other, links)


@pytest.fixture
def loops():
    pytest.importorskip("numba")
    from reference_runtime.measure import loops

    return loops


def test_loops_do_what_they_are_named_for(loops):
    a = np.array([1, 2, 4], dtype=np.int64)
    b = np.array([10, 20, 30], dtype=np.int64)
    assert loops.read(a, 1) == (1 ^ 2 ^ 4) + 1
    assert loops.read(a, 2) == ((((1 ^ 2 ^ 4) + 1) ^ 1) ^ 2 ^ 4) + 1
    out = np.zeros(3, np.int64)
    loops.write(out, 3)
    assert out.tolist() == [2, 3, 4]
    loops.copy(a, out, 2)
    assert out.tolist() == [1 ^ 1, 2 ^ 1, 4 ^ 1]
    loops.triad(a, b, out, 3)
    assert out.tolist() == [21, 42, 64]
    links, start = cycle(64 * 10, 64, seed=0)
    assert loops.chase(links, start, 10) == start
    assert loops.chase(links, start, 1) == links[start]


def test_every_level_of_this_processor_is_measured(loops):  # noqa: ARG001 - needs Numba
    here = host_device("sim", (), lambda _: ())
    small = tuple(m for m in here.memories if m.level == 1)
    one = type(here)(here.subject, here.operating_point, here.software, here.engines, small, (), ())
    if not small:
        pytest.skip("the system tells of no caches")
    points = [point for job in hierarchy.jobs(one, 0) for point in job.measure(0.0)]
    name = small[0].id
    assert {p.op for p in points} == {
        f"mem:{name}.{kind}" for kind in ("read", "write", "copy", "triad", "latency")
    }
    for point in points:
        assert point.p5 <= point.p50 <= point.p95
        assert point.n >= 5
        if point.unit == "BYTES_PER_S":
            total = small[0].instances * small[0].capacity_bytes_per_instance
            assert 8 * point.shape[0] <= total
            assert point.bytes >= 8 * point.shape[0]


def test_without_numba_the_levels_are_not_measured_and_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    seen = carry_out(hierarchy.jobs(host_device("sim", (), lambda _: ()), 0), 1.0)
    assert seen.points == []
    assert "pip install 'acp-cep[measure]'" in seen.skipped["memory hierarchy"]


def test_the_processor_is_found_by_its_caches():
    assert [m.role for m in system.silicon()[1]][-1] == "SHARED"
