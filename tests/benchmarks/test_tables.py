"""benchmarks/tables.py: the numbers in the docs are those of the committed results."""

from __future__ import annotations

import copy

import pytest

from benchmarks import tables

FOUND = tables.results()


@pytest.mark.parametrize("path", tables.files(FOUND), ids=lambda path: path.name)
def test_the_docs_say_what_the_results_say(path):
    assert path.read_text(encoding="utf-8") == tables.files(FOUND)[path], "run `make docs`"


def changed(name, change):
    found = copy.deepcopy(FOUND)
    change(found[name])
    return found


def set_ratio(result, ratio):
    for row in result["rows"]:
        row["ratio"] = ratio


def test_a_ratio_above_its_target_is_told():
    worse = changed("one_region", lambda result: set_ratio(result, 1.021))
    rows = len(worse["one_region"]["rows"])
    assert sum("direct call" in line for line in tables.misses(worse)) == rows
    assert tables.page(worse).count("1.021 (missed)") == rows


def test_a_ratio_at_its_target_is_no_miss():
    good = changed("one_region", lambda result: set_ratio(result, 1.02))
    assert not any("direct call" in line for line in tables.misses(good))


def slow_verifier(result):
    for factor, row in enumerate(result["rows"], 1):
        row["ns_per_step"] = 10_000 * factor


def test_growth_is_judged_apart_from_time():
    found = list(tables.misses(changed("verifier", slow_verifier)))
    assert sum("as long a step" in line for line in found) == len(FOUND["verifier"]["rows"]) - 1


def fast_steps(result):
    result["target_step_ns"] = result["target_receipt_ns"] = 10**9


def slow_steps(result):
    result["target_step_ns"] = result["target_receipt_ns"] = 0


def test_dispatch_and_receipts_are_judged():
    def judged(change):
        found = "\n".join(tables.misses(changed("per_step", change)))
        return "dispatch" in found, "receipt" in found

    assert judged(fast_steps) == (False, False)
    assert judged(slow_steps) == (True, True)


def test_documents_and_start_up_are_judged():
    slow = changed("documents", lambda result: result.update(target_per_s=10**9))
    assert sum("on many" in line for line in tables.misses(slow)) == 2
    late = changed("startup", lambda result: result.update(target_ratio=0))
    assert sum("Python with click" in line for line in tables.misses(late)) == len(
        FOUND["startup"]["rows"]
    )


def test_a_quick_run_says_so():
    quick = changed("startup", lambda result: result.update(quick=True))
    assert "quick run" in tables.page(quick)
    assert "quick run" in tables.overview(quick)


def test_missing_results_are_named(tmp_path):
    with pytest.raises(SystemExit, match=r"one_region.*make bench"):
        tables.results(tmp_path)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0 ns"), (999, "999 ns"), (1000, "1.00 µs"), (-1500, "-1.50 µs"), (123456789, "123 ms")],
)
def test_times(nanoseconds, text):
    assert tables.time(nanoseconds) == text


@pytest.mark.parametrize(("count", "text"), [(1023, "1023 B"), (1536, "1.50 KiB")])
def test_sizes(count, text):
    assert tables.size(count) == text
