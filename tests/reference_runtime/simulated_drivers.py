"""Drivers' libraries, simulated: no GPU is needed, and none was asked for what they answer.

Names, arguments and units are those of the libraries; the values are made up to look like an H100,
an MI300X and a laptop. `test_sources` holds the names against the real libraries where those are
installed.
"""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

GPU, SLICE = "a gpu", "a slice"
UUID = "GPU-0f1e2d3c-0000-0000-0000-000000000001"


class NVMLError(Exception):
    pass


def nvml(*, count=1, mig=False):
    """Return what stands for the module `pynvml`."""
    made = ModuleType("pynvml")
    answers = {
        "NVMLError": NVMLError,
        "NVML_CLOCK_SM": 1,
        "NVML_CLOCK_MEM": 2,
        "NVML_DEVICE_MIG_ENABLE": 1,
        "NVML_FEATURE_ENABLED": 1,
        "NVML_GPU_INSTANCE_PROFILE_COUNT": 3,
        "NVML_NVLINK_MAX_LINKS": 18,
        "NVML_TEMPERATURE_THRESHOLD_SLOWDOWN": 1,
        "nvmlMemory_v2": 0x02000028,
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: "580.65.06",
        "nvmlDeviceGetCount": lambda: count,
        "nvmlDeviceGetHandleByIndex": lambda _: GPU,
        "nvmlDeviceGetUUID": lambda h: UUID if h == GPU else "MIG-7",
        "nvmlDeviceGetName": lambda h: "NVIDIA X100" + (" MIG 1g.10gb" if h == SLICE else ""),
        "nvmlDeviceGetBoardPartNumber": lambda _: "900-21010",
        "nvmlDeviceGetCudaComputeCapability": lambda _: (9, 0),
        "nvmlDeviceGetMigMode": lambda _: (int(mig), int(mig)),
        "nvmlDeviceGetMaxMigDeviceCount": lambda _: 7,
        "nvmlDeviceGetMigDeviceHandleByIndex": lambda _, i: SLICE if i == 2 else refused(),
        "nvmlDeviceGetAttributes_v2": lambda _: SimpleNamespace(
            multiprocessorCount=16,
            gpuInstanceSliceCount=1,
            computeInstanceSliceCount=1,
            memorySizeMB=9728,
        ),
        "nvmlDeviceGetMemoryInfo": lambda _, version: SimpleNamespace(
            version=version, total=85_899_345_920, reserved=500_000_000, free=0, used=0
        ),
        "nvmlDeviceGetMemoryBusWidth": lambda _: 5120,
        "nvmlDeviceGetMaxClockInfo": lambda _, clock: {1: 1980, 2: 2619}[clock],
        "nvmlDeviceGetEccMode": lambda _: (1, 0),
        "nvmlDeviceGetEnforcedPowerLimit": lambda _: 650_000,
        "nvmlDeviceGetPowerManagementLimitConstraints": lambda _: [200_000, 700_000],
        "nvmlDeviceGetTemperatureThreshold": lambda _, __: 87,
        "nvmlDeviceGetMaxPcieLinkGeneration": lambda _: 5,
        "nvmlDeviceGetMaxPcieLinkWidth": lambda _: 16,
        "nvmlDeviceGetPciInfo": lambda _: SimpleNamespace(busId="00000000:65:00.0"),
        "nvmlDeviceGetSerial": lambda _: refused(),
        "nvmlDeviceGetNumGpuCores": lambda _: 16896,
        "nvmlDeviceGetNvLinkState": lambda _, link: int(link < 18),
        "nvmlDeviceGetNvLinkVersion": lambda _, __: 6,
        "nvmlDeviceGetGpuInstanceProfileInfo": lambda _, i: profile(i),
        **{
            f"NVML_NVLINK_VERSION_{name}": number
            for number, name in enumerate(("1_0", "2_0", "2_2", "3_0", "3_1", "4_0", "5_0"), 1)
        },
    }
    for name, answer in answers.items():
        setattr(made, name, answer)
        if callable(answer) and name.startswith("nvml"):
            answer.__name__ = name
    return made


def refused():
    raise NVMLError("Not Supported")


def profile(index):
    sizes = {0: (b"1g.10gb", 1, 9728, 16), 1: (b"7g.80gb", 7, 80896, 132)}
    if index not in sizes:
        refused()
    name, slices, megabytes, units = sizes[index]
    return SimpleNamespace(
        name=name, sliceCount=slices, memorySizeMB=megabytes, multiprocessorCount=units
    )


class AmdSmiException(Exception):
    pass


def amd_smi():
    """Return what stands for the module `amdsmi`, as its version 7.0 is documented."""
    made = ModuleType("amdsmi")
    kinds = {4: SimpleNamespace(name="HBM3")}
    answers = {
        "AmdSmiException": AmdSmiException,
        "AmdSmiVramType": kinds.__getitem__,
        "AmdSmiMemoryType": SimpleNamespace(VRAM=0),
        "AmdSmiClkType": SimpleNamespace(GFX=0),
        "amdsmi_init": lambda: None,
        "amdsmi_shut_down": lambda: None,
        "amdsmi_get_processor_handles": lambda: [GPU],
        "amdsmi_get_gpu_asic_info": lambda _: {
            "market_name": "AMD Instinct X300",
            "num_compute_units": 304,
            "target_graphics_version": "gfx942",
        },
        "amdsmi_get_gpu_device_uuid": lambda _: "abcd-0001",
        "amdsmi_get_gpu_device_bdf": lambda _: "0000:0c:00.0",
        "amdsmi_get_gpu_board_info": lambda _: {"model_number": "N/A"},
        "amdsmi_get_gpu_vram_info": lambda _: {
            "vram_type": 4,
            "vram_size": 196_592,
            "vram_max_bandwidth": 5300,
        },
        "amdsmi_get_gpu_memory_total": lambda *_: 206_141_652_992,
        "amdsmi_get_power_cap_info": lambda _: {
            "power_cap": 750_000_000,
            "min_power_cap": 0,
            "max_power_cap": 750_000_000,
        },
        "amdsmi_get_gpu_driver_info": lambda _: {"driver_version": "6.12.12"},
        "amdsmi_get_pcie_info": lambda _: {
            "pcie_static": {"max_pcie_width": 16, "pcie_interface_version": 5}
        },
        "amdsmi_get_gpu_cache_info": lambda _: {
            "cache": [
                cache(3, 262_144, 1, ["DATA_CACHE"]),
                cache(1, 64, 2, ["INST_CACHE"]),
                cache(2, 4096, 8, ["DATA_CACHE"]),
            ]
        },
        "amdsmi_get_gpu_ecc_enabled": lambda _: 7,
        "amdsmi_get_clock_info": lambda *_: {"max_clk": 2100},
        "amdsmi_get_gpu_compute_partition": lambda _: "SPX",
        "amdsmi_get_gpu_memory_partition": no_memory_partition,
    }
    for name, answer in answers.items():
        setattr(made, name, answer)
    return made


def no_memory_partition(_):
    raise AmdSmiException("not supported")


def cache(level, kilobytes, instances, properties):
    return {
        "cache_level": level,
        "cache_size": kilobytes,
        "num_cache_instance": instances,
        "cache_properties": properties,
    }


XPU = SimpleNamespace(
    name="Intel(R) Arc(TM) X",
    driver_version="1.6.33578",
    gpu_subslice_count=32,
    total_memory=16 * 2**30,
    is_integrated_gpu=False,
    uuid=bytes(range(16)),
)
"""What torch tells of an XPU."""


class OpenVinoCore:
    """What stands for `openvino.Core` on a laptop whose GPU torch has described already."""

    available_devices = ("CPU", "GPU", "NPU")
    properties = {  # noqa: RUF012 - never written
        "GPU": {"DEVICE_UUID": bytes(range(16)).hex()},
        "NPU": {
            "FULL_DEVICE_NAME": "Intel(R) AI Boost",
            "DEVICE_ARCHITECTURE": "4000",
            "DEVICE_GOPS": {"f16": 23_000.5, "u8": 47_000.0, "f32": 0.0, "i4": 1.0},
            "NPU_DEVICE_TOTAL_MEM_SIZE": 2**34,
            "NPU_DRIVER_VERSION": "32005",
            "OPTIMIZATION_CAPABILITIES": ["FP16", "INT8"],
        },
    }

    def get_property(self, device, question):
        if question == "SUPPORTED_PROPERTIES":
            return list(self.properties[device])
        return self.properties[device][question]


class ClError(Exception):
    pass


def open_cl(*devices):
    """Return what stands for the module `pyopencl`, with a platform that has these devices."""
    made = ModuleType("pyopencl")
    platform = SimpleNamespace(name="NVIDIA CUDA", get_devices=lambda: list(devices))
    empty = SimpleNamespace(name="Empty", get_devices=no_device)
    made.Error = ClError
    made.device_type = SimpleNamespace(CPU=2, GPU=4, ACCELERATOR=8)
    made.device_mem_cache_type = SimpleNamespace(NONE=0)
    made.get_platforms = lambda: [empty, platform] if devices else [empty]
    return made


def no_device():
    raise ClError("DEVICE_NOT_FOUND")


def cl_device(**changes):
    facts = {
        "name": "X100",
        "type": 4,
        "vendor_id": 0x10DE,
        "version": "OpenCL 3.0 CUDA",
        "driver_version": "580.65.06",
        "extensions": "cl_khr_fp64 cl_nv_device_attribute_query",
        "max_mem_alloc_size": 2**34,
        "error_correction_support": 1,
        "max_compute_units": 132,
        "max_clock_frequency": 1980,
        "global_mem_size": 2**36,
        "global_mem_cache_size": 4_325_376,
        "global_mem_cacheline_size": 128,
        "global_mem_cache_type": 2,
        "mem_base_addr_align": 4096,
        "host_unified_memory": 0,
        "pci_bus_id_nv": 0x65,
        "pci_slot_id_nv": 0,
    }
    return SimpleNamespace(**facts | changes)
