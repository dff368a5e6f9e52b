from __future__ import annotations

import time

import pytest

from tests.cep.plans import (
    Case,
    all_of,
    at,
    buffer,
    chain,
    descriptor,
    errors,
    fork,
    mutated,
    op,
    plan,
    run,
    transfer,
    value,
)
from tests.cep.verify.cases import refused_by, test_cases


def line(reuse):
    """y = relu(neg(abs(x))) in three steps on one queue; the third buffer is at offset `reuse`."""
    members = plan(
        ("left",),
        values=[
            value("x", "IN", "b", "4"),
            value("p", "TEMP", "b", "4"),
            value("q", "TEMP", "b", "4"),
            value("y", "OUT", "b", "4"),
        ],
        ops=[op("abs", ["x"], "p"), op("neg", ["p"], "q"), op("relu", ["q"], "y")],
        buffers=[
            buffer("x", "left", 0),
            buffer("p", "left", 128),
            buffer("q", "left", reuse),
            buffer("y", "left", 384),
        ],
        steps=[
            run("left", [0], [0], [1]),
            run("left", [1], [1], [2]),
            run("left", [2], [2], [3]),
        ],
    )
    return Case(members, {"left": descriptor("left")})


def small_memory(size, **more):
    def change(case):
        for name in case.descriptors:
            made = descriptor(name, "host")
            made["memories"][0] |= {"capacity_bytes_per_instance": str(size), **more}
            case.descriptors[name] = made

    return change


def second_queue(case):
    """The device has a second queue, and the step that reads h for y runs on it, unordered."""
    case.plan["queues"].append({"id": "more", "device": "left", "kind": "COMPUTE"})


CASES = {
    # M1
    "a buffer smaller than its value": ("fork", at("buffers/1/size", "127"), "CEP-M1"),
    "a buffer beyond its arena": ("fork", at("buffers/3/offset", "4032"), "CEP-M1"),
    "an offset that wraps": ("fork", at("buffers/3/offset", str(2**64 - 64)), "CEP-M1"),
    "an offset that is not aligned": ("fork", at("buffers/3/offset", "260"), "CEP-M1"),
    "an alignment that is no power of two": (
        "fork", all_of(at("arenas/0/alignment_bytes", "96"), at("buffers/1/offset", "192"),
                       at("buffers/3/offset", "384")), "CEP-M1",
    ),
    "an arena aligned less than its elements": (
        "fork", at("arenas/0/alignment_bytes", "2"), "CEP-M1",
    ),
    "an arena in no memory": ("fork", at("arenas/0/memory", "rom"), ("CEP-M1", "CEP-O6")),
    "a symbol that grows beyond the buffer": ("fork", at("symbols/0/max", "9"), "CEP-M1"),
    # M2
    "a result over an operand": ("fork", at("buffers/3/offset", "128"), "CEP-M2"),
    "a result over half an operand": ("fork", at("buffers/3/offset", "192"), "CEP-M2"),
    "a copy onto itself": (
        "fork", lambda case: case.plan["steps"].append(transfer("left", 0, 0)), "CEP-M2",
    ),
    # M3
    "no wait for what another queue makes": (
        "fork", at("steps/2/waits", ...), ("CEP-M3", "CEP-M4"),
    ),
    "two queues that write the same bytes": (
        "fork", at("buffers/2", buffer("n", "left", 128)), ("CEP-M3", "CEP-M5"),
    ),
    "a write over what another queue still reads": (
        "fork", at("buffers/1", buffer("a", "left", 64)),
        ("CEP-M2",),
    ),
    # M4
    "a wait for too early an epoch": (
        "chain",
        all_of(at("queues/2", {"id": "idle", "device": "left", "kind": "COPY"}),
               at("buffers/4", buffer("x", "left", 256)),
               lambda case: case.plan["steps"].insert(0, transfer("idle", 0, 4)),
               at("steps/2/waits", [{"queue": "idle", "epoch": 1}])),
        ("CEP-M3", "CEP-M4"),
    ),
    "a read from a place that nobody fills": (
        "fork",
        all_of(at("buffers/4", buffer("n", "left", 384)), at("steps/2/reads", [1, 4])),
        "CEP-M4",
    ),
    "a copy of what is not there yet": (
        "chain", lambda case: case.plan["steps"].insert(0, transfer("left", 1, 1)),
        ("CEP-M2",),
    ),
    # M6
    "an output that a later step overwrites": (
        "fork",
        all_of(at("buffers/4", buffer("a", "left", 256)),
               lambda case: case.plan["steps"].append(transfer("left", 1, 4))),
        "CEP-M6",
    ),
    # M7
    "a copy over a constant": (
        "chain",
        all_of(at("buffers/4", buffer("w", "left", 256, 64)),
               at("buffers/5", buffer("w", "left", 320, 64)),
               lambda case: case.plan["steps"].append(transfer("left", 4, 5))),
        "CEP-M7",
    ),
    "a result over a constant": (
        "chain",
        all_of(at("buffers/4", buffer("w", "left", 128, 64))),
        "CEP-M7",
    ),
    # M3: what is there from the start
    "two inputs in one place": (
        "fork",
        all_of(at("values/4", value("x2", "IN", "b", "4")),
               at("inputs/1", {"name": "x2", "value": "x2"}),
               at("buffers/4", buffer("x2", "left", 64))),
        "CEP-M3",
    ),
    # M8
    "an arena larger than the memory": ("fork", at("arenas/0/bytes", "1048576"), "CEP-M8"),
    "two arenas that are too large together": (
        "fork", all_of(at("arenas/0/bytes", "500000"), at("arenas/1/bytes", "500000")), "CEP-M8",
    ),
    "no room for the reserve": ("fork", small_memory(8192), "CEP-M8"),
    "less usable memory than there is": (
        "fork", small_memory(1 << 20, usable_bytes="8192"), "CEP-M8",
    ),
    "more than is promised": (
        "fork", at("constraints/peak_bytes", [{"device": "left", "bytes": "4095"}]), "CEP-M8",
    ),
    "weights beyond what is promised": (
        "chain", at("constraints/peak_bytes", [{"device": "left", "bytes": "4159"}]), "CEP-M8",
    ),
    "the second promise is broken": (
        "fork",
        at("constraints/peak_bytes", [{"device": "left", "bytes": "4096"},
                                      {"device": "left", "bytes": "1"}]),
        "CEP-M8",
    ),
}  # fmt: skip


@pytest.mark.parametrize(**test_cases(CASES))
def test_changed_plans_are_refused(base, change, codes):
    assert refused_by(base, change) == codes


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ("fork", small_memory(9000)),
        ("fork", at("constraints/peak_bytes", [{"device": "left", "bytes": "4096"}])),
        ("chain", at("constraints/peak_bytes", [{"device": "left", "bytes": "4160"}])),
    ],
    ids=["memory", "promise", "promise with weights"],
)
def test_what_fits_exactly_is_accepted(base, change):
    assert refused_by(base, change) == []


def test_memory_is_reused_after_the_last_read():
    assert line(256).verify().ok
    assert line(0).verify().ok, "x was read for the last time before q is written"


def test_memory_is_not_reused_before_the_last_read():
    case = line(0)
    case.plan["steps"][2]["reads"] = [0, 2]
    case.plan["ops"][2] = op("add.Tensor", ["q", "x"], "y", alpha={"integer": "1"})
    assert errors(case.verify()) == ["CEP-M5"]


def test_reuse_across_queues_needs_a_wait():
    case = line(0)
    case.plan["queues"].append({"id": "more", "device": "left", "kind": "COMPUTE"})
    first = run("more", [0], [0], [1])
    second = run("left", [1], [1], [2], ("more", 1))
    case.plan["steps"][:2] = [first, second]
    assert case.verify().ok
    second.pop("waits")
    assert errors(case.verify()) == ["CEP-M3", "CEP-M4"]


def test_a_late_reader_forbids_reuse_without_order():
    case = fork()
    case.plan["buffers"][1] = buffer("a", "right", 128)
    case.plan["buffers"][3] = buffer("y", "left", 0)
    case.plan["steps"][2].pop("waits")
    case.plan["ops"][2] = op("abs", ["a"], "y")
    case.plan["steps"][2]["reads"] = [1]
    case.plan["values"][2]["role"] = "OUT"
    case.plan["outputs"].append({"name": "n", "value": "n"})
    # y overwrites x, which step 1 on the other queue may still be reading.
    assert errors(case.verify()) == ["CEP-M3"]
    case.plan["steps"][2]["waits"] = [{"queue": "right", "epoch": 1}]
    assert case.verify().ok


# --- in place -------------------------------------------------------------------------------------


def in_place(target="add.Tensor", **changes):
    case = fork()
    case.plan["buffers"][3] = buffer("y", "left", 128) | {"in_place_of": 1}
    if target != "add.Tensor":
        case.plan["ops"][2] = op(target, ["a", "n"], "y")
    for path, new in changes.items():
        at(path.replace("__", "/"), new)(case)
    return case


def test_a_pointwise_result_may_take_the_place_of_its_operand():
    assert in_place().verify().ok
    assert in_place("maximum").verify().ok


IN_PLACE = {
    "of another operand": {"buffers__3__in_place_of": 2},
    "of an unrelated buffer": {"buffers__3__in_place_of": 0},
    "at another offset": {"buffers__3": buffer("y", "left", 192) | {"in_place_of": 1}},
}


@pytest.mark.parametrize("changes", IN_PLACE.values(), ids=IN_PLACE)
def test_in_place_must_be_exact(changes):
    assert errors(in_place(**changes).verify()) == ["CEP-M2"]


def test_in_place_of_what_a_contraction_reads_is_refused():
    case = chain()
    case.plan["values"][0]["shape"] = ["b", "4"]
    case.plan["buffers"][1] = buffer("h", "left", 0) | {"in_place_of": 0}
    assert errors(case.verify()) == ["CEP-M2"]


def test_in_place_of_what_two_ops_read_is_refused():
    case = fork()
    case.plan["steps"] = [run("left", [0, 1, 2], [0], [3])]
    case.plan["buffers"][3] = buffer("y", "left", 0) | {"in_place_of": 0}
    assert errors(case.verify()) == ["CEP-M2"]


def test_in_place_of_what_a_later_op_of_the_region_makes_is_refused():
    case = line(256)
    case.plan["steps"] = [run("left", [0, 1, 2], [0], [3])]
    case.plan["buffers"][3] = buffer("y", "left", 0) | {"in_place_of": 0}
    assert errors(case.verify()) == ["CEP-M2"]


def test_in_place_of_another_type_is_refused():
    case = fork()
    case.plan["ops"][2] = op("eq.Tensor", ["a", "n"], "y")
    case.plan["values"][3]["dtype"] = "i1"
    case.plan["buffers"][3] = buffer("y", "left", 128) | {"in_place_of": 1}
    assert errors(case.verify()) == ["CEP-M2"]


def test_in_place_of_what_is_read_again_is_refused():
    case = in_place()
    case.plan["ops"].append(op("neg", ["a"], "z"))
    case.plan["values"].append(value("z", "OUT", "b", "4"))
    case.plan["outputs"].append({"name": "z", "value": "z"})
    case.plan["buffers"].append(buffer("z", "left", 512))
    case.plan["steps"].append(run("left", [3], [1], [4]))
    assert errors(case.verify()) == ["CEP-M5"]


def test_what_is_there_from_the_start_is_not_called_a_step():
    case = fork()
    case.plan["values"].append(value("x2", "IN", "b", "4"))
    case.plan["inputs"].append({"name": "x2", "value": "x2"})
    case.plan["buffers"].insert(0, buffer("x2", "left", 0))
    for step in case.plan["steps"]:
        step.update({member: [b + 1 for b in step[member]] for member in ("reads", "writes")})
    messages = [d.message for d in case.verify().diagnostics if d.code == "CEP-M5"]
    assert messages
    assert set(messages) == {"what is there from the start has overwritten 'x' with 'x2'"}


# --- hostile sizes --------------------------------------------------------------------------------


def nested(count):
    """Many buffers that all overlap, and as many reads of them."""
    case = fork()
    case.plan["arenas"][0]["bytes"] = str(64 * count + 65536)
    base = 4096
    for n in range(count):
        start = base + 64 * n
        case.plan["buffers"].append(buffer("n", "left", start, base + 64 * count + 128 - start))
    case.plan["steps"] += [transfer("left", 2, 4 + n, ("right", 1)) for n in range(count)]
    case.descriptors = {
        n: descriptor(n, "host", memories=[
            descriptor(n, "host")["memories"][0] | {"capacity_bytes_per_instance": str(2**40)}
        ]) for n in ("left", "right")
    }  # fmt: skip
    return case


def test_ten_thousand_nested_buffers_are_refused_in_bounded_time():
    case = nested(10_000)
    case.seal()
    case.sealed = False
    began = time.process_time()
    report = case.verify()
    assert errors(report) == ["CEP-M3"]
    assert "too many pieces" in report.diagnostics[0].message
    assert time.process_time() - began < 60


def test_a_thousand_nested_buffers_are_judged():
    assert nested(1000).verify().ok


def test_too_many_pairs_of_operands_are_refused():
    def change(case):
        case.plan["buffers"] += [buffer("x", "left", 512) for _ in range(2900)]
        everything = list(range(4, 2904))
        case.plan["steps"].append(
            {"queue": "left", "transfer": {}, "reads": everything, "writes": everything}
        )

    report = mutated("fork", change).verify()
    assert "CEP-M2" in errors(report)
    assert any("pairs of operands" in d.message for d in report.diagnostics)


def test_findings_are_few_however_much_is_wrong():
    def change(case):
        for _ in range(3000):
            case.plan["steps"].append(transfer("right", 1, 2))
            case.plan["steps"].append(transfer("left", 2, 1))

    report = mutated("fork", change).verify()
    assert not report.ok
    assert len(report.diagnostics) <= 1000
