from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from acp.canonical import digest
from acp.cli import main
from acp.diagnostics import Refused
from acp.holdings import Holdings
from acp.rules import Context, check
from acp.v1.capability import CapabilityDescriptor, Memory, Provenance, Rate
from acp.v1.measurement import MeasurementPoint, MeasurementRecord
from reference_runtime import registry
from reference_runtime.measure import claims, command, jobs, operations, present, products
from reference_runtime.measure.jobs import Job, Seen, UnmeasurableError, carry_out, sweep
from reference_runtime.probe.documents import Header, probed
from reference_runtime.probe.micro import Measured
from tests.reference_runtime.simulated import SimulatedAdapter
from tests.reference_runtime.test_registry import found

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class Clock:
    """A clock that shows what it is told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def point(op, p50, unit, **members):
    return MeasurementPoint(op=op, n=5, p50=p50, unit=unit, **members)


def job(name, clock=None, takes=0.0, points=1, error=None):
    def measure(seconds):
        measure.share = seconds
        for _ in range(points):
            if clock:
                clock.now += takes
            yield point(name, 1, "NANOSECONDS")
        if error:
            raise error

    return Job(name, measure)


def test_every_job_is_measured_or_skipped_with_a_reason():
    clock = Clock()
    all_jobs = [
        job("first", clock, takes=6),
        job("refused", error=Refused.because("RUN-A3", "not an op of this device")),
        job("impossible", error=UnmeasurableError("no compiler")),
        job("broken", error=ZeroDivisionError("1/0")),
        job("second", clock, takes=6),
        job("late", clock),
    ]
    seen = carry_out(all_jobs, 10.0, clock=clock)
    names = [p.op for p in seen.points]
    assert names == ["first", "refused", "impossible", "broken", "second"]
    assert seen.skipped == {
        "refused": "not an op of this device",
        "impossible": "no compiler",
        "broken": "it fails: ZeroDivisionError: 1/0",
        "late": "the time of 10 s was used up",
    }
    assert not seen.interrupted


def test_what_was_measured_before_an_interrupt_is_kept():
    seen = carry_out([job("one"), job("two", points=2, error=KeyboardInterrupt()), job("three")], 9)
    assert [p.op for p in seen.points] == ["one", "two", "two"]
    assert seen.interrupted
    assert seen.skipped == {"two": "interrupted", "three": "interrupted"}


def test_time_that_a_job_does_not_need_is_left_to_the_others():
    clock = Clock()
    quick, slow = job("quick", clock, takes=1), job("slow", clock)
    carry_out([quick, slow], 10.0, clock=clock)
    assert (quick.measure.share, slow.measure.share) == (5.0, 9.0)


def test_a_sweep_ends_before_a_size_that_would_not_fit():
    clock = Clock()

    def sample(size, effort):
        clock.now += size * effort.calls
        return [size * 10**9] * effort.calls

    sizes = [size for size, _ in sweep([1, 2, 4, 8], lambda n: n, 30.0, sample, clock)]
    assert sizes == [1, 2]
    assert [s for s, _ in sweep([1, 2], lambda n: n, 0.0, sample, clock)] == [1]


def device(name="sim"):
    return SimulatedAdapter(name).describe()[0]


def describe(one=None, **changes):
    """Return the descriptor of a simulated device."""
    header = Header("example.com", NOW, timedelta(days=30))
    nothing = Measured((point("call", 1, "NANOSECONDS"),), ())
    made = probed("sim", one or device(), nothing, header).descriptor.replace(**changes)
    return CapabilityDescriptor.from_json(made.to_json())


def test_what_an_adapter_claims_is_multiplied_through_it():
    (only,) = products.products(device())
    assert (only.op, only.a, only.reached) == ("cep-core/1:mm", "f32", True)


def test_torch_multiplies_more_than_plans_reach():
    from reference_runtime.registry import load

    torch = load("torch-cpu", allowed={"acp-cep"}).describe()[0]
    rows = {(p.op, p.a): (p.acc, p.out, p.reached) for p in products.products(torch)}
    assert rows["cep-core/1:mm", "f16"] == ("f32", "f16", True)
    assert rows["aten:mm", "bf16"] == ("f32", "bf16", False)
    assert rows["aten:_int_mm", "i8"] == ("i32", "i32", False)
    points = [
        p
        for one in products.jobs(load("torch-cpu", allowed={"acp-cep"}), torch, 0)
        for p in one.measure(0.0)
    ]
    assert {(p.op, *p.dtypes) for p in points} == {(o, d, d) for o, d in rows}
    assert all(p.operations == 2 * 64**3 and p.shape == (64, 64, 64) for p in points)


def test_operations_grow_and_are_timed_through_the_adapter():
    adapter = SimulatedAdapter("sim")
    by_name = {j.name: j for j in operations.jobs(adapter, adapter.describe()[0], 0)}
    points = list(by_name["time of cep-core/1:relu"].measure(1.0))
    assert [p.shape[1] for p in points[:3]] == [1, 4, 16]
    assert {p.unit for p in points} == {"NANOSECONDS"}
    with pytest.raises(Refused, match=r"cep-core/1:exp"):
        list(by_name["time of cep-core/1:exp"].measure(1.0))


def test_every_operation_that_is_timed_is_known_once():
    names = [w.op for w in operations.workloads()]
    assert len(names) == len(set(names)) > 15


MM = products.Product("cep-core/1:mm", "f32", "f32", "f32", reached=True)
INT = products.Product("aten:_int_mm", "i8", "i32", "i32", reached=False)
SEEN = (
    point("cep-core/1:mm", 2 * 10**9, "OPS_PER_S", dtypes=("f32", "f32")),
    point("cep-core/1:linear", 100, "NANOSECONDS", dtypes=("f32",) * 3, operations=300),
    point("aten:_int_mm", 5 * 10**9, "OPS_PER_S", dtypes=("i8", "i8")),
    point("cep-core/1:add.Tensor", 9, "BYTES_PER_S", dtypes=("f32", "f32")),
    point("mem:ram.read", 20, "BYTES_PER_S", shape=(8,)),
    point("mem:ram.read", 30, "BYTES_PER_S", shape=(16,)),
    point("mem:ram.triad", 40, "BYTES_PER_S", shape=(8,)),
    point("mem:ram.latency", 5_550, "NANOSECONDS", operations=100),
)


def compare(descriptor, points=SEEN, multiplied=(MM, INT)):
    return claims.claims(descriptor.engines, descriptor.memories, multiplied, points)


def test_claims_are_set_beside_the_best_that_was_seen():
    rows = {c.path: (c.stated, c.measured, len(c.points)) for c in compare(describe())}
    assert rows == {
        "/engines/0/rates/0": (10**9, 3 * 10**9, 2),
        "/engines/0/rates/1": (None, 5 * 10**9, 1),
        "/memories/0/read_bytes_per_s": (None, 30, 2),
        "/memories/0/combined_bytes_per_s": (None, 40, 4),
        "/memories/0/latency_ns": (None, 56, 1),
    }


def test_a_row_with_other_sums_or_sparsity_is_not_what_was_measured():
    one = device()
    rows = one.engines[0].rates[0]
    others = (rows.replace(sparsity="2:4"), rows.replace(acc="f64"))
    engine = one.engines[0].replace(rates=others)
    found_ = claims.claims([engine], [], (MM,), SEEN)
    assert [(c.stated, c.measured) for c in found_] == [
        (10**9, None),
        (10**9, None),
        (None, 3 * 10**9),
    ]


def recorded(descriptor, points=SEEN):
    """Return the descriptor that adopts the points, and the records of them."""
    from reference_runtime.measure.records import Circumstances, records

    circumstances = Circumstances(
        "sim",
        descriptor.subject,
        device(),
        Header("lab.example", NOW, timedelta(days=9)),
        "OPERATOR",
        {"seed": 7},
    )
    found_ = compare(descriptor, points)
    made = list(records(circumstances, points, found_))
    references = {m.about: digest(m.record.to_json()) for m in made}
    new = claims.adopted(descriptor, found_, (MM, INT), references)
    return CapabilityDescriptor.from_json(new.to_json()), [m.record for m in made]


def codes(descriptor, records):
    held = Holdings.of(records)
    return {d.code for d in check(descriptor, Context(now=NOW, held=held))}


def test_records_say_what_they_are_about_and_how_they_came_about():
    _, records = recorded(describe())
    assert [r.claim_path for r in records] == [
        None,
        "/memories/0/read_bytes_per_s",
        "/memories/0/combined_bytes_per_s",
    ]
    for record in records:
        read = MeasurementRecord.from_json(record.to_json())
        assert read.subject_digest == digest(device().subject.to_json())
        assert read.method.parameters == {"seed": 7}
        assert "numba" in {s.component for s in read.environment.software}
        assert codes(read, ()) == set()
    assert [p.p50 for p in records[1].points] == [20, 30]


def test_what_was_measured_surpasses_a_claim_until_it_is_adopted():
    before = describe()
    after, records = recorded(before)
    assert "ACP-V02" in codes(before, records)
    assert codes(after, records).isdisjoint({"ACP-V01", "ACP-V02", "ACP-V03", "ACP-I03"})
    assert [r.peak_ops_per_s for r in after.engines[0].rates] == [3 * 10**9, 5 * 10**9]
    assert [r.exposed for r in after.engines[0].rates] == [None, False]
    assert (after.memories[0].read_bytes_per_s, after.memories[0].latency_ns) == (30, 56)


def test_a_claim_that_was_not_reached_stays():
    high = describe()
    rate = high.engines[0].rates[0].replace(peak_ops_per_s=10**18)
    high = high.replace(engines=(high.engines[0].replace(rates=(rate,)),))
    after, records = recorded(high)
    assert after.engines[0].rates[0].peak_ops_per_s == 10**18
    assert {"ACP-V03"} <= codes(after, records)


def test_a_value_has_one_source_after_it_was_adopted():
    old = "sha256:" + "0" * 64
    entry = Provenance(
        paths=("/engines/0/rates", "/memories/0/read_bytes_per_s"),
        basis="MEASURED",
        measurement_ref=old,
    )
    before = describe()
    before = before.replace(
        memories=(before.memories[0].replace(read_bytes_per_s=7),),
        provenance=(*before.provenance, entry),
    )
    after, records = recorded(before)
    measured = {path: p.measurement_ref for p in after.provenance for path in p.paths}
    references = {r.claim_path: digest(r.to_json()) for r in records}
    assert old not in measured.values()
    assert measured["/engines/0/rates/0"] == references[None]
    path = "/memories/0/read_bytes_per_s"
    assert measured[path] == references[path]
    assert codes(after, records).isdisjoint({"ACP-V01", "ACP-I01", "ACP-I03"})


def test_only_the_unit_and_its_software_are_measured():
    here = [present.Present("sim", SimulatedAdapter("sim"), device())]
    assert present.the_one(here, describe()).name == "sim"
    with pytest.raises(Refused, match=r"RUN-D1.*present are: sim: Simulated sim"):
        present.the_one(here, describe(device("other")))
    newer = SimulatedAdapter("sim", version="2.0").describe()[0]
    with pytest.raises(Refused, match=r"RUN-D2.*simulator 1\.0 is here"):
        present.the_one(here, describe(newer))


def test_a_unit_is_measured_for_the_descriptor_of_its_model():
    here = [present.Present("sim", SimulatedAdapter("sim"), device())]
    subject = device().subject.replace(scope="MODEL", unit_id=None)
    assert present.the_one(here, describe(subject=subject)).name == "sim"
    other = subject.replace(model="Another")
    with pytest.raises(Refused, match="RUN-D1"):
        present.the_one(here, describe(subject=other))


def test_torch_uses_the_cores_that_the_engine_counts():
    import torch

    from reference_runtime.registry import load

    one = load("torch-cpu", allowed={"acp-cep"}).describe()[0]
    before = torch.get_num_threads()
    torch.set_num_threads(1 if one.engines[0].count > 1 else 2)
    try:
        with present.all_cores(one) as threads:
            assert threads == one.engines[0].count == torch.get_num_threads()
        assert torch.get_num_threads() != threads
    finally:
        torch.set_num_threads(before)
    gpu = device()
    gpu = SimpleNamespace(subject=gpu.subject.replace(device_class="gpu"))
    with present.all_cores(gpu) as threads:
        assert threads is None


class Toy(SimulatedAdapter):
    def __init__(self):
        super().__init__("toy")


@pytest.fixture
def toy(monkeypatch):
    """Only a simulated device is here, driven by the adapter `toy`."""
    monkeypatch.setitem(sys.modules, "toys", SimpleNamespace(Toy=Toy))
    monkeypatch.setattr(registry, "installed", lambda: (found("toy", "Toy", "acp-cep"),))
    return Toy().describe()[0]


def measure(*words, status=0):
    done = CliRunner().invoke(main, ["measure", *map(str, words), "--format", "json"])
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def write(path, document):
    path.write_text(json.dumps(document.to_json()))
    return path


RATES = ("--only", "rates", "--budget", "0.1")


def claiming(one, rate):
    """Return a descriptor of a device that claims an f32 rate."""
    made = describe(one)
    row = made.engines[0].rates[0].replace(peak_ops_per_s=rate)
    now = datetime.now(UTC)
    times = {
        "issued_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expires_at": (now + timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return made.replace(engines=(made.engines[0].replace(rates=(row,)),), **times)


VERDICTS = {
    "a claim that is surpassed": (1, 1, "ACP-V02", "surpassed (ACP-V02)"),
    "a claim that is out of reach": (2**62, 0, "ACP-V03", "far from reached (ACP-V03)"),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_claims_are_judged(tmp_path, toy, case):
    rate, status, code, verdict = VERDICTS[case]
    file = write(tmp_path / "d.json", claiming(toy, rate))
    answer = measure(file, "-o", tmp_path, *RATES, status=status)
    assert [(d["code"], d["file"]) for d in answer["diagnostics"]] == [(code, str(file))]
    (claim,) = answer["claims"]
    assert (claim["stated"], claim["verdict"]) == (str(rate), verdict)
    assert claim["path"] == "/engines/0/rates/0"


def test_the_next_revision_claims_what_was_measured(tmp_path, toy):
    before = claiming(toy, 1)
    file = write(tmp_path / "d.json", before)
    answer = measure(file, "-o", tmp_path, *RATES, "--adopt", tmp_path / "new.json")
    assert answer["diagnostics"] == []
    after = CapabilityDescriptor.from_json(json.loads((tmp_path / "new.json").read_text()))
    assert (after.revision, after.supersedes) == (before.revision + 1, digest(before.to_json()))
    assert str(after.engines[0].rates[0].peak_ops_per_s) == answer["claims"][0]["measured"]


def test_a_device_is_measured_without_a_descriptor(tmp_path, toy):
    answer = measure("--device", "toy", "-o", tmp_path / "new", *RATES, "--seed", "3")
    (written,) = answer["records"]
    record = MeasurementRecord.from_json(
        json.loads((tmp_path / "new/toy.measured.json").read_text())
    )
    assert written["digest"] == digest(record.to_json())
    assert (record.unit_id, record.issuer) == (toy.unit_id, "example.local")
    assert record.method.parameters == {"seed": 3, "budget_ms": 100, "threads": 1}
    assert answer["claims"][0]["verdict"] in ("ok", "surpassed (ACP-V02)")


def test_memories_of_a_device_that_is_no_processor_are_not_measured():
    from reference_runtime.measure import hierarchy

    one = device()
    gpu = SimpleNamespace(subject=one.subject.replace(device_class="gpu"), memories=one.memories)
    seen = carry_out(hierarchy.jobs(gpu, 0), 1.0)
    assert seen.points == []
    assert "host's processor only" in seen.skipped["memory hierarchy"]


def test_an_interrupted_measurement_is_written_and_said(tmp_path, toy, monkeypatch):
    def pressed(*_):
        return [job("one", error=KeyboardInterrupt()), job("two")]

    monkeypatch.setattr(products, "jobs", pressed)
    answer = measure("--device", "toy", "-o", tmp_path, *RATES, status=1)
    assert [d["code"] for d in answer["diagnostics"]] == ["RUN-M1"]
    assert answer["interrupted"]
    assert answer["not_measured"] == {"one": "interrupted", "two": "interrupted"}
    record = json.loads((tmp_path / f"{toy.unit_id[4:]}.measured.json").read_text())
    assert len(record["points"]) == 1


@pytest.mark.usefixtures("toy")
def test_nothing_measured_is_an_error_that_says_why(tmp_path, monkeypatch):
    def hopeless(*_):
        return [Job("one", lambda _: iter(())), job("two", points=0, error=UnmeasurableError("no"))]

    monkeypatch.setattr(products, "jobs", hopeless)
    answer = measure("--device", "toy", "-o", tmp_path, *RATES, status=1)
    (said,) = answer["diagnostics"]
    assert said["code"] == "RUN-M2"
    assert "two: no" in said["message"]
    assert list(tmp_path.iterdir()) == []


USAGE = {
    "nothing to measure": ((), "give a DESCRIPTOR, or --device"),
    "nothing to revise": (("--device", "toy", "--adopt", "x.json"), "--adopt needs a DESCRIPTOR"),
    "no time": (("--device", "toy", "--budget", "0"), "--budget"),
    "no such family": (("--device", "toy", "--only", "luck"), "--only"),
    "no picture": (("--device", "toy", "--plot", "x.txt"), "must end with .svg"),
}


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_is_said_before_anything_is_measured(case):
    words, reason = USAGE[case]
    done = CliRunner().invoke(main, ["measure", *words])
    assert done.exit_code == 2
    assert reason in done.stderr


@pytest.mark.usefixtures("toy")
def test_what_is_no_descriptor_is_refused(tmp_path):
    _, records = recorded(describe())
    answer = measure(write(tmp_path / "r.json", records[0]), "-o", tmp_path, status=1)
    assert answer["diagnostics"][0]["code"] == "ENV-S3"
    answer = measure("--device", "warp", "-o", tmp_path, status=1)
    assert answer["diagnostics"][0]["code"] == "RUN-A2"


@pytest.mark.usefixtures("toy")
def test_a_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    words = ("--device", "toy", "-o", tmp_path, *RATES)
    first = measure(*words, "--plot", tmp_path / "x.svg")
    assert first["plot"].endswith("x.svg")
    assert (tmp_path / "x.svg").read_text().startswith("<?xml")
    measure(*words, "--plot", tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_curves_of_the_picture_are_the_points():
    from reference_runtime.measure.drawing import bandwidths, rates

    assert bandwidths(SEEN[4:7]) == {"read": [(64, 2e-8), (128, 3e-8)], "triad": [(64, 4e-8)]}
    square = SEEN[0].replace(shape=(64, 64, 64))
    assert rates((square, SEEN[1])) == {"f32 (cep-core/1:mm)": [(64, 2.0)]}


def test_the_whole_way_from_a_probe_to_evidence(tmp_path):
    """Probe, measure, sign, and validate the descriptor with its records, as people do it."""
    runner = CliRunner()

    def acp(*words):
        done = runner.invoke(main, [*map(str, words), "--format", "json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    devices = tmp_path / "devices"
    acp("keygen", "-o", tmp_path / "lab.pem")
    words = ("--quick", "--adapter", "torch-cpu", "--source", "cpu", "--issuer", "example.com")
    acp("probe", "-o", devices, *words)
    adopted = tmp_path / "adopted.json"
    answer = acp(
        "measure", devices / "torch-cpu.descriptor.json", "-o", devices, "--budget", "3",
        "--adopt", adopted, "--key", tmp_path / "lab.pem",
    )  # fmt: skip
    assert all(r["file"].endswith(".measured.dsse.json") for r in answer["records"])
    assert answer["claims"][0]["verdict"] != "not measured"
    signed = tmp_path / "torch-cpu.dsse.json"
    acp("sign", adopted, "--key", tmp_path / "lab.pem", "-o", signed)
    verdict = acp("validate", signed, "--with", devices)
    assert [d["code"] for d in verdict["diagnostics"] if d["severity"] == "error"] == []
    # Without the records, what is said to be measured is not verified by the ones that are left.
    for record in answer["records"][:1]:
        (devices / record["file"]).unlink()
    done = runner.invoke(main, ["validate", str(signed), "--with", str(devices)])
    assert done.exit_code == 1
    assert "ACP-V01" in done.stderr


def test_a_job_that_yields_nothing_is_no_failure():
    assert carry_out([Job("empty", lambda _: iter(()))], 1.0) == Seen()


def test_the_smallest_sample_is_taken_whatever_the_time():
    assert jobs.ROUGH.calls >= 5


def test_claims_of_a_cache_are_its_two_directions():
    cache = Memory(id="l1", kind="sram", role="CACHE", instances=1, capacity_bytes_per_instance=1)
    seen = (
        point("mem:l1.write", 5, "BYTES_PER_S", shape=(8,)),
        point("mem:l1.triad", 9, "BYTES_PER_S", shape=(8,)),
    )
    engine = device().engines[0].replace(rates=())
    found_ = claims.claims([engine], [cache], (), seen)
    assert [(c.path, c.measured) for c in found_] == [("/memories/0/write_bytes_per_s", 5)]


def test_a_row_of_rates_is_adopted_as_it_was_measured():
    after, _ = recorded(describe())
    assert after.engines[0].rates[1] == Rate(
        a="i8", b="i8", acc="i32", out="i32", sparsity="dense", peak_ops_per_s=5 * 10**9,
        exposed=False,
    )  # fmt: skip


def test_the_command_names_every_family():
    assert set(command.FAMILIES) == {"rates", "operations", "memory"}
