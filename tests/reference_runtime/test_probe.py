from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from acp.canonical import digest
from acp.rules import Context, check
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.system import SystemDescriptor
from reference_runtime import registry
from reference_runtime.commands import probe
from reference_runtime.probe import micro, system
from reference_runtime.probe.workloads import LARGE, SMALL, workloads
from reference_runtime.registry import installed
from tests.reference_runtime.test_registry import StacklessToy, found

KINDS = {
    "descriptor": CapabilityDescriptor,
    "measurement": MeasurementRecord,
    "system": SystemDescriptor,
}


def invoke(*arguments):
    return CliRunner().invoke(probe, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """Documents of one quick probe with two stacks, and the answer of the command."""
    folder = tmp_path_factory.mktemp("probe") / "made" / "here"
    names = ("--adapter", "torch-cpu", "--adapter", "openvino-cpu")
    words = ("--quick", "-o", folder, "--issuer", "example.com", "--label", "eu", "--label", "eu")
    result = invoke(*words, "--format", "json", *names)
    assert result.exit_code == 0, result.output
    documents = {}
    for path in folder.iterdir():
        name = path.name.removesuffix(".json")
        kind = KINDS[name.rpartition(".")[2]]
        documents[name] = kind.from_json(json.loads(path.read_text()))
    return json.loads(result.stdout), documents, result.stderr


def test_every_document_is_valid(probed):
    answer, documents, _ = probed
    assert answer["ok"]
    assert answer["diagnostics"] == []
    assert sorted(documents) == [
        "openvino-cpu.descriptor",
        "openvino-cpu.measurement",
        "system",
        "torch-cpu.descriptor",
        "torch-cpu.measurement",
    ]
    for document in documents.values():
        assert check(document, Context(now=datetime.now(UTC))) == ()


def test_documents_refer_to_each_other_by_digest(probed):
    _, documents, _ = probed
    for name in ("torch-cpu", "openvino-cpu"):
        descriptor, record = documents[f"{name}.descriptor"], documents[f"{name}.measurement"]
        assert record.subject_digest == digest(descriptor.subject.to_json())
        assert record.unit_id == descriptor.subject.unit_id
        cores = descriptor.engines[0].count
        assert {q.kind: q.max for q in descriptor.queues} == {"COMPUTE": cores, "COPY": cores}
        (evidence,) = [p for p in descriptor.provenance if p.basis == "MEASURED"]
        assert evidence.measurement_ref == digest(record.to_json())
        node = next(n for n in documents["system"].nodes if n.id == name)
        assert node.descriptor_digest == digest(descriptor.to_json())


def test_measured_values_are_the_records(probed):
    _, documents, _ = probed
    for name in ("torch-cpu", "openvino-cpu"):
        descriptor, record = documents[f"{name}.descriptor"], documents[f"{name}.measurement"]
        medians = {p.unit: p.p50 for p in record.points}
        fastest = max(r for p in record.points if (r := micro.rate_of(p)) is not None)
        assert descriptor.engines[0].rates[0].peak_ops_per_s == fastest >= medians["OPS_PER_S"]
        assert descriptor.memories[-1].combined_bytes_per_s == medians["BYTES_PER_S"]
        assert all(p.p5 <= p.p50 <= p.p95 for p in record.points)


def test_what_the_planner_needs_is_measured_at_two_sizes(probed):
    _, documents, _ = probed
    points = [p for p in documents["torch-cpu.measurement"].points if p.unit == "NANOSECONDS"]
    shapes = {op: {p.shape for p in points if p.op == op} for op in {p.op for p in points}}
    assert shapes.pop("call") == {(1,)}
    assert shapes.pop("cep-core/1:mm") == {(1024, 1024, 1024)}
    assert {op.removeprefix("cep-core/1:") for op in shapes} == {
        "add.Tensor", "embedding", "gelu", "linear", "native_layer_norm",
        "scaled_dot_product_attention",
    }  # fmt: skip
    assert all(len(seen) == 2 for seen in shapes.values())


def test_stacks_on_one_processor_contend_and_share_memory(probed):
    _, documents, _ = probed
    nodes = documents["system"].nodes
    assert len({n.contention_group for n in nodes}) == 1
    assert {n.labels for n in nodes} == {("eu",)}
    views = {(v.initiator, v.target): v.coherent for v in documents["system"].memory_views}
    assert views == {("torch-cpu", "openvino-cpu"): True, ("openvino-cpu", "torch-cpu"): True}
    assert documents["system"].links == ()


def test_the_answer_names_files_and_numbers(probed):
    answer, _, stderr = probed
    device = next(d for d in answer["devices"] if d["name"] == "torch-cpu")
    assert int(device["f32_ops_per_s"]) > 0
    assert device["descriptor"].endswith("here/torch-cpu.descriptor.json")
    assert "torch-cpu: " in stderr


def test_no_adapter_at_all_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "installed", tuple)
    result = invoke("-o", tmp_path)
    assert result.exit_code == 1
    assert "RUN-A2" in result.stderr
    assert "no adapter is installed" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def stackless(monkeypatch):
    """Only torch is left, and an adapter whose stack is not installed."""
    monkeypatch.setitem(sys.modules, "toys", SimpleNamespace(Toy=StacklessToy))
    (own,) = [a for a in installed() if a.name == "torch-cpu"]
    monkeypatch.setattr(registry, "installed", lambda: (found("toy", "Toy", "acp-cep"), own))


@pytest.mark.usefixtures("stackless")
def test_an_adapter_without_its_stack_is_skipped(tmp_path):
    result = invoke("-o", tmp_path, "--quick")
    assert result.exit_code == 0, result.output
    assert "skipped toy: " in result.stdout
    assert "a_package_that_is_not_installed" in result.stdout
    assert (tmp_path / "torch-cpu.descriptor.json").exists()


@pytest.mark.usefixtures("stackless")
def test_an_adapter_that_was_asked_for_is_not_skipped(tmp_path):
    result = invoke("-o", tmp_path, "--quick", "--adapter", "toy")
    assert result.exit_code == 1
    assert "RUN-A2" in result.stderr


REFUSED = {
    "unknown adapter": (("--adapter", "warp-drive"), 1, "no adapter 'warp-drive' is installed"),
    "issuer": (("--issuer", "not a domain"), 2, "is not a lower-case DNS name"),
    "validity": (("--validity-days", "0"), 2, "--validity-days"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_arguments_are_refused(tmp_path, case):
    arguments, status, message = REFUSED[case]
    result = invoke("-o", tmp_path, *arguments)
    assert result.exit_code == status
    assert message in result.stderr


def test_a_directory_that_cannot_be_made_is_said_before_anything_is_measured(tmp_path):
    (tmp_path / "file").write_text("")
    result = invoke("-o", tmp_path / "file" / "inside")
    assert result.exit_code == 1
    assert "ENV-F2" in result.stderr


WORK = {
    "cep-core/1:linear": (2 * 1024 * 1536 * 384, 4 * (1024 * (384 + 1536) + 1536 * 384 + 1536)),
    "cep-core/1:scaled_dot_product_attention": (4 * 8 * 12 * 128 * 128 * 32, 4 * 4 * 1024 * 384),
    "cep-core/1:add.Tensor": (None, 3 * 4 * 1024 * 384),
    "cep-core/1:embedding": (None, 8 * 1024 + 2 * 4 * 1024 * 384),
    "cep-core/1:native_layer_norm": (None, 2 * 4 * 1024 * 384 + 2 * 4 * 384),
}


@pytest.mark.parametrize("op", WORK)
def test_work_is_counted(op):
    workload = next(w for w in workloads() if w.op == op)
    assert (workload.operations(LARGE), workload.nbytes(LARGE)) == WORK[op]
    assert workload.nbytes(SMALL) < workload.nbytes(LARGE)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([7], 5, 7), ([1, 2, 3], 50, 2), ([1, 2, 3, 4], 50, 2), (list(range(1, 101)), 95, 95)],
)
def test_percentiles_are_values_that_were_seen(values, percent, expected):
    assert micro.percentile(values, percent) == expected


CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Some CPU @ 2.00GHz
cpu MHz\t\t: 2000.125
flags\t\t: fpu avx2 avx512f

processor\t: 1
vendor_id\t: Other
"""


@pytest.fixture
def two_cores_of_four_threads(tmp_path, monkeypatch):
    """Sysfs of two cores with two threads each, of which this process may use three."""
    for number in range(4):
        cpu = tmp_path / f"cpu{number}"
        core = number % 2
        (cpu / "topology").mkdir(parents=True)
        (cpu / "topology" / "thread_siblings_list").write_text(f"{core},{core + 2}\n")
        levels = (
            (1, "Data", "48K", core),
            (1, "Instruction", "32K", core),
            (2, "Unified", "2M", 0),
        )
        for index, (level, kind, size, shared) in enumerate(levels):
            cache = cpu / "cache" / f"index{index}"
            cache.mkdir(parents=True)
            facts = {
                "level": level, "type": kind, "size": size, "coherency_line_size": 64,
                "shared_cpu_list": shared,
            }  # fmt: skip
            for name, value in facts.items():
                (cache / name).write_text(f"{value}\n")
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    monkeypatch.setattr(system, "CPUS", tmp_path)
    monkeypatch.setattr(system, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(system, "usable_processors", lambda: [0, 1, 2])


@pytest.mark.usefixtures("two_cores_of_four_threads")
def test_the_processor_is_what_the_system_tells():
    here = system.processor.__wrapped__()
    assert (here.vendor, here.model, here.cores) == ("intel.com", "Some CPU @ 2.00GHz", 2)
    assert here.arch[1:] == tuple(f"{here.arch[0]}:{name}" for name in ("avx2", "avx512f"))
    assert here.caches == (
        system.Cache(level=1, instances=2, nbytes=48 * 1024, line_bytes=64),
        system.Cache(level=2, instances=1, nbytes=2 * 1024**2, line_bytes=64),
    )
    assert here.governor == ""
    assert system.clock_hz() == 2_000_125_000


def test_what_the_system_does_not_tell_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "CPUS", tmp_path / "none")
    monkeypatch.setattr(system, "CPUINFO", tmp_path / "none")
    here = system.processor.__wrapped__()
    assert (here.vendor, here.caches) == ("unknown.invalid", ())
    assert here.cores == len(system.usable_processors())
    assert system.clock_hz() is None


@pytest.mark.parametrize("text", ["", "K", "32KB", "-1K", "1.5M"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="is not a size"):
        system.nbytes(text)


def test_the_host_has_a_stable_name_that_gives_no_machine_id_away():
    assert system.host_id.__wrapped__() == system.host_id()
    assert len(system.host_id()) == 16
    machine = system.text(system.Path("/etc/machine-id"))
    assert not machine or machine[:8] not in system.host_id()
