"""Systems of the described devices: a server, a divided GPU, a laptop and a slice of a pod.

They are of no unit in particular: examples of whole systems, and data to plan for. A descriptor of
a system has no provenance, so that what its links follow from stands in an extension.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from acp.canonical import digest
from acp.v1.capability import Port
from acp.v1.system import Endpoint, Link, Node, Switch, SystemDescriptor
from schemas.devices import amd, google, laptops, lunar_lake, nvidia, slices
from schemas.devices.book import ISSUER, Device, layout
from schemas.devices.tables import PCIE_LANE

_ISSUED: Final = "2026-11-01T00:00:00Z"
_EXPIRES: Final = "2036-11-01T00:00:00Z"
_GB: Final = 10**9
_NVLINK: Final = 25 * _GB
_ICI: Final = 100 * _GB
_X16: Final = 16 * PCIE_LANE["pcie5"]
_XGMI: Final = 64 * _GB
"""One link between sockets, 16 lanes at 32 Gb/s."""


@dataclass(frozen=True, slots=True)
class System:
    """What is known of a system.

    Attributes:
        name: Names the file: ``systems/hgx-h100``.
        sources: Where its shape and its rates can be read.
        revision: Counts changes of the published descriptor.
    """

    name: str
    nodes: tuple[Node, ...]
    sources: tuple[str, ...]
    switches: tuple[Switch, ...] = ()
    links: tuple[Link, ...] = ()
    revision: int = 1

    def text(self) -> str:
        """Return the descriptor as JSON for people, whose canonical form has its identity."""
        document = SystemDescriptor(
            spec="acp/1",
            uri=f"https://{ISSUER}/reference/{self.name}",
            revision=self.revision,
            issuer=ISSUER,
            issued_at=_ISSUED,
            expires_at=_EXPIRES,
            nodes=self.nodes,
            switches=self.switches,
            links=self.links,
            extensions={ISSUER: {"sources": list(self.sources)}},
        )
        return layout(SystemDescriptor.from_json(document.to_json()).to_json()) + "\n"


def _digest(device: Device) -> str:
    return digest(json.loads(device.text()))


def _both_ways(
    name: str, a: Endpoint, b: Endpoint, kind: str, rate: int, *, count: int | None = None
) -> Link:
    """Return a link that is as fast in one direction as in the other."""
    host = kind == "host-memory"
    return Link(
        id=name,
        a=a,
        b=b,
        kind=kind,
        count=count,
        a_to_b_bytes_per_s=rate,
        b_to_a_bytes_per_s=rate,
        p2p="HOST_MEDIATED" if host else "DIRECT",
    )


def _port(name: str, kind: str, count: int, rate: int) -> Port:
    return Port(id=name, link_kind=kind, count=count, bytes_per_s_per_direction=count * rate)


def _server() -> System:
    """Return eight H100 at four NVSwitches, with two processors and four PCI Express switches."""
    gpu, cpu = _digest(nvidia.H100), _digest(amd.EPYC_9654)
    lane = PCIE_LANE["pcie5"]
    # Of its 18 links, a GPU has 5 to each of two switches, and 4 to each of the others.
    spread = (5, 4, 4, 5)
    nodes = [Node(id=f"cpu{i}", descriptor_digest=cpu, numa_node=i) for i in range(2)]
    nodes += [Node(id=f"gpu{i}", descriptor_digest=gpu, numa_node=i // 4) for i in range(8)]
    switches = [
        Switch(
            id=f"nvswitch{s}",
            ports=tuple(_port(f"gpu{g}", "nvlink4", spread[s], _NVLINK) for g in range(8)),
        )
        for s in range(4)
    ]
    switches += [
        Switch(
            id=f"pcie{s}",
            ports=tuple(_port(name, "pcie5", 16, lane) for name in ("up", "down0", "down1")),
        )
        for s in range(4)
    ]
    links = [
        _both_ways(
            f"gpu{g}-nvswitch{s}",
            Endpoint(node=f"gpu{g}", port="nvlink"),
            Endpoint(node=f"nvswitch{s}", port=f"gpu{g}"),
            "nvlink4",
            spread[s] * _NVLINK,
            count=spread[s],
        )
        for g, s in product(range(8), range(4))
    ]
    links += [
        _both_ways(
            f"gpu{g}-pcie{g // 2}",
            Endpoint(node=f"gpu{g}", port="pcie"),
            Endpoint(node=f"pcie{g // 2}", port=f"down{g % 2}"),
            "pcie5",
            _X16,
            count=16,
        )
        for g in range(8)
    ]
    links += [
        _both_ways(
            f"cpu{s // 2}-pcie{s}",
            Endpoint(node=f"cpu{s // 2}", port=f"pcie{s % 2}"),
            Endpoint(node=f"pcie{s}", port="up"),
            "pcie5",
            _X16,
            count=16,
        )
        for s in range(4)
    ]
    sockets = Endpoint(node="cpu0"), Endpoint(node="cpu1")
    links.append(_both_ways("cpu0-cpu1", *sockets, "infinity-fabric", 3 * _XGMI, count=3))
    return System(
        name="systems/hgx-h100",
        nodes=tuple(nodes),
        switches=tuple(switches),
        links=tuple(links),
        sources=(
            "https://developer.nvidia.com/blog/introducing-nvidia-hgx-h100-an-accelerated-server-platform-for-ai-and-high-performance-computing/",
            "https://developer.nvidia.com/blog/upgrading-multi-gpu-interconnectivity-with-the-third-generation-nvidia-nvswitch/",
            "https://www.amd.com/content/dam/amd/en/documents/epyc-technical-docs/white-papers/221704010-B_en_4th-Gen-AMD-EPYC-Processor-Architecture%E2%80%94White-Paper_pdf.pdf",
        ),
    )


def _divided() -> System:
    """Return one H100 in a partition of three sevenths and four of one, and its processor."""
    small, large = map(_digest, slices.SLICES)
    parts = {"mig0": large, **{f"mig{i}": small for i in range(1, 5)}}
    nodes = [Node(id="cpu", descriptor_digest=_digest(amd.EPYC_9654))]
    nodes += [
        Node(id=name, descriptor_digest=part, unit_id="gpu0", pcie="0000:65:00.0")
        for name, part in parts.items()
    ]
    up = _both_ways(
        "cpu-gpu0",
        Endpoint(node="cpu", port="pcie0"),
        Endpoint(node="gpu0", port="up"),
        "pcie5",
        _X16,
        count=16,
    )
    inside = [
        _both_ways(f"gpu0-{name}", Endpoint(node="gpu0"), Endpoint(node=name), "pcie5", _X16)
        for name in parts
    ]
    return System(
        name="systems/h100-mig",
        nodes=tuple(nodes),
        switches=(Switch(id="gpu0", ports=(_port("up", "pcie5", 16, PCIE_LANE["pcie5"]),)),),
        links=(up, *inside),
        sources=(
            "https://docs.nvidia.com/datacenter/tesla/mig-user-guide/supported-mig-profiles.html",
        ),
    )


def _laptop() -> System:
    """Return processor, GPU and neural processor of one package, which share its memory."""
    devices = {"cpu": lunar_lake.CPU, "gpu": lunar_lake.GPU, "npu": laptops.LUNAR_LAKE}
    rate = laptops.LUNAR_LAKE.memories[0].combined_bytes_per_s or 0
    return System(
        name="systems/lunar-lake-laptop",
        nodes=tuple(
            Node(id=name, descriptor_digest=_digest(device)) for name, device in devices.items()
        ),
        links=tuple(
            _both_ways(
                f"cpu-{name}", Endpoint(node="cpu"), Endpoint(node=name), "host-memory", rate
            )
            for name in ("gpu", "npu")
        ),
        sources=(
            "https://www.tomshardware.com/tech-industry/manufacturing/intels-lunar-lake-cpus-to-use-on-package-samsung-lpddr5x-memory",
            "https://techpowerup.com/review/intel-lunar-lake-technical-deep-dive/3.html",
        ),
    )


def _torus(x: int, y: int, z: int) -> Iterator[tuple[str, str, str]]:
    """Yield each link of a torus: its name, and the two chips."""
    for place in product(range(x), range(y), range(z)):
        for axis, size in enumerate((x, y, z)):
            other = list(place)
            other[axis] = (place[axis] + 1) % size
            yield f"{_chip(*place)}-{'xyz'[axis]}", _chip(*place), _chip(*other)


def _chip(x: int, y: int, z: int) -> str:
    return f"chip{x}{y}{z}"


def _pod() -> System:
    """Return one cube of a v5p pod: 64 chips in a torus of 4 × 4 × 4, four of them at a host."""
    chip = _digest(google.V5P)
    return System(
        name="systems/tpu-v5p-4x4x4",
        nodes=tuple(
            Node(id=_chip(x, y, z), descriptor_digest=chip, host=f"host{x // 2}{y // 2}{z}")
            for x, y, z in product(range(4), repeat=3)
        ),
        links=tuple(
            _both_ways(
                name,
                Endpoint(node=a, port="ici"),
                Endpoint(node=b, port="ici"),
                "ici",
                _ICI,
                count=1,
            )
            for name, a, b in _torus(4, 4, 4)
        ),
        sources=("https://docs.cloud.google.com/tpu/docs/v5p",),
    )


SYSTEMS: Final = (_server(), _divided(), _laptop(), _pod())
