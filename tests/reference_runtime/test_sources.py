from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from acp.diagnostics import Severity
from acp.rules import Context, check
from acp.v1.capability import CapabilityDescriptor, Operation, OperationVariant
from reference_runtime.probe import sources, system
from reference_runtime.probe.sources import SOURCES, find, intel, nvidia
from reference_runtime.probe.sources.found import Found, NothingFoundError, slug, vendor
from tests.reference_runtime import simulated_drivers as drivers

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def descriptor(found):
    """Return the descriptor that an adapter would complete the found device to."""
    engine = found.engines[0].id
    op = Operation(op="cep-core/1:mm", variants=(OperationVariant(engine=engine),))
    made = CapabilityDescriptor(
        spec="acp/1",
        uri="https://example.com/acp/unit",
        revision=1,
        issuer="example.com",
        issued_at="2026-11-01T00:00:00Z",
        expires_at="2027-01-01T00:00:00Z",
        subject=found.subject,
        operating_point=found.operating_point,
        software=found.software,
        engines=found.engines,
        memories=found.memories,
        power=found.power,
        ports=found.ports,
        partitions=found.partitions,
        ops=(op,),
        provenance=found.provenance,
    )
    return CapabilityDescriptor.from_json(made.to_json())


def errors(found):
    diagnostics = check(descriptor(found), Context(now=NOW))
    return [d for d in diagnostics if d.severity is Severity.ERROR]


@pytest.fixture
def devices(monkeypatch):
    """What each source finds on a machine that has everything; all libraries are simulated."""
    monkeypatch.setitem(sys.modules, "pynvml", drivers.nvml(mig=True))
    seen = SimpleNamespace(multi_processor_count=132, L2_cache_size=52_428_800)
    monkeypatch.setattr(nvidia, "_torch_properties", lambda _: seen)
    monkeypatch.setitem(sys.modules, "amdsmi", drivers.amd_smi())
    monkeypatch.setitem(sys.modules, "pyopencl", drivers.open_cl(drivers.cl_device()))
    monkeypatch.setattr(intel, "NODES", (system.Path("/"),))
    xpu = SimpleNamespace(
        is_available=lambda: True,
        device_count=lambda: 1,
        get_device_properties=lambda _: drivers.XPU,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(xpu=xpu, __spec__=object()))
    stack = SimpleNamespace(Core=drivers.OpenVinoCore, __spec__=object())
    monkeypatch.setitem(sys.modules, "openvino", stack)
    return {name: find(name) for name in ("cpu", "nvidia", "amd", "intel", "opencl")}


def test_what_is_found_completes_to_a_descriptor_without_errors(devices):
    for source, found in devices.items():
        for one in found:
            assert errors(one) == [], source
            assert one.subject.scope in ("UNIT", "SLICE")


def test_what_is_found_survives_the_way_between_processes(devices):
    for found in devices.values():
        for one in found:
            assert Found.from_json(one.to_json()) == one


def test_an_nvidia_gpu_is_what_its_driver_tells(devices):
    gpu, part = devices["nvidia"]
    assert gpu.unit_id == drivers.UUID
    assert gpu.subject.arch == ("cuda:sm_90",)
    assert (gpu.operating_point.power_cap_mw, gpu.operating_point.ecc) == (650_000, True)
    assert gpu.operating_point.partition_mode == "mig"
    assert (gpu.engines[0].count, gpu.engines[0].clock_hz) == (132, 1_980_000_000)
    memory, cache = gpu.memories
    assert memory.usable_bytes == 85_399_345_920
    assert memory.combined_bytes_per_s == 3_352_320_000_000
    assert cache.capacity_bytes_per_instance == 50 * 2**20
    assert (gpu.power.cap_min_mw, gpu.power.cap_max_mw) == (200_000, 700_000)
    assert gpu.power.throttle_mdegc == 87_000
    rates = {p.link_kind: (p.count, p.bytes_per_s_per_direction) for p in gpu.ports}
    assert rates == {"pcie5": (16, 16 * 3_938_461_538), "nvlink4": (18, 450_000_000_000)}
    assert gpu.partitions.counters["compute_slices"] == 7
    assert gpu.facts["untold"] == ["nvmlDeviceGetSerial: Not Supported"]
    assert (part.subject.scope, part.unit_id) == ("SLICE", "MIG-7")
    assert part.facts["parent"] == gpu.unit_id


def test_what_is_computed_is_not_said_to_be_told(devices):
    gpu, _ = devices["nvidia"]
    basis = {path: p.basis for p in gpu.provenance for path in p.paths}
    assert basis["/memories"] == basis["/power"] == "VENDOR_CLAIM"
    assert basis["/memories/0/combined_bytes_per_s"] == basis["/ports"] == "DERIVED"


def test_an_amd_gpu_is_what_its_driver_tells(devices):
    (gpu,) = devices["amd"]
    assert gpu.subject.arch == ("rocm:gfx942",)
    assert gpu.subject.part_number is None
    assert (gpu.operating_point.power_cap_mw, gpu.operating_point.partition_mode) == (
        750_000,
        "SPX",
    )
    memory, second, third = gpu.memories
    assert (memory.kind, memory.combined_bytes_per_s) == ("hbm3", 5_300_000_000_000)
    assert (second.id, second.instances, third.id) == ("l2", 8, "l3")
    assert gpu.facts["untold"] == ["no_memory_partition: not supported"]


def test_intel_devices_are_told_once_and_the_plugins_rates_are_claims(devices):
    gpu, npu = devices["intel"]
    assert (gpu.subject.device_class, gpu.memories[0].kind) == ("gpu", "dram")
    assert (npu.subject.device_class, npu.subject.arch) == ("npu", ("intel-npu:4000",))
    rates = {r.a: (r.acc, r.peak_ops_per_s) for r in npu.engines[0].rates}
    assert rates == {"f16": ("f32", 23_000 * 10**9), "ui8": ("i32", 47_000 * 10**9)}
    assert {p.basis for p in npu.provenance} == {"VENDOR_CLAIM"}


def test_an_opencl_device_has_its_maker_and_its_place(devices):
    (gpu,) = devices["opencl"]
    assert (gpu.subject.vendor, gpu.subject.device_class) == ("nvidia.com", "gpu")
    assert gpu.unit_id.endswith(":pci:65:00.0")
    assert [m.role for m in gpu.memories] == ["CACHE", "DEVICE"]
    assert gpu.software[0].version_range == "==580.65.06"


def test_opencl_kinds_are_told_apart(monkeypatch):
    changed = (
        drivers.cl_device(type=2, host_unified_memory=1),
        drivers.cl_device(type=8, global_mem_cache_type=0, vendor_id=0x1234),
    )
    monkeypatch.setitem(sys.modules, "pyopencl", drivers.open_cl(*changed))
    cpu, accelerator = find("opencl")
    assert (cpu.subject.device_class, cpu.memories[-1].role) == ("cpu", "SHARED")
    assert cpu.subject.vendor == system.processor().vendor
    assert accelerator.subject.device_class == "khronos.org/accelerator"
    assert accelerator.subject.vendor == "pci-1234.invalid"


def failing(module, name, error):
    setattr(module, name, lambda *_: (_ for _ in ()).throw(error))
    return module


NOTHING = {
    "no nvidia driver": ("nvidia", "pynvml", "NVML Shared Library Not Found"),
    "no nvidia gpu": ("nvidia", "pynvml", "lists no device"),
    "no nvidia library": ("nvidia", "pynvml", "pip install 'acp-cep[probe]'"),
    "no amd driver": ("amd", "amdsmi", "does not answer: no driver"),
    "no amd library": ("amd", "amdsmi", "comes with ROCm"),
    "no opencl driver": ("opencl", "pyopencl", "PLATFORM_NOT_FOUND_KHR"),
    "no opencl device": ("opencl", "pyopencl", "see no device: Empty"),
}


@pytest.mark.parametrize("case", NOTHING)
def test_nothing_is_found_for_a_reason(monkeypatch, case):
    source, package, reason = NOTHING[case]
    library = {
        "no nvidia driver": failing(
            drivers.nvml(), "nvmlInit", drivers.NVMLError("NVML Shared Library Not Found")
        ),
        "no nvidia gpu": drivers.nvml(count=0),
        "no amd driver": failing(
            drivers.amd_smi(), "amdsmi_init", drivers.AmdSmiException("no driver")
        ),
        "no opencl driver": failing(
            drivers.open_cl(), "get_platforms", drivers.ClError("PLATFORM_NOT_FOUND_KHR")
        ),
        "no opencl device": drivers.open_cl(),
    }.get(case)
    monkeypatch.setitem(sys.modules, package, library)
    with pytest.raises(NothingFoundError) as nothing:
        find(source)
    assert reason in str(nothing.value)


def test_intel_is_not_asked_where_the_kernel_shows_no_device(monkeypatch, tmp_path):
    monkeypatch.setattr(intel, "NODES", (tmp_path / "dri",))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(NothingFoundError, match="shows neither GPU nor NPU"):
        find("intel")


def test_the_simulated_nvml_has_the_names_and_numbers_of_the_real_one():
    real = pytest.importorskip("pynvml")
    for name, value in vars(drivers.nvml()).items():
        if name.lower().startswith("nvml"):
            assert hasattr(real, name), name
            counts = ("NVML_GPU_INSTANCE_PROFILE_COUNT", "NVML_NVLINK_MAX_LINKS")
            if isinstance(value, int) and name not in counts:
                assert getattr(real, name) == value, name


def test_numa_nodes_and_clocks_of_the_processor_are_told(monkeypatch, tmp_path):
    from reference_runtime.probe.sources import cpu

    node = tmp_path / "node0"
    node.mkdir()
    (node / "cpulist").write_text("0-3\n")
    (node / "distance").write_text("10 21\n")
    (node / "meminfo").write_text("Node 0 MemTotal:       1024 kB\n")
    clocks = tmp_path / "cpu0/cpufreq"
    clocks.mkdir(parents=True)
    (clocks / "cpuinfo_max_freq").write_text("3700000\n")
    monkeypatch.setattr(cpu, "NODES", tmp_path)
    monkeypatch.setattr(system, "CPUS", tmp_path)
    monkeypatch.setattr(system, "usable_processors", lambda: [0])
    facts = cpu.find()[0].facts
    assert facts["numa"] == ["node0: processors 0-3, 1048576 bytes, distances 10 21"]
    assert facts["max_clock_hz"] == 3_700_000_000
    assert "min_clock_hz" not in facts


def test_every_source_is_a_module_with_a_question():
    for name in SOURCES:
        assert callable(__import__(f"{sources.__name__}.{name}", fromlist=["find"]).find)


def test_names_are_made_fit_for_ids():
    assert (slug("NVIDIA CUDA (R)"), slug("…")) == ("nvidia-cuda-r", "unnamed")
    assert (vendor(0x8086), vendor(0xBEEF)) == ("intel.com", "pci-beef.invalid")


@pytest.mark.parametrize("source", ["opencl", "webgpu"])
def test_a_real_driver_on_this_machine_is_described(source):
    from reference_runtime.probe.inventory import ask

    (answer,) = ask([source])
    if not answer.found:
        pytest.skip(answer.nothing)
    for one in answer.found:
        assert one.subject.model
        assert one.provenance[0].basis == "VENDOR_CLAIM"
        if one.memories:
            assert errors(one) == []


@pytest.mark.gpu
@pytest.mark.parametrize("source", ["nvidia", "amd", "intel"])
def test_a_real_gpu_is_described(source):
    from reference_runtime.probe.inventory import ask

    (answer,) = ask([source])
    if not answer.found:
        pytest.skip(answer.nothing)
    for one in answer.found:
        assert errors(one) == []
        assert one.engines[0].count
