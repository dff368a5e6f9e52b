from __future__ import annotations

import pytest

from acp.diagnostics import Severity
from tests.cep.plans import all_of, at, buffer, errors, mutated, pipeline, run
from tests.cep.verify.cases import refused_by, test_cases


def stream(microbatches, ring_depth):
    return at("stream", {"microbatches": microbatches, "ring_depth": ring_depth})


def lag(step, *waits):
    return at(
        f"steps/{step}/waits",
        [dict(zip(("queue", "epoch", "lag"), w, strict=False)) for w in waits],
    )


CASES = {
    "no wait for those who still read": ("pipeline", at("steps/0/waits", ...), "CEP-O4"),
    "a wait for a micro-batch too early": (
        "pipeline", at("steps/0/waits/0/lag", 3), "CEP-O4",
    ),
    "more copies than micro-batches": ("pipeline", stream(1, 2), "CEP-O4"),
    "more copies than can be written out": (
        "pipeline", stream(2**32 - 1, 2**32 - 2), ("CEP-M8",),
    ),
    "one copy for what needs two": ("pipeline", stream(3, 1), "CEP-O4"),
    "a lag in a plan that is no stream": ("pipeline", at("stream", ...), "CEP-O4"),
    "a stream without the feature": ("pipeline", at("features", ...), "CEP-I4"),
    "a wait for the same micro-batch": (
        "pipeline", lag(0, ("right", 1)), "CEP-O1",
    ),
    "a wait for an epoch that a queue has not": (
        "pipeline", at("steps/0/waits/0/epoch", 9), "CEP-O2",
    ),
    "copies that do not fit": (
        "pipeline",
        all_of(stream(300, 300), at("arenas/0/bytes", "4096")),
        "CEP-M8",
    ),
    "copies beyond what is promised": (
        "pipeline",
        at("constraints/peak_bytes", [{"device": "right", "bytes": "8191"}]),
        "CEP-M8",
    ),
    "an input whose place is taken by a queue that reads none": (
        "pipeline",
        lambda case: case.plan["buffers"][0].update(offset="0", arena="left")
        or case.plan["buffers"].append(buffer("y", "left", 0))
        or case.plan["steps"].append(
            {"queue": "right", "transfer": {"link": "bus"}, "reads": [3], "writes": [4]}
        ),
        "CEP-O4",
    ),
}  # fmt: skip


@pytest.mark.parametrize(**test_cases(CASES))
def test_changed_plans_are_refused(base, change, codes):
    assert refused_by(base, change) == codes


def test_a_finding_names_micro_batches_and_points_into_the_plan():
    report = mutated("pipeline", at("steps/0/waits", ...)).verify()
    (found,) = [d for d in report.diagnostics if d.severity is Severity.ERROR]
    assert (found.code, found.path) == ("CEP-O4", "/steps/0/writes/0")
    assert found.message == (
        "in a stream, step 0 of micro-batch 2 writes bytes that step 1 of micro-batch 0 reads, and "
        "nothing orders the two"
    )


def test_a_stream_fits_when_all_its_copies_do():
    promise = {"device": "right", "bytes": "8192"}
    assert refused_by("pipeline", at("constraints/peak_bytes", [promise])) == []


@pytest.mark.parametrize(("microbatches", "depth"), [(1, 1), (2, 2), (5, 2), (2**32 - 1, 2)])
def test_as_many_micro_batches_as_one_likes(microbatches, depth):
    assert errors(mutated("pipeline", stream(microbatches, depth)).verify()) == []


def test_a_single_micro_batch_needs_no_waits_for_others():
    assert refused_by("pipeline", all_of(stream(1, 1), at("steps/0/waits", ...))) == []


def test_micro_batches_that_share_no_copy_need_no_waits_either():
    assert refused_by("pipeline", all_of(stream(2, 2), at("steps/0/waits", ...))) == []


def test_one_queue_needs_no_waits():
    case = pipeline()
    case.plan["steps"] = [run("left", [0, 1], [0], [4])]
    case.plan["buffers"].append(buffer("y", "left", 256))
    assert errors(case.verify()) == []


def test_what_cannot_be_written_out_is_refused_at_once():
    def many(case):
        case.plan["stream"] = {"microbatches": 150_000, "ring_depth": 149_999}
        case.plan["arenas"] = [
            a | {"bytes": "256", "alignment_bytes": "4"} for a in case.plan["arenas"]
        ]
        for found in case.descriptors.values():
            found["memories"][0]["capacity_bytes_per_instance"] = str(2**40)

    assert refused_by("pipeline", many) == ["CEP-O4"]
