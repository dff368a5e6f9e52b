"""The host's processor: cores, caches and NUMA nodes, from /proc and /sys (ADR 0033)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from acp.v1.capability import OperatingPoint
from reference_runtime.probe import system
from reference_runtime.probe.sources.found import Fact, Found

NODES: Final = Path("/sys/devices/system/node")


def find() -> tuple[Found, ...]:
    """Return the processor. There always is one."""
    here = system.processor()
    engines, memories, provenance = system.silicon()
    return (
        Found(
            subject=system.host_subject(system.host_id()),
            operating_point=OperatingPoint(name="default", clock_policy=here.governor or None),
            engines=engines,
            memories=memories,
            provenance=provenance,
            facts=_facts(),
        ),
    )


def _facts() -> dict[str, Fact]:
    numbers = system.usable_processors()
    packages = {
        system.text(system.CPUS / f"cpu{n}/topology/physical_package_id") or "0" for n in numbers
    }
    facts: dict[str, Fact] = {
        "packages": len(packages),
        "cores": system.processor().cores,
        "threads": len(numbers),
        "virtual": "hypervisor" in system.cpu_facts(system.text(system.CPUINFO)).get("flags", ""),
    }
    for name in ("cpuinfo_min_freq", "cpuinfo_max_freq"):
        kilohertz = system.text(system.CPUS / f"cpu{numbers[0]}/cpufreq/{name}")
        if kilohertz.isdecimal():
            facts[f"{name.split('_')[1]}_clock_hz"] = int(kilohertz) * 1000
    nodes = [
        f"{node.name}: processors {system.text(node / 'cpulist')}, {size} bytes, "
        f"distances {system.text(node / 'distance')}"
        for node in sorted(NODES.glob("node[0-9]*"))
        if (size := _node_bytes(node)) is not None
    ]
    return facts | ({"numa": nodes} if nodes else {})


def _node_bytes(node: Path) -> int | None:
    """Return the memory of a NUMA node, which the kernel gives in units of 1024 bytes."""
    for line in system.text(node / "meminfo").splitlines():
        words = line.split()
        if "MemTotal:" in words:
            return int(words[words.index("MemTotal:") + 1]) * 1024
    return None
