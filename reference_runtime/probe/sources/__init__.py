"""Where devices can be found: one source for each library that can tell of some.

A source finds devices, or says why it found none: nothing is passed over in silence. Each is asked
in a process of its own (`inventory`), since a driver that crashes or hangs must not take the probe
with it. What a source returns is `Found`: the members of a descriptor that are known without
running anything.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from reference_runtime.probe.sources.found import Found, NothingFoundError

SOURCES: Final[Mapping[str, str]] = {
    "cpu": "the host's processor, as the kernel describes it",
    "nvidia": "NVIDIA GPUs, through NVML (nvidia-ml-py) and torch",
    "amd": "AMD GPUs, through AMD SMI (amdsmi) and torch",
    "intel": "Intel GPUs and NPUs, through torch and OpenVINO",
    "opencl": "devices of any maker with an OpenCL driver (pyopencl)",
    "webgpu": "devices with a Vulkan, Metal or DirectX 12 driver (wgpu)",
}
"""The sources, each a module of this package, and what it finds."""

EXTRA: Final = frozenset({"pynvml", "pyopencl", "wgpu"})
"""Packages that the extra ``probe`` installs."""


def find(source: str) -> Sequence[Found]:
    """Ask a source in this process.

    Raises:
        NothingFoundError: It finds no device; the message says why.
    """
    module = importlib.import_module(f"{__name__}.{source}")
    question: Callable[[], Sequence[Found]] = module.find
    try:
        found = question()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = "; install it with: pip install 'acp-cep[probe]'" if package in EXTRA else ""
        raise NothingFoundError(f"the package {package!r} is not installed{extra}") from error
    if not found:
        raise NothingFoundError("the library works and lists no device")
    return found
